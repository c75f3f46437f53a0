"""The generator's own limit: a schedule beyond it is inconclusive and names the generator, a light one is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from flashdrill.model.result import Conclusion
from scripts.load.generator import driven, judged

pytestmark = pytest.mark.services

LIGHT_PER_S = 100.0
FAR_BEYOND = 3.0
"""Times its capacity: for every arrival that it can send two wait."""


async def test_beyond_its_capacity_the_generator_is_named_and_within_it_is_not(
    tmp_path: Path,
) -> None:
    light = await driven(LIGHT_PER_S, 2.0, tmp_path, calibrate_s=1.0)
    capacity = light.calibration
    assert capacity is not None
    assert capacity.operations_per_s > LIGHT_PER_S
    assert not list(tmp_path.glob("*.calibration"))
    assert len(light.table) == len(
        [op for op in light.table["kind"].to_pylist() if op != "calibrate"]
    )
    said = judged(light)
    assert not any("beyond the generator" in reason for reason in said.validity.reasons)

    beyond = await driven(FAR_BEYOND * capacity.operations_per_s, 1.0, tmp_path, known=capacity)
    said = judged(beyond)
    assert said.verdict.conclusion is Conclusion.INCONCLUSIVE
    assert "beyond the generator's own limit" in said.verdict.reasons[0]
    assert said.bottleneck.named == "generator"
    assert said.bottleneck.sentence.startswith("The generator was the limit in stage load")
