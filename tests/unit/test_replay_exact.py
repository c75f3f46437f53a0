"""The proof of a replay counts what it should: nothing differs as it is, and whatever is moved or missing does."""

from __future__ import annotations

from array import array
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from flashdrill.load.importing.access_log import import_access_log
from flashdrill.load.importing.jtl import import_jtl
from flashdrill.model.traffic import TrafficModel
from flashdrill.plan.traffic import write_traffic
from scripts.replay.source import Source, read
from scripts.replay_exact import (
    curve_differs,
    differences,
    expected,
    per_second,
    scheduled,
    window_of,
)

SPEED = 50
LOG = [
    f'1.2.3.4 - - [17/May/2015:10:05:{n % 60:02} +0000] "GET /{path}?q HTTP/1.1" 200 5'
    for n, path in enumerate(["a", "b/1", "", "a//http://x/", "17"] * 30)
]


def log(folder: Path) -> tuple[TrafficModel, Source]:
    path = folder / "access.log"
    path.write_text("\n".join(LOG) + "\n")
    model = import_access_log(path)
    return model, read(path, model.offsets_ms)


def test_a_log_read_twice_is_the_same_and_a_moved_request_is_not(tmp_path: Path) -> None:
    model, source = log(tmp_path)
    assert source.requests == len(LOG)
    assert source.labels() == {label: len(ms) for label, ms in model.offsets_ms.items()}
    assert not differences(per_second(model), source.per_second)
    moved = {
        **model.offsets_ms,
        "GET /a": array("q", (ms + 1000 for ms in model.offsets_ms["GET /a"])),
    }
    assert differences(per_second(replace(model, offsets_ms=moved)), source.per_second)


def test_jmeter_results_too(tmp_path: Path) -> None:
    path = tmp_path / "results.jtl"
    rows = [f"{1532376558110 + 333 * n},7,{'Pay' if n % 3 else 'Get'},200" for n in range(100)]
    path.write_text("timeStamp,elapsed,label,responseCode\n" + "\n".join(rows) + "\n")
    model = import_jtl(path)
    assert not differences(per_second(model), read(path, model.offsets_ms).per_second)


@pytest.mark.parametrize("speed", [1, 3, 7, 50, 999])
def test_the_schedule_is_the_recording_to_the_nanosecond(tmp_path: Path, speed: int) -> None:
    model, _ = log(tmp_path)
    write_traffic(model, tmp_path / "traffic.yaml")
    due = scheduled(tmp_path / "traffic.yaml", speed)
    assert due.total() == model.rows
    assert not differences(expected(model, speed), due)


def test_what_a_run_left_out_moved_or_invented_is_counted(tmp_path: Path) -> None:
    model, source = log(tmp_path)
    due = expected(model, SPEED)
    assert not curve_differs(due, model, source, None, SPEED)
    (journey, ns), *_ = due
    missing = due - Counter({(journey, ns): 1})
    assert differences(due, missing) == curve_differs(missing, model, source, None, SPEED) == 1
    second_ns = 10**9 // SPEED
    moved = missing + Counter({(journey, ns + second_ns): 1})
    assert differences(due, moved) == curve_differs(moved, model, source, None, SPEED) == 2
    assert differences(due, missing + Counter({(journey, ns + 1): 1})) == 2


def test_the_busiest_window_is_counted_by_itself(tmp_path: Path) -> None:
    model, source = log(tmp_path)
    assert window_of(model, 60) is None
    window_s = window_of(model, 20)
    assert window_s == (0.0, 20.0)  # the first half minute has three requests a second
    part = model.window(*window_s)
    assert part.rows == 60
    assert not curve_differs(expected(part, SPEED), model, source, window_s, SPEED)
    assert curve_differs(expected(model, SPEED), model, source, window_s, SPEED)
