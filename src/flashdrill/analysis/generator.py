"""The generator's own limit: what its calibration says of the stages in which it could not keep up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from flashdrill.model.calibration import Calibration
from flashdrill.model.peak import peak_of
from flashdrill.model.result import StageValidity
from flashdrill.model.scenario import Stage


def with_generator_limit(
    validity: Sequence[StageValidity], stages: Sequence[Stage], found: Calibration | None
) -> tuple[StageValidity, ...]:
    """An invalid stage whose schedule asks for more than the generator can send says so first.

    A valid one was sent in time: it shows more than the calibration did.
    """
    peaks: Mapping[str, float] = {stage.name: peak_of(stage) for stage in stages}
    return tuple(
        replace(v, reasons=(_beyond(peaks[v.stage], found), *v.reasons))
        if found and not v.is_valid and peaks.get(v.stage, 0.0) > found.operations_per_s
        else v
        for v in validity
    )


def _beyond(peak_per_s: float, found: Calibration) -> str:
    return (
        f"the schedule is beyond the generator's own limit: up to {peak_per_s:,.0f} arrivals a second were due, and it "
        f"can send {found.operations_per_s:,.0f} operations a second (calibrated against a null server)"
    )
