"""The watcher of a run at a terminal: what it is told is shown by a thread of its own.

    event loop ── phase, second, fault ──> queue ──> thread ──> live screen │ plain lines │ silence

The loop only puts things into a queue, so that a slow drawing, a stopped terminal (Ctrl-S) or a broken pipe can
neither slow nor break the run. A view that raises is closed, and the next one goes on from there.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue
from types import TracebackType

from flashdrill.cli.view import Silence, View
from flashdrill.rehearsal.watcher import LiveSecond

REDRAW_S = 0.25
LEAVE_S = 3.0
"""How long the end of a run waits for a terminal that does not take what is written."""

Step = Callable[[View], None]


class Terminal:
    """A `Watcher`. `views` are made one after the other, each when the one before has failed."""

    def __init__(
        self,
        views: Sequence[Callable[[], View]],
        *,
        began: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`began`: when the command did, on `clock`."""
        self._spare = list(views)
        self._view: View = Silence()
        self._clock = clock
        self._began = clock() if began is None else began
        self._steps: SimpleQueue[Step | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._show, name="terminal", daemon=True)

    def __enter__(self) -> Terminal:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._steps.put(None)
        self._thread.join(LEAVE_S)

    def phase(self, text: str) -> None:
        """A new part of the run has begun."""
        at_s = self._elapsed_s()
        self._steps.put(lambda view: view.phase(at_s, text))

    def server_ready(self, name: str, seconds: float) -> None:
        """One server of the stack answers."""
        at_s = self._elapsed_s()
        self._steps.put(lambda view: view.server_ready(at_s, name, seconds))

    def second(self, live: LiveSecond) -> None:
        """One second of load is over."""
        at_s = self._elapsed_s()
        self._steps.put(lambda view: view.second(at_s, live))

    def fault(self, event: dict[str, object]) -> None:
        """A fault changed its phase."""
        at_s = self._elapsed_s()
        self._steps.put(lambda view: view.fault(at_s, event))

    def waiting(self, records: int | None) -> None:
        """After the load: so many records wait in the durable queues."""
        at_s = self._elapsed_s()
        self._steps.put(lambda view: view.waiting(at_s, records))

    def _show(self) -> None:
        """Take the steps in order, and draw again whenever it is time."""
        self._next_view()
        redraw_at = self._clock()
        while True:
            try:
                step = self._steps.get(timeout=max(0.0, redraw_at - self._clock()))
            except Empty:
                self._take(lambda view: view.draw(self._elapsed_s()))
                redraw_at = self._clock() + REDRAW_S
                continue
            if step is None:
                self._take(lambda view: view.close(self._elapsed_s()))
                return
            self._take(step)

    def _take(self, step: Step) -> None:
        """Show one step, by another view when this one cannot."""
        while True:
            try:
                return step(self._view)
            except (Exception, SystemExit) as error:  # rich leaves by SystemExit when a pipe breaks
                why = f"{type(error).__name__}: {error}"
            with suppress(Exception, SystemExit):
                self._view.close(self._elapsed_s())
            self._next_view()
            with suppress(Exception, SystemExit):
                self._view.note(self._elapsed_s(), f"the view of the run failed ({why})")

    def _next_view(self) -> None:
        while self._spare:
            make = self._spare.pop(0)
            with suppress(Exception):
                self._view = make()
                return
        self._view = Silence()

    def _elapsed_s(self) -> float:
        return self._clock() - self._began
