"""Kill the backend again and again under load while its file queue is in use; nothing may be lost or doubled.

    python scripts/kill_backend.py --kills 20 --seed 1

Writes a scenario and a fault plan (a shard behind a black hole most of the time, SIGKILL of the backend at
random moments), runs them with `flashdrill run`, and reads the verdict on the order invariants from the
summary. Takes about six seconds a kill, and never more than `--limit` seconds. Exit code 0: every order
invariant holds, every kill took effect, and orders were queued.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
SPACING_S = 6.0  # a kill, the restart, and time for orders to queue and drain again
LEAD_S = 4.0
CUT_S = 14.0  # the shard is unreachable for so long ...
OPEN_S = 6.0  # ... and then reachable for so long
ORDER_INVARIANTS = (
    "no-acknowledged-order-lost",
    "one-order-per-key",
    "ids-unique",
    "queued-orders-terminal",
)


def scenario(kills: int, seed: int) -> dict[str, Any]:
    """One long stage of orders, most of them for products that never sell out."""
    return {
        "name": "kill_backend",
        "locustfile": str(ROOT / "scenarios" / "flash_sale.py"),
        "seed": seed,
        "time_scale": 10,
        "world": {
            "users": 20000,
            "products": [
                {"sku": "cold-{n}", "count": 50, "price": "5.00", "stock": 20000, "weight": 1}
            ],
        },
        "stages": [
            {
                "name": "steady",
                "duration": f"{LEAD_S + SPACING_S * kills + 8:.0f}s",
                "arrivals": {"order": "60/s", "buy": "5/s"},
            }
        ],
        "limits": {"drain_timeout": "90s"},
    }


def plan(kills: int, seed: int) -> dict[str, Any]:
    """A shard that comes and goes, and one kill at a random moment of each slot."""
    rng = random.Random(seed)
    end = LEAD_S + SPACING_S * kills
    faults: list[dict[str, Any]] = []
    start, number = LEAD_S, 1
    while start + 2 < end:
        length = min(CUT_S, end - start)
        faults.append(
            {
                "id": f"cut-{number:02}",
                "kind": "timeout",
                "target": "shard2",
                "at": f"{start:.2f}s",
                "for": f"{length:.2f}s",
                "timeout": "0s",
            }
        )
        start, number = start + CUT_S + OPEN_S, number + 1
    for kill in range(kills):
        moment = LEAD_S + SPACING_S * kill + rng.uniform(0.2, SPACING_S - 3)
        faults.append(
            {
                "id": f"kill-{kill + 1:02}",
                "kind": "kill",
                "target": "backend",
                "at": f"{moment:.3f}s",
                "for": "0.3s",
            }
        )
    return {"name": "kill_backend", "faults": faults}


def rehearse(kills: int, seed: int, limit_s: float, folder: Path) -> dict[str, Any]:
    """Run it and return the summary."""
    files = {"scenario.yaml": scenario(kills, seed), "plan.yaml": plan(kills, seed)}
    for name, document in files.items():
        (folder / name).write_text(yaml.safe_dump(document, sort_keys=False))
    command = [sys.executable, "-m", "flashdrill.cli.main", "run", str(folder / "scenario.yaml")]
    command += ["--chaos", str(folder / "plan.yaml"), "--out", str(folder / "runs")]
    subprocess.run(command, cwd=ROOT, timeout=limit_s, check=False)
    (found,) = (folder / "runs").glob("*/summary.json")
    document: dict[str, Any] = json.loads(found.read_text())
    return document


def judge(summary: dict[str, Any], kills: int) -> dict[str, Any]:
    """The figures that matter, and whether they are good."""
    answers = {i["name"]: i["status"] for i in summary["audit"]["invariants"]}
    effective = [
        f for f in summary["faults"] if f["kind"] == "kill" and f["effect_observed"] and f["healed"]
    ]
    operations = [
        o for o in summary["load"]["operations"] if o["kind"] == "place_order" and not o["stage"]
    ]
    queued = sum(o["queued"] for o in operations)
    good = (
        len(effective) == kills
        and queued > 0
        and all(answers[n] == "holds" for n in ORDER_INVARIANTS)
    )
    return {
        "kills": len(effective),
        "orders_acknowledged": sum(o["ok"] for o in operations),
        "orders_queued": queued,
        "drain_s": summary["audit"]["drain_s"],
        "invariants": answers,
        "good": good,
    }


def main() -> int:
    """Parse, run, judge; one line of JSON at the end."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--limit", type=float, default=420.0, help="seconds, at the most")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="flashdrill-kill-") as folder:
        answer = judge(
            rehearse(chosen.kills, chosen.seed, chosen.limit, Path(folder)), chosen.kills
        )
    print(json.dumps(answer))
    return 0 if answer["good"] else 1


if __name__ == "__main__":
    sys.exit(main())
