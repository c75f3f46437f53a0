"""A climb against a service whose capacity is known: five orders at a time, each 25 ms."""

from __future__ import annotations

from pathlib import Path

import pytest

from flashdrill.model.capacity import Ended
from flashdrill.model.scenario import Climb
from scripts.load.limited import Limited, climbed

pytestmark = pytest.mark.services

BAND = 0.08
"""How far the knee may be from the service's capacity, with steps of two seconds on a busy machine."""


async def test_the_knee_is_the_capacity_of_the_service(tmp_path: Path) -> None:
    shares = (("order", 1.0),)
    climb = Climb(
        "climb", 0.0, (120, 150, 220, 260, 300, 340), 2.0, 0.0, shares, True, bisections=1
    )
    async with Limited(permits=5, service_s=0.025).serving() as service:
        knee, steps = await climbed(climb, service.url, tmp_path)
        capacity = service.capacity_per_s
    print(capacity, knee)
    assert steps.ended is Ended.KNEE
    assert knee.ended is Ended.KNEE
    assert knee.knee_per_s == pytest.approx(capacity, rel=BAND)
    assert [step.stage for step in knee.steps[-1:]] == ["climb-b1"]
    assert len(knee.steps) < len(climb.rates) + climb.bisections, "it climbed to the top"
