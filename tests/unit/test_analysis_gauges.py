"""Sampled series for the panels."""

from __future__ import annotations

import pytest

from flashdrill.analysis.gauges import gauges
from flashdrill.analysis.samples import Series
from flashdrill.observe.samples import Sample, SampleTable
from tests.unit.analysis_history import T0


def sampled(*samples: tuple[float, str, dict[str, str], float]) -> Series:
    table = SampleTable()
    for t_s, metric, labels, value in samples:
        table.add(T0 + round(t_s * 1e9), "test", [Sample(metric, value, labels)])
    return Series(table)


def test_cpu_is_the_growth_between_two_samples_and_a_restart_says_nothing() -> None:
    backend = {"process": "backend"}
    series = sampled(
        *(
            (t, "process_cpu_seconds_total", backend, v)
            for t, v in ((0, 5), (1, 5.5), (2, 0.1), (3, 0.3))
        ),
        *(
            (t, "host_cpu_seconds_total", {"mode": mode}, v * t)
            for t in (0, 1)
            for mode, v in (("busy", 0.5), ("idle", 1.0), ("iowait", 0.25), ("steal", 0.25))
        ),
    )
    found = gauges(series, [], T0)
    assert found["cpu backend"] == [(1.0, pytest.approx(0.5)), (3.0, pytest.approx(0.2))]
    assert found["cpu host"] == [(1.0, pytest.approx(0.375))]


def test_the_generators_own_lines_and_the_queues_become_series() -> None:
    series = sampled((0.5, "flashdrill_queue_depth", {"shard": "shard2"}, 7.0))
    lines = [
        {"t_s": 1.0, "cpu": 0.2, "lateness_p99_ms": 3.0},
        {"t_s": 2.0, "cpu": None, "lateness_p99_ms": None},
    ]
    assert gauges(series, lines, T0) == {
        "queue shard2": [(0.5, 7.0)],
        "cpu generator": [(1.0, 0.2)],
        "lateness generator": [(1.0, 0.003)],
    }
    assert gauges(Series(()), [], T0) == {}
