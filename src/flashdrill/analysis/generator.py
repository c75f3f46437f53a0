"""The generator's own limit: what its calibration says of the stages in which it could not keep up, or hardly could."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from flashdrill.model.calibration import CPU_LIMIT, Calibration
from flashdrill.model.peak import peak_of
from flashdrill.model.result import StageValidity
from flashdrill.model.scenario import Stage

NEAR_SHARE = 0.9
"""Of the CPU that a load process may use: beyond it, it is near its limit."""


def with_generator_limit(
    validity: Sequence[StageValidity], stages: Sequence[Stage], found: Calibration | None
) -> tuple[StageValidity, ...]:
    """A stage whose schedule asks for more than the generator can send says so first, when it is invalid.

    One that is valid by itself shows more than the calibration did, and stays so, unless its load process was near its
    limit too: then two witnesses say that it was too much.
    """
    peaks: Mapping[str, float] = {stage.name: peak_of(stage) for stage in stages}
    return tuple(
        replace(v, is_valid=False, reasons=(_beyond(peaks[v.stage], found), *_near(v), *v.reasons))
        if found
        and peaks.get(v.stage, 0.0) > found.operations_per_s
        and (not v.is_valid or _is_near(v))
        else v
        for v in validity
    )


def _is_near(v: StageValidity) -> bool:
    return v.generator_cpu is not None and v.generator_cpu > NEAR_SHARE * CPU_LIMIT


def _near(v: StageValidity) -> tuple[str, ...]:
    """What made a stage invalid that was valid by itself."""
    if not v.is_valid:
        return ()
    return (f"the load process was near its limit: {v.generator_cpu:.0%} of its core",)


def _beyond(peak_per_s: float, found: Calibration) -> str:
    return (
        f"the schedule is beyond the generator's own limit: up to {peak_per_s:,.0f} arrivals a second were due, and it "
        f"can send {found.operations_per_s:,.0f} operations a second (calibrated against a null server)"
    )
