"""Fewer points, and no peak lost."""

from __future__ import annotations

import dataclasses

from flashdrill.model.result import Timeline
from flashdrill.report.html import render
from flashdrill.report.thinning import thinned
from tests.unit.test_report import TEMPLATES, sample


def long_line(seconds: int) -> Timeline:
    """One failure and one slow second in a run that is otherwise even."""
    t = [float(second) for second in range(seconds)]
    even, none = [10.0] * seconds, [0.0] * seconds
    fail = [0.0] * seconds
    fail[seconds // 2] = 8.0
    p99: list[float | None] = [0.01] * seconds
    p99[seconds // 3], p99[0] = 5.0, None
    depth = [(second, 0.0 if second != seconds // 2 else 99.0) for second in t]
    series = {"queue shard0": depth, "breaker shard0": [(0.0, 0.0), (50.2, 2.0), (50.4, 0.0)]}
    return Timeline(t, even, even, even, none, none, fail, none, p99, p99, series)


def test_rates_are_means_and_percentiles_the_worst() -> None:
    line, width = thinned(long_line(100), most=25)
    assert width == 4
    assert line.t_s == [float(t) for t in range(0, 100, 4)]
    assert line.due_per_s == [10.0] * 25
    assert sum(line.fail_per_s) * 4 == 8.0
    assert max(p for p in line.p99_s if p is not None) == 5.0
    assert line.p99_s[0] == 0.01, "a second in which nothing ended says nothing"
    assert max(value for _, value in line.series["queue shard0"]) == 99.0
    assert (50.2, 2.0) in line.series["breaker shard0"]
    assert line.series["breaker shard0"][-1] == (50.4, 0.0)


def test_a_short_run_is_left_alone() -> None:
    line = long_line(100)
    assert thinned(line) == (line, 1)


def test_a_page_of_twelve_hours_is_under_five_megabytes_and_says_what_a_point_is() -> None:
    run = dataclasses.replace(sample(), timeline=long_line(12 * 3600), duration_s=12 * 3600.0)
    page = render(run, TEMPLATES)
    assert len(page.encode()) < 5_000_000
    assert "Each point stands for 12 s" in page
    assert "Each point stands for" not in render(sample(), TEMPLATES)
