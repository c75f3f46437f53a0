"""Two runs side by side: what differs is listed, what changed in kind is said, no figure is judged."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from flashdrill.cli.main import invoke
from flashdrill.model.result import (
    Bottleneck,
    Conclusion,
    GateResult,
    Invariant,
    InvariantStatus,
    Percentiles,
    RunResult,
    StageValidity,
    Verdict,
)
from flashdrill.report.comparison import Comparison, compare
from flashdrill.report.differences import Figure
from flashdrill.report.kept import KeptRun, read_run
from flashdrill.report.side_by_side import CAUTION, lines
from flashdrill.report.store import write_result
from tests.unit.test_report import sample

SCENARIO: dict[str, Any] = {
    "name": "smoke",
    "path": "scenarios/smoke.yaml",
    "seed": 7,
    "stages": [
        {"name": "rush", "duration_s": 3.0, "arrivals": [{"journey": "buy", "to_per_s": 6.0}]}
    ],
    "world": {"users": 10, "products": [{"sku": "hot", "stock": 4}]},
    "backend": {"pool_size": 8},
    "gates": [{"text": "p99 < 800ms", "limit": 0.8, "line": 3}],
}
PLAN: dict[str, Any] = {
    "name": "night",
    "faults": [
        {"id": "slow", "kind": "latency", "start_s": 1.5, "parameters": {"latency": 0.1}, "line": 4}
    ],
}
GROUND = {
    "python": "3.11.7",
    "platform": "Linux-6",
    "cpus": 2,
    "free_disk_mb": 70,
    "postgres": {"version": "16.14"},
    "toxiproxy": {"kind": "built", "version": "2.12.0", "description": "/one/path"},
    "libraries": {"locust": "2.47.0"},
}


def run(name: str = "one", **changes: Any) -> KeptRun:
    """A kept run; `changes` are of its result."""
    result = replace(sample(), environment=GROUND, **changes)
    return KeptRun(name, result, SCENARIO, PLAN)


def with_change(document: dict[str, Any], path: tuple[Any, ...], value: Any) -> dict[str, Any]:
    """A copy of a document in which one value is another."""
    copy: dict[str, Any] = json.loads(json.dumps(document))
    place: Any = copy
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return copy


def page(comparison: Comparison) -> str:
    return "\n".join(lines(comparison))


def figure(comparison: Comparison, name: str, stage: str = "rush") -> Figure:
    return next(
        f
        for f in comparison.figures
        if (f.name, f.stage, f.subject) == (name, stage, "place_order")
    )


def test_the_same_rehearsal_on_the_same_ground_differs_in_nothing() -> None:
    elsewhere = {**GROUND, "free_disk_mb": 3, "run_folder": "x"}
    other = replace(
        run("two"),
        scenario=with_change(SCENARIO, ("path",), "/home/me/smoke.yaml"),
        plan=with_change(PLAN, ("faults", 0, "line"), 99),
        result=replace(run().result, environment=elsewhere),
    )
    found = compare(run(), other)
    assert found.differs == ()
    assert found.is_same_test
    assert found.is_same_ground
    assert found.changes == ()
    assert "Yes: the same rehearsal" in page(found)
    assert "Nothing in kind" in page(found)


@pytest.mark.parametrize(
    ("path", "value", "name", "words"),
    [
        (("seed",), 8, "scenario.seed", ("7", "8")),
        (("stages", 0, "duration_s"), 4.5, "scenario.stages.rush.duration_s", ("3", "4.5")),
        (
            ("stages", 0, "arrivals", 0, "to_per_s"),
            9,
            "scenario.stages.rush.arrivals.buy.to_per_s",
            ("6", "9"),
        ),
        (("backend",), {}, "scenario.backend.pool_size", ("8", "–")),
        (("locustfile",), "/elsewhere/other.py", "scenario.locustfile", ("–", "other.py")),
        (("world", "products", 0, "stock"), 5, "scenario.world.products.hot.stock", ("4", "5")),
    ],
)
def test_another_rehearsal_is_named(
    path: tuple[Any, ...], value: Any, name: str, words: tuple[str, str]
) -> None:
    found = compare(run(), replace(run(), scenario=with_change(SCENARIO, path, value)))
    assert [(c.about, c.name, (c.a, c.b)) for c in found.differs] == [("test", name, words)]
    assert not found.is_same_test
    assert "Not as they stand" in page(found)
    assert name in page(found)


def test_another_fault_is_named() -> None:
    plan = with_change(PLAN, ("faults", 0, "parameters", "latency"), 0.2)
    found = compare(run(), replace(run(), plan=plan))
    assert [c.name for c in found.differs] == ["plan.faults.slow.parameters.latency"]
    assert not found.is_same_test


@pytest.mark.parametrize(
    ("path", "value", "name"),
    [
        (("toxiproxy", "kind"), "embedded", "toxiproxy.kind"),
        (("postgres", "version"), "17.1", "postgres.version"),
        (("libraries", "locust"), "2.50.0", "libraries.locust"),
        (("python",), "3.13.1", "python"),
        (("cpus",), 16, "cpus"),
    ],
)
def test_another_ground_is_named(path: tuple[str, ...], value: Any, name: str) -> None:
    result = replace(run().result, environment=with_change(GROUND, path, value))
    found = compare(run(), replace(run(), result=result))
    assert [(c.about, c.name) for c in found.differs] == [("ground", name)]
    assert found.is_same_test
    assert not found.is_same_ground
    assert "With care" in page(found)


def test_without_the_resolved_files_the_result_says_what_it_knows() -> None:
    bare = KeptRun("bare", run().result)
    other = KeptRun("bare", replace(run().result, seed=8))
    assert [c.name for c in compare(bare, other).differs] == ["scenario.seed"]


def test_what_changed_in_kind_is_said_in_sentences() -> None:
    before = run(
        verdict=Verdict(Conclusion.PASS, (), 0),
        gates=(GateResult("p99(place_order) < 800ms", "pass", 0.4, 0.8, "s"),),
        invariants=(Invariant("paid-once", InvariantStatus.HOLDS, "1", "1"),),
        validity=(StageValidity("rush", True, (), 10, 10, 0.001, 0.08, 0, 0.1),),
        bottleneck=Bottleneck(None, "No bottleneck reached.", "", ()),
    )
    after = run(
        "two",
        gates=(GateResult("p99(place_order) < 800ms", "fail", 1.4, 0.8, "s"),),
        invariants=(
            Invariant("paid-once", InvariantStatus.VIOLATED, "1", "2 payments", ("t1", "t2")),
        ),
    )
    after = replace(after, result=replace(after.result, faults=after.result.faults[1:]))
    assert compare(before, after).changes == (
        "the verdict is PASS in A, FAIL in B",
        "invariant paid-once holds in A, is violated in B (2 payments (t1, t2))",
        "gate `p99(place_order) < 800ms` passed in A, failed in B",
        "fault cut took effect and was healed in A, was not asked in B",
        "stage rush is valid in A, is invalid in B (it lagged)",
        "the bottleneck is not named in A, pool.shard1 in B",
    )


def test_a_difference_is_absolute_and_relative_and_never_judged() -> None:
    times = Percentiles(count=3, p50=0.018, p95=0.1, p99=None, max=2.0)
    other = run(
        operations=(replace(sample().operations[0], response=times, ok=12, error_rate=0.0),)
    )
    found = compare(run(), other)
    p50 = figure(found, "response_p50_s")
    assert (p50.a, p50.b) == (0.012, 0.018)
    assert p50.difference == pytest.approx(0.006)
    assert p50.relative == pytest.approx(0.5)
    assert figure(found, "response_p95_s").relative == pytest.approx(-0.5)
    assert figure(found, "response_p99_s").difference is None
    assert (figure(found, "ok_per_s").a, figure(found, "ok_per_s").b) == (2.0, 4.0)
    assert figure(compare(other, run()), "error_rate").relative is None
    assert found.changes == ()
    assert CAUTION in page(found)
    assert "+6.0 ms | +50 %" in page(found)
    assert "−20.00 points | −100 %" in page(found)


def test_every_kind_of_figure_is_there_with_its_unit() -> None:
    names = {(f.of, f.name) for f in compare(run(), run()).figures}
    assert names == {
        *(("operation", f"response_{p}_s") for p in ("p50", "p95", "p99")),
        ("operation", "error_rate"),
        ("operation", "refusal_rate"),
        ("operation", "ok_per_s"),
        ("gate", "measured_s"),
        ("fault", "detect_s"),
        ("fault", "recover_s"),
        ("stage", "lateness_p99_s"),
        ("stage", "busiest_process_cpu"),
        ("run", "drain_s"),
    }


def test_figures_of_an_invalid_stage_are_marked_in_that_run_alone() -> None:
    good = run(validity=(StageValidity("rush", True, (), 10, 10, 0.001, 0.08, 0, 0.1),))
    assert figure(compare(good, run()), "response_p50_s").invalid_in == "b"
    assert figure(compare(run(), run()), "error_rate").invalid_in == "ab"
    assert figure(compare(good, good), "error_rate").invalid_in == ""
    assert "| 12 ms † | 12 ms \\* † |" in page(compare(good, run()))
    assert "\\*" not in page(compare(good, good))


def test_percentiles_of_few_operations_are_marked_as_thin() -> None:
    def of(count: int) -> KeptRun:
        times = Percentiles(count=count, p50=0.012, p95=0.2, p99=1.4, max=2.0)
        return run(operations=(replace(sample().operations[0], response=times),))

    found = compare(of(499), of(500))
    assert figure(found, "response_p99_s").thin_in == "a"
    assert figure(found, "response_p95_s").thin_in == ""
    assert figure(compare(of(9), of(10)), "response_p50_s").thin_in == "a"
    assert figure(found, "error_rate").thin_in == ""


def keep(folder: Path, result: RunResult) -> Path:
    folder.mkdir(parents=True)
    write_result(result, folder)
    (folder / "scenario.yaml").write_text(yaml.safe_dump(SCENARIO))
    (folder / "plan.yaml").write_text(yaml.safe_dump(PLAN))
    return folder


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    keep(Path("reports/runs/20260101T1-smoke"), run().result)
    keep(Path("reports/runs/20260102T1-smoke"), replace(run().result, seed=8))
    return tmp_path


def test_the_command_compares_whatever_comes_out(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert invoke(["compare", "previous", "latest"]) == 0
    text = capsys.readouterr().out
    assert "A: 20260101T1-smoke, B: 20260102T1-smoke" in text
    assert "|---" not in text
    assert invoke(["compare", "20260101", "reports/runs/20260102T1-smoke", "--format", "json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["a"]["name"], document["b"]["verdict"]) == ("20260101T1-smoke", "fail")
    assert document["figures"]
    assert invoke(["compare", "latest", "latest", "--format", "markdown", "-o", "c.md"]) == 0
    assert "|---|" in (here / "c.md").read_text()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["2026", "latest"], "2 runs begin with '2026'"),
        (["latest", "nothing"], "no run 'nothing'"),
        (["latest", "reports"], "reports is not the folder of a run"),
        (["latest"], "Missing argument 'RUN_B'"),
    ],
)
def test_what_is_not_a_run_ends_with_2(
    here: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    assert invoke(["compare", *words]) == 2
    assert said in capsys.readouterr().err


def test_a_damaged_plan_is_told(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "reports/runs/20260102T1-smoke/plan.yaml").write_text("{")
    assert invoke(["compare", "previous", "latest"]) == 2
    assert "plan.yaml: cannot be read" in capsys.readouterr().err
    (here / "reports/runs/20260102T1-smoke/plan.yaml").unlink()
    assert read_run(here / "reports/runs/20260102T1-smoke").plan is None
