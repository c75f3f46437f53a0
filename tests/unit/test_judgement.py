"""From what a run has found to its result: above all when it has found little."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from flashdrill.errors import ConfigError
from flashdrill.model.faults import FaultRecord
from flashdrill.model.history import OPS_SCHEMA
from flashdrill.model.op import Outcome
from flashdrill.model.result import Conclusion, RunResult
from flashdrill.model.steady_state import Aborted
from flashdrill.plan.conditions import parse_condition
from flashdrill.plan.faults import merge
from flashdrill.plan.scenario import load_scenario
from flashdrill.rehearsal import run
from flashdrill.rehearsal.judgement import judgement
from flashdrill.rehearsal.prepare import Order, Prepared
from flashdrill.rehearsal.trace import Trace
from flashdrill.report.html import render
from flashdrill.report.store import read_result
from flashdrill.report.write import write_reports
from tests.unit.analysis_history import T0, operation, steady, table

ROOT = Path(__file__).parents[2]
SCENARIO = ROOT / "scenarios" / "smoke.yaml"


def prepared(out: Path = Path()) -> Prepared:
    return Prepared(
        order=Order(SCENARIO, out=out, command="flashdrill run scenarios/smoke.yaml"),
        scenario=load_scenario(SCENARIO),
        plan=merge([]),
        plan_names=(),
        kinds={},
        reports=ROOT / "reports",
    )


def judged(trace: Trace, ops: object = None) -> RunResult:
    history = OPS_SCHEMA.empty_table() if ops is None else ops
    return judgement(prepared(), trace, history, datetime(2026, 1, 27, tzinfo=UTC))


def test_a_stack_that_never_came_up_shows_no_clean_timeline() -> None:
    result = judged(Trace(stack_error="port 5432 is taken"))
    assert result.verdict.conclusion is Conclusion.STACK_FAILED
    assert result.timeline.t_s == []
    page = render(result, ROOT / "reports" / "templates")
    assert "The load never began" in page
    assert "No breaker opened" not in page
    assert "as hoped" not in page


def test_no_bottleneck_is_named_of_a_load_that_never_began_or_was_interrupted() -> None:
    """The generator least of all, although it is all that was seen to be behind."""
    assert "the load never began" in judged(Trace(stack_error="gone")).bottleneck.sentence
    ops = table(steady(0, 5))
    trace = Trace(t0_ns=T0, load_ended_ns=T0 + 5 * 10**9, was_interrupted=True)
    bottleneck = judged(trace, ops).bottleneck
    assert bottleneck.named is None
    assert bottleneck.sentence == "No bottleneck is named: the run was interrupted."


def test_a_service_that_acknowledged_nothing_has_shown_nothing() -> None:
    words = "nothing was acknowledged: of 2 operations none was ok or refused"
    trace = Trace(t0_ns=T0, load_ended_ns=T0 + 20 * 10**9)
    failed = operation(1, outcome=Outcome.FAIL, reason="status 500")
    unknown = operation(2, outcome=Outcome.INFO, reason="timeout")
    assert words in judged(trace, table([failed, unknown])).verdict.reasons
    refused = operation(3, outcome=Outcome.FAIL, reason="sold_out", is_refusal=True)
    for other in (operation(3), refused):
        reasons = judged(trace, table([failed, unknown, other])).verdict.reasons
        assert not any("nothing was acknowledged" in reason for reason in reasons)


def test_what_is_judged_of_a_run_with_faults_and_errors_can_be_written(tmp_path: Path) -> None:
    """Whatever computes a figure, it is a plain number in the result."""
    failed = steady(5, 7, outcome=Outcome.FAIL, reason="breaker_open", stage="steady")
    trace = Trace(t0_ns=T0, load_ended_ns=T0 + 20 * 10**9)
    trace.faults = [FaultRecord("cut", "timeout", "shard1", 5.0, 7.0, True, True, slows=True)]
    result = judged(trace, table(steady(0, 5), failed, steady(7, 20)))
    write_reports(result, tmp_path, ROOT / "reports" / "templates")
    (error,) = read_result(tmp_path).errors
    assert (error.answers, error.share_during_faults) == (200, 1.0)


@pytest.mark.parametrize(("ended_s", "seconds"), [(5.2, 6), (22.4, 23)])
def test_the_timeline_lasts_as_long_as_the_load_did(ended_s: float, seconds: int) -> None:
    """The scenario's 20 s are neither filled up when it was cut short nor the end of what came later."""
    ops = table(steady(0, 5), [operation(ended_s - 0.3, stage="steady", took_s=0.2)])
    result = judged(Trace(t0_ns=T0, load_ended_ns=T0 + round(ended_s * 1e9)), ops)
    assert len(result.timeline.t_s) == seconds
    assert sum(result.timeline.due_per_s) == 501
    assert not result.timeline.has_service_events


