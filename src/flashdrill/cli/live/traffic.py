"""What the crowd does and gets: rates, response times, outcomes."""

from __future__ import annotations

from flashdrill.cli.live.row import LABEL, Row, row
from flashdrill.cli.live.spark import spark
from flashdrill.cli.live.story import OUTCOMES, Story
from flashdrill.rehearsal.watcher import LiveSecond
from flashdrill.report.wording import count

SPARK_S = 60
COMMENT = 8
"""Room beside a row of bars for what the tallest one stands for."""
LATE_MS = 10.0
WORDS = {"ok": "ok", "queued": "(queued)", "refused": "refused", "fail": "fail", "info": "unknown"}
STYLES = {"fail": "red", "info": "yellow"}


def milliseconds(value: float | None) -> str:
    """A time for people; a dash when nothing was measured."""
    if value is None:
        return "–"
    return f"{count(value)} ms" if value >= 10 else f"{value:.1f} ms"


def rate_rows(story: Story, live: LiveSecond, width: int) -> list[Row]:
    """What was due and what was sent, with its last minute (or more, where there is room)."""
    late = live.lateness_p99_ms or 0.0
    figures = row(
        "rate",
        (f"due {live.due}/s", "bold"),
        (f"   sent {live.sent}/s", "bold"),
        f"   in flight {live.in_flight}",
        (f"   late p99 {milliseconds(live.lateness_p99_ms)}", "yellow" if late > LATE_MS else ""),
    )
    sent: list[float | None] = [float(second.sent) for second in story.seconds]
    return [figures, _bars("sent", sent, "cyan", width)]


def response_rows(story: Story, live: LiveSecond, width: int) -> list[Row]:
    """Response times of the last second, and p99 over the last minute."""
    figures = row(
        "response",
        f"p50 {milliseconds(live.p50_ms)}",
        f"   p95 {milliseconds(live.p95_ms)}",
        (f"   p99 {milliseconds(live.p99_ms)}", "bold"),
    )
    tail = [second.p99_ms for second in story.seconds]
    return [figures, _bars("p99", tail, "magenta", width)]


def outcome_rows(story: Story, live: LiveSecond) -> list[Row]:
    """Outcomes of the last second and so far; those queued are among the ok ones."""
    head = row("outcome", *((f"{WORDS[name]:>10}", "dim") for name in OUTCOMES), rank=1)
    second = {name: getattr(live, name) for name in OUTCOMES}
    return [
        head,
        row("  a second", *_cells(second), rank=1),
        row("  so far", *_cells({name: story.totals[name] for name in OUTCOMES}), rank=2),
    ]


def _cells(counts: dict[str, int]) -> list[tuple[str, str]]:
    return [
        (f"{_cell(name, number):>10}", STYLES.get(name, "") if number else "")
        for name, number in counts.items()
    ]


def _cell(name: str, number: int) -> str:
    return f"({count(number)})" if name == "queued" else count(number)


def _bars(what: str, values: list[float | None], style: str, width: int) -> Row:
    """A minute, or more where there is room; beside it what the tallest bar stands for."""
    room = width - LABEL - 1
    span = max(min(room, SPARK_S), room - COMMENT)
    top = max((value for value in values[-span:] if value is not None), default=0.0)
    bars = spark(values, span)
    return row(
        f"  {what} {span}s", (bars, style), (f" ≤{count(top)}" if bars else "", "dim"), rank=6
    )
