"""What the service said last, from its samples."""

from __future__ import annotations

from flashdrill.observe.samples import Sample, SampleTable
from flashdrill.rehearsal.service import service_now
from flashdrill.rehearsal.watcher import ServiceNow

S = 1_000_000_000


def said(*samples: tuple[str, float, dict[str, str]]) -> list[Sample]:
    return [Sample(metric, value, labels) for metric, value, labels in samples]


def test_the_newest_sample_counts() -> None:
    table = SampleTable()
    for t_s, state in ((1, 0.0), (2, 2.0)):
        table.add(
            t_s * S,
            "backend",
            said(
                ("flashdrill_breaker_state", state, {"target": "shard2"}),
                ("flashdrill_breaker_state", 1.0, {"target": "redis"}),
                ("flashdrill_level", state, {"shard": "shard2"}),
                ("flashdrill_queue_depth", 7.0, {"shard": "shard2"}),
            ),
        )
    now = service_now(table, 5 * S)
    assert now.breakers == {"redis": "half-open", "shard2": "open"}
    assert now.levels == {"shard2": 2}
    assert now.queues == {"shard2": 7}
    assert now.age_s == 3.0


def test_a_service_that_never_answered_has_no_age() -> None:
    assert service_now(SampleTable(), S) == ServiceNow()
    assert ServiceNow().age_s is None


def test_a_state_that_nobody_knows_is_not_called_closed() -> None:
    table = SampleTable()
    table.add(S, "backend", said(("flashdrill_breaker_state", 3.0, {"target": "x"})))
    assert service_now(table, S).breakers == {"x": "state 3"}