ABORTED = Aborted("error_rate > 50% for 2s", 0.96, "share", 3.0, 5.0)


@pytest.mark.parametrize(
    ("late_s", "conclusion"), [(0.002, Conclusion.FAIL), (0.3, Conclusion.INCONCLUSIVE)]
)
def test_an_aborted_run_fails_unless_the_generator_was_late(
    late_s: float, conclusion: Conclusion
) -> None:
    ops = table(
        steady(0, 3, stage="browse", late_s=0.002),
        steady(
            3, 5, stage="rush", late_s=late_s, outcome=Outcome.FAIL, reason="connection_refused"
        ),
    )
    trace = Trace(t0_ns=T0, load_ended_ns=T0 + 5 * 10**9, aborted=ABORTED, stopped_s=5.0)
    result = judged(trace, ops)
    assert result.verdict.conclusion is conclusion
    assert result.verdict.reasons[0].startswith("aborted: error_rate > 50% for 2s, seen 96.00%")
    assert result.aborted is not None
    assert bool(result.aborted.doubt) is (conclusion is Conclusion.INCONCLUSIVE)
    assert result.bottleneck.named is None
    page = render(result, ROOT / "reports" / "templates")
    assert "seen 96.00 % at 5.0 s" in page


def test_an_abort_condition_on_what_never_came_has_guarded_nothing() -> None:
    guarded = prepared()
    aborts = tuple(
        parse_condition(f"error_rate({kind}) > 50%") for kind in ("place_order", "plaice")
    )
    guarded = replace(guarded, scenario=replace(guarded.scenario, aborts=aborts))
    trace = Trace(t0_ns=T0, load_ended_ns=T0 + 5 * 10**9)
    result = judgement(guarded, trace, table(steady(0, 5)), datetime(2026, 1, 27, tzinfo=UTC))
    found = [reason for reason in result.verdict.reasons if "guarded nothing" in reason]
    assert found == ["abort has guarded nothing: no plaice ended (error_rate(plaice) > 50%)"]


class Nobody:
    """A watcher that looks away."""

    def __getattr__(self, _name: str) -> Any:
        return lambda *_: None


async def test_what_nobody_foresaw_ends_inconclusive_with_a_report_and_a_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def odd(*_: object) -> None:
        raise ValueError("cannot convert\nfloat NaN")

    monkeypatch.setattr(run, "_run", odd)
    finished = await run.rehearse(prepared(tmp_path / "runs"), Nobody())
    verdict = finished.result.verdict
    assert verdict.conclusion is Conclusion.INCONCLUSIVE
    assert any("ValueError: cannot convert float NaN" in reason for reason in verdict.reasons)
    assert (finished.folder / "report.html").is_file()
    assert "Traceback" in (finished.folder / "logs" / "harness.log").read_text()


async def test_an_error_for_the_person_at_the_keyboard_still_reaches_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refused(*_: object) -> None:
        raise ConfigError("the backend refuses its settings")

    async def refused_by_two(*_: object) -> None:
        raise ExceptionGroup(
            "load processes", [ConfigError("no journey"), ConfigError("no journey")]
        )

    for way, words in ((refused, "the backend refuses"), (refused_by_two, "no journey")):
        monkeypatch.setattr(run, "_run", way)
        with pytest.raises(ConfigError, match=words):
            await run.rehearse(prepared(tmp_path / words), Nobody())
