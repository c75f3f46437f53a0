"""`flashdrill report`: what a run has found, printed, made again, or opened."""

from __future__ import annotations

import sys
import webbrowser
from pathlib import Path

import click

from flashdrill.cli.completing import complete_run
from flashdrill.cli.output import output_option, put, put_markdown
from flashdrill.errors import ConfigError

FILES = {
    "text": "summary.md",
    "markdown": "summary.md",
    "json": "summary.json",
    "html": "report.html",
    "junit": "junit.xml",
}
"""Which file of a run's folder each format prints."""

EPILOG = """
\b
Examples:
  flashdrill report
  flashdrill report previous --open
  flashdrill report 20260127T1203 --format junit -o junit.xml
  flashdrill report --rebuild
"""


@click.command(epilog=EPILOG)
@click.argument("run", metavar="[RUN]", default="latest", shell_complete=complete_run)
@click.option(
    "--format",
    "form",
    type=click.Choice(list(FILES)),
    help="What to print. A terminal gets text, a pipe Markdown, unless this says more.",
)
@output_option
@click.option(
    "--rebuild",
    is_flag=True,
    help="First make report.html, summary.md and junit.xml again, with the templates as they are now.",
)
@click.option("--open", "is_opened", is_flag=True, help="Open the page in the browser.")
def report(run: str, form: str | None, output: Path | None, rebuild: bool, is_opened: bool) -> int:
    """Print what a run has found.

    RUN is `latest` (also when it is left out), `previous`, the beginning of a run's name, or its folder.
    """
    from flashdrill.report.runs import find_run  # noqa: PLC0415  (a quick --help)

    folder = find_run(run)
    if rebuild:
        _rebuild(folder)
    if is_opened:
        _open(folder / FILES["html"])
    if form or output or not (rebuild or is_opened):
        _show(folder, form, output)
    return 0


def _rebuild(folder: Path) -> None:
    """Write the reports for people and CI servers again; summary.json and the result stay as they are."""
    from jinja2 import TemplateError  # noqa: PLC0415

    from flashdrill.rehearsal.prepare import reports_folder  # noqa: PLC0415
    from flashdrill.report.store import read_result  # noqa: PLC0415
    from flashdrill.report.write import rebuild  # noqa: PLC0415

    result, templates = read_result(folder), reports_folder() / "templates"
    try:
        page = rebuild(result, folder, templates)
    except TemplateError as error:
        raise ConfigError(
            f"{type(error).__name__}: {error}",
            path=Path(getattr(error, "filename", None) or templates),
            line=getattr(error, "lineno", None),
            remedy=f"mend the template; {folder}/summary.json and result.json.gz are as they were",
        ) from error
    except OSError as error:
        raise ConfigError(
            f"{error.filename or folder} cannot be written: {error.strerror}",
            remedy="copy the run's folder to where you may write, and name that copy",
        ) from error
    click.echo(f"made {page} again, with {templates}", err=True)


def _open(page: Path) -> None:
    _needed(page)
    if not webbrowser.open(page.resolve().as_uri()):
        raise ConfigError("no browser could be started", remedy=f"open {page} yourself")
    click.echo(f"opened {page}", err=True)


def _show(folder: Path, form: str | None, output: Path | None) -> None:
    is_terminal = sys.stdout.isatty() and output is None
    form = form or ("text" if is_terminal else "markdown")
    path = _needed(folder / FILES[form])
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"damaged: {error}",
            path=path,
            remedy="flashdrill report --rebuild makes the reports again",
        ) from error
    if form == "text":
        put_markdown(text, output)
    else:
        put(text, output)


def _needed(path: Path) -> Path:
    """The path. Raises ConfigError when the run has no such file."""
    if not path.is_file():
        remedy = (
            f"flashdrill report {path.parent} --rebuild makes it from {path.parent}/result.json.gz"
        )
        if path.name == FILES["json"]:
            remedy = "restore it from a copy, or repeat the run"
        raise ConfigError(f"the run in {path.parent} has no {path.name}", remedy=remedy)
    return path
