"""One way of showing a run. `at_s` is always the seconds since the command began."""

from __future__ import annotations

from typing import Protocol

from flashdrill.rehearsal.watcher import LiveSecond


class View(Protocol):
    """Lines in a log, or a screen. Called from one thread only; whatever it raises ends it, not the run."""

    def note(self, at_s: float, text: str) -> None:
        """Something to be said about the view itself."""

    def phase(self, at_s: float, text: str) -> None:
        """A new part of the run has begun."""

    def server_ready(self, at_s: float, name: str, seconds: float) -> None:
        """One server of the stack answers."""

    def second(self, at_s: float, live: LiveSecond) -> None:
        """One second of load is over."""

    def fault(self, at_s: float, event: dict[str, object]) -> None:
        """A fault changed its phase."""

    def waiting(self, at_s: float, records: int | None) -> None:
        """After the load: so many records wait in the durable queues."""

    def draw(self, at_s: float) -> None:
        """Draw again what moves with time."""

    def close(self, at_s: float) -> None:
        """Leave the terminal as it was."""


class Silence:
    """Where nothing can be shown any more: the reader of the pipe is gone, the disk of the log is full."""

    def note(self, at_s: float, text: str) -> None:
        """Nothing."""

    def phase(self, at_s: float, text: str) -> None:
        """Nothing."""

    def server_ready(self, at_s: float, name: str, seconds: float) -> None:
        """Nothing."""

    def second(self, at_s: float, live: LiveSecond) -> None:
        """Nothing."""

    def fault(self, at_s: float, event: dict[str, object]) -> None:
        """Nothing."""

    def waiting(self, at_s: float, records: int | None) -> None:
        """Nothing."""

    def draw(self, at_s: float) -> None:
        """Nothing."""

    def close(self, at_s: float) -> None:
        """Nothing."""
