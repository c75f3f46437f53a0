"""The last screen: the verdict, why, what is wrong, where the report is, and what to try next."""

from __future__ import annotations

import dataclasses
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from flashdrill.cli import outcome
from flashdrill.cli.console import open_console
from flashdrill.cli.outcome import show_outcome
from flashdrill.model.result import Conclusion, Invariant, InvariantStatus, RunResult
from flashdrill.rehearsal.watcher import Finished
from tests.unit.test_next_steps import LOST_ORDER, PASSED
from tests.unit.test_report import sample

FOLDER = Path("/runs/20260101-smoke")


class Screen(StringIO):
    """A terminal."""

    def isatty(self) -> bool:
        return True


def in_a_log(result: RunResult) -> str:
    out = StringIO()
    show_outcome(Finished(result, FOLDER), open_console(out))
    return out.getvalue()


def on_a_terminal(result: RunResult, monkeypatch: pytest.MonkeyPatch, term: str = "xterm") -> str:
    monkeypatch.setenv("TERM", term)
    out = Screen()
    console = Console(file=out, width=80, height=24, highlight=False, force_terminal=True)
    show_outcome(Finished(result, FOLDER), console)
    return out.getvalue()


def test_everything_that_is_wrong_is_on_it() -> None:
    text = in_a_log(sample())
    for wanted in (
        "FAIL  smoke",
        "- one-order-per-key is violated: 1 key has 2 orders",
        "invariants: 1 of 3 hold",
        "VIOLATED one-order-per-key: 2 for one; for example ab12",
        "unknown paid-once: shard1 could not be read",
        "gates:      0 of 2 pass",
        "FAILED p99(place_order) < 800ms: measured 1.40 s",
        "unknown recovery < 30s: measured – (no fault)",
        "The pool of shard1 is the limit.",
        "report:     /runs/20260101-smoke/report.html",
        "again:      flashdrill run scenarios/smoke.yaml",
        "try next:",
    ):
        assert wanted in text
    assert next(line for line in text.splitlines() if line.startswith("slow")).split() == [
        *("slow", "latency", "on", "redis", "NO", "yes", "–", "–")
    ]


def test_a_log_gets_no_escape_codes_and_no_broken_lines() -> None:
    long = "x" * 300
    text = in_a_log(dataclasses.replace(sample(), command=f"flashdrill run {long}"))
    assert "\x1b" not in text
    assert long in text


def test_a_pass_lists_nothing_as_wrong() -> None:
    text = in_a_log(PASSED)
    assert "PASS  smoke" in text
    for wrong in ("VIOLATED", "FAILED", "unknown "):
        assert wrong not in text


def test_many_examples_and_reasons_are_cut_short() -> None:
    lost = dataclasses.replace(LOST_ORDER.invariants[0], examples=tuple("abcdefg"))
    verdict = dataclasses.replace(
        LOST_ORDER.verdict, reasons=tuple(f"reason {n}" for n in range(20))
    )
    text = in_a_log(dataclasses.replace(LOST_ORDER, invariants=(lost,), verdict=verdict))
    assert "for example a, b, c and 4 more" in text
    assert "- reason 7" in text
    assert "- reason 8" not in text
    assert "and 12 more, see summary.md" in text


def test_what_is_unknown_never_hides_what_is_wrong() -> None:
    unknown = InvariantStatus.UNKNOWN
    doubts = tuple(Invariant(f"doubt-{n}", unknown, "", "no reads") for n in range(9))
    text = in_a_log(dataclasses.replace(LOST_ORDER, invariants=(*doubts, *LOST_ORDER.invariants)))
    assert "VIOLATED no-acknowledged-order-lost" in text
    assert "unknown doubt-2" in text
    assert "doubt-3" not in text
    assert "and 6 more unknown, see summary.md" in text


@pytest.mark.parametrize("conclusion", list(Conclusion))
def test_the_verdict_stands_out_on_a_terminal(
    conclusion: Conclusion, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = on_a_terminal(sample(conclusion=conclusion), monkeypatch)
    assert conclusion.value.replace("_", " ").upper() in text
    assert "┏" in text


def test_the_report_is_a_link_where_terminals_know_links(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    link = "file:///runs/20260101-smoke/report.html"
    assert link in on_a_terminal(PASSED, monkeypatch)
    assert link not in on_a_terminal(PASSED, monkeypatch, term="linux")
    assert "/runs/20260101-smoke/report.html" in on_a_terminal(PASSED, monkeypatch, term="linux")


@pytest.mark.parametrize("error", [BrokenPipeError(), SystemExit(1)])
def test_a_reader_that_has_gone_changes_nothing(
    error: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    given_up = []
    monkeypatch.setattr(outcome, "_give_up_stdout", lambda: given_up.append(True))

    class Gone(Console):
        def print(self, *_args: object, **_named: object) -> None:
            raise error

    show_outcome(Finished(PASSED, FOLDER), Gone())
    assert given_up


def test_names_in_brackets_are_names_and_escape_codes_move_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hostile = "own[/x] [red] \x1b[2J\x1b[1;1HPASS"
    fault = dataclasses.replace(sample().faults[0], id="[/]", kind="own[/x]")
    verdict = dataclasses.replace(sample().verdict, reasons=(hostile,))
    result = dataclasses.replace(sample(), faults=(fault,), verdict=verdict)
    text = in_a_log(result)
    assert "own[/x] on shard2" in text
    assert "own[/x] [red]" in text
    assert "\x1b" not in text
    assert "\x1b[2J" not in on_a_terminal(result, monkeypatch)
