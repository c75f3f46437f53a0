"""gates.md: the conditions of a verdict."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import groupby

from flashdrill.plan.gates import METRICS
from flashdrill.report.tables import table

_PERCENTILE = "a percentile of the response time, from when an operation was due to its answer; any from p1 to p99.999"
MEANINGS: Mapping[str, tuple[str, str, str]] = {
    "p50": (_PERCENTILE, "duration", "p50(place_order) < 800ms during rush"),
    "p95": (_PERCENTILE, "duration", "p95 < 1s"),
    "p99": (_PERCENTILE, "duration", "p99(place_order) <= 800ms during steady"),
    "p99.9": (_PERCENTILE, "duration", "p99.9(get_product) < 250ms"),
    "max": ("the longest response time", "duration", "max(pay_callback) < 5s"),
    "error_rate": (
        "operations that failed or whose outcome is unknown, of all that were due",
        "share",
        "error_rate(place_order) < 1% during browse",
    ),
    "refusal_rate": (
        "definite business refusals, such as sold out, of all that were due",
        "share",
        "refusal_rate(place_order) < 60%",
    ),
    "rate": (
        "operations acknowledged a second, over the stage or the whole run",
        "rate",
        "rate(place_order) > 30/s during steady",
    ),
    "recovery": (
        "from the end of a fault until operations were as before: that of the slowest fault",
        "duration",
        "recovery < 30s",
    ),
    "drain": (
        "from the end of the load until the durable queues were empty",
        "duration",
        "drain < 20s",
    ),
}
PARTS = (
    ("METRIC", "one of the table below", "**required**"),
    ("(OPERATION)", "place_order, pay_callback, get_order or get_product", "every operation"),
    ("COMPARATOR", "`<`, `<=`, `>` or `>=`", "**required**"),
    ("LIMIT", "a duration, a share or a rate, as the metric asks for", "**required**"),
    ("during STAGE", "one of the scenario's stages", "the whole run"),
)
ANSWERS = (
    ("pass", "the condition holds", "–"),
    ("fail", "it does not, and the figures can be trusted", "the run fails (exit code 1)"),
    (
        "unknown",
        "the stage is invalid, nothing was measured, or (recovery) there was no fault, or the load ended before it",
        "the run cannot pass: it is inconclusive (exit code 3)",
    ),
)


def lines() -> Iterator[str]:
    """The page."""
    yield "# Gates"
    yield ""
    yield (
        "One condition of the verdict each, in the `gates` of a [scenario](scenario.md): "
        "`METRIC(OPERATION) COMPARATOR LIMIT during STAGE`."
    )
    yield ""
    yield from table(("part", "what", "when left out"), PARTS)
    yield "## Metrics"
    yield ""
    yield from table(("metric", "meaning", "limit", "examples"), _metrics())
    yield (
        "`recovery` and `drain` are of the whole run: they take no operation and no stage. A gate over the whole run "
        "is unknown when any stage is invalid."
    )
    yield ""
    yield "## Answers"
    yield ""
    yield from table(("answer", "when", "what follows"), ANSWERS)


def _metrics() -> Iterator[tuple[str, ...]]:
    """One row for each meaning: the percentiles share one."""
    for (meaning, limit), group in groupby(METRICS, key=lambda metric: MEANINGS[metric][:2]):
        metrics = list(group)
        examples = (f"`{MEANINGS[metric][2]}`" for metric in metrics)
        yield ", ".join(f"`{m}`" for m in metrics), meaning, limit, "<br>".join(examples)
