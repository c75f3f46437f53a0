"""What a long run takes once its load is over: the records of its load processes become one history, which is judged.

make bench-judgement ARGS="--operations 10000000"

The records of WORKERS load processes of a flash sale that fails for a while are written to a temporary folder; a
process of its own keeps, judges and reports them, as a run does. Its memory is the most that was ever resident; a
short run tells the part of it that does not grow. The last line is one JSON object; exit code 1 when operations are
missing from the history, or one takes more than MOST_BYTES.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from flashdrill.load.record import Recorder
from flashdrill.model.faults import FaultRecord
from flashdrill.model.op import Attempt, Op, Outcome
from flashdrill.model.scenario import Arrivals, Limits, Ramp, Stage
from flashdrill.plan.faults import merge
from flashdrill.plan.scenario import load_scenario
from flashdrill.rehearsal.folder import RunFolder
from flashdrill.rehearsal.judgement import judgement
from flashdrill.rehearsal.prepare import Order, Prepared
from flashdrill.rehearsal.records import keep_history
from flashdrill.rehearsal.trace import Trace
from flashdrill.report.write import write_reports

MB = 1 << 20
ROOT = Path(__file__).parents[1]
SCENARIO = ROOT / "scenarios" / "smoke.yaml"
WORKERS = 4
RATE = 20_000.0
FEW = 20_000
MOST_BYTES = 1_000.0
T0_NS = 5_000_000_000_000
"""The run's start on the monotonic clock."""
CYCLE = 20
"""Of so many operations ORDERS are orders; of these one in SOLD is, the others find the product sold out."""
ORDERS, SOLD = 5, 50
DOWN = (0.4, 0.5)
"""The part of the run in which nothing is answered, as shares of its length."""


def main() -> int:
    """Measure a short run and a long one; print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--operations", type=int, default=2_000_000)
    parser.add_argument("--judge", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.judge:
        print(json.dumps(_judge(options.judge, options.operations)))
        return 0
    short, long = _measured(FEW), _measured(options.operations)
    grown = long["most_bytes"] - short["most_bytes"]
    line = {
        "operations": long["operations"],
        "kept_s": long["kept_s"],
        "judged_s": long["judged_s"],
        "reported_s": long["reported_s"],
        "most_mb": round(long["most_bytes"] / MB),
        "bytes_an_operation": round(grown / options.operations, 1),
    }
    print(json.dumps(line))
    is_whole = long["operations"] == options.operations
    return 0 if is_whole and line["bytes_an_operation"] <= MOST_BYTES else 1


def _measured(count: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="bench-judgement-") as place:
        for worker in range(WORKERS):
            recorder = Recorder(Path(place) / f"ops-{worker}.record")
            for op in operations(count, worker):
                recorder.add(op)
            recorder.close()
        print(f"{count} operations on record", flush=True)
        command = [sys.executable, "-m", "scripts.bench_judgement", "--judge", place]
        done = subprocess.run(
            [*command, "--operations", str(count)], check=True, stdout=subprocess.PIPE
        )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def operations(count: int, worker: int) -> Iterator[Op]:
    """What one of the load processes has recorded of a run of so many operations; some came down a little late."""
    for number in range(worker, count, WORKERS):
        is_order = number % CYCLE < ORDERS
        due_ns = T0_NS + round(number / RATE * 1e9)
        outcome, reason, status = Outcome.OK, "found", 200
        if DOWN[0] <= number / count < DOWN[1]:
            outcome, reason, status = Outcome.FAIL, "connection_refused", 0
        elif is_order:
            is_sold = number // CYCLE % SOLD == 0
            outcome, reason = (Outcome.OK, "placed") if is_sold else (Outcome.FAIL, "sold_out")
            status = 201 if is_sold else 409
        sent_ns, done_ns = due_ns + 100_000, due_ns + 5_000_000 + number % 7 * 100_000
        yield Op(
            op_id=number,
            kind="place_order" if is_order else "get_product",
            stage="rush",
            journey="order" if is_order else "browse",
            is_arrival=True,
            process=number,
            due_ns=due_ns,
            sent_ns=sent_ns,
            done_ns=done_ns,
            outcome=outcome,
            reason=reason,
            is_refusal=reason == "sold_out",
            status=status,
            attempts=(Attempt(sent_ns, done_ns, status, outcome, reason),),
            key=f"{number:032x}" if is_order else "",
            order_id=f"{number:016x}" if reason == "placed" else "",
            user_id=f"u{number % 100_000}",
            sku="hot-1",
            quantity=1 if is_order else 0,
            worker=worker,
            first_ns=done_ns - 10_000,
        )


def _judge(place: Path, count: int) -> dict[str, Any]:
    """Keep, judge and report the records in the folder, in this process."""
    duration_s = count / RATE
    stage = Stage("rush", 0.0, duration_s, (Arrivals("browse", (Ramp(duration_s, RATE, RATE),)),))
    prepared = Prepared(
        order=Order(SCENARIO, out=place, command="flashdrill run scenarios/smoke.yaml"),
        scenario=replace(load_scenario(SCENARIO), stages=(stage,), limits=Limits(workers=WORKERS)),
        plan=merge([]),
        plan_names=(),
        kinds={},
        reports=ROOT / "reports",
    )
    fault = FaultRecord(
        "down", "down", "backend", DOWN[0] * duration_s, DOWN[1] * duration_s, True, True
    )
    trace = Trace(t0_ns=T0_NS, load_ended_ns=T0_NS + round(duration_s * 1e9), faults=[fault])
    began = time.monotonic()
    ops = keep_history(RunFolder(place))
    kept = time.monotonic()
    result = judgement(prepared, trace, ops, datetime.now(UTC))
    judged = time.monotonic()
    write_reports(result, place, prepared.reports / "templates")
    return {
        "operations": ops.num_rows,
        "kept_s": round(kept - began, 1),
        "judged_s": round(judged - kept, 1),
        "reported_s": round(time.monotonic() - judged, 1),
        "most_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }


if __name__ == "__main__":
    sys.exit(main())
