"""`flashdrill run`: one rehearsal from the first arrival to the verdict."""

from __future__ import annotations

import asyncio
import shlex
import time
from pathlib import Path

import click

from flashdrill.cli.choices import address_choice, target_choice, toxiproxy_choice
from flashdrill.cli.completing import complete_plan, complete_scenario
from flashdrill.errors import ConfigError

DEFAULT_BIND = ("127.0.0.1", 5557)

EPILOG = """
Exit codes: 0 pass; 1 fail; 2 wrong usage or configuration; 3 inconclusive; 4 the stack could not run; 130 interrupted,
after healing.

\b
Examples:
  flashdrill run scenarios/smoke.yaml
  flashdrill run scenarios/flash_sale.yaml --seed 3 --chaos chaos/plans/promotion_night.yaml
  flashdrill run scenarios/smoke.yaml --no-chaos --set backend.defect=oversell
  flashdrill run scenarios/first.yaml --target http://127.0.0.1:8000
  flashdrill run scenarios/first.yaml --target http://10.0.0.7:8000 --expect-workers 2 --bind 10.0.0.5:5557
"""


@click.command(epilog=EPILOG)
@click.argument(
    "scenario",
    type=click.Path(path_type=Path, dir_okay=False),
    shell_complete=complete_scenario,
)
@click.option(
    "--chaos",
    "plans",
    multiple=True,
    type=click.Path(path_type=Path, dir_okay=False),
    shell_complete=complete_plan,
    help="A fault plan instead of the scenario's own; may be repeated.",
)
@click.option("--no-chaos", is_flag=True, help="No faults at all.")
@click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    help="Change one value of the scenario, such as backend.defect=oversell; may be repeated.",
)
@click.option("--seed", type=int, help="Another seed than the scenario's.")
@click.option(
    "--target",
    callback=target_choice,
    metavar="URL",
    default="",
    help="Rehearse a service of your own that runs there, instead of the reference stack; in the place of the "
    "scenario's service.url.",
)
@click.option(
    "--rate-max",
    metavar="RATE",
    help="Never send more requests than this, such as 2000/s, in the place of the scenario's limits.rate_max.",
)
@click.option(
    "--workers",
    type=click.IntRange(1, 64),
    help="So many load processes on this machine, each with its share of the arrivals, in the place of the scenario's "
    "limits.workers.",
)
@click.option(
    "--expect-workers",
    type=click.IntRange(1, 64),
    help="The load comes from so many `flashdrill worker` processes on other machines; wait for them.",
)
@click.option(
    "--bind",
    callback=address_choice,
    metavar="HOST:PORT",
    help="Where to wait for them; 127.0.0.1:5557 when it is left out.",
)
@click.option(
    "--yes",
    "is_yes",
    is_flag=True,
    help="The load may go to every host beyond this machine that the scenario lists: do not ask.",
)
@click.option(
    "--toxiproxy",
    callback=toxiproxy_choice,
    metavar="auto|real|embedded|URL",
    default="auto",
    show_default=True,
    envvar="FLASHDRILL_TOXIPROXY",
    help="Which Toxiproxy server to run: found or built, or the embedded one; or the URL of yours, which gets our "
    "proxies for the time and is given back as it was found.",
)
@click.option(
    "--adopt",
    multiple=True,
    metavar="NAME=KIND",
    help="A proxy of your own on that server as the target adopted/NAME; KIND is tcp, postgres, redis or http. May "
    "be repeated.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("reports/runs"),
    show_default=True,
    help="Folder that gets one folder for each run.",
)
@click.option(
    "--live/--plain",
    "is_live",
    default=None,
    help="A screen that is drawn again and again, or lines only. A terminal gets the screen, a log lines.",
)
def run(
    scenario: Path,
    plans: tuple[Path, ...],
    no_chaos: bool,
    overrides: tuple[str, ...],
    seed: int | None,
    target: str,
    rate_max: str | None,
    workers: int | None,
    expect_workers: int | None,
    bind: tuple[str, int] | None,
    is_yes: bool,
    toxiproxy: str,
    adopt: tuple[str, ...],
    out: Path,
    is_live: bool | None,
) -> int:
    """Rehearse SCENARIO and end in a verdict (the exit code)."""
    began = time.monotonic()
    click.echo(f"reading {scenario}")
    from flashdrill.cli.confirming import confirmed  # noqa: PLC0415
    from flashdrill.cli.console import open_console, views  # noqa: PLC0415
    from flashdrill.cli.outcome import show_outcome  # noqa: PLC0415
    from flashdrill.cli.terminal import Terminal  # noqa: PLC0415
    from flashdrill.plan.suspicions import lost_journeys  # noqa: PLC0415
    from flashdrill.rehearsal.journals import refuse_over_leftovers  # noqa: PLC0415
    from flashdrill.rehearsal.prepare import Order, prepare  # noqa: PLC0415  (a quick --help)
    from flashdrill.rehearsal.run import rehearse  # noqa: PLC0415

    if workers is not None and expect_workers is not None:
        raise ConfigError(
            "--workers and --expect-workers exclude each other", remedy="leave one out"
        )
    if bind is not None and expect_workers is None:
        raise ConfigError(
            "--bind without --expect-workers", remedy="say how many workers will come"
        )
    if no_chaos and plans:
        raise ConfigError("--no-chaos and --chaos exclude each other", remedy="leave one out")
    changes = overrides if seed is None else (*overrides, f"seed={seed}")
    changes = changes if rate_max is None else (*changes, f"limits.rate_max={rate_max}")
    count = workers or expect_workers
    changes = changes if count is None else (*changes, f"limits.workers={count}")
    order = Order(
        scenario=scenario,
        plans=() if no_chaos else plans or None,
        overrides=changes,
        toxiproxy=toxiproxy,
        adopt=adopt,
        target=target,
        bind=bind or DEFAULT_BIND if expect_workers else None,
        out=out,
        command=_command(scenario, plans, no_chaos, changes, target, toxiproxy, adopt)
        + _awaiting(expect_workers, bind),
    )
    prepared = prepare(order)
    for words in lost_journeys(prepared.scenario):
        click.echo(f"warning: {words}", err=True)
    prepared = confirmed(prepared, is_yes=is_yes)
    refuse_over_leftovers(order.state)
    console = open_console()
    with Terminal(
        views(console, prepared.scenario, prepared.plan, is_live), began=began
    ) as watcher:
        finished = asyncio.run(rehearse(prepared, watcher))
    show_outcome(finished, console)
    return finished.result.verdict.exit_code


def _awaiting(expect_workers: int | None, bind: tuple[str, int] | None) -> str:
    """How the command says that workers come from elsewhere."""
    if expect_workers is None:
        return ""
    host, port = bind or DEFAULT_BIND
    return f" --expect-workers {expect_workers} --bind {host}:{port}"


def _command(
    scenario: Path,
    plans: tuple[Path, ...],
    no_chaos: bool,
    changes: tuple[str, ...],
    target: str,
    toxiproxy: str,
    adopt: tuple[str, ...],
) -> str:
    words = ["flashdrill", "run", str(scenario)]
    words += [word for plan in plans for word in ("--chaos", str(plan))]
    words += ["--no-chaos"] if no_chaos else []
    words += [word for change in changes for word in ("--set", change)]
    words += ["--target", target] if target else []
    words += [] if toxiproxy == "auto" else ["--toxiproxy", toxiproxy]
    for wish in adopt:
        words += ["--adopt", wish]
    return shlex.join(words)
