"""A run in plain lines: for a CI log, a pipe, or a terminal that can do no more."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from flashdrill.rehearsal.watcher import LiveSecond, ServiceNow
from flashdrill.report.wording import printable

SILENT_S = 2.0
"""A service whose last sample is older than this is said to be silent."""


class Lines:
    """Phases, one line every few seconds of load, and every step of a fault."""

    def __init__(self, console: Console, every_s: float = 5.0) -> None:
        self._console = console
        self._every_s = every_s
        self._next_s = 0.0

    def note(self, at_s: float, text: str) -> None:
        """Something about the view itself."""
        self._print(at_s, Text(f"{text}; plain lines from here on", "yellow"))

    def phase(self, at_s: float, text: str) -> None:
        """A new part of the run has begun."""
        self._print(at_s, Text(text))

    def server_ready(self, at_s: float, name: str, seconds: float) -> None:
        """One server of the stack answers."""
        self._print(at_s, Text(f"  {name} ready ({seconds:.1f} s)"))

    def second(self, at_s: float, live: LiveSecond) -> None:
        """One second of load is over; one in five is shown."""
        if live.t_s < self._next_s:
            return
        self._next_s = live.t_s + self._every_s
        self._print(at_s, Text(f"  {second_line(live)}"))

    def fault(self, at_s: float, event: dict[str, object]) -> None:
        """A fault was injected, observed, healed, or failed."""
        self._print(at_s, fault_line(event))

    def waiting(self, at_s: float, records: int | None) -> None:
        """Nothing: the phase says it, and how long it took is in the report."""

    def draw(self, at_s: float) -> None:
        """Nothing moves here."""

    def close(self, at_s: float) -> None:
        """Nothing to leave."""

    def _print(self, at_s: float, text: Text) -> None:
        self._console.print(stamped(at_s, text), soft_wrap=True)


def stamped(at_s: float, text: Text) -> Text:
    """A line of the log, with its time."""
    return Text.assemble((f"{at_s:6.1f} s", "dim"), "  ", text)


def fault_line(event: dict[str, object]) -> Text:
    """One step of a fault."""
    style = "red" if event["phase"] == "failed" else "yellow"
    detail = f" {printable(str(event['detail']))}" if event.get("detail") else ""
    return Text.assemble((f"  fault {event['id']}: {event['phase']}", style), detail)


def second_line(live: LiveSecond) -> str:
    """One second of load in one line; what is as it should be is left out at its end."""
    p99 = "–" if live.p99_ms is None else f"{live.p99_ms:.0f}"
    left_s = live.total_s - live.t_s
    left = f"{left_s:4.0f} s left" if left_s > 0 else "  load over"
    figures = (
        f"{live.stage:<9} {live.t_s:4.0f}/{live.total_s:.0f} s {left}"
        f"  due {live.due:4d}/s  sent {live.sent:4d}  ok {live.ok:4d}  queued {live.queued:3d}"
        f"  refused {live.refused:3d}  fail {live.fail:3d}  unknown {live.info:3d}  p99 {p99:>6} ms"
    )
    faults = [f"faults: {', '.join(live.faults)}"] if live.faults else []
    return "  ".join([figures, *faults, *_unusual(live.service)])


def _unusual(service: ServiceNow) -> list[str]:
    """Breakers that are not closed, records that wait, a service that says nothing."""
    if service.age_s is not None and service.age_s > SILENT_S:
        return [f"service silent for {service.age_s:.0f} s"]
    tripped = [f"{name} {state}" for name, state in service.breakers.items() if state != "closed"]
    waiting = sum(service.queues.values())
    return [
        *([f"breakers: {', '.join(tripped)}"] if tripped else []),
        *([f"queue {waiting}"] if waiting else []),
    ]
