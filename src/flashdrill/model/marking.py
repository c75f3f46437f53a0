"""How the traffic of a run can be told from everybody else's, and cleaned up."""

from __future__ import annotations

from dataclasses import dataclass

HEADER = "X-Flashdrill-Run"


@dataclass(frozen=True, slots=True)
class Marking:
    """The header that every request of the load carries, with the run's id as its value; empty: none."""

    header: str = HEADER

    def headers(self, run: str) -> dict[str, str]:
        """What every request of this run carries."""
        return {self.header: run} if self.header else {}
