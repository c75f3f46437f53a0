"""Who sends which part of the schedule, and from when: what a master tells its workers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from flashdrill.load.clocks import SAME, Reading
from flashdrill.load.spec import CrowdSpec
from flashdrill.model.scenario import Gate


@dataclass(frozen=True, slots=True)
class Share:
    """Every `workers`-th arrival from the `worker`-th on; the run starts at `epoch_ns` (UTC, by the master's clock).

    `clock` is how the master read this worker's clock: the shares of one schedule are apart by its error at most.
    """

    epoch_ns: int
    worker: int = 0
    workers: int = 1
    clock: Reading = SAME

    @property
    def name(self) -> str:
        """What people call it."""
        return f"worker {self.worker + 1} of {self.workers}"

    def monotonic_ns(self, *, epoch_now_ns: int, monotonic_now_ns: int) -> int:
        """The start on this machine's CLOCK_MONOTONIC."""
        return monotonic_now_ns + self.epoch_ns + self.clock.correction_ns - epoch_now_ns

    def message(self) -> dict[str, int]:
        """What is sent to the worker."""
        return {
            "epoch_ns": self.epoch_ns,
            "worker": self.worker,
            "workers": self.workers,
            "ahead_ns": self.clock.ahead_ns,
            "error_ns": self.clock.error_ns,
        }

    @classmethod
    def from_message(cls, data: Mapping[str, Any]) -> Self:
        """What the worker was sent."""
        epoch_ns, worker, workers = (int(data[name]) for name in ("epoch_ns", "worker", "workers"))
        return cls(epoch_ns, worker, workers, Reading(int(data["ahead_ns"]), int(data["error_ns"])))


@dataclass(frozen=True, slots=True)
class Orders:
    """What is to be played: `gates` set the limits of the generator's own lateness.

    `folder` makes the folder of the run that starts then (UTC, ns), `spec` the specification of a share.
    """

    name: str
    seed: int
    gates: tuple[Gate, ...]
    folder: Callable[[int], Path]
    spec: Callable[[Share], CrowdSpec]


def divided(workers: Mapping[str, Reading], epoch_ns: int) -> dict[str, Share]:
    """A share for each worker, by its id: together they are the whole schedule, and no arrival is in two."""
    return {
        name: Share(epoch_ns, place, len(workers), workers[name])
        for place, name in enumerate(sorted(workers))
    }
