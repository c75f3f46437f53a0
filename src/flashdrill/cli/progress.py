"""What a person sees while a run goes on: plain lines, so that a CI log reads the same."""

from __future__ import annotations

import sys
import time

from rich.console import Console
from rich.table import Table

from flashdrill.model.result import Conclusion
from flashdrill.rehearsal.watcher import Finished, LiveSecond

COLORS = {Conclusion.PASS: "green", Conclusion.FAIL: "red", Conclusion.INCONCLUSIVE: "yellow"}


LOG_WIDTH = 160
"""Where nobody says how wide the page is (a CI log), tables need not be squeezed."""


class TerminalWatcher:
    """Prints phases, one line every few seconds of load, and the verdict."""

    def __init__(self, console: Console | None = None, every_s: float = 5.0) -> None:
        self._console = console or _console()
        self._every_s = every_s
        self._began = time.monotonic()
        self._next_s = 0.0

    def phase(self, text: str) -> None:
        """A new part of the run has begun."""
        self._console.print(f"[dim]{self._elapsed():6.1f} s[/]  {text}")

    def server_ready(self, name: str, seconds: float) -> None:
        """One server of the stack answers."""
        self._console.print(f"[dim]{self._elapsed():6.1f} s[/]    {name} ready ({seconds:.1f} s)")

    def second(self, live: LiveSecond) -> None:
        """One second of load is over."""
        if live.t_s < self._next_s:
            return
        self._next_s = live.t_s + self._every_s
        p99 = "     –" if live.p99_ms is None else f"{live.p99_ms:6.0f}"
        faults = f"  faults: {', '.join(live.faults)}" if live.faults else ""
        self._console.print(
            f"[dim]{self._elapsed():6.1f} s[/]    {live.stage:<9} {live.t_s:4.0f}/{live.total_s:.0f} s"
            f"  due {live.due:4d}/s  ok {live.ok:4d}  queued {live.queued:3d}  refused {live.refused:3d}"
            f"  fail {live.fail:3d}  unknown {live.info:3d}  p99 {p99} ms{faults}"
        )

    def fault(self, event: dict[str, object]) -> None:
        """A fault was injected, observed, healed, or failed."""
        detail = f" {event['detail']}" if event.get("detail") else ""
        self._console.print(
            f"[dim]{self._elapsed():6.1f} s[/]    [yellow]fault {event['id']}: {event['phase']}[/]{detail}"
        )

    def conclude(self, finished: Finished) -> None:
        """The verdict, its reasons, where the report is, and what to try next."""
        result = finished.result
        verdict = result.verdict
        color = COLORS.get(verdict.conclusion, "white")
        console = self._console
        console.print()
        console.print(
            f"[bold {color}]{verdict.conclusion.value.upper()}[/]  {result.scenario['name']}"
        )
        for reason in verdict.reasons:
            console.print(f"  - {reason}")
        if result.faults:
            console.print(self._faults(finished))
        holding = sum(invariant.status.value == "holds" for invariant in result.invariants)
        console.print(f"invariants: {holding} of {len(result.invariants)} hold")
        console.print(f"bottleneck: {result.bottleneck.sentence}")
        console.print(f"report:     {finished.folder / 'report.html'}")
        console.print(f"summary:    {finished.folder / 'summary.json'}")
        console.print(f"again:      {result.command}")

    def _faults(self, finished: Finished) -> Table:
        table = Table(box=None, pad_edge=False, header_style="dim")
        for column in ("fault", "what", "observed", "healed", "detected after", "recovered after"):
            table.add_column(column, no_wrap=True)
        for fault in finished.result.faults:
            table.add_row(
                fault.id,
                f"{fault.kind} on {fault.target}",
                "yes" if fault.effect_observed else "[yellow]no[/]",
                "yes" if fault.healed else "[red]NO[/]",
                "–" if fault.detect_s is None else f"{fault.detect_s:.2f} s",
                "–" if fault.recover_s is None else f"{fault.recover_s:.2f} s",
            )
        return table

    def _elapsed(self) -> float:
        return time.monotonic() - self._began


def _console() -> Console:
    width = None if sys.stdout.isatty() else LOG_WIDTH
    return Console(highlight=False, soft_wrap=True, width=width)
