"""What two hosts have to show: a whole run that passes, and one with a killed worker that cannot tell."""

from __future__ import annotations

import pytest

from scripts.two_hosts import SCENARIO, is_good

WHOLE = {"is_exact": True, "exit_code": 0}
KILLED = {"is_named": True, "exit_code": 3}


@pytest.mark.parametrize(
    ("whole", "killed", "good"),
    [
        ({}, {}, True),
        ({"exit_code": 3}, {}, False),
        ({"is_exact": False}, {}, False),
        ({}, {"is_named": False}, False),
        ({}, {"exit_code": 0}, False),
    ],
)
def test_a_whole_run_that_does_not_pass_shows_nothing(
    whole: dict[str, object], killed: dict[str, object], good: bool
) -> None:
    assert is_good({**WHOLE, **whole}, {**KILLED, **killed}) is good


def test_something_is_asked_of_the_run() -> None:
    assert "gates: [error_rate < 1%]" in SCENARIO
