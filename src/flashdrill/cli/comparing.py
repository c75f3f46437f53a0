"""`flashdrill compare`: two runs side by side."""

from __future__ import annotations

from pathlib import Path

import click

from flashdrill.cli.completing import complete_run
from flashdrill.cli.output import output_option, put, put_markdown

EPILOG = """
Exit codes: 0 the runs were compared, whatever came out; 2 one of them is not a run. A comparison never fails a
build: two runs made at different times cannot judge a small difference.

\b
Examples:
  flashdrill compare previous latest
  flashdrill compare 20260127T1203 reports/latest --format markdown -o comparison.md
"""


@click.command(epilog=EPILOG)
@click.argument("run_a", shell_complete=complete_run)
@click.argument("run_b", shell_complete=complete_run)
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "markdown", "json"]),
    default="text",
    show_default=True,
    help="Text for people, Markdown for a pull request, JSON for scripts.",
)
@output_option
def compare(run_a: str, run_b: str, form: str, output: Path | None) -> int:
    """Set RUN_B beside RUN_A: what differs about them, what changed in kind, every figure.

    A run is `latest`, `previous`, the beginning of a run's name, or its folder.
    """
    import msgspec  # noqa: PLC0415  (a quick --help)

    from flashdrill.report import side_by_side  # noqa: PLC0415
    from flashdrill.report.comparison import compare as set_beside  # noqa: PLC0415
    from flashdrill.report.kept import read_run  # noqa: PLC0415
    from flashdrill.report.runs import find_run  # noqa: PLC0415

    comparison = set_beside(read_run(find_run(run_a)), read_run(find_run(run_b)))
    if form == "json":
        put(msgspec.json.format(msgspec.json.encode(comparison), indent=2).decode(), output)
        return 0
    page = "\n".join(side_by_side.lines(comparison))
    if form == "markdown":
        put(page, output)
    else:
        put_markdown(page, output)
    return 0
