"""A comparison as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby

from flashdrill.report.comparison import Comparison, Judged, Side
from flashdrill.report.conditions import GROUND, TEST, Condition
from flashdrill.report.differences import LEAST_BEYOND, Figure
from flashdrill.report.tables import plain_table
from flashdrill.report.wording import measured, seconds

MOST_CONDITIONS = 20
CAUTION = (
    "No figure below passes or fails. The two runs were made at different times, and a small difference between them "
    "says nothing: on identical builds, “p99 is 10 % worse than last time” was wrong in 45 % of the cases. "
    "Repeat both runs in turns before you believe a difference."
)
INVALID = (
    "\\* worthless: the stage is invalid in that run, its generator lagged or did not send all."
)
THIN = f"† thin: fewer than {LEAST_BEYOND} operations of that run lie beyond this percentile."


def lines(comparison: Comparison) -> Iterator[str]:
    """The page: what differs about the runs, what changed in kind, then every figure."""
    a, b = comparison.a, comparison.b
    yield f"# A: {a.name}, B: {b.name}"
    yield ""
    yield from plain_table(("", "A", "B"), _sides(a, b))
    yield "## Can they be compared?"
    yield ""
    yield from _conditions(comparison)
    yield "## What changed"
    yield ""
    yield from _changes(comparison)
    yield "## Figures"
    yield ""
    yield CAUTION
    yield ""
    if any(figure.invalid_in for figure in comparison.figures):
        yield from (INVALID, "")
    if any(figure.thin_in for figure in comparison.figures):
        yield from (THIN, "")
    yield from _figures(comparison.figures)


def _sides(a: Side, b: Side) -> Iterator[tuple[str, ...]]:
    yield "verdict", *(f"**{s.verdict.value.replace('_', ' ').upper()}**" for s in (a, b))
    yield "scenario", a.scenario, b.scenario
    yield "started", a.started_at, b.started_at
    yield "load lasted", seconds(a.duration_s), seconds(b.duration_s)
    yield "bottleneck", a.bottleneck_sentence, b.bottleneck_sentence


def _conditions(comparison: Comparison) -> Iterator[str]:
    yield _verdict_on(comparison)
    yield ""
    for about, title in ((TEST, "the rehearsal"), (GROUND, "the ground")):
        found = [c for c in comparison.differs if c.about == about]
        if found:
            yield from _differing(title, found)


def _verdict_on(comparison: Comparison) -> str:
    if comparison.is_same_test and comparison.is_same_ground:
        return (
            "Yes: the same rehearsal (scenario, stages, seed, faults, settings) on the same machine with the same "
            "versions. The code of the service and of the locustfile is not looked at."
        )
    if comparison.is_same_test:
        return "With care: it is the same rehearsal, but what it ran on is not the same."
    return "Not as they stand: the rehearsals differ. Any difference further below may come from that alone."


def _differing(title: str, found: list[Condition]) -> Iterator[str]:
    rows = ((c.name, c.a, c.b) for c in found[:MOST_CONDITIONS])
    yield from plain_table((title, "A", "B"), rows)
    if len(found) > MOST_CONDITIONS:
        yield f"And {len(found) - MOST_CONDITIONS} more, see `--format json`."
        yield ""


def _changes(comparison: Comparison) -> Iterator[str]:
    for change in comparison.changes:
        yield f"- {change}"
    if not comparison.changes:
        yield "Nothing in kind: the verdict and each answer below are the same."
    yield ""
    kinds = groupby(comparison.judged, key=lambda pair: pair.of)
    yield from plain_table(("", "in A", "in B"), (_tally(of, list(pairs)) for of, pairs in kinds))


def _tally(of: str, pairs: list[Judged]) -> tuple[str, str, str]:
    return f"{of}s", _counted(pair.a for pair in pairs), _counted(pair.b for pair in pairs)


def _counted(answers: Iterable[str | None]) -> str:
    known = [answer for answer in answers if answer is not None]
    return ", ".join(f"{answer}: {known.count(answer)}" for answer in dict.fromkeys(known)) or "–"


_TITLES = {
    "gate": "Gates: what was measured",
    "fault": "Faults: until detected, until recovered",
    "stage": "The generator",
    "run": "After the load",
}


def _figures(figures: Iterable[Figure]) -> Iterator[str]:
    """Rows that are 0 in both runs say nothing, and are left to `--format json`."""
    telling = (figure for figure in figures if figure.a or figure.b)
    for (of, stage), group in groupby(telling, key=_section):
        found = list(group)
        if of == "operation":
            yield f"### Operations, {f'stage {stage}' if stage else 'whole run'}"
        else:
            yield f"### {_TITLES[of]}"
        yield ""
        head = ("", "figure", "A", "B", "B − A", "relative")
        yield from plain_table(head, (_row(figure) for figure in found))


def _section(figure: Figure) -> tuple[str, str]:
    return figure.of, figure.stage if figure.of == "operation" else ""


def _row(figure: Figure) -> tuple[str, ...]:
    subject = f"`{figure.subject}`" if figure.of == "gate" else figure.subject
    return (
        f"{figure.stage}: {subject}" if figure.of == "stage" else subject,
        figure.name.removesuffix("_per_s").removesuffix("_s").replace("_", " "),
        _value(figure, figure.a, "a"),
        _value(figure, figure.b, "b"),
        _difference(figure),
        _relative(figure),
    )


def _value(figure: Figure, value: float | None, run: str) -> str:
    if value is None:
        return "–"
    invalid = " \\*" if run in figure.invalid_in else ""
    thin = " †" if run in figure.thin_in else ""
    return f"{measured(value, figure.unit)}{invalid}{thin}"


def _difference(figure: Figure) -> str:
    value = figure.difference
    if value is None:
        return "–"
    if figure.unit == "share":
        return f"{_sign(value)}{abs(value) * 100:.2f} points"
    return f"{_sign(value)}{measured(abs(value), figure.unit)}"


def _relative(figure: Figure) -> str:
    value = figure.relative
    return "–" if value is None else f"{_sign(value)}{abs(value) * 100:.0f} %"


def _sign(value: float) -> str:
    return "−" if value < 0 else "+" if value > 0 else "±"
