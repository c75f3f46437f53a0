"""`flashdrill completion`: what a shell needs to complete commands, options, scenarios, plans and runs."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import click
from click.shell_completion import CompletionItem, get_completion_class

PROGRAM = "flashdrill"
VARIABLE = "_FLASHDRILL_COMPLETE"
"""Set by the script when it asks the program for completions (click's own name for it)."""
SHELLS = ("bash", "zsh", "fish")
SCENARIOS = ("scenarios/**/*.yaml", "scenarios/**/*.yml")
PLANS = ("chaos/plans/*.yaml", "chaos/plans/*.yml")

EPILOG = """
\b
To install it, once (then open a new shell):
  bash  flashdrill completion bash > ~/.flashdrill-complete.bash
        echo '. ~/.flashdrill-complete.bash' >> ~/.bashrc
  zsh   flashdrill completion zsh > ~/.flashdrill-complete.zsh
        echo '. ~/.flashdrill-complete.zsh' >> ~/.zshrc
  fish  flashdrill completion fish > ~/.config/fish/completions/flashdrill.fish

\b
Only for this shell:
  source <(flashdrill completion bash)
"""


@click.command(epilog=EPILOG)
@click.argument("shell", type=click.Choice(SHELLS))
def completion(shell: str) -> int:
    """Print the completion script of a shell.

    It completes commands and options, and the scenarios, plans and runs of the current folder by their names.
    """
    script = get_completion_class(shell)
    assert script is not None
    root = click.get_current_context().find_root().command
    click.echo(script(root, {}, PROGRAM, VARIABLE).source())
    return 0


def complete_scenario(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """The scenarios here; whatever else is typed is a path."""
    return _files(SCENARIOS, incomplete)


def complete_plan(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """The fault plans here; whatever else is typed is a path."""
    return _files(PLANS, incomplete)


def complete_scenario_or_plan(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Both."""
    return _files((*SCENARIOS, *PLANS), incomplete)


def complete_run(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """`latest`, `previous` and the names of runs, newest first; whatever else is typed is a path."""
    from flashdrill.report.runs import BEFORE, NEWEST, run_folders  # noqa: PLC0415

    names = (NEWEST, BEFORE, *(path.name for path in run_folders()))
    return _or_path((name for name in names if name.startswith(incomplete)), incomplete)


def _files(patterns: Iterable[str], incomplete: str) -> list[CompletionItem]:
    """Files whose path, or whose name alone, begins with what was typed."""
    paths = sorted(path for pattern in patterns for path in Path().glob(pattern))
    fitting = (
        str(path)
        for path in paths
        if str(path).startswith(incomplete) or path.name.startswith(incomplete)
    )
    return _or_path(fitting, incomplete)


def _or_path(values: Iterable[str], incomplete: str) -> list[CompletionItem]:
    """The values, or else the shell's own completion of paths."""
    items = [CompletionItem(value) for value in values]
    return items or [CompletionItem(incomplete, type="file")]
