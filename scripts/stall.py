"""A server stands still for two seconds: what the crowd measures, what it must measure, and what plain Locust shows.

make stall

Three runs against a small server on loopback, which is stopped (SIGSTOP) in the middle of each: evenly spaced
arrivals, Poisson arrivals, and evenly spaced ones with plain Locust beside them (FastHttpUser, constant_throughput, the
same rate) in the same stall. The analytic values come from the moments of SIGSTOP and SIGCONT as they were;
scripts/load/analytic.py has the derivation. For Poisson arrivals they are given twice: for the rate, with the standard
deviation that the draw of the arrivals alone has, and for the arrivals as drawn. What is left between measured and
analytic is the time to work off what had piled up. The last line is one JSON object; exit code 1 when a percentile is
over 5 % off.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from flashdrill.analysis.closed_loop import taken_by
from flashdrill.analysis.percentiles import quantile
from scripts.load.analytic import chance_of_draw
from scripts.load.stalled import Plan, Seen, Told, stalled

SHARES = {"p95": 0.95, "p99": 0.99}
TOLERANCE = 0.05


def main() -> int:
    """Run, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0, help="of each run")
    parser.add_argument("--rate", type=float, default=100.0, help="arrivals a second")
    parser.add_argument(
        "--stall", type=float, default=2.0, help="seconds that the server stands still"
    )
    parser.add_argument("--users", type=int, default=5, help="of plain Locust")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    found = {
        "even": _run(_plan(options, is_even=True)),
        "poisson": _run(_plan(options, is_even=False)),
        "locust": _run(_plan(options, is_even=True), options.users),
    }
    worst = max(found[name]["off"] for name in ("even", "poisson"))
    print(json.dumps({**found, "worst_off": round(worst, 4), "tolerance": TOLERANCE}))
    return 0 if worst <= TOLERANCE else 1


def _plan(options: argparse.Namespace, *, is_even: bool) -> Plan:
    return Plan(options.seconds, options.rate, options.stall, is_even, options.seed)


def _run(plan: Plan, users: int = 0) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="stall-") as folder:
        seen, told = asyncio.run(stalled(plan, Path(folder), locust_users=users))
    if told is not None:
        return _beside(seen, told, users)
    return _compared(seen, plan)


def _compared(seen: Seen, plan: Plan) -> dict[str, Any]:
    """Ours and the analytic values; `off` is the largest relative difference between them."""
    ours = {name: seen.response(share) for name, share in SHARES.items()}
    of_rate = {name: seen.stall.of_rate(share, plan.run_s) for name, share in SHARES.items()}
    of_draw = {name: seen.stall.of_draw(share, seen.due_s) for name, share in SHARES.items()}
    chance = {
        name: 0.0 if plan.is_even else chance_of_draw(share, plan.run_s, plan.rate_per_s)
        for name, share in SHARES.items()
    }
    kind = "evenly spaced" if plan.is_even else "Poisson"
    print(f"{kind}, {len(seen.due_s)} arrivals, stopped for {seen.stall.length_s:.3f} s")
    for name in SHARES:
        print(
            f"  {name}  measured {ours[name]:.3f} s, analytic {of_rate[name]:.3f} s "
            f"(± {chance[name]:.3f} s by the draw), for the arrivals as drawn {of_draw[name]:.3f} s"
        )
    expected = of_rate if plan.is_even else of_draw
    return {
        "ours_s": _rounded(ours),
        "analytic_s": _rounded(of_rate),
        "analytic_of_draw_s": _rounded(of_draw),
        "sd_of_draw_s": _rounded(chance),
        "off": round(max(abs(ours[n] / expected[n] - 1) for n in SHARES), 4),
    }


def _beside(seen: Seen, told: Told, users: int) -> dict[str, Any]:
    """Plain Locust's own table, and what our model of a closed loop with as many users makes of our record."""
    taken = seen.history.where(taken_by(seen.history, users))
    model = {name: quantile(taken.service_s, share) or 0.0 for name, share in SHARES.items()}
    ours = {name: seen.response(share) for name, share in SHARES.items()}
    shown = {"p95": told.percentiles_s["95%"], "p99": told.percentiles_s["99%"]}
    print(f"plain Locust, {users} users, {told.requests} requests in the same stall")
    for name in SHARES:
        print(
            f"  {name}  Locust shows {shown[name]:.3f} s, our model of it {model[name]:.3f} s, measured from when due "
            f"{ours[name]:.3f} s"
        )
    return {
        "users": users,
        "requests": told.requests,
        "shown_s": _rounded(shown),
        "shown_max_s": told.percentiles_s["100%"],
        "model_requests": len(taken),
        "model_s": _rounded(model),
        "ours_requests": len(seen.history),
        "ours_s": _rounded(ours),
    }


def _rounded(values: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 4) for name, value in values.items()}


if __name__ == "__main__":
    sys.exit(main())
