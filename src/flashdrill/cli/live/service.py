"""How the service is: breakers, degradation levels and queues, one column for each dependency."""

from __future__ import annotations

from flashdrill.cli.live.row import LABEL, Row, row
from flashdrill.cli.progress import SILENT_S
from flashdrill.rehearsal.watcher import ServiceNow

WORDS = {"closed": "closed", "half-open": "HALF-OPEN", "open": "OPEN"}
STYLES = {"closed": "green", "half-open": "yellow", "open": "bold red"}
GAP = 2


def service_rows(service: ServiceNow, width: int) -> list[Row]:
    """A small table; only what is unusual when it is too wide."""
    if service.age_s is None:
        return [row("service", ("has not said anything yet", "dim"), rank=1)]
    if service.age_s > SILENT_S:
        return [row("service", (f"SILENT for {service.age_s:.0f} s", "bold red"), rank=1)]
    names = sorted({*service.breakers, *service.levels, *service.queues})
    cell = max([len(name) for name in names] + [len(WORDS["half-open"])]) + GAP
    if LABEL + cell * len(names) > width:
        return [row("service", *_unusual(service, names), rank=1)]
    return [
        row("service", *((name.ljust(cell), "dim") for name in names), rank=3),
        row("  breaker", *(_breaker(service, name, cell) for name in names), rank=1),
        row("  level", *(_number(service.levels.get(name), cell) for name in names), rank=2),
        row("  queue", *(_number(service.queues.get(name), cell) for name in names), rank=2),
    ]


def _breaker(service: ServiceNow, name: str, cell: int) -> tuple[str, str]:
    state = service.breakers.get(name)
    if state is None:
        return ("–".ljust(cell), "dim")
    return (WORDS.get(state, state).ljust(cell), STYLES.get(state, "red"))


def _number(value: int | None, cell: int) -> tuple[str, str]:
    if value is None:
        return ("–".ljust(cell), "dim")
    return (str(value).ljust(cell), "bold yellow" if value else "dim")


def _unusual(service: ServiceNow, names: list[str]) -> list[tuple[str, str]]:
    found = [
        (f"{name} {WORDS.get(state, state)}  ", STYLES.get(state, "red"))
        for name, state in service.breakers.items()
        if state != "closed"
    ]
    found += [
        (f"{name} level {level}  ", "yellow") for name, level in service.levels.items() if level
    ]
    waiting = sum(service.queues.values())
    found += [(f"queue {waiting}", "yellow")] if waiting else []
    return found or [(f"all {len(names)} breakers closed, queues empty", "green")]
