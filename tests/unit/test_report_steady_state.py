"""Every report says what the steady state did, what ended the run, and what a fault waited for."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import jsonschema
import pytest

from flashdrill.model.faults import FaultRecord
from flashdrill.model.result import RunResult
from flashdrill.model.steady_state import Aborted, Breach, SteadyResult
from flashdrill.report.comparison import compare
from flashdrill.report.headline import meaning, tiles
from flashdrill.report.html import render
from flashdrill.report.junit import write_junit
from flashdrill.report.kept import KeptRun
from flashdrill.report.markdown import lines
from flashdrill.report.next_steps import next_steps
from flashdrill.report.store import read_result, write_result
from flashdrill.report.summary import summary_schema, write_summary
from tests.unit.test_outcome import in_a_log
from tests.unit.test_report import TEMPLATES, sample

BACK = SteadyResult(
    "error_rate < 5%",
    "share",
    0.05,
    10.0,
    "holds",
    0.001,
    "broken",
    (Breach(4.0, 9.0, 0.95),),
    "back",
    0.0,
    1.5,
)
GONE = dataclasses.replace(BACK, text="p99 < 1s", unit="s", after="not back", after_value=2.5)
ABORTED = Aborted("error_rate > 50% for 2s", 0.9592, "share", 4.0, 6.0)
WAITED = FaultRecord(
    "cut",
    "timeout",
    "shard2",
    0.5,
    1.5,
    True,
    True,
    condition="rate > 5/s",
    drawn={"target": "shard2"},
)
ABSENT = FaultRecord(
    "late",
    "kill",
    "redis",
    2.0,
    2.0,
    False,
    True,
    error="never true",
    was_made=False,
    was_due=False,
)


def guarded(**changes: Any) -> RunResult:
    found = {
        "steady_state": (BACK, GONE),
        "aborted": ABORTED,
        "faults": (WAITED, ABSENT),
        "invariants": (),
        "gates": (),
    }
    return dataclasses.replace(sample(), **{**found, **changes})


def test_the_words_are_in_every_report() -> None:
    result = guarded()
    page, markdown = render(result, TEMPLATES), "\n".join(lines(result))
    for text in (page, markdown):
        for wanted in (
            "held (0.10 %)",
            "broken 4.0–9.0 s (95.00 %)",
            "back within 1.50 s",
            "NOT back within 10 s (2.50 s)",
            "rate &gt; 5/s" if text is page else "rate > 5/s",
            "drawn: target shard2",
            "not due",
        ):
            assert wanted in text, wanted
    assert "seen 95.92 % at 6.0 s" in page
    screen = in_a_log(result)
    assert "steady:     1 of 2 as before" in screen
    assert (
        "error_rate < 5%: held (0.10 %) before; broken 4.0–9.0 s (95.00 %) under faults" in screen
    )


def test_a_run_without_them_says_nothing_of_them() -> None:
    assert "steady-state" not in render(sample(), TEMPLATES)
    assert "steady:" not in in_a_log(sample())


def test_the_summary_has_them_and_follows_its_schema(tmp_path: Path) -> None:
    write_summary(guarded(), tmp_path / "summary.json")
    document = json.loads((tmp_path / "summary.json").read_text())
    jsonschema.validate(document, summary_schema())
    assert document["aborted"]["at_s"] == 6.0
    assert [state["after"] for state in document["steady_state"]] == ["back", "not back"]
    assert document["faults"][0]["condition"] == "rate > 5/s"


def test_a_stored_result_has_them(tmp_path: Path) -> None:
    write_result(guarded(), tmp_path)
    assert read_result(tmp_path).steady_state == (BACK, GONE)
    assert read_result(tmp_path).aborted == ABORTED


@pytest.mark.parametrize(("doubt", "bad"), [("", "failures"), ("it was late", "errors")])
def test_junit_has_a_case_for_each(tmp_path: Path, doubt: str, bad: str) -> None:
    result = guarded(aborted=dataclasses.replace(ABORTED, doubt=doubt))
    write_junit(result, tmp_path / "junit.xml")
    suites = {suite.get("name"): suite for suite in ET.parse(tmp_path / "junit.xml").getroot()}
    assert suites["steady state"].get("tests") == "2"
    assert suites["steady state"].get("failures") == "1"
    assert suites["abort"].get(bad) == "1"
    assert suites["faults"].get("errors") == "0", "the optional fault was not due"


def test_the_first_words_are_about_what_ended_it() -> None:
    assert meaning(guarded()).startswith("It was aborted")
    assert "steady state" in meaning(guarded(aborted=None))
    assert tiles(guarded())[0].label == "aborted at"
    labels = {tile.label: tile for tile in tiles(guarded())}
    assert labels["faults proven"].value == "1 of 1"


def test_the_next_step_after_an_abort_is_a_run_without_faults() -> None:
    step = next_steps(guarded())[0]
    assert ABORTED.text in step.text
    assert step.command.endswith("--no-chaos")


def test_a_comparison_says_what_became_of_them() -> None:
    asked = {**sample().scenario, "aborts": [ABORTED.text]}
    calm = guarded(steady_state=(BACK,), aborted=None, scenario=asked)
    bad = dataclasses.replace(GONE, text=BACK.text, unit="share", after_value=0.4)
    wild = guarded(steady_state=(bad,), scenario=asked)
    found = compare(KeptRun("a", calm, None, None), KeptRun("b", wild, None, None)).changes
    assert (
        f"abort condition `{ABORTED.text}` did not come true in A, ended the run in B "
        f"({ABORTED.text}, seen 95.92 % at 6.0 s)"
    ) in found
    assert any(
        change.startswith("steady state `error_rate < 5%` holds in A, is violated in B (held")
        for change in found
    )
