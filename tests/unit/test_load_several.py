from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from flashdrill.analysis.validity import busiest_cpu, cpu_by_process, with_processes
from flashdrill.load.live import LiveLog
from flashdrill.load.several import Several
from flashdrill.model.result import StageValidity
from tests.unit.test_load_record import op

MS = 10**6


def told(folder: Path, worker: int, times_ms: list[int], cpu: float, seconds: int = 1) -> list[Any]:
    """What a process says that had these response times in each of some seconds."""
    path = folder / f"live-{worker}.jsonl"
    clock = iter(range(0, 100 * 10**9, 10**9))
    spent = iter(range(100))
    live = LiveLog(path, clock_ns=lambda: next(clock), cpu_s=lambda: next(spent) * cpu)
    for second in range(1, seconds + 1):
        for time_ms in times_ms:
            live.due()
            live.sent(time_ms * MS // 10)
            live.ended(replace(op(0), due_ns=0, sent_ns=0, done_ns=time_ms * MS, kind="order"))
        live.second(t_s=second + 0.002 * worker, stage="rush", in_flight=worker)
    live.done(t_s=seconds, was_interrupted=False)
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_percentiles_are_of_all_operations_and_not_means(tmp_path: Path) -> None:
    fast, slow = told(tmp_path, 0, [10] * 97, 0.2), told(tmp_path, 1, [900] * 3, 0.7)
    several = Several(2)
    assert several.take(0, fast[0]) == []
    (second,) = several.take(1, slow[0])
    assert (second["p50_ms"], second["p95_ms"]) == pytest.approx((10, 10), rel=0.01)
    assert second["p99_ms"] == pytest.approx(900, rel=0.01)
    assert second["lateness_p99_ms"] == pytest.approx(90, rel=0.01)
    assert (second["due"], second["ok"], second["in_flight"], second["cpu"]) == (100, 100, 1, 0.7)
    assert sum(second["operations"]["order"]["response"].values()) == 100
    assert [process["cpu"] for process in second["processes"]] == [0.2, 0.7]


def test_a_second_waits_for_the_slowest_and_the_end_for_all(tmp_path: Path) -> None:
    one, other = (told(tmp_path, w, [5], 0.1, seconds=3) for w in (0, 1))
    several = Several(2)
    assert [line for each in one for line in several.take(0, each)] == []
    events = [line for each in other for line in several.take(1, each)]
    assert [(line["event"], line["due"]) for line in events] == [*[("second", 2)] * 3, ("done", 6)]
    assert [(w["worker"], w["due"]) for w in events[-1]["workers"]] == [(0, 3), (1, 3)]


def test_a_process_that_is_done_is_not_waited_for(tmp_path: Path) -> None:
    short, long = told(tmp_path, 0, [5], 0.1), told(tmp_path, 1, [5], 0.1, seconds=3)
    several = Several(2)
    for line in short:
        several.take(0, line)
    events = [line for each in long for line in several.take(1, each)]
    assert [line["due"] for line in events] == [2, 1, 1, 4]


def test_other_words_pass_with_the_name_of_who_said_them() -> None:
    assert Several(2).take(1, {"event": "error", "error": "x"}) == [
        {"event": "error", "error": "x", "worker": 1}
    ]


def test_whom_the_fence_refused_is_counted_over_all_processes(tmp_path: Path) -> None:
    several = Several(2)
    (*_, one), (*_, other) = (told(tmp_path, worker, [5], 0.1) for worker in (0, 1))
    several.take(0, {**one, "fenced": {"10.0.0.7": 2}})
    (done,) = several.take(1, {**other, "fenced": {"10.0.0.7": 1, "::": 1}})
    assert done["fenced"] == {"10.0.0.7": 3, "::": 1}


def test_the_busiest_process_counts() -> None:
    shares = ((0, 0.2), (1, 0.9))
    processes = [{"worker": worker, "cpu": cpu} for worker, cpu in shares]
    seconds = [{"stage": "rush", "cpu": 0.9, "processes": processes}]
    assert cpu_by_process(seconds) == {0: {"rush": 0.2}, 1: {"rush": 0.9}}
    assert busiest_cpu(seconds) == {"rush": 0.9}
    assert busiest_cpu([{"stage": "rush", "cpu": 0.3}]) == {"rush": 0.3}


def stage(*reasons: str) -> StageValidity:
    return StageValidity("rush", not reasons, reasons, 10, 10, 0.001, 0.01, 0, 0.2)


def test_one_process_that_cannot_be_trusted_is_enough_and_is_named() -> None:
    (found,) = with_processes([stage()], [[stage()], [stage("the generator was late")]])
    assert not found.is_valid
    assert found.reasons == ("load process 2 of 2: the generator was late",)
    assert with_processes([stage()], [[stage()], [stage()]]) == (stage(),)
