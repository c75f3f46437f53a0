"""Where a command's text goes: the terminal, a pipe, or a file."""

from __future__ import annotations

import sys
from pathlib import Path

import click
from rich.console import Console
from rich.markdown import Markdown

from flashdrill.errors import ConfigError
from flashdrill.report.wording import printable

PLAIN_WIDTH = 120
"""Columns of a rendered text that nobody's terminal limits."""

output_option = click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write to this file instead of the terminal.",
)


def put(text: str, output: Path | None = None) -> None:
    """Print the text, or write the file and say so. Raises ConfigError when it cannot be written."""
    if output is None:
        click.echo(text.rstrip("\n"))
        return
    try:
        output.write_text(text.rstrip("\n") + "\n", encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            f"cannot be written: {error.strerror}", path=output, remedy="choose another file"
        ) from error
    click.echo(f"wrote {output}", err=True)


def rendered(markdown: str, *, width: int = PLAIN_WIDTH) -> str:
    """Markdown as plain text for people: tables drawn, no colours."""
    console = Console(width=width, no_color=True, force_terminal=False, highlight=False)
    with console.capture() as captured:
        console.print(Markdown(printable(markdown)))
    return "\n".join(line.rstrip() for line in captured.get().splitlines())


def put_markdown(markdown: str, output: Path | None = None) -> None:
    """Print Markdown as a terminal shows it best; a pipe or a file gets plain text."""
    if output is None and sys.stdout.isatty():
        Console(highlight=False).print(Markdown(printable(markdown)))
    else:
        put(rendered(markdown), output)
