"""Which resource limits the system, from counters: effective utilisation, per stage and over the run.

For each resource k with capacity C_k, over a stretch Δt:

    U_k = Δ(hold_k − inner wait_k) / (Δt · C_k)        X_k = C_k / E[hold_k − inner wait_k]

Time that a holder spends waiting for another resource is taken off, or a pool would be blamed for a slow
database. The bounds X_k count uses of their own resource; at one throughput the one that is reached first is the one
of highest utilisation, so that is the ranking, and the gain to expect from its relief is its utilisation over the
next one's, less one. (Operational analysis: Denning and Buzen, 1978, the bottleneck law.)

The stage that was busiest (most arrivals a second) decides:
1. the generator, when its own validity says that it was the limit there;
2. the event loop, when its thread was busy for over 90 %: everything on it seems slow then;
3. the resource of highest utilisation, when that is 70 % or more;
4. no bottleneck reached.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from flashdrill.analysis.catalogue import Catalogue
from flashdrill.analysis.samples import Series
from flashdrill.model.result import Bottleneck, ResourceUse, StageValidity
from flashdrill.model.scenario import Stage

LOOP = "loop"
HOST = "host-cpu"
GENERATOR = "generator"
SATURATED = 0.70
LOOP_SATURATED = 0.90


@dataclass(frozen=True, slots=True)
class CpuShares:
    """CPU over each stage by its name, and over the whole run by the empty name, as shares from 0 to 1.

    `host` is the share of all cores, `generator` that of one core by the busiest load process, `loop` that
    of one core by the thread of the service's event loop (when it is not given, the loop's counters serve).
    """

    host: Mapping[str, float] = field(default_factory=dict)
    generator: Mapping[str, float] = field(default_factory=dict)
    loop: Mapping[str, float] = field(default_factory=dict)
    host_cores: int = 1


def attribute(
    series: Series,
    stages: Sequence[Stage],
    t0_ns: int,
    catalogue: Catalogue,
    validity: Sequence[StageValidity],
    cpu: CpuShares | None = None,
) -> Bottleneck:
    """The named resource or none, in words, with the ranking: the busiest stage first, then the whole run
    (`stage` empty), then the other stages, each by falling utilisation."""
    stretches = {stage.name: (stage.start_s, stage.end_s) for stage in stages}
    stretches[""] = (stages[0].start_s, stages[-1].end_s) if stages else (0.0, 0.0)
    uses = {
        name: rank(_uses(series, catalogue, cpu or CpuShares(), name, _span(t0_ns, stretch)))
        for name, stretch in stretches.items()
    }
    busiest = _busiest(stages, validity)
    order = dict.fromkeys([busiest, "", *(stage.name for stage in stages)])
    ranking = tuple(use for name in order for use in uses.get(name, ()))
    return _named(uses.get(busiest, ()), ranking, busiest, catalogue, validity)


def rank(uses: Iterable[ResourceUse]) -> tuple[ResourceUse, ...]:
    """By falling utilisation; the event loop comes first when it is saturated."""
    return tuple(
        sorted(uses, key=lambda u: (not _is_saturated_loop(u), -u.utilisation, u.resource))
    )


def _is_saturated_loop(use: ResourceUse) -> bool:
    return use.resource == LOOP and use.utilisation > LOOP_SATURATED


def _span(t0_ns: int, stretch: tuple[float, float]) -> tuple[int, int]:
    return t0_ns + round(stretch[0] * 1e9), t0_ns + round(stretch[1] * 1e9)


def _uses(
    series: Series, catalogue: Catalogue, cpu: CpuShares, stage: str, span: tuple[int, int]
) -> Iterator[ResourceUse]:
    counters = catalogue.counters
    for name in series.label_values(counters.hold, counters.label):
        use = measure(series, catalogue, name, stage, span)
        if use is not None and not (name == LOOP and stage in cpu.loop):
            yield use
    shares = ((LOOP, cpu.loop, 1), (HOST, cpu.host, cpu.host_cores), (GENERATOR, cpu.generator, 1))
    for name, by_stage, capacity in shares:
        if stage in by_stage:
            yield ResourceUse(name, by_stage[stage], None, 0.0, float(capacity), 0.0, stage)


def measure(
    series: Series, catalogue: Catalogue, name: str, stage: str, span: tuple[int, int]
) -> ResourceUse | None:
    """One resource over one stretch (CLOCK_MONOTONIC ns); None when its counters were not seen."""
    counters = catalogue.counters
    label = {counters.label: name}
    hold = series.increase(counters.hold, span, **label)
    if hold is None:
        return None
    capacity = series.latest(counters.capacity, span[1], **label) or 1.0
    inner_s, wait_s, uses = (
        (series.increase(metric, span, **label) or (0.0, 0.0))[0]
        for metric in (counters.inner_wait, counters.wait, counters.uses)
    )
    busy_s = max(0.0, hold[0] - inner_s)
    return ResourceUse(
        resource=name,
        utilisation=busy_s / (hold[1] * capacity),
        bound_per_s=capacity * uses / busy_s if busy_s > 0 and uses > 0 else None,
        uses=uses,
        capacity=capacity,
        wait_s=wait_s,
        stage=stage,
    )


def _busiest(stages: Sequence[Stage], validity: Sequence[StageValidity]) -> str:
    due = {v.stage: v.due for v in validity}
    rates = {s.name: due.get(s.name, 0) / s.duration_s for s in stages if s.duration_s > 0}
    return max(rates, key=lambda name: rates[name], default="")


def _named(
    uses: Sequence[ResourceUse],
    ranking: tuple[ResourceUse, ...],
    stage: str,
    catalogue: Catalogue,
    validity: Sequence[StageValidity],
) -> Bottleneck:
    invalid = next((v for v in validity if v.stage == stage and not v.is_valid), None)
    if invalid is not None:
        sentence = f"The generator was the limit in stage {stage}: {'; '.join(invalid.reasons)}."
        return Bottleneck(GENERATOR, sentence, catalogue.remedy(GENERATOR), ranking)
    suspects = [use for use in uses if use.resource != GENERATOR]
    if not suspects:
        return Bottleneck(None, "No resource was measured.", "", ranking)
    first = suspects[0]
    if first.utilisation < SATURATED:
        sentence = (
            f"No bottleneck reached: in the busiest stage, {stage}, {catalogue.title(first.resource)} "
            f"was used most, {first.utilisation:.0%} of its capacity."
        )
        return Bottleneck(None, sentence, "", ranking)
    sentence = " ".join(_evidence(first, suspects[1:], catalogue))
    return Bottleneck(first.resource, sentence, catalogue.remedy(first.resource), ranking)


def _evidence(
    first: ResourceUse, others: Sequence[ResourceUse], catalogue: Catalogue
) -> Iterator[str]:
    title = catalogue.title(first.resource)
    yield (
        f"{title[:1].upper()}{title[1:]} is the limit: in stage {first.stage} it was used at "
        f"{first.utilisation:.0%} of its capacity of {first.capacity:g}."
    )
    if first.bound_per_s is not None:
        yield f"It can serve at most {first.bound_per_s:.0f} uses a second ({first.uses:.0f} in the stage)."
    if (
        first.wait_s > 0 and first.resource != LOOP
    ):  # the loop's wait is a sampler's, not of requests
        yield f"Others waited {first.wait_s:.1f} s for it in all."
    if others and others[0].utilisation > 0:
        gain = first.utilisation / max(o.utilisation for o in others) - 1
        yield (
            f"Next is {catalogue.title(others[0].resource)} at {others[0].utilisation:.0%}: "
            f"relief can gain about {max(0.0, gain):.0%} before that one is the limit."
        )
