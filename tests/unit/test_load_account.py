"""What is said of a run: complete only when every share was sent whole."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from flashdrill.load.account import Account, Part
from flashdrill.load.clocks import SAME
from flashdrill.load.shares import Orders, Share, divided
from flashdrill.load.spec import CrowdSpec

COUNTS = {"due": 7, "sent": 8, "ok": 5, "queued": 1, "refused": 1, "fail": 0, "info": 2}
PART = Part(7, COUNTS, 3.21)
LATE = replace(PART, doubts=("stage rush cannot be trusted: the generator was late",))
SHARES = divided({"a": SAME, "b": SAME}, 1_700_000_000_000_000_000)


def no_spec(share: Share) -> CrowdSpec:
    raise AssertionError(share)


def account(folder: Path, **parts: Part) -> Account:
    orders = Orders("party", 3, (), lambda _: folder, no_spec)
    return Account(orders, 1_700_000_000_000_000_000, SHARES, parts, is_over=True)


def test_a_complete_run(tmp_path: Path) -> None:
    whole = account(tmp_path, a=PART, b=PART)
    assert whole.is_complete
    assert whole.is_trusted
    first, _, end = whole.lines()
    assert first == (
        "worker 1 of 2: 7 of 7 due, 8 sent, 5 ok, 1 queued, 1 refused, 0 failed, 2 unknown, lateness p99 3.2 ms"
    )
    assert end == "in all: 14 of 14 due, 16 sent, 10 ok, 2 queued, 2 refused, 0 failed, 4 unknown"


def test_a_late_generator_is_complete_and_not_trusted(tmp_path: Path) -> None:
    late = account(tmp_path, a=LATE, b=PART)
    assert late.is_complete
    assert not late.is_trusted
    assert late.lines()[0].endswith("the generator was late")


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ({"a": PART}, "1 of 2 shares are missing: the load was smaller than the schedule"),
        ({"a": PART, "b": replace(PART, scheduled=8)}, "in all: 14 of 15 due"),
        ({"a": PART, "b": Part(doubts=("the crowd broke",))}, "worker 2 of 2: the crowd broke"),
    ],
)
def test_an_incomplete_run_says_so(tmp_path: Path, parts: dict[str, Part], said: str) -> None:
    short = account(tmp_path, **parts)
    assert not short.is_complete
    assert said in "\n".join(short.lines())
    assert short.document()["status"] == "incomplete"


def test_a_stop_is_a_reason_unless_all_was_sent_before(tmp_path: Path) -> None:
    short = replace(account(tmp_path, a=PART, b=replace(PART, scheduled=9)), is_stopped=True)
    assert short.document()["reasons"] == ["stopped before its end"]
    at_the_end = replace(account(tmp_path, a=PART, b=PART), is_stopped=True)
    assert at_the_end.document()["status"] == "complete"
    assert at_the_end.document()["reasons"] == []


def test_without_workers_nothing_was_sent(tmp_path: Path) -> None:
    nobody = replace(account(tmp_path), shares={})
    assert not nobody.is_complete
    assert "nothing was sent" in nobody.lines()[-1]


def test_the_record_says_running_until_it_is_over(tmp_path: Path) -> None:
    whole = account(tmp_path, a=PART, b=LATE)
    path = replace(whole, parts={}, is_over=False).write()
    assert json.loads(path.read_text())["status"] == "running"
    assert whole.write() == path == tmp_path / "run.json"
    document = json.loads(path.read_text())
    assert (document["scenario"], document["seed"], document["status"]) == ("party", 3, "complete")
    assert document["started_at"] == "2023-11-14T22:13:20+00:00"
    assert [share["part"]["counts"]["due"] for share in document["shares"]] == [7, 7]
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"]


def test_a_part_survives_the_way() -> None:
    for part in (LATE, Part(doubts=("x",))):
        assert Part.from_message(part.message()) == part
