"""The first that applies decides, and violations are listed whatever that is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flashdrill.analysis.verdict import judge
from flashdrill.model.faults import FaultRecord
from flashdrill.model.result import (
    Conclusion,
    GateResult,
    Invariant,
    InvariantStatus,
    NotChecked,
    StageValidity,
    Verdict,
)
from flashdrill.model.steady_state import Aborted, SteadyResult
from tests.unit.analysis_history import valid

HOLDS = Invariant("ids-unique", InvariantStatus.HOLDS, "unique", "9 ids")
BROKEN = Invariant("paid-once", InvariantStatus.VIOLATED, "once", "1 in breach", ("ab",))
DARK = Invariant("queue-drained", InvariantStatus.UNKNOWN, "0", "cannot tell: no final read")
PASSED = GateResult("p99 < 800ms", "pass", 0.2, 0.8, "s")
FAILED = GateResult("error_rate < 1%", "fail", 0.034, 0.01, "share")
OPEN = GateResult("recovery < 30s", "unknown", None, 30, "s", "no samples")
STEADY = SteadyResult(
    "error_rate < 1%", "share", 0.01, 10.0, "holds", 0.0, "holds", (), "back", 0.0, 0.0
)
ABORTED = Aborted("error_rate > 50% for 2s", 0.9592, "share", 4.0, 6.0)
FAULT = FaultRecord("cut", "timeout", "shard1", 1, 2, True, True)
GOOD: dict[str, Any] = {
    "invariants": (HOLDS,),
    "gates": (PASSED,),
    "validity": (valid(),),
    "faults": (FAULT,),
}


def with_one(name: str, item: object) -> dict[str, Any]:
    """The good run and one more of something."""
    return {**GOOD, name: (*GOOD.get(name, ()), item)}


def test_a_good_run_passes() -> None:
    found = judge(**GOOD)
    assert (found.conclusion, found.exit_code) == (Conclusion.PASS, 0)
    assert len(found.reasons) == 1


@pytest.mark.parametrize(
    ("name", "item", "exit_code", "word"),
    [
        ("invariants", BROKEN, 1, "paid-once is violated"),
        ("gates", FAILED, 1, "3.40%"),
        ("invariants", DARK, 3, "no final read"),
        ("gates", OPEN, 3, "no samples"),
        ("validity", valid("tail", is_valid=False), 3, "stage tail is invalid"),
        ("faults", replace(FAULT, effect_observed=False, error="refused"), 3, "refused"),
        ("faults", replace(FAULT, healed=False), 3, "not healed"),
        ("problems", "7 errors in the crowd's own code", 3, "crowd"),
    ],
)
def test_each_single_trouble_decides_and_is_named(
    name: str, item: object, exit_code: int, word: str
) -> None:
    found = judge(**with_one(name, item))
    assert found.exit_code == exit_code
    assert word in found.reasons[0]


@pytest.mark.parametrize(
    ("gap", "word"),
    [
        ({"invariants": ()}, "no invariant"),
        ({"validity": ()}, "no samples"),
        ({"validity": (valid(due=0),)}, "no samples"),
    ],
)
def test_a_run_in_which_nothing_was_measured_is_no_pass(gap: dict[str, Any], word: str) -> None:
    found = judge(**{**GOOD, **gap})
    assert found.exit_code == 3
    assert word in found.reasons[0]


def test_a_remark_stands_beside_a_pass_and_decides_nothing() -> None:
    found = judge(**GOOD, remarks=("the first step is past the knee",))
    assert (found.conclusion, found.exit_code) == (Conclusion.PASS, 0)
    assert found.reasons[1:] == ("the first step is past the knee",)
    assert judge(**with_one("gates", FAILED), remarks=("a remark",)).exit_code == 1


def test_a_run_without_faults_and_gates_can_pass() -> None:
    assert judge((HOLDS,), (), (valid(),), ()).exit_code == 0


subsets = {
    "invariants": st.lists(st.sampled_from([HOLDS, BROKEN, DARK]), max_size=4),
    "gates": st.lists(st.sampled_from([PASSED, FAILED, OPEN]), max_size=4),
    "validity": st.lists(
        st.sampled_from([valid(), valid("b", is_valid=False), valid("c", due=0)]), max_size=3
    ),
    "faults": st.lists(
        st.sampled_from(
            [FAULT, replace(FAULT, healed=False), replace(FAULT, effect_observed=False)]
        ),
        max_size=3,
    ),
    "problems": st.lists(st.just("the crowd failed"), max_size=1),
    "interrupted": st.booleans(),
    "stack_error": st.sampled_from(["", "a port was taken"]),
}


def is_sound(found: dict[str, Any]) -> bool:
    """Whether nothing at all is in the way of a pass."""
    validity: list[StageValidity] = found["validity"]
    return (
        bool(found["invariants"])
        and all(i is HOLDS for i in found["invariants"])
        and all(g is PASSED for g in found["gates"])
        and all(v.is_valid for v in validity)
        and any(v.sent for v in validity)
        and all(f is FAULT for f in found["faults"])
        and not found["problems"]
    )


@given(st.fixed_dictionaries(subsets))
def test_the_first_that_applies_decides(found: dict[str, Any]) -> None:
    verdict = judge(**found)
    is_wrong = BROKEN in found["invariants"] or FAILED in found["gates"]
    expected = (
        130
        if found["interrupted"]
        else 4
        if found["stack_error"]
        else 1
        if is_wrong
        else 0
        if is_sound(found)
        else 3
    )
    assert verdict.exit_code == expected
    assert (verdict.conclusion is Conclusion.PASS) is (expected == 0)
    assert verdict.reasons
    _lists_violations(verdict, found)


def _lists_violations(verdict: Verdict, found: dict[str, Any]) -> None:
    text = "\n".join(verdict.reasons)
    assert (BROKEN in found["invariants"]) is ("paid-once is violated" in text)
    assert (FAILED in found["gates"]) is ("gate failed: error_rate" in text)


def test_an_abort_fails_the_run_and_comes_first() -> None:
    found = judge(**with_one("gates", FAILED), aborted=ABORTED)
    assert (found.conclusion, found.exit_code) == (Conclusion.FAIL, 1)
    assert found.reasons[0] == "aborted: error_rate > 50% for 2s, seen 95.92% at 6.0 s"
    assert judge(**GOOD, aborted=ABORTED).exit_code == 1


def test_an_abort_on_figures_of_a_late_generator_is_inconclusive() -> None:
    found = judge(**GOOD, aborted=replace(ABORTED, doubt="the generator was late"))
    assert (found.conclusion, found.exit_code) == (Conclusion.INCONCLUSIVE, 3)
    assert found.reasons[0].endswith("cannot be trusted there: the generator was late")


@pytest.mark.parametrize(
    ("changes", "exit_code", "word"),
    [
        ({}, 0, "the steady state held before the faults and came back"),
        ({"during": "broken"}, 0, "came back"),
        ({"before": "broken", "before_value": 0.2}, 3, "(seen 20.00%); nothing was injected"),
        ({"before": "unknown", "reason": "it ended"}, 3, "(it ended)"),
        ({"after": "not back", "after_value": 0.2}, 1, "not come back within 10 s"),
        ({"after": "unknown", "reason": "too short"}, 3, "(too short)"),
        ({"after": "no fault"}, 0, "held before"),
    ],
)
def test_what_the_steady_state_decides(changes: dict[str, Any], exit_code: int, word: str) -> None:
    found = judge(**GOOD, steady=(replace(STEADY, **changes),))
    assert found.exit_code == exit_code
    assert word in found.reasons[0]


def test_an_optional_fault_that_was_not_due_leaves_no_doubt() -> None:
    absent = replace(
        FAULT, effect_observed=False, was_made=False, was_due=False, error="never true"
    )
    found = judge(**with_one("faults", absent))
    assert found.exit_code == 0
    assert (
        "all 1 faults took effect and were healed, of the optional faults 1 not due"
        in found.reasons[0]
    )
    assert judge(**{**GOOD, "faults": (replace(absent, was_due=True),)}).exit_code == 3


NOBODYS = (NotChecked("paid-once", "no read of payments is declared"),)


def test_without_reads_the_gates_decide() -> None:
    verdict = judge((), (PASSED,), (valid(),), (), not_checked=NOBODYS)
    assert verdict.exit_code == 0
    assert verdict.reasons[0].startswith("no invariant was asked for, all 1 gates pass")


def test_where_nothing_was_asked_for_nothing_is_known() -> None:
    verdict = judge((), (), (valid(),), (), not_checked=NOBODYS)
    assert (verdict.exit_code, verdict.reasons) == (
        3,
        ("nothing was asked for: no gate, and no final read",),
    )
