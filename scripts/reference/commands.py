"""cli.md: every command with its options, and the exit codes."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Iterator

import click

from flashdrill.cli.main import main
from flashdrill.report.tables import table

EXIT_CODES = (
    ("0", "pass; for commands other than `run`: done"),
    ("1", "fail: an invariant is violated, or a gate failed on a valid stage"),
    (
        "2",
        "wrong usage or configuration: file, line and what was expected; nothing was started",
    ),
    (
        "3",
        "inconclusive: the run cannot tell (the generator lagged, a fault was not proven, final reads are missing)",
    ),
    ("4", "the stack could not run: what to do is said, nothing is left running"),
    ("130", "interrupted, after healing"),
)


def lines() -> Iterator[str]:
    """The page."""
    yield "# Command line"
    yield ""
    yield "What each command says with `--help`."
    yield ""
    yield "## Exit codes"
    yield ""
    yield from table(("exit code", "meaning"), EXIT_CODES)
    for name, command in commands(main, "flashdrill"):
        yield from _section(name, command)


def commands(group: click.Group, name: str) -> Iterator[tuple[str, click.Command]]:
    """Every command that does something, by its whole name."""
    for word, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, f"{name} {word}")
        else:
            yield f"{name} {word}", command


def _section(name: str, command: click.Command) -> Iterator[str]:
    context = click.Context(command, info_name=name)
    yield f"## {name}"
    yield ""
    yield "```text"
    yield f"{name} {' '.join(command.collect_usage_pieces(context))}"
    yield "```"
    yield ""
    yield from inspect.cleandoc(command.help or "").splitlines()
    yield ""
    options = [p for p in command.params if isinstance(p, click.Option)]
    if options:
        yield from table(("option", "default", "meaning"), (_row(o, context) for o in options))
    yield from _epilog(command)


def _row(option: click.Option, context: click.Context) -> tuple[str, str, str]:
    names = ", ".join(f"`{name}`" for name in (*option.opts, *option.secondary_opts))
    value = "" if option.is_flag else f" {option.make_metavar(context)}"
    default = option.default if option.show_default else None
    more = f" Also `{option.envvar}` in the environment." if option.envvar else ""
    return f"{names}{value}", "–" if default is None else f"`{default}`", f"{option.help}{more}"


def _epilog(command: click.Command) -> Iterator[str]:
    """What stands below the options: examples and notes, as they are."""
    for paragraph in inspect.cleandoc(command.epilog or "").split("\n\n"):
        text = paragraph.strip()
        if text.startswith("\b"):
            head, _, rest = text.removeprefix("\b").strip().partition("\n")
            yield from (head, "", "```text", textwrap.dedent(rest), "```", "")
        elif text:
            yield from (" ".join(text.split()), "")
