"""The generator's own limit: its capacity, a run at half of it, and one at 110 % of it, which must not pass.

make generator-limit

A load process is calibrated against a null server as a run does it; then it sends at 50 % of that to a null server, and
at 110 %. What a shared machine can do changes in half a minute, so it is calibrated before and after the run at 110 %,
which is repeated when the two are not alike: capacity is a figure of a steady machine only.

Of the first run the lateness is printed, and how far the rate of each second is from the schedule; the second must be
inconclusive and name the generator. The last line is one JSON object; exit code 1 when the second is not inconclusive,
the first is more than 1 % off its schedule in any second but the first and the last, or the machine was never steady.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from flashdrill.analysis.columns import Columns, columns
from flashdrill.analysis.percentiles import quantile
from flashdrill.model.calibration import Calibration
from flashdrill.model.result import Conclusion
from scripts.load.generator import Driven, Judged, driven, judged

LATENESS_AIM_MS = 2.0
RATE_TOLERANCE = 0.01
STEADY, ROUNDS = 0.1, 8
"""The capacity before and after a run may differ by so much; else it is repeated, so often at most."""

WARM_UP_NS = 10**9
"""Of each run: connections are opened; neither lateness nor rate is measured."""


def main() -> int:
    """Calibrate, send, judge, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=8.0, help="of each run")
    parser.add_argument("--calibrate", type=float, default=10.0, help="seconds of calibration")
    options = parser.parse_args()
    busy = os.getloadavg()[0]
    capacity = _calibrated(options.calibrate)
    _print_capacity(capacity, busy)
    half, half_judged = _run(0.5 * capacity.operations_per_s, options.seconds)
    again, above, above_judged, is_steady = _above(options)
    found = {
        "operations_per_s": capacity.operations_per_s,
        "cpu_us_per_operation": capacity.cpu_us_per_operation,
        "saturated_per_s": capacity.saturated_per_s,
        "load_average_before": round(busy, 2),
        "operations_per_s_again": again.operations_per_s,
        "was_steady": is_steady,
        "at_50_percent": _told("50 %", half, half_judged),
        "at_110_percent": _told("110 %", above, above_judged),
    }
    print(json.dumps(found))
    is_named = above_judged.bottleneck.named == "generator"
    is_refused = above_judged.verdict.conclusion is Conclusion.INCONCLUSIVE
    is_exact = found["at_50_percent"]["rate_off"] <= RATE_TOLERANCE
    return 0 if is_named and is_refused and is_exact and is_steady else 1


def _above(options: argparse.Namespace) -> tuple[Calibration, Driven, Judged, bool]:
    """The capacity, a run at 110 % of it, what is said of that, and whether it was the capacity before and after."""
    before = _calibrated(options.calibrate)
    for _ in range(ROUNDS):
        found, said = _run(1.1 * before.operations_per_s, options.seconds, known=before)
        after = _calibrated(options.calibrate)
        if abs(after.operations_per_s / before.operations_per_s - 1) <= STEADY:
            return before, found, said, True
        print(
            f"not steady: {before.operations_per_s:,.0f} a second before, {after.operations_per_s:,.0f} after"
        )
        before = after
    return before, found, said, False


def _calibrated(seconds: float) -> Calibration:
    found = _run(1.0, 1.0, seconds)[0].calibration
    assert found is not None
    return found


def _run(
    rate_per_s: float, seconds: float, calibrate_s: float = 0.0, known: Calibration | None = None
) -> tuple[Driven, Judged]:
    with tempfile.TemporaryDirectory(prefix="generator-limit-") as folder:
        found = asyncio.run(
            driven(rate_per_s, seconds, Path(folder), calibrate_s=calibrate_s, known=known)
        )
    return found, judged(found)


def _print_capacity(capacity: Calibration, busy: float) -> None:
    print(
        f"capacity: {capacity.operations_per_s:,.0f} operations a second on a schedule by one process, "
        f"{capacity.cpu_us_per_operation:.0f} µs of CPU each; {capacity.saturated_per_s:,.0f} when saturated "
        f"(load average before: {busy:.1f})"
    )


def _told(name: str, found: Driven, said: Judged) -> dict[str, Any]:
    """Of one run: the rate, the lateness, and what the run would have said."""
    whole = columns(found.table)
    history = whole.where(whole.due_ns >= found.t0_ns + WARM_UP_NS)
    late_ms = {q: (quantile(history.lateness_s, q) or 0.0) * 1e3 for q in (0.5, 0.95, 0.99)}
    off = _rate_off(whole, found)
    print(
        f"at {name}: {len(whole)} operations in {found.spec.duration_s:g} s, the first second to warm up"
    )
    print(
        f"  lateness p50 {late_ms[0.5]:.2f} ms, p95 {late_ms[0.95]:.2f} ms, p99 {late_ms[0.99]:.2f} ms "
        f"(aim at 50 %: {LATENESS_AIM_MS:g} ms); rate of a second at most {off:.2%} off the schedule"
    )
    print(f"  {said.verdict.conclusion.value}: {'; '.join(said.verdict.reasons)}")
    print(f"  {said.bottleneck.sentence}")
    return {
        "lateness_p50_ms": round(late_ms[0.5], 3),
        "lateness_p99_ms": round(late_ms[0.99], 3),
        "rate_off": round(off, 5),
        "verdict": said.verdict.conclusion.value,
        "named": said.bottleneck.named,
        "generator_cpu": round(said.validity.generator_cpu or 0.0, 3),
    }


def _rate_off(history: Columns, found: Driven) -> float:
    """The largest relative difference between what was due and what was sent, over the whole seconds but the first."""
    edges = np.arange(1, int(found.spec.duration_s) + 1)
    due, _ = np.histogram((history.due_ns - found.t0_ns) / 1e9, edges)
    sent, _ = np.histogram((history.sent_ns - found.t0_ns) / 1e9, edges)
    return float(np.max(np.abs(sent - due) / np.maximum(due, 1)))


if __name__ == "__main__":
    sys.exit(main())
