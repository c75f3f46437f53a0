from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from flashdrill.load.buckets import bucket
from flashdrill.load.live import MAX_ERROR_LINES, LiveLog
from flashdrill.model.op import NOT_SENT, Outcome
from tests.unit.test_load_record import op

MS = 10**6


class Time:
    now_ns = 0
    cpu_s = 0.0


@contextmanager
def log(path: Path) -> Iterator[tuple[LiveLog, Time]]:
    time = Time()
    live = LiveLog(path, clock_ns=lambda: time.now_ns, cpu_s=lambda: time.cpu_s)
    yield live, time
    live.done(t_s=time.now_ns / 1e9, was_interrupted=False)


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_second_counts_every_outcome_once(tmp_path: Path) -> None:
    with log(tmp_path / "live.jsonl") as (live, time):
        sample = replace(op(0), sent_ns=1 * MS, done_ns=20 * MS)
        for each in (
            sample,
            replace(sample, reason="queued"),
            replace(sample, outcome=Outcome.INFO, connection_wait_ns=1),
            replace(sample, outcome=Outcome.FAIL, is_refusal=True),
            replace(sample, outcome=Outcome.FAIL),
        ):
            live.due()
            live.sent(1 * MS)
            live.ended(each)
        live.due()
        live.ended(replace(sample, outcome=Outcome.FAIL, sent_ns=NOT_SENT))
        time.now_ns, time.cpu_s = 10**9, 0.25
        live.second(t_s=1, stage="rush", in_flight=3)
    second, _ = lines(tmp_path / "live.jsonl")
    counted = {k: second[k] for k in ("due", "sent", "ok", "queued", "refused", "fail", "info")}
    assert counted == {
        "due": 6,
        "sent": 5,
        "ok": 2,
        "queued": 1,
        "refused": 1,
        "fail": 2,
        "info": 1,
    }
    assert (second["not_sent"], second["connection_waits"], second["cpu"]) == (1, 1, 0.25)
    told = (second["p50_ms"], second["p99_ms"], second["lateness_p99_ms"])
    assert told == pytest.approx((20.0, 20.0, 1.0), rel=0.01)


def test_a_second_starts_afresh_and_the_end_has_the_totals(tmp_path: Path) -> None:
    with log(tmp_path / "live.jsonl") as (live, time):
        live.due()
        live.sent(7 * MS)
        live.ended(op(0))
        for number in (1, 2):
            time.now_ns = number * 10**9
            live.second(t_s=number, stage="rush", in_flight=0)
        live.error("order", "boom")
    first, second, error, done = lines(tmp_path / "live.jsonl")
    assert (first["due"], second["due"], second["p99_ms"]) == (1, 0, None)
    assert error == {"event": "error", "journey": "order", "error": "boom"}
    assert (done["due"], done["ok"], done["crowd_errors"]) == (1, 1, 1)
    assert (done["lateness_max_ms"], done["interrupted"]) == (7.0, False)


def test_percentiles_are_by_nearest_rank(tmp_path: Path) -> None:
    with log(tmp_path / "live.jsonl") as (live, _):
        for lateness_ms in range(1, 101):
            live.sent(lateness_ms * MS)
        live.second(t_s=1, stage="s", in_flight=0)
    assert lines(tmp_path / "live.jsonl")[0]["lateness_p99_ms"] == pytest.approx(99.0, rel=0.01)


def test_errors_are_all_counted_and_the_first_told(tmp_path: Path) -> None:
    with log(tmp_path / "live.jsonl") as (live, _):
        for _ in range(MAX_ERROR_LINES + 30):
            live.error("order", "boom")
    assert live.errors == MAX_ERROR_LINES + 30
    assert len(lines(tmp_path / "live.jsonl")) == MAX_ERROR_LINES + 1  # and the totals


def test_a_second_is_told_by_operation_with_its_response_times(tmp_path: Path) -> None:
    with log(tmp_path / "live.jsonl") as (live, _):
        placed = replace(op(0), kind="place_order", due_ns=0, sent_ns=5 * MS, done_ns=20 * MS)
        for each in (
            placed,
            replace(placed, outcome=Outcome.INFO, done_ns=900 * MS),
            replace(placed, outcome=Outcome.FAIL, sent_ns=NOT_SENT),
            replace(placed, kind="pay", outcome=Outcome.FAIL, is_refusal=True),
        ):
            live.ended(each)
        live.second(t_s=1, stage="rush", in_flight=0)
        live.second(t_s=2, stage="rush", in_flight=0)
    first, second, _ = lines(tmp_path / "live.jsonl")
    order, pay = first["operations"]["place_order"], first["operations"]["pay"]
    counts = {name: order[name] for name in ("ok", "refused", "fail", "info")}
    assert counts == {"ok": 1, "refused": 0, "fail": 1, "info": 1}
    response = {int(number): n for number, n in order["response"].items()}
    assert response == {bucket(20 * MS): 1, bucket(900 * MS): 1}, "from when they were due"
    assert (pay["refused"], pay["ok"]) == (1, 0)
    assert second["operations"] == {}
