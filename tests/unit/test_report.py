"""The reports say what the result holds, whatever was or was not measured."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from xml.etree import ElementTree as ET

import jsonschema
import pytest

from flashdrill.model.capacity import Capacity
from flashdrill.model.faults import FaultRecord
from flashdrill.model.result import (
    Bottleneck,
    Conclusion,
    GateResult,
    Invariant,
    InvariantStatus,
    OperationStats,
    Percentiles,
    ResourceUse,
    RunResult,
    StageValidity,
    Timeline,
    Verdict,
)
from flashdrill.model.trouble import AttemptTimes, ErrorKind, FaultImpact, SlowOperation
from flashdrill.report.figure import Canvas
from flashdrill.report.headline import Tile, tiles
from flashdrill.report.html import render
from flashdrill.report.junit import write_junit
from flashdrill.report.lanes import lanes, of_stages_and_faults
from flashdrill.report.markdown import lines
from flashdrill.report.summary import summary_schema, write_summary
from flashdrill.report.wording import seconds, share
from flashdrill.report.write import write_reports

TEMPLATES = Path(__file__).parents[2] / "reports" / "templates"
TIMES = Percentiles(count=3, p50=0.012, p95=0.2, p99=1.4, max=2.0)
NOTHING = Percentiles(count=0, p50=None, p95=None, p99=None, max=None)

SEEN = FaultImpact(9, 7, 2, 1, 0, 1, 3, {"201": 5, "202": 2, "504": 9}, 0.02, 2.0, 0.03)


def sample(*, conclusion: Conclusion = Conclusion.FAIL, exit_code: int = 1) -> RunResult:
    """A small run in which something of everything happened."""
    seconds_of_run = [0.0, 1.0, 2.0]
    flat = [5.0, 6.0, 7.0]
    return RunResult(
        verdict=Verdict(
            conclusion, ("one-order-per-key is violated: 1 key has 2 orders",), exit_code
        ),
        scenario={"name": "smoke <b>", "time_scale": 10},
        chaos={"plans": ["night"]},
        seed=7,
        started_at="2026-01-27T12:00:00Z",
        duration_s=3.0,
        load={"due": 18},
        operations=(
            OperationStats(
                "rush", "place_order", 10, 10, 6, 2, 2, 1, 1, 0.2, 0.2, TIMES, TIMES, NOTHING
            ),
        ),
        stages=({"name": "rush", "start_s": 0.0, "duration_s": 3.0},),
        faults=(
            FaultRecord(
                "cut",
                "timeout",
                "shard2",
                0.5,
                1.5,
                True,
                True,
                {"canary_ms": 500},
                "",
                0.1,
                0.7,
                0.9,
                SEEN,
            ),
            FaultRecord(
                "slow", "latency", "redis", 1.5, 2.5, False, True, {}, "Toxiproxy did not answer"
            ),
        ),
        invariants=(
            Invariant(
                "one-order-per-key", InvariantStatus.VIOLATED, "1 each", "2 for one", ("ab12",)
            ),
            Invariant("queue-drained", InvariantStatus.HOLDS, "0", "0"),
            Invariant("paid-once", InvariantStatus.UNKNOWN, "1", "shard1 could not be read"),
        ),
        audit={"drain_s": 1.25, "final_reads": {"orders": 8}},
        bottleneck=Bottleneck(
            "pool.shard1",
            "The pool of shard1 is the limit.",
            "Make it larger.",
            (ResourceUse("pool.shard1", 0.97, 40.0, 120, 8, 3.2, "rush"),),
        ),
        capacity=Capacity(),
        gates=(
            GateResult("p99(place_order) < 800ms", "fail", 1.4, 0.8, "s"),
            GateResult("recovery < 30s", "unknown", None, 30, "s", "no fault"),
        ),
        validity=(StageValidity("rush", False, ("it lagged",), 10, 9, 0.2, 0.08, 0, 0.5),),
        environment={"python": "3.11"},
        timeline=Timeline(
            seconds_of_run,
            flat,
            flat,
            flat,
            flat,
            flat,
            flat,
            flat,
            [0.01, None, 0.02],
            [0.1, None, 0.2],
            {"breaker shard2": [(0.6, 2.0), (1.9, 0.0)], "queue shard2": [(0.0, 0.0), (1.0, 9.0)]},
        ),
        command="flashdrill run scenarios/smoke.yaml",
        errors=(
            ErrorKind(
                "place_order",
                "unknown",
                "gateway_timeout",
                504,
                9,
                1,
                0.6,
                1.4,
                ("cut",),
                1.0,
                ("k7",),
            ),
        ),
        slowest=(
            SlowOperation(
                op_id=5,
                operation="place_order",
                stage="rush",
                due_s=0.6,
                response_s=2.0,
                lateness_s=0.1,
                outcome="ok",
                reason="placed",
                attempts=(
                    AttemptTimes(0.1, 0.8, 504, "gateway_timeout"),
                    AttemptTimes(1.5, 0.5, 201, "placed"),
                ),
                waited={"pool.shard1": 0.3},
                held={"postgres.shard1": 0.004},
                faults=("cut",),
                key="k7",
            ),
        ),
    )


def test_the_summary_follows_its_own_schema_and_key_order(tmp_path: Path) -> None:
    path = tmp_path / "summary.json"
    write_summary(sample(), path)
    document = json.loads(path.read_text())
    jsonschema.validate(document, summary_schema())
    wanted = (
        "schema verdict reasons exit_code scenario chaos seed started_at duration_s load stages faults "
        "steady_state aborted audit bottleneck capacity gates validity environment"
    )
    assert list(document) == wanted.split()
    assert document["audit"]["invariants"][0]["examples"] == ["ab12"]
    assert set(document["faults"][0]) >= {
        "id",
        "kind",
        "target",
        "start_s",
        "end_s",
        "effect_observed",
        "healed",
        "detect_s",
        "recover_s",
    }
    del document["verdict"]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, summary_schema())


def test_junit_tells_failures_from_what_nobody_can_tell(tmp_path: Path) -> None:
    path = tmp_path / "junit.xml"
    write_junit(sample(), path)
    suites = {suite.get("name"): suite for suite in ET.parse(path).getroot()}
    assert suites["invariants"].get("failures") == "1"
    assert suites["invariants"].get("errors") == "1"
    assert suites["faults"].get("errors") == "1"
    assert suites["verdict"].get("failures") == "1"
    write_junit(sample(conclusion=Conclusion.INCONCLUSIVE, exit_code=3), path)
    suites = {suite.get("name"): suite for suite in ET.parse(path).getroot()}
    assert suites["verdict"].get("errors") == "1"


def test_the_page_is_one_offline_file_with_everything_on_it() -> None:
    page = render(sample(), TEMPLATES)
    for wanted in (
        "one-order-per-key",
        "ab12",
        "pool.shard1",
        "it lagged",
        "Toxiproxy did not answer",
        "1.40 s",
        "9 operations: 7 acknowledged, 2 queued, 1 refused, 1 unknown; 3 came again",
        "gateway timeout",
        "waited for pool.shard1",
    ):
        assert wanted in page
    assert "smoke &lt;b&gt;" in page, "names from files are escaped"
    head_and_body = (
        page.split("<main>")[0].split("<script")[0] + page.split("<main>")[1].split("<script")[0]
    )
    assert "http://" not in head_and_body
    assert "https://" not in head_and_body
    assert len(page) < 5_000_000


def test_a_run_without_samples_still_gives_every_report(tmp_path: Path) -> None:
    empty = dataclasses.replace(
        sample(),
        operations=(),
        faults=(),
        invariants=(),
        gates=(),
        validity=(),
        stages=(),
        timeline=Timeline([], [], [], [], [], [], [], [], [], [], {}),
    )
    page = write_reports(empty, tmp_path, TEMPLATES)
    assert page.exists()
    assert {p.name for p in tmp_path.iterdir()} == {
        "summary.json",
        "result.json.gz",
        "junit.xml",
        "summary.md",
        "report.html",
    }


def test_markdown_puts_the_verdict_first() -> None:
    text = list(lines(sample()))
    assert text[0] == "# ✗ smoke <b>: FAIL"
    assert any("one-order-per-key" in line and "violated" in line for line in text)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (float("nan"), "–"),
        (0.0, "0 s"),
        (0.00001, "10 µs"),
        (0.0004, "0.4 ms"),
        (0.083, "83 ms"),
        (0.9996, "1.00 s"),
        (1.416, "1.42 s"),
    ],
)
def test_seconds_in_words(value: float | None, text: str) -> None:
    assert seconds(value) == text


def test_tiles_say_good_only_of_what_is() -> None:
    tones = {tile.label: tile.tone for tile in tiles(sample())}
    assert tones["invariants hold"] == "bad"
    assert tones["faults proven"] == "unsure"
    assert tones["generator lateness"] == "unsure"
    good = dataclasses.replace(
        sample(),
        invariants=sample().invariants[1:2],
        faults=sample().faults[:1],
        validity=(StageValidity("rush", True, (), 10, 10, 0.02, 0.08, 0, 0.5),),
    )
    tones = {tile.label: tile.tone for tile in tiles(good)}
    assert (
        tones["invariants hold"] == tones["faults proven"] == tones["generator lateness"] == "good"
    )


def test_a_run_that_never_began_has_no_tiles_and_says_so() -> None:
    empty = dataclasses.replace(
        sample(conclusion=Conclusion.STACK_FAILED, exit_code=4),
        operations=(),
        faults=(),
        invariants=(),
        validity=(),
        timeline=Timeline([], [], [], [], [], [], [], [], [], [], {}),
    )
    assert tiles(empty) == ()
    assert "The load never began" in render(empty, TEMPLATES)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (0.0, "0.00 %"),
        (0.00004, "< 0.01 %"),
        (0.1234, "12.34 %"),
        (0.99996, "> 99.99 %"),
        (1.0, "100.00 %"),
    ],
)
def test_a_share_that_is_not_quite_none_or_all_does_not_look_like_it(
    value: float | None, text: str
) -> None:
    assert share(value) == text


def tile(result: RunResult, label: str) -> Tile:
    return next(tile for tile in tiles(result) if tile.label == label)


def test_a_fault_after_which_no_recovery_was_seen_is_not_hidden_by_one_that_recovered() -> None:
    cut = sample().faults[0]
    late = dataclasses.replace(cut, id="late", recover_s=None)
    both = dataclasses.replace(sample(), faults=(cut, late))
    assert tile(both, "slowest recovery").value == "not seen"
    assert "late" in tile(both, "slowest recovery").note
    assert tile(dataclasses.replace(both, faults=(cut,)), "slowest recovery").value == "700 ms"


def test_planned_faults_count_when_the_run_ended_before_them() -> None:
    cut_short = dataclasses.replace(sample(), chaos={"plans": ["night"], "faults": 4}, faults=())
    assert tile(cut_short, "faults proven").value == "0 of 4"
    page = render(cut_short, TEMPLATES)
    assert "4 faults were planned, none had begun" in page
    assert "No fault was planned" not in page
    unplanned = dataclasses.replace(cut_short, chaos={"plans": [], "faults": 0})
    assert "No fault was planned" in render(unplanned, TEMPLATES)


def test_what_is_not_known_is_not_said_to_be_well() -> None:
    silent = dataclasses.replace(
        sample(),
        timeline=dataclasses.replace(sample().timeline, series={}, has_service_events=False),
        audit={"drain_s": None},
        operations=(),
        errors=(),
    )
    page = render(silent, TEMPLATES)
    assert "the service told nothing of them" in page
    assert "That the queues were empty was not seen" in page
    assert "Nothing was sent" in page
    assert "as hoped" not in page
    assert "No breaker opened" in render(
        dataclasses.replace(
            silent, timeline=dataclasses.replace(silent.timeline, has_service_events=True)
        ),
        TEMPLATES,
    )


def test_lanes_keep_apart_what_shortens_to_the_same_name() -> None:
    names = [f"shard-timeout-in-the-middle-of-the-rush-{n}-again-and-again" for n in (1, 2)]
    faults = [FaultRecord(n, "timeout", "s", 0.0, 1.0, True, True) for n in (*names, "stages")]
    stages = ({"name": "rush", "start_s": 0.0, "duration_s": 3.0},)
    bars = of_stages_and_faults(stages, faults)
    canvas = Canvas.of(3.0, faults, stages, [bar.lane for bar in bars])
    rows = lanes(canvas, "timetable", bars).y_range.factors
    assert len(set(rows)) == len(rows) == 4


def test_a_page_fetches_nothing_whatever_a_remedy_says() -> None:
    remedy = "![i](http://example.invalid/x.png) <img src=http://example.invalid/y.png>"
    hostile = dataclasses.replace(
        sample(), bottleneck=dataclasses.replace(sample().bottleneck, remedy=remedy)
    )
    page = render(hostile, TEMPLATES)
    assert "<img" not in page.split("<main>")[1].split("<script")[0]
    assert "default-src 'none'" in page


def test_what_a_log_said_stays_one_line_of_markdown() -> None:
    reason = "the stack could not run: expected <int> got\n# PASS\n\x1b[2J"
    hostile = dataclasses.replace(
        sample(), verdict=dataclasses.replace(sample().verdict, reasons=(reason,))
    )
    text = "\n".join(lines(hostile))
    assert "\n# PASS" not in text
    assert "\\<int>" in text
    assert "\x1b" not in text
    assert "p99 < 5ms" in "\n".join(
        lines(
            dataclasses.replace(
                sample(), verdict=dataclasses.replace(sample().verdict, reasons=("p99 < 5ms",))
            )
        )
    )
