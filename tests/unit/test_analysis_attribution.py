"""The bottleneck is named from counters; without one, that is said."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from flashdrill.analysis.attribution import GENERATOR, HOST, LOOP, CpuShares, attribute
from flashdrill.analysis.catalogue import load_catalogue
from flashdrill.analysis.samples import Series
from flashdrill.errors import ConfigError
from flashdrill.model.result import Bottleneck, StageValidity
from flashdrill.model.scenario import Stage
from tests.unit.analysis_history import T0, valid

REPORTS = Path(__file__).parents[2] / "reports"
CATALOGUE = load_catalogue(REPORTS)
STAGES = (Stage("browse", 0, 10), Stage("rush", 10, 10), Stage("tail", 20, 10))
VALIDITY = (valid("browse", due=100), valid("rush", due=1000), valid("tail", due=200))
PREFIX = "flashdrill_resource_"


@dataclass(frozen=True)
class Row:
    t_mono_ns: int
    metric: str
    value: float
    labels: dict[str, str] = field(default_factory=dict)


def rows(
    name: str,
    *,
    busy: float,
    capacity: float = 1.0,
    inner: float = 0.0,
    uses_per_s: float = 100.0,
    wait: float = 0.0,
    rush_only: bool = True,
) -> list[Row]:
    """Counters of a resource that was busy (holds less inner waits, as a share) in the rush, sampled every second."""
    found = []
    for t in range(31):
        active = max(0, min(t - 10, 10)) if rush_only else t
        values = {
            "hold_seconds_total": (busy * capacity + inner) * active,
            "inner_wait_seconds_total": inner * active,
            "wait_seconds_total": wait * active,
            "uses_total": uses_per_s * active,
            "capacity": capacity,
        }
        now = T0 + t * 1_000_000_000
        found += [Row(now, PREFIX + m, v, {"resource": name}) for m, v in values.items()]
    return found


def named(
    *parts: list[Row],
    validity: tuple[StageValidity, ...] = VALIDITY,
    cpu: CpuShares | None = None,
) -> Bottleneck:
    series = Series(row for part in parts for row in part)
    return attribute(series, STAGES, T0, CATALOGUE, validity, cpu)


def test_the_most_used_resource_is_named_with_evidence_and_remedy() -> None:
    found = named(
        rows("pool.shard1", busy=0.95, capacity=8, uses_per_s=400, wait=2.0),
        rows("redis", busy=0.5),
        rows("loop", busy=0.6),
    )
    assert found.named == "pool.shard1"
    assert "connection pool of shard1" in found.sentence
    assert "95%" in found.sentence
    assert "Next is the event loop" in found.sentence
    assert "58%" in found.sentence, "0.95 / 0.60 - 1"
    assert found.remedy.startswith("# A connection pool")
    first = found.ranking[0]
    assert first.utilisation == pytest.approx(0.95)
    assert first.bound_per_s == pytest.approx(400 / 0.95)
    assert (first.uses, first.wait_s, first.stage) == (4000, 20.0, "rush")


def test_time_spent_waiting_for_another_resource_is_taken_off() -> None:
    found = named(
        rows("pool.shard1", busy=0.3, capacity=1, inner=0.69), rows("postgres.shard1", busy=0.9)
    )
    assert found.named == "postgres.shard1"


@pytest.mark.parametrize(("busy", "is_named"), [(0.69, False), (0.71, True)])
def test_below_the_threshold_no_bottleneck_was_reached(busy: float, is_named: bool) -> None:
    found = named(rows("redis", busy=busy), rows("loop", busy=0.2))
    assert (found.named == "redis") is is_named
    assert found.sentence.startswith("No bottleneck reached") is not is_named
    assert bool(found.remedy) is is_named


@pytest.mark.parametrize(("busy", "name"), [(0.89, "pool.shard0"), (0.91, LOOP)])
def test_a_saturated_event_loop_comes_first(busy: float, name: str) -> None:
    assert named(rows("pool.shard0", busy=0.99), rows(LOOP, busy=busy)).named == name


def test_the_loops_thread_is_believed_more_than_its_counters() -> None:
    cpu = CpuShares(loop={"rush": 0.97, "": 0.5})
    found = named(rows("pool.shard0", busy=0.99), rows(LOOP, busy=0.1), cpu=cpu)
    assert found.named == LOOP
    assert [u.resource for u in found.ranking if u.stage == "rush"] == [LOOP, "pool.shard0"]


def test_the_cpu_of_the_host_is_a_resource() -> None:
    found = named(rows("redis", busy=0.8), cpu=CpuShares(host={"rush": 0.95}, host_cores=2))
    assert found.named == HOST
    assert found.ranking[0].capacity == 2


def test_the_generator_is_the_limit_only_when_validity_says_so() -> None:
    cpu = CpuShares(generator={"rush": 0.78})
    assert named(rows("redis", busy=0.2), cpu=cpu).named is None
    late = (VALIDITY[0], valid("rush", is_valid=False, due=1000), VALIDITY[2])
    found = named(rows("redis", busy=0.99), validity=late, cpu=cpu)
    assert found.named == GENERATOR
    assert "the generator was late" in found.sentence
    assert found.remedy
    quiet = (valid("browse", is_valid=False, due=100), *VALIDITY[1:])
    assert named(rows("redis", busy=0.99), validity=quiet).named == "redis"


def test_only_the_busiest_stage_decides() -> None:
    everywhere = rows("redis", busy=0.4, rush_only=False)
    assert named(everywhere, rows("pool.shard0", busy=0.9)).named == "pool.shard0"
    validity = (valid("browse", due=5000), *VALIDITY[1:])
    assert named(everywhere, rows("pool.shard0", busy=0.9), validity=validity).named is None


def test_the_ranking_has_the_busiest_stage_the_run_and_the_others() -> None:
    found = named(rows("redis", busy=0.9), rows("loop", busy=0.3))
    assert [(u.stage, u.resource) for u in found.ranking] == [
        ("rush", "redis"),
        ("rush", "loop"),
        ("", "redis"),
        ("", "loop"),
        ("browse", "loop"),
        ("browse", "redis"),
        ("tail", "loop"),
        ("tail", "redis"),
    ]
    total = next(u for u in found.ranking if u.stage == "" and u.resource == "redis")
    assert total.utilisation == pytest.approx(0.3)


def test_a_restart_of_the_service_does_not_make_time_run_backwards() -> None:
    name = {"resource": "redis"}
    values = [0.0, 4.0, 8.0, 1.0, 2.0]
    hold = [
        Row(T0 + (10 + 2 * n) * 1_000_000_000, PREFIX + "hold_seconds_total", v, name)
        for n, v in enumerate(values)
    ]
    series = Series(hold)
    grown = series.increase(PREFIX + "hold_seconds_total", (T0, T0 + 30 * 10**9), resource="redis")
    assert grown == (10.0, 8.0)


def test_nothing_measured_is_said() -> None:
    found = named()
    assert (found.named, found.ranking) == (None, ())
    assert found.sentence == "No resource was measured."


def test_gauges_are_averaged_over_the_span() -> None:
    series = Series([Row(T0 + n, "cpu", float(n)) for n in range(5)])
    assert series.mean("cpu", (T0 + 1, T0 + 3)) == 2.0
    assert series.mean("cpu", (T0 + 10, T0 + 30)) is None
    assert series.latest("cpu", T0 + 2) == 2.0
    assert series.latest("cpu", T0 - 2) == 0.0
    assert series.latest("none", T0) is None


@pytest.mark.parametrize(
    ("name", "title", "remedy"),
    [
        ("pool.shard3", "the connection pool of shard3", "# A connection pool"),
        ("postgres.shard0", "PostgreSQL of shard0", "# PostgreSQL"),
        ("filequeue.shard2", "the durable file queue of shard2", "# The durable file queue"),
        ("rowlock.stock", "a row lock on stock", "# A row lock"),
        ("loop", "the event loop of the service", "# The event loop"),
        ("redis", "Redis", "# Redis"),
        ("requests", "the limit of requests in flight", "# The limit of requests"),
        (HOST, "the CPU of the host", "# The CPU of the host"),
        (GENERATOR, "the load generator", "# The load generator"),
        ("partner", "partner", ""),
    ],
)
def test_every_kind_of_resource_has_a_title_and_a_remedy(
    name: str, title: str, remedy: str
) -> None:
    assert CATALOGUE.title(name) == title
    assert CATALOGUE.remedy(name).startswith(remedy)
    assert bool(CATALOGUE.remedy(name)) is bool(remedy)


@pytest.mark.parametrize("text", ["counters: {}", "colour: red", "[", None])
def test_a_broken_catalogue_is_refused_with_its_path(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "resources.yaml").write_text(text)
    with pytest.raises(ConfigError, match=r"resources\.yaml"):
        load_catalogue(tmp_path)
