"""A service that was away: because of a fault it may be, without one nobody knows what was measured."""

from __future__ import annotations

import pytest

from flashdrill.model.faults import FaultRecord
from flashdrill.rehearsal.own_settle import ECHO_S, absences_in_words
from flashdrill.rehearsal.trace import Trace

S = 1_000_000_000


@pytest.mark.parametrize(
    ("from_s", "to_s", "is_said"),
    [
        (5.5, 6.5, False),
        (5.5, 8 + ECHO_S, False),
        (4.0, 6.0, True),  # it was away before the fault
        (7.0, 20.0, True),  # and stayed away
        (12.0, 13.0, True),
    ],
)
def test_an_absence_that_no_fault_explains_is_said(
    from_s: float, to_s: float, is_said: bool
) -> None:
    trace = Trace(t0_ns=100 * S)
    trace.faults = [FaultRecord("cut", "down", "adopted/shop", 5.0, 8.0, True, True)]
    trace.absences = [(100 * S + round(from_s * S), 100 * S + round(to_s * S))]
    said = list(absences_in_words(trace))
    assert bool(said) is is_said
    assert all(f"from {from_s:.1f} s to {to_s:.1f} s" in text for text in said)
