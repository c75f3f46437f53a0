"""A server that is stopped for 2 s under 100 requests a second, through the crowd's own process."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from flashdrill.analysis.closed_loop import closed_loops
from flashdrill.analysis.percentiles import quantile
from scripts.load.analytic import Stall, chance_of_draw
from scripts.load.stalled import Plan, stalled
from tests.unit.analysis_history import valid

pytestmark = pytest.mark.services

RUN_S, RATE_PER_S, STALL_S = 5.0, 100.0, 2.0
SHARES = (0.95, 0.99)


@pytest.mark.parametrize("is_even", [True, False], ids=["even", "poisson"])
async def test_percentiles_from_due_times_are_the_analytic_ones(
    tmp_path: Path, is_even: bool
) -> None:
    plan = Plan(RUN_S, RATE_PER_S, STALL_S, is_even)
    seen, _ = await stalled(plan, tmp_path)
    for share in SHARES:
        measured, of_rate = seen.response(share), seen.stall.of_rate(share, RUN_S)
        by_chance = 0.0 if is_even else 3 * chance_of_draw(share, RUN_S, RATE_PER_S)
        assert measured == pytest.approx(seen.stall.of_draw(share, seen.due_s), rel=0.05)
        assert measured == pytest.approx(of_rate, abs=0.05 * of_rate + by_chance)
    (loop,) = closed_loops(seen.table, [valid("load")], {"load": RUN_S})
    assert loop.closed.p95 is not None
    assert loop.closed.p95 < seen.response(0.95) / 2


def test_the_formula_is_the_quantile_of_a_fine_sample() -> None:
    stall = Stall(2.0, 4.0, 0.003)
    due_s = np.arange(0, 10, 1e-5)
    for share in (0.5, 0.9, 0.95, 0.99, 0.999):
        assert stall.of_rate(share, 10) == pytest.approx(stall.of_draw(share, due_s), abs=1e-4)


def test_the_draw_of_poisson_arrivals_spreads_the_quantile_as_stated() -> None:
    rng = np.random.default_rng(3)
    stall = Stall(2.0, 4.0, 0.003)
    draws = [stall.of_draw(0.95, np.sort(rng.uniform(0, 8, rng.poisson(800)))) for _ in range(2000)]
    assert np.mean(draws) == pytest.approx(stall.of_rate(0.95, 8), rel=0.01)
    assert np.std(draws) == pytest.approx(chance_of_draw(0.95, 8, 100), rel=0.1)


def test_a_closed_loop_in_the_same_stall_would_not_match() -> None:
    """The comparison can fail: ten waiting users see ten slow answers, and their p95 is 3 ms."""
    stall = Stall(2.0, 4.0, 0.003)
    due_s = np.arange(0, 8, 0.01)
    is_hit = (due_s >= 2) & (due_s < 4)
    kept = np.where(is_hit, np.cumsum(is_hit) <= 10, True)
    closed_s = np.where(is_hit, 4 - due_s, 0)[kept] + 0.003
    assert quantile(closed_s, 0.95) != pytest.approx(stall.of_rate(0.95, 8), rel=0.5)
