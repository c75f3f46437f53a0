"""What the calibration says of a stage: only of one that is invalid, and only when its schedule was too much."""

from __future__ import annotations

from dataclasses import replace

from flashdrill.analysis.generator import with_generator_limit
from flashdrill.model.calibration import Calibration, together
from flashdrill.model.capacity import Capacity
from flashdrill.model.scenario import Stage
from tests.unit.analysis_history import valid
from tests.unit.crowds import steady

FOUND = Calibration(1000.0, 90.0, 0.95, 1500, 1.5)
LATE = replace(valid("rush"), is_valid=False, reasons=("the generator was late",))


def rush(rate_per_s: float) -> tuple[Stage, ...]:
    return (Stage("rush", 0.0, 5.0, (steady("order", rate_per_s, 5.0),)),)


def test_an_invalid_stage_beyond_the_capacity_says_so_first() -> None:
    (said,) = with_generator_limit([LATE], rush(1100), FOUND)
    assert "beyond the generator's own limit: up to 1,100 arrivals a second" in said.reasons[0]
    assert said.reasons[1:] == LATE.reasons


def test_nothing_is_said_within_the_capacity_nor_of_a_valid_stage_nor_without_calibration() -> None:
    assert with_generator_limit([LATE], rush(900), FOUND) == (LATE,)
    assert with_generator_limit([valid("rush")], rush(1100), FOUND) == (valid("rush"),)
    assert with_generator_limit([LATE], rush(1100), None) == (LATE,)


def test_a_stage_beyond_the_capacity_that_was_sent_in_time_is_trusted_unless_it_was_near_the_limit() -> (
    None
):
    calm, near = (replace(valid("rush"), generator_cpu=cpu) for cpu in (0.70, 0.74))
    assert with_generator_limit([calm], rush(1100), FOUND) == (calm,)
    (said,) = with_generator_limit([near], rush(1100), FOUND)
    assert not said.is_valid
    assert "beyond the generator's own limit" in said.reasons[0]
    assert "near its limit: 74% of its core" in said.reasons[1]
    assert with_generator_limit([near], rush(900), FOUND) == (near,)


def test_a_schedule_is_beyond_the_generator_above_its_capacity_only() -> None:
    assert Capacity(FOUND, 1001.0).is_beyond_generator
    assert not Capacity(FOUND, 1000.0).is_beyond_generator
    assert not Capacity(None, 1e6).is_beyond_generator


def test_several_processes_add_up() -> None:
    both = together([FOUND, Calibration(500.0, 30.0, 0.6, 750, 1.4)])
    assert both == Calibration(1500.0, 70.0, 0.95, 2250, 1.5, workers=2)
    assert together([]) is None
