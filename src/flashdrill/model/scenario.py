"""What the crowd does, parsed and frozen. Times in seconds since the run's start, money in cents."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from flashdrill.model.condition import Condition
from flashdrill.model.marking import Marking
from flashdrill.model.service import Service
from flashdrill.model.steady_state import SteadyState
from flashdrill.model.templates import Templates


@dataclass(frozen=True, slots=True)
class Ramp:
    """A stretch of a rate (per second) that goes linearly from one value to another."""

    duration_s: float
    from_per_s: float
    to_per_s: float

    @property
    def expected(self) -> float:
        """How many arrivals to expect in it."""
        return (self.from_per_s + self.to_per_s) / 2 * self.duration_s


@dataclass(frozen=True, slots=True)
class Arrivals:
    """Arrivals of one journey in one stage: ramps one after another, which together last as long as the stage.

    Poisson arrivals, or with `is_even` as evenly spaced as the rate allows.
    """

    journey: str
    rate: tuple[Ramp, ...]
    is_even: bool = False

    @property
    def expected(self) -> float:
        """How many arrivals to expect: the mean of a Poisson process, the number of even ones to within one."""
        return sum(ramp.expected for ramp in self.rate)

    @property
    def peak_per_s(self) -> float:
        """Its highest rate."""
        return max((max(ramp.from_per_s, ramp.to_per_s) for ramp in self.rate), default=0.0)


@dataclass(frozen=True, slots=True)
class RecordedArrivals:
    """Arrivals of one journey at recorded times (seconds since the stage's start, ascending, speed applied)."""

    journey: str
    times_s: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Stage:
    """A named stretch of the run."""

    name: str
    start_s: float
    duration_s: float
    arrivals: tuple[Arrivals, ...] = ()
    recorded: tuple[RecordedArrivals, ...] = ()

    @property
    def end_s(self) -> float:
        """When it is over, in seconds since the run's start."""
        return self.start_s + self.duration_s


@dataclass(frozen=True, slots=True)
class Gate:
    """One condition of the verdict, such as `p99(place_order) < 800ms during steady`.

    `metric` is pNN or pNN.N or max (response time, s), `error_rate`, `refusal_rate` (shares), `rate` (ok per second),
    `recovery` (s, the slowest fault's), `drain` (s). `limit` is in seconds, a share, or per second.
    """

    text: str
    metric: str
    operation: str  # empty: every operation
    comparator: str  # <, <=, >, >=
    limit: float
    stage: str  # empty: the whole run
    line: int = 0

    @property
    def is_latency(self) -> bool:
        """Whether it limits a response time."""
        return self.metric == "max" or (self.metric[:1] == "p" and self.metric[1:2].isdigit())


@dataclass(frozen=True, slots=True)
class Product:
    """A product of the sale; `weight` is its share of the interest (not normalised)."""

    sku: str
    price_cents: int
    stock: int
    weight: float


@dataclass(frozen=True, slots=True)
class World:
    """Who buys what."""

    users: int
    products: tuple[Product, ...]
    user_prefix: str = "u"  # an id is the prefix and a number below `users`


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of the generator and of the waits after the load."""

    in_flight: int = 512
    request_timeout_s: float = 5.0
    max_attempts: int = 3
    drain_timeout_s: float = 60.0
    rate_max: float | None = None  # requests a second; None: as `model.rate_cap` says
    workers: int = 1  # load processes; each has its own `in_flight`


PAUSE_S = 10.0
"""The longest pause before a step, in which nobody comes and what has piled up is worked off."""


@dataclass(frozen=True, slots=True)
class Climb:
    """Steps of rising rate (`rates`, a second), then up to `bisections` extra ones around the knee.

    `shares` are the parts of the journeys in the rate, which add up to 1. Each step is its warm-up, if it has one,
    and the stretch that counts.
    """

    name: str
    start_s: float  # of the first step, since the run's start
    rates: tuple[float, ...]
    hold_s: float
    warm_up_s: float
    shares: tuple[tuple[str, float], ...]
    is_even: bool = False
    bisections: int = 0

    @property
    def step_s(self) -> float:
        """How long a step takes."""
        return self.warm_up_s + self.hold_s

    @property
    def longest_s(self) -> float:
        """How long all of it may take."""
        return (len(self.rates) + self.bisections) * (self.step_s + PAUSE_S)

    def stages(self, label: str, per_s: float, start_s: float) -> tuple[Stage, ...]:
        """The stages of one step: NAME-LABEL, and NAME-LABEL-up before it."""
        name = f"{self.name}-{label}"
        hold = self._stage(name, per_s, start_s + self.warm_up_s, self.hold_s)
        if not self.warm_up_s:
            return (hold,)
        return self._stage(f"{name}-up", per_s, start_s, self.warm_up_s), hold

    def _stage(self, name: str, per_s: float, start_s: float, duration_s: float) -> Stage:
        arrivals = (
            Arrivals(journey, (Ramp(duration_s, per_s * part, per_s * part),), self.is_even)
            for journey, part in self.shares
        )
        return Stage(name, start_s, duration_s, tuple(arrivals))


@dataclass(frozen=True, slots=True)
class Scenario:
    """A parsed scenario. `backend` holds the reference backend's settings that it overrides."""

    name: str
    path: Path
    locustfile: Path
    stages: tuple[Stage, ...]
    world: World
    description: str = ""
    seed: int = 1
    time_scale: float = 1.0
    gates: tuple[Gate, ...] = ()
    limits: Limits = field(default_factory=Limits)
    backend: Mapping[str, object] = field(default_factory=dict)
    chaos: tuple[Path, ...] = ()  # plans that the scenario names itself
    parameters: Mapping[str, object] = field(default_factory=dict)  # read by the locustfile
    steady_state: SteadyState | None = None
    aborts: tuple[Condition, ...] = ()
    calibrate_s: float = (
        0.0  # how long the load process is calibrated before the load; 0: it is not
    )
    service: Service | None = None  # None: the reference stack
    templates: Templates | None = None  # None: the locustfile says what customers do
    hosts: tuple[str, ...] = ()  # beyond loopback, those that a run may send to
    marking: Marking = field(default_factory=Marking)
    climb: Climb | None = None  # its steps are among the stages, as they are planned

    @property
    def duration_s(self) -> float:
        """From the run's start to the end of the last stage."""
        return self.stages[-1].end_s if self.stages else 0.0

    @property
    def longest_s(self) -> float:
        """How long the load may take: a climb makes pauses and takes extra steps."""
        return self.climb.start_s + self.climb.longest_s if self.climb else self.duration_s

    @property
    def given_stages(self) -> tuple[Stage, ...]:
        """The stages that are certain: of a climb only the first step."""
        if self.climb is None:
            return self.stages
        first_end_s = self.climb.start_s + self.climb.step_s
        return tuple(stage for stage in self.stages if stage.start_s < first_end_s - 1e-6)
