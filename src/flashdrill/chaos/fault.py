"""What a fault is. A team's own faults in chaos/faults/*.py derive from `flashdrill.Fault` like the ones here.

    baseline → undo (journalled) → inject → observe … until its time is over … → heal → verify_healed

One object per fault of a plan, so it may keep what it needs between the calls in attributes of its own.
Every call is bounded by the caller; an error in any of them is recorded, and healing is tried all the same.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Final, Literal

from flashdrill.chaos.target import ProcessControl, Target
from flashdrill.edge.client import Edge
from flashdrill.model.faults import PlannedFault
from flashdrill.toxiproxy.client import Toxiproxy

ParameterType = Literal[
    "duration", "int", "share", "text", "flag", "rate", "size", "signed_duration"
]
TARGET_KINDS = frozenset({"tcp", "postgres", "redis", "http", "process"})
NEEDS = frozenset({"edge", "clock", "volume"})
"""What a stack can provide for a fault: a way through our HTTP edge, a clock of its own, a file system of its own."""


class _Required:
    """The default of a parameter that has none."""

    def __repr__(self) -> str:
        return "REQUIRED"


REQUIRED: Final = _Required()


@dataclass(frozen=True, slots=True)
class Parameter:
    """A key of a fault in a plan.

    Values arrive in base units: durations as float seconds, shares from 0 to 1, rates per second, sizes in bytes.
    `least` and `most` bound an int.
    """

    type: ParameterType
    default: Any = REQUIRED
    description: str = ""
    unit: str = ""
    least: int = 0
    most: int = 2**53

    @property
    def is_required(self) -> bool:
        """Whether a plan must give it."""
        return self.default is REQUIRED


@dataclass(frozen=True, slots=True)
class Evidence:
    """Whether something was seen, and the numbers that say so (JSON values)."""

    observed: bool
    measurements: dict[str, Any] = field(default_factory=dict)


def _nobody() -> tuple[str, ...]:
    return ()


@dataclass(frozen=True, slots=True)
class FaultContext:
    """What a fault gets to work with.

    `observe_s` is how long an observation may take; it must be over, with an answer, before that.
    `others_in_force` are the ids of other faults now in force on the same server: proof may be out of reach then.
    """

    planned: PlannedFault
    target: Target
    toxiproxy: Toxiproxy
    processes: ProcessControl
    observe_s: float = 5.0
    others_in_force: Callable[[], tuple[str, ...]] = _nobody
    edge: Edge | None = None  # None: no fault of the plan needs one
    seed: int = 0  # this fault's own, derived from the run's and its id
    log_dir: Path | None = None
    targets: Mapping[str, Target] = field(default_factory=dict)  # all of the run, by name

    @property
    def parameters(self) -> Mapping[str, Any]:
        """The parameters of the plan's line, every one of them."""
        return self.planned.parameters


class Fault(ABC):
    """A kind of fault. Subclasses set the class attributes and implement the abstract methods."""

    kind: ClassVar[str]
    """What plans call it."""
    target_kinds: ClassVar[frozenset[str]]
    """What it can be done to: some of postgres, redis, http, process."""
    parameters: ClassVar[Mapping[str, Parameter]] = {}
    heal_limit_s: ClassVar[float] = 10.0
    """Bounds healing and its verification together."""
    needs: ClassVar[frozenset[str]] = frozenset()
    """What the stack must provide for it, some of NEEDS."""

    slows: ClassVar[bool] = False
    """Whether operations become slow by it: then an answer that is slow is a first sign of it."""

    has_ended_early: bool = False
    """Set by `heal` when the fault was gone before: it was not in force for all of its time."""

    @classmethod
    def missing(cls) -> str:
        """The privilege or the tool that this machine lacks for it, and how to get it; empty when it can be done."""
        return ""

    async def baseline(self, ctx: FaultContext) -> Any:
        """What it looks like before; given to `observe` and kept nowhere else."""
        return None

    def undo(self, ctx: FaultContext) -> dict[str, Any]:
        """The journal's entry that undoes the injection, see `flashdrill.model.journal`; made before injecting.

        `{"type": "none"}` when nothing of it can outlive this process.
        """
        return {"type": "none"}

    @abstractmethod
    async def inject(self, ctx: FaultContext) -> None:
        """Make it happen. Any exception means that the run has no such fault."""

    @abstractmethod
    async def observe(self, ctx: FaultContext, baseline: Any) -> Evidence:
        """Look, within `ctx.observe_s`, until the effect is seen; say what was measured either way."""

    @abstractmethod
    async def heal(self, ctx: FaultContext) -> None:
        """End it. Called again when it failed, and when it is not known whether the injection took place."""

    @abstractmethod
    async def verify_healed(self, ctx: FaultContext) -> Evidence:
        """Whether nothing of it is left."""
