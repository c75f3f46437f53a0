"""Two runs side by side: what was different about them, what changed in kind, and every figure of both.

No figure passes or fails here. The runs were made at different times, and then a rule such as "p99 is 10 % worse
than last time" was wrong in 45 % of the cases in which nothing had been changed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from flashdrill.model.faults import FaultRecord
from flashdrill.model.result import Conclusion, Invariant, RunResult, StageValidity
from flashdrill.report.conditions import GROUND, TEST, Condition, conditions
from flashdrill.report.differences import Figure, figures
from flashdrill.report.kept import KeptRun
from flashdrill.report.steady_state import aborted, sentence, tone

_PHRASES = {
    "holds": "holds",
    "violated": "is violated",
    "pass": "passed",
    "fail": "failed",
    "unknown": "could not be judged",
    "proven": "took effect and was healed",
    "not observed": "was not seen to take effect",
    "not healed": "was not healed",
    "not due": "was not due",
    "silent": "did not come true",
    "fired": "ended the run",
    "valid": "is valid",
    "invalid": "is invalid",
    None: "was not asked",
}
_GOOD = frozenset({"holds", "pass", "proven", "valid", "not due", "silent", None})
"""Answers that need no explanation."""


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two runs."""

    name: str
    scenario: str
    started_at: str
    duration_s: float
    verdict: Conclusion
    exit_code: int
    reasons: tuple[str, ...]
    bottleneck: str | None
    bottleneck_sentence: str


@dataclass(frozen=True, slots=True)
class Judged:
    """An answer in both runs, None where a run had no such question.

    `of`: invariant, gate, fault, stage, steady state, abort condition.
    """

    of: str
    name: str
    a: str | None
    b: str | None
    detail_a: str = ""
    detail_b: str = ""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Everything that can be said about two runs. `changes` are sentences about what changed in kind."""

    a: Side
    b: Side
    is_same_test: bool
    is_same_ground: bool
    differs: tuple[Condition, ...]
    changes: tuple[str, ...]
    judged: tuple[Judged, ...]
    figures: tuple[Figure, ...]


def compare(a: KeptRun, b: KeptRun) -> Comparison:
    """Run `b` beside run `a`."""
    differs = conditions(a, b)
    about = {condition.about for condition in differs}
    judged = tuple(_judged(a.result, b.result))
    side_a, side_b = _side(a), _side(b)
    return Comparison(
        a=side_a,
        b=side_b,
        is_same_test=TEST not in about,
        is_same_ground=GROUND not in about,
        differs=differs,
        changes=tuple(_changes(side_a, side_b, judged)),
        judged=judged,
        figures=figures(a.result, b.result),
    )


def _side(run: KeptRun) -> Side:
    result = run.result
    return Side(
        name=run.name,
        scenario=str(result.scenario.get("name", "")),
        started_at=result.started_at,
        duration_s=result.duration_s,
        verdict=result.verdict.conclusion,
        exit_code=result.verdict.exit_code,
        reasons=result.verdict.reasons,
        bottleneck=result.bottleneck.named,
        bottleneck_sentence=result.bottleneck.sentence,
    )


_Answers = Mapping[str, tuple[str, str]]


def _judged(a: RunResult, b: RunResult) -> Iterator[Judged]:
    yield from _pairs("invariant", *({i.name: _invariant(i) for i in r.invariants} for r in (a, b)))
    yield from _pairs("gate", *({g.text: (g.status, g.reason) for g in r.gates} for r in (a, b)))
    yield from _pairs("fault", *({f.id: _fault(f) for f in r.faults} for r in (a, b)))
    yield from _pairs("stage", *({v.stage: _stage(v) for v in r.validity} for r in (a, b)))
    states = ({s.text: (tone(s), sentence(s)) for s in r.steady_state} for r in (a, b))
    yield from _pairs("steady state", *states)
    yield from _pairs("abort condition", _aborts(a), _aborts(b))


def _aborts(run: RunResult) -> _Answers:
    """The condition that ended the run has fired, the others have not."""
    fired = run.aborted
    asked: dict[str, tuple[str, str]] = dict.fromkeys(
        run.scenario.get("aborts", ()), ("silent", "")
    )
    return {**asked, fired.text: ("fired", aborted(fired))} if fired else asked


def _pairs(of: str, a: _Answers, b: _Answers) -> Iterator[Judged]:
    for name in dict.fromkeys([*a, *b]):
        answer_a, detail_a = a.get(name, (None, ""))
        answer_b, detail_b = b.get(name, (None, ""))
        yield Judged(of, name, answer_a, answer_b, detail_a, detail_b)


def _invariant(invariant: Invariant) -> tuple[str, str]:
    examples = f" ({', '.join(invariant.examples[:3])})" if invariant.examples else ""
    return invariant.status.value, f"{invariant.found}{examples}"


def _fault(fault: FaultRecord) -> tuple[str, str]:
    if not fault.was_due:
        return "not due", fault.error
    if not fault.effect_observed:
        return "not observed", fault.error
    return ("proven" if fault.healed else "not healed"), fault.error


def _stage(validity: StageValidity) -> tuple[str, str]:
    return ("valid" if validity.is_valid else "invalid"), "; ".join(validity.reasons)


def _changes(a: Side, b: Side, judged: tuple[Judged, ...]) -> Iterator[str]:
    """The verdict, then every answer that is another one, then the bottleneck."""
    if a.verdict is not b.verdict:
        yield f"the verdict is {_upper(a.verdict)} in A, {_upper(b.verdict)} in B"
    for pair in judged:
        if pair.a != pair.b:
            yield _change(pair)
    if a.bottleneck != b.bottleneck:
        yield f"the bottleneck is {a.bottleneck or 'not named'} in A, {b.bottleneck or 'not named'} in B"


def _change(pair: Judged) -> str:
    is_written = pair.of in {"gate", "steady state", "abort condition"}
    name = f"`{pair.name}`" if is_written else pair.name
    ends = (
        f"{_PHRASES.get(answer, answer)} in {run}{f' ({detail})' if detail and bad else ''}"
        for run, answer, detail, bad in (
            ("A", pair.a, pair.detail_a, pair.a not in _GOOD),
            ("B", pair.b, pair.detail_b, pair.b not in _GOOD),
        )
    )
    return f"{pair.of} {name} {', '.join(ends)}"


def _upper(conclusion: Conclusion) -> str:
    return conclusion.value.replace("_", " ").upper()
