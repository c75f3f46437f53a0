"""Who sends which part of the schedule, and from when: what a master tells its workers, and what they answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

from flashdrill.load.spec import CrowdSpec
from flashdrill.model.scenario import Gate


@dataclass(frozen=True, slots=True)
class Share:
    """Every `workers`-th arrival from the `worker`-th on; the run starts at `epoch_ns` (UTC, nanoseconds).

    The start is told as wall-clock time, since machines share no other: two hosts start as far apart as their clocks
    are, and the shares of one schedule are apart by as much.
    """

    epoch_ns: int
    worker: int = 0
    workers: int = 1

    def monotonic_ns(self, *, epoch_now_ns: int, monotonic_now_ns: int) -> int:
        """The start on this machine's CLOCK_MONOTONIC."""
        return monotonic_now_ns + self.epoch_ns - epoch_now_ns

    def message(self) -> dict[str, int]:
        """What is sent to the worker."""
        return asdict(self)

    @classmethod
    def from_message(cls, data: Mapping[str, Any]) -> Self:
        """What the worker was sent."""
        return cls(**{name: int(data[name]) for name in ("epoch_ns", "worker", "workers")})


@dataclass(frozen=True, slots=True)
class Orders:
    """What is to be played. `spec` gives the specification of a share, its folder made; `gates` set the limits of
    the generator's own lateness."""

    spec: Callable[[Share], CrowdSpec]
    gates: tuple[Gate, ...]


def divided(workers: Sequence[str], epoch_ns: int) -> dict[str, Share]:
    """A share for each worker, by its id: together they are the whole schedule, and no arrival is in two."""
    return {name: Share(epoch_ns, i, len(workers)) for i, name in enumerate(sorted(workers))}


@dataclass(frozen=True, slots=True)
class Part:
    """What became of a share: counts of operations by outcome (`due` counts arrivals), and what makes it doubtful."""

    worker: int
    counts: Mapping[str, int]
    doubts: tuple[str, ...] = ()

    def message(self) -> dict[str, Any]:
        """What is sent to the master."""
        return {"worker": self.worker, "counts": dict(self.counts), "doubts": list(self.doubts)}

    @classmethod
    def from_message(cls, data: Mapping[str, Any]) -> Self:
        """What the master was sent."""
        return cls(int(data["worker"]), dict(data["counts"]), tuple(data["doubts"]))


def lines(shares: Mapping[str, Share], parts: Mapping[str, Part]) -> list[str]:
    """The end of a run in words: a line for each share and one for all of them."""
    told = [_line(share, parts.get(name)) for name, share in sorted(shares.items())]
    total: Counter[str] = Counter()
    for part in parts.values():
        total.update(part.counts)
    missing = len(shares) - len(parts)
    end = f"; {missing} of {len(shares)} shares are missing: this was not the whole schedule"
    return [*told, f"in all: {_counts(total)}{end if missing else ''}"]


def _line(share: Share, part: Part | None) -> str:
    name = f"worker {share.worker + 1} of {share.workers}"
    if part is None:
        return f"{name}: gone, what became of its share is not known"
    return f"{name}: {_counts(part.counts)}" + "".join(f"; {doubt}" for doubt in part.doubts)


def _counts(counts: Mapping[str, int]) -> str:
    names = {"info": "unknown", "fail": "failed"}
    wanted = ("due", "sent", "ok", "queued", "refused", "fail", "info")
    return ", ".join(f"{counts.get(name, 0)} {names.get(name, name)}" for name in wanted)
