"""The evidence of a fault in a few words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flashdrill.report.wording import facts, printable

MOST_FACTS = 3
_ASIDE = ("before", "baseline", "observed after", "rounds", "reason", "pid", "counters", "direct")
"""What says how it was seen, and not what."""


def main_figures(evidence: Mapping[str, Any]) -> str:
    """What was seen, with the numbers that say it; empty when nothing was measured."""
    measured = {key: value for key, value in evidence.items() if key != "healing"}
    if "during_ms" in measured and "baseline_ms" in measured:
        return printable(_canaries(measured))
    told = [
        f"{name} {text}"
        for name, text in facts(measured)
        if not any(word in name for word in _ASIDE)
    ]
    return printable(", ".join(told[:MOST_FACTS]))


def _canaries(measured: Mapping[str, Any]) -> str:
    """How canaries fared during the fault, and how before."""
    during = ", ".join(dict.fromkeys(measured["during"]))
    times = measured["during_ms"]
    middle = sorted(times)[len(times) // 2] if times else 0.0
    return f"{during} after {middle:.1f} ms, before {measured['baseline_ms']:.1f} ms"
