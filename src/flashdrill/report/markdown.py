"""`summary.md`: the run as a comment in a pull request."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from flashdrill.model.result import RunResult
from flashdrill.report.capacity import generator_limit
from flashdrill.report.closed_loop import beside_the_crowd, closed_loop
from flashdrill.report.headline import mark, meaning
from flashdrill.report.next_steps import next_steps
from flashdrill.report.steady_state import after, before, during, moment
from flashdrill.report.tables import plain, plain_table
from flashdrill.report.wording import count, impact, measured, seconds, share, yes


def lines(result: RunResult) -> Iterator[str]:
    """The page, verdict first."""
    verdict = result.verdict
    yield f"# {mark(result)} {result.scenario.get('name', 'run')}: {verdict.conclusion.value.upper()}"
    yield ""
    yield meaning(result)
    yield ""
    for reason in verdict.reasons:
        yield f"- {plain(reason)}"
    yield ""
    yield f"Started {result.started_at}, {result.duration_s:.0f} s, seed {result.seed}. Repeat: `{result.command}`"
    yield ""
    yield f"**Bottleneck:** {plain(result.bottleneck.sentence)}"
    yield ""
    yield from _knee(result)
    if words := closed_loop(result):
        yield f"**Coordinated omission:** {plain(words)}"
        yield ""
    if others := beside_the_crowd(result):
        yield plain(others)
        yield ""
    if words := generator_limit(result.capacity):
        yield f"**Generator:** {plain(words)}"
        yield ""
    yield from _invariants(result)
    yield from _steady(result)
    yield from _faults(result)
    yield from _errors(result)
    yield from _operations(result)
    yield from _next(result)


def _knee(result: RunResult) -> Iterator[str]:
    """The knee of a climb, with its steps."""
    knee = result.capacity.knee
    if knee is None:
        return
    yield f"**Knee:** {plain(knee.sentence)}"
    yield ""
    yield from plain_table(
        ("step", "offered", "achieved", "response p99", "it"),
        (
            (
                step.stage,
                f"{step.offered_per_s:.1f}/s",
                f"{step.achieved_per_s:.1f}/s",
                seconds(step.p99_s),
                step.state.value,
            )
            for step in knee.steps
        ),
    )


def _invariants(result: RunResult) -> Iterator[str]:
    yield from plain_table(
        ("invariant", "answer", "found", "examples"),
        ((i.name, i.status.value, i.found, ", ".join(i.examples[:3])) for i in result.invariants),
    )
    if result.not_checked:
        names = ", ".join(f"{each.name} ({each.reason})" for each in result.not_checked)
        yield f"Not checked, since nobody asked for it: {plain(names)}."
        yield ""
    yield from plain_table(
        ("gate", "answer", "measured"),
        ((f"`{g.text}`", g.status, measured(g.value, g.unit)) for g in result.gates),
    )


def _steady(result: RunResult) -> Iterator[str]:
    if result.steady_state:
        yield from plain_table(
            ("steady state", "before", "while faults were in force", "after", "note"),
            (
                (f"`{s.text}`", before(s), during(s), after(s), s.reason)
                for s in result.steady_state
            ),
        )


def _faults(result: RunResult) -> Iterator[str]:
    yield from plain_table(
        (
            "fault",
            "what",
            "from",
            "to",
            "observed",
            "healed",
            "detected after",
            "degraded after",
            "recovered after",
            "what customers saw",
        ),
        (
            (
                fault.id,
                "; ".join(filter(None, (f"{fault.kind} on {fault.target}", moment(fault)))),
                f"{fault.start_s:.1f} s",
                f"{fault.end_s:.1f} s",
                yes(fault.effect_observed) if fault.was_due else "not due",
                yes(fault.healed),
                seconds(fault.detect_s),
                seconds(fault.degrade_s),
                seconds(fault.recover_s),
                impact(fault.impact),
            )
            for fault in result.faults
        ),
    )


def _errors(result: RunResult) -> Iterator[str]:
    if not result.errors:
        return
    yield from plain_table(
        ("error", "operation", "outcome", "status", "answers", "ended so", "from", "to", "faults"),
        (
            (
                error.reason,
                error.operation,
                error.outcome,
                str(error.status or "–"),
                count(error.answers),
                count(error.decided),
                f"{error.first_s:.1f} s",
                f"{error.last_s:.1f} s",
                ", ".join(error.faults),
            )
            for error in result.errors
        ),
    )


def _next(result: RunResult) -> Iterator[str]:
    steps = next_steps(result)
    if steps:
        yield "**What to try next**"
        yield ""
    for step in steps:
        yield f"- {plain(step.text)}" + (f" `{step.command}`" if step.command else "")


def _operations(result: RunResult) -> Iterator[str]:
    yield from plain_table(
        (
            "stage",
            "operation",
            "due",
            "ok",
            "queued",
            "refused",
            "fail",
            "unknown",
            "errors",
            "p50",
            "p99",
            "lateness p99",
        ),
        (
            (
                o.stage or "whole run",
                o.kind,
                count(o.due),
                count(o.ok),
                count(o.queued),
                count(o.refused),
                count(o.fail),
                count(o.info),
                share(o.error_rate),
                seconds(o.response.p50),
                seconds(o.response.p99),
                seconds(o.lateness.p99),
            )
            for o in result.operations
        ),
    )


def write_markdown(result: RunResult, path: Path) -> None:
    """Write the page."""
    path.write_text("\n".join(lines(result)), encoding="utf-8")
