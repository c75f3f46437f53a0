"""Put the output of a real rehearsal into the README.

    flashdrill run scenarios/flash_sale.yaml > rehearsal.log; python scripts/readme_sample.py rehearsal.log

Replaces what stands between the sample markers with the log's phases and verdict, and the figures of the newest run
(reports/latest). Every figure in the README between those markers comes from here.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
MARKS = ("<!-- sample:begin -->", "<!-- sample:end -->")
MOST_LINES = 70


def sample(log: str, summary: dict[str, Any]) -> str:
    """The text between the markers."""
    return "\n".join(["```text", *shortened(log), "```", "", figures(summary), ""])


def shortened(log: str) -> list[str]:
    """The log without the paths of one machine, and without every second line of load."""
    lines = [
        re.sub(r"\S*/reports/runs", "reports/runs", line.rstrip()) for line in log.splitlines()
    ]
    load = [line for line in lines if " due " in line]
    dropped = set(load[1::2])
    return [line for line in lines if line not in dropped][:MOST_LINES]


def figures(summary: dict[str, Any]) -> str:
    """What that run measured, in a sentence."""
    orders = next(
        o for o in summary["load"]["operations"] if o["kind"] == "place_order" and not o["stage"]
    )
    holding = sum(i["status"] == "holds" for i in summary["audit"]["invariants"])
    slowest = max(fault["recover_s"] or 0.0 for fault in summary["faults"])
    late = max(stage["lateness_p99_s"] for stage in summary["validity"]) * 1000
    return (
        f"In that run {orders['due']:,} orders were due in {summary['duration_s']:.0f} s; {orders['ok']:,} were "
        f"acknowledged ({orders['queued']} of them queued first, drained {summary['audit']['drain_s']:.2f} s after "
        f"the load), {orders['refused']:,} refused because a product was sold out. {holding} invariants hold, the "
        f"slowest recovery took {slowest:.2f} s, and the generator's lateness p99 was {late:.0f} ms at the most."
    )


def main() -> int:
    """Replace the sample."""
    log = Path(sys.argv[1]).read_text(encoding="utf-8")
    summary = json.loads((ROOT / "reports" / "latest" / "summary.json").read_text(encoding="utf-8"))
    before, rest = README.read_text(encoding="utf-8").split(MARKS[0])
    after = rest.split(MARKS[1])[1]
    text = f"{before}{MARKS[0]}\n{sample(log, summary)}{MARKS[1]}{after}"
    README.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
