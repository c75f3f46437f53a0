"""`flashdrill validate` and `schema`: files looked at without starting anything."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from flashdrill.cli.completing import complete_scenario_or_plan
from flashdrill.cli.output import output_option, put
from flashdrill.errors import EXIT_USAGE, ConfigError, StackError

if TYPE_CHECKING:
    from flashdrill.model.scenario import Scenario

KINDS = ("scenario", "plan", "traffic", "requests", "summary", "import")
NAMES = {"requests": "file of requests", "traffic": "traffic model"}
"""What those kinds are called whose names would not do."""


@click.command(
    epilog="""
Exit codes: 0 all are good; 2 one is not.

\b
Examples:
  flashdrill validate scenarios/smoke.yaml
  flashdrill validate scenarios chaos
"""
)
@click.argument(
    "paths",
    metavar="PATH...",
    nargs=-1,
    required=True,
    type=click.Path(path_type=Path),
    shell_complete=complete_scenario_or_plan,
)
def validate(paths: tuple[Path, ...]) -> int:
    """Check scenarios, fault plans, traffic models and files of requests; of a folder, every YAML file in it.

    A scenario is checked together with the plans that it names. Warnings are about what is allowed and yet likely to
    be a mistake; they do not fail.
    """
    files = list(_files(paths))
    wrong = sum(not _is_good(path, is_asked=path in paths) for path in files)
    if not files:
        raise ConfigError(
            f"no YAML file in {', '.join(map(str, paths))}", remedy="name a file, or another folder"
        )
    if len(files) > 1:
        click.echo(f"{len(files)} files: {wrong or 'none'} wrong")
    return EXIT_USAGE if wrong else 0


def _files(paths: tuple[Path, ...]) -> Iterator[Path]:
    """Every file once, in the order given."""
    from flashdrill.cli.shelf import yaml_files  # noqa: PLC0415  (a quick --help)

    seen: set[Path] = set()
    for path in paths:
        for file in yaml_files(path) if path.is_dir() else [path]:
            if file not in seen:
                seen.add(file)
                yield file


def _is_good(path: Path, *, is_asked: bool) -> bool:
    """Say what is to be said about a file. One that nobody named may be of another kind."""
    from flashdrill.plan.validate import is_ours, validate_file  # noqa: PLC0415

    try:
        if not is_asked and not is_ours(path):
            click.echo(
                f"{path}: skipped, neither a scenario, nor a plan, nor a traffic model, nor requests"
            )
            return True
        kind = validate_file(path)
        more, warnings = "", list(_examined(path)) if kind == "scenario" else []
        if kind == "traffic":
            more, warnings = _looked_at(path)
    except ConfigError as error:
        click.echo(f"flashdrill: {error}", err=True)
        return False
    click.echo(f"{path}: a valid {NAMES.get(kind, kind)}{more}")
    for warning in warnings:
        click.echo(f"{path}: warning: {warning}", err=True)
    return True


def _examined(path: Path) -> Iterator[str]:
    """What is suspicious about a scenario with its plans. Raises ConfigError for what `run` would refuse."""
    from flashdrill.plan.faults import load_plan  # noqa: PLC0415
    from flashdrill.plan.known import known_faults  # noqa: PLC0415
    from flashdrill.plan.scenario import check_scenario  # noqa: PLC0415
    from flashdrill.plan.suspicions import (  # noqa: PLC0415
        awaits_traffic,
        suspicions,
        suspicions_of_plan,
    )
    from flashdrill.rehearsal.adoption import adoptable  # noqa: PLC0415
    from flashdrill.rehearsal.journals import STATE  # noqa: PLC0415
    from flashdrill.rehearsal.last_calibration import doubt, last  # noqa: PLC0415
    from flashdrill.rehearsal.topology import target_names  # noqa: PLC0415

    scenario = check_scenario(path)
    yield from _settings(scenario)
    if awaits_traffic(scenario):
        return
    yield from suspicions(scenario)
    if words := doubt(scenario, last(STATE)):
        yield words
    kinds = known_faults()
    own = {} if scenario.service else target_names()
    for plan in scenario.chaos:
        targets = {**own, **adoptable(plan, kinds)}
        yield from suspicions_of_plan(load_plan(plan, scenario, kinds, targets), scenario)


def _looked_at(path: Path) -> tuple[str, list[str]]:
    """What a traffic model has, in words, and what is suspicious about it."""
    from flashdrill.cli.import_words import doubts, summed_up  # noqa: PLC0415
    from flashdrill.model.rate_curve import rate_curve  # noqa: PLC0415
    from flashdrill.plan.traffic import read_traffic  # noqa: PLC0415

    model = read_traffic(path)
    peak = rate_curve(model.offsets_ms, 1).peak
    return f": {summed_up(model, peak)}", list(doubts(model, peak))


def _settings(scenario: Scenario) -> Iterator[str]:
    """Raise ConfigError when the reference backend refuses the scenario's settings."""
    from flashdrill.stack.backend import check_settings  # noqa: PLC0415
    from flashdrill.stack.reference import reference_root  # noqa: PLC0415

    if not scenario.backend:
        return
    try:
        check_settings(reference_root(), {"time_scale": scenario.time_scale, **scenario.backend})
    except ConfigError as error:
        remedy = "docs/reference/settings.md lists them"
        raise ConfigError(error.message, path=scenario.path, remedy=remedy) from error
    except StackError as error:
        last_line = error.message.strip().splitlines()[-1]  # above it, a traceback of the backend's
        yield f"the backend could not be asked about its settings: {last_line}"


@click.command(
    epilog="""
\b
Examples:
  flashdrill schema scenario
  flashdrill schema summary -o summary.schema.json
"""
)
@click.argument("kind", type=click.Choice(KINDS))
@output_option
def schema(kind: str, output: Path | None) -> int:
    """Print the JSON Schema of a kind of file.

    An editor that knows the schema of a scenario or a plan completes its keys and marks mistakes.
    """
    from flashdrill.cli.imported import imported_schema  # noqa: PLC0415
    from flashdrill.plan.schema import schema_for  # noqa: PLC0415
    from flashdrill.report.summary import summary_schema  # noqa: PLC0415

    of_output = {"summary": summary_schema, "import": imported_schema}
    document = of_output[kind]() if kind in of_output else schema_for(kind)
    put(json.dumps(document, indent=2, ensure_ascii=False), output)
    return 0
