"""A climb against a service of known capacity, as the crowd would tell of it, second by second."""

from __future__ import annotations

from typing import Any

from flashdrill.model.capacity import Step, StepState
from flashdrill.model.scenario import Climb, Stage
from flashdrill.rehearsal.climber import Climber

KEPT_UP, PAST, GENERATOR = StepState.KEPT_UP, StepState.PAST, StepState.GENERATOR
MOST_SECONDS = 500


def climb(*, top: float = 1000.0, step: float = 100.0, bisections: int = 3, **more: Any) -> Climb:
    rates = tuple(step * n for n in range(1, int(top / step) + 1))
    shares = (("order", 1.0),)
    return Climb("climb", 0.0, rates, 4.0, 1.0, shares, bisections=bisections, **more)


def step(rate_per_s: float, achieved_per_s: float, state: StepState, **more: Any) -> Step:
    return Step(f"at-{rate_per_s:g}", rate_per_s, rate_per_s, achieved_per_s, state, **more)


class Service:
    """Answers `capacity_per_s`; what is more waits. The generator sends `generator_per_s` at most, and is then late."""

    def __init__(self, capacity_per_s: float, generator_per_s: float = 1e9) -> None:
        self.capacity_per_s, self.generator_per_s = capacity_per_s, generator_per_s
        self.waiting = 0.0

    def second(self, t_s: int, offered_per_s: float) -> dict[str, Any]:
        sent = min(offered_per_s, self.generator_per_s)
        answered = min(self.waiting + sent, self.capacity_per_s)
        self.waiting += sent - answered
        is_late = offered_per_s > self.generator_per_s
        return {
            "event": "second",
            "t_s": float(t_s),
            "due": offered_per_s,
            "sent": sent,
            "not_sent": 0,
            "ok": answered,
            "refused": 0,
            "in_flight": round(self.waiting),
            "p50_ms": 5.0 + 1e3 * self.waiting / self.capacity_per_s,
            "lateness_p99_ms": 400.0 if is_late else 1.0,
            "cpu": 1.0 if is_late else 0.3,
        }


def climbed(plan: Climb, service: Service) -> tuple[Climber, list[Stage], list[dict[str, Any]]]:
    """A whole climb: the climber, the stages in their order, the seconds that were told."""
    stages = list(plan.stages("1", plan.rates[0], plan.start_s))
    orders: list[tuple[Stage, ...]] = []
    climber = Climber(plan, orders.append)
    told = []
    for second in range(1, MOST_SECONDS):
        told.append(service.second(second, rate_at(stages, second - 0.5)))
        climber.take(told[-1])
        for order in orders:
            assert all(stage.start_s >= second for stage in order), "ordered too late"
            stages += order
        is_over = () in orders
        orders.clear()
        if is_over:
            assert climber.climbed.ended is not None
            return climber, stages, told
    raise AssertionError("it never ended")


def rate_at(stages: list[Stage], t_s: float) -> float:
    on = [stage for stage in stages if stage.start_s <= t_s < stage.end_s]
    assert len(on) <= 1, "two steps at once"
    return on[0].arrivals[0].rate[0].from_per_s if on else 0.0
