"""The evidence of a fault in a few words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from flashdrill.report.wording import facts, printable

MOST_FACTS = 3
_ASIDE = (
    "before",
    "baseline",
    "observed after",
    "rounds",
    "reason",
    "pid",
    "counters",
    "direct",
    "proven by",
)
"""What says how it was seen, and not what."""


def main_figures(evidence: Mapping[str, Any]) -> str:
    """What was seen, with the numbers that say it; empty when nothing was measured."""
    measured = {key: value for key, value in evidence.items() if key != "healing"}
    if "during_ms" not in measured or "baseline_ms" not in measured:
        return printable(", ".join(list(_told(measured))[:MOST_FACTS]))
    others = {key: value for key, value in measured.items() if not key.startswith("during")}
    return printable(", ".join([*list(_told(others))[:MOST_FACTS], _canaries(measured)]))


def _told(measured: Mapping[str, Any]) -> Iterator[str]:
    for key, value in measured.items():
        if any(word in key.replace("_", " ") for word in _ASIDE):
            continue
        if isinstance(value, Mapping) and all(isinstance(n, int) for n in value.values()):
            yield f"{key.replace('_', ' ')} {_counts(value)}"
        else:
            yield from (f"{name} {text}" for name, text in facts({key: value}))


def _counts(found: Mapping[str, int]) -> str:
    """How often each was seen."""
    return " and ".join(f"{name} ×{number}" for name, number in found.items())


def _canaries(measured: Mapping[str, Any]) -> str:
    """How canaries fared during the fault, and how before."""
    during = ", ".join(dict.fromkeys(measured["during"]))
    times = measured["during_ms"]
    middle = sorted(times)[len(times) // 2] if times else 0.0
    return f"{during} after {middle:.1f} ms, before {measured['baseline_ms']:.1f} ms"
