"""Gates: `METRIC(OPERATION) < LIMIT [during STAGE]`, one condition of the verdict each.

p99(place_order) < 800ms during steady      response time; p50, p99.9, max
error_rate(place_order) < 25% during rush   also refusal_rate
rate(place_order) > 30/s during steady      acknowledged operations a second
recovery < 30s, drain < 20s                 of the whole run
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from flashdrill.model.scenario import Gate
from flashdrill.plan.quantities import PATTERNS, parse_duration, parse_rate, parse_share
from flashdrill.plan.shapes import scalar_of
from flashdrill.plan.source import Node, did_you_mean

_PERCENTILE = r"p[0-9]{1,2}(?:\.[0-9]{1,3})?"
_OPERATION = r"(?:\(([a-z][a-z0-9_]*)\))?"
_DURING = r"(?:\s+during\s+([A-Za-z][A-Za-z0-9_-]*))?"
_COMPARATOR = r"\s*(<=|>=|<|>)\s*"
_DURATION, _RATE = (PATTERNS[what].strip("^$") for what in ("duration", "rate"))
_SHARE = rf"(?:{PATTERNS['percentage'].strip('^$')}|0(?:\.[0-9]+)?|1(?:\.0+)?)"
FORMS = {
    "response time": rf"^(?:{_PERCENTILE}|max){_OPERATION}{_COMPARATOR}{_DURATION}{_DURING}$",
    "share": rf"^(?:error_rate|refusal_rate){_OPERATION}{_COMPARATOR}{_SHARE}{_DURING}$",
    "rate": rf"^rate{_OPERATION}{_COMPARATOR}{_RATE}{_DURING}$",
    "the whole run": rf"^(?:recovery|drain){_COMPARATOR}{_DURATION}$",
}
"""What the JSON Schema says; the parser takes the same apart in one pattern, to explain mistakes."""

_WORDS = "max|error_rate|refusal_rate|rate|recovery|drain"
_ANY = rf"({_PERCENTILE}|{_WORDS}){_OPERATION}{_COMPARATOR}([^\s<>=]+){_DURING}"
METRICS = (
    "p50",
    "p95",
    "p99",
    "p99.9",
    "max",
    "error_rate",
    "refusal_rate",
    "rate",
    "recovery",
    "drain",
)
_OF_THE_RUN = {"recovery", "drain"}
_FORM = "METRIC(OPERATION) < LIMIT [during STAGE], such as p99(place_order) < 800ms during steady"
_LIMITS: dict[str, Callable[[str], float]] = {
    "error_rate": parse_share,
    "refusal_rate": parse_share,
    "rate": parse_rate,
}


class GateText:
    """The shape of one gate in a file."""

    def read(self, node: Node) -> Gate:
        """The gate, with its line. Raises ConfigError."""
        text = scalar_of(node, f"a gate: {_FORM}").text.strip()
        try:
            return parse_gate(text, line=0 if node.origin.argument else node.line)
        except ValueError as error:
            raise node.fail(str(error)) from error

    def schema(self) -> dict[str, Any]:
        """A string of one of the forms."""
        return {"type": "string", "anyOf": [{"pattern": form} for form in FORMS.values()]}


def parse_gate(text: str, *, line: int = 0) -> Gate:
    """The gate that a text stands for. Raises ValueError with what was expected."""
    match = re.fullmatch(_ANY, text)
    if match is None:
        raise ValueError(_explain(text))
    metric, operation, comparator, limit, stage = match.groups()
    if metric.startswith("p") and float(metric[1:]) == 0:
        raise ValueError(f"{metric} is no percentile; expected p1 to p99.999, or max")
    if metric in _OF_THE_RUN and (operation or stage):
        raise ValueError(f"{metric} is of the whole run: write {metric} {comparator} {limit}")
    return Gate(
        text=text,
        metric=metric,
        operation=operation or "",
        comparator=comparator,
        limit=_limit(metric, limit),
        stage=stage or "",
        line=line,
    )


def _limit(metric: str, text: str) -> float:
    try:
        return _LIMITS.get(metric, parse_duration)(text)
    except ValueError as error:
        raise ValueError(f"the limit of {metric}: {error}") from error


def _explain(text: str) -> str:
    word = re.match(r"[A-Za-z_][\w.]*", text)
    is_percentile = word and re.fullmatch(_PERCENTILE, word[0])
    if word and not is_percentile and word[0] not in METRICS:
        hint = did_you_mean(word[0], METRICS)
        return f"unknown metric {word[0]!r} in gate {text!r}{hint}; there are {', '.join(METRICS)}"
    return f"{text!r} is not a gate; expected {_FORM}"
