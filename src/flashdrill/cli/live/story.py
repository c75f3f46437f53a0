"""What the live screen has heard of a run so far."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field

from flashdrill.model.faults import FaultPlan, PlannedFault
from flashdrill.model.scenario import Scenario
from flashdrill.rehearsal.watcher import LiveSecond

KEPT_SECONDS = 600
OUTCOMES = ("ok", "queued", "refused", "fail", "info")


@dataclass(slots=True)
class FaultStory:
    """What became of one planned fault so far. `steps` are those heard of; `trouble` is what failed last."""

    planned: PlannedFault
    steps: set[str] = field(default_factory=set)
    trouble: str = ""
    began_s: float = 0.0  # the last second of load when it was injected

    @property
    def end_s(self) -> float:
        """When it is to be healed, seconds since the run's start; one that the run started, to a second."""
        planned = self.planned
        return self.began_s + planned.duration_s if planned.trigger else planned.end_s

    @property
    def is_in_force(self) -> bool:
        """Injected, and not healed yet."""
        return "inject" in self.steps and "healed" not in self.steps

    @property
    def is_over(self) -> bool:
        """Healed, or never made."""
        never = self.steps & {"failed", "not due"} and "inject" not in self.steps
        return "healed" in self.steps or bool(never)


class Story:
    """Grows with every step; `at_s` is the time since the command began, `t_s` since the run's first arrival."""

    def __init__(self, scenario: Scenario, plan: FaultPlan) -> None:
        self.scenario = scenario
        self.phase = ""
        self.phase_began_s = 0.0
        self.done: list[
            tuple[str, float]
        ] = []  # phases that are over, and how many seconds each took
        self.servers: list[tuple[str, float]] = []
        self.seconds: deque[LiveSecond] = deque(maxlen=KEPT_SECONDS)
        self.totals: Counter[str] = Counter()
        self.faults = {planned.id: FaultStory(planned) for planned in plan.faults}
        self.is_loading = False
        self.waiting: int | None = None
        self._heard_s = 0.0

    def begin(self, at_s: float, text: str) -> None:
        """A new phase."""
        if self.phase:
            self.done.append((self.phase, at_s - self.phase_began_s))
        self.phase, self.phase_began_s = text, at_s
        self.is_loading = False

    def hear(self, at_s: float, live: LiveSecond) -> None:
        """One second of load."""
        self.is_loading = True
        self.seconds.append(live)
        self.totals.update({name: getattr(live, name) for name in ("due", "sent", *OUTCOMES)})
        self._heard_s = at_s

    def mark(self, event: dict[str, object]) -> None:
        """One step of a fault."""
        fault = self.faults.get(str(event["id"]))
        if fault is None:
            return
        fault.steps.add(str(event["phase"]))
        if event["phase"] == "inject" and self.last is not None:
            fault.began_s = self.last.t_s
        if event["phase"] == "failed":
            fault.trouble = str(event.get("detail", ""))

    @property
    def last(self) -> LiveSecond | None:
        """The newest second."""
        return self.seconds[-1] if self.seconds else None

    def silence_s(self, at_s: float) -> float:
        """How long the crowd has said nothing."""
        return at_s - self._heard_s

    def t_s(self, at_s: float) -> float:
        """Seconds since the run's first arrival was due."""
        return self.last.t_s + self.silence_s(at_s) if self.last else 0.0
