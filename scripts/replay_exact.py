"""Recordings replayed against the reference stack, counted against their own files: nothing missing, nothing moved.

make replay-exact FILES="access.log results.jtl"

For each file, three comparisons, each exact:

    import     requests by label and second of the file, read again without the importer, and the traffic model's
    schedule   the whole model at this speed, and the due times that the crowd would be given, to the nanosecond
    replay     a run of scenarios/recorded.yaml without faults: due times in ops.parquet and the schedule, to the
               nanosecond; arrivals by journey and second of the file; and every arrival was sent

A recording that would take longer than --seconds at this speed is replayed in part: the busiest window of so long,
which is said. Whether the service kept up is not asked here: the run's verdict is printed beside. The last line is one
JSON object; exit code 1 when anything differs.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
import tempfile
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq

from flashdrill.load.schedule import arrivals
from flashdrill.model.op import NOT_SENT
from flashdrill.model.traffic import TrafficModel
from flashdrill.plan.scenario import load_scenario
from flashdrill.plan.traffic import read_traffic
from scripts.replay.source import Source, read

ROOT = Path(__file__).resolve().parent.parent
SCENARIO = ROOT / "scenarios" / "recorded.yaml"
TIMEOUT_S = 600.0
Due = Counter[tuple[str, int]]
"""Arrivals by journey and nanoseconds since the run's start."""


def main() -> int:
    """Compare, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--speed", type=int, default=50)
    parser.add_argument(
        "--seconds", type=float, default=30.0, help="the longest that a replay takes"
    )
    parser.add_argument("--in-flight", type=int, default=2000)
    options = parser.parse_args()
    found = {}
    for path in options.files:
        with tempfile.TemporaryDirectory(prefix="replay-exact-") as folder:
            found[path.name] = _compare(path, Path(folder), options)
    is_exact = all(part["exact"] for part in found.values())
    print(json.dumps({"files": found, "speed": options.speed, "exact": is_exact}))
    return 0 if is_exact else 1


def _compare(path: Path, folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    kind = "jtl" if "timeStamp" in path.open(errors="replace").readline() else "access-log"
    traffic = folder / "traffic.yaml"
    _flashdrill("import", kind, str(path), "-o", str(traffic))
    model = read_traffic(traffic)
    source = read(path, model.offsets_ms)
    imported = differences(per_second(model), source.per_second)
    whole = differences(expected(model, options.speed), scheduled(traffic, options.speed))
    window_s = window_of(model, options.seconds * options.speed)
    run = _replayed(traffic, model, source, window_s, folder, options)
    told = {
        "lines": source.requests + source.other_lines,
        "requests": source.requests,
        "labels": len(source.labels()),
        "import_differs": imported,
        "schedule_differs": whole,
        **run,
    }
    told["exact"] = not (imported or whole or run["replay_differs"] or run["not_sent"])
    _print(path, model, told)
    return told


def _replayed(
    traffic: Path,
    model: TrafficModel,
    source: Source,
    window_s: tuple[float, float] | None,
    folder: Path,
    options: argparse.Namespace,
) -> dict[str, Any]:
    part = model if window_s is None else model.window(*window_s)
    chosen = _chosen(traffic, options.speed, window_s)
    settings = [*chosen, f"limits.in_flight={options.in_flight}"]
    arguments = [word for setting in settings for word in ("--set", setting)]
    out = folder / "runs"
    _flashdrill(
        "run", str(SCENARIO), "--no-chaos", "--plain", "--out", str(out), *arguments, may_fail=True
    )
    (run,) = (entry for entry in out.iterdir() if entry.is_dir() and not entry.is_symlink())
    summary = json.loads((run / "summary.json").read_text())
    table = pq.read_table(
        run / "ops.parquet", columns=["journey", "is_arrival", "due_ns", "sent_ns"]
    )
    table = table.filter(table.column("is_arrival"))
    t0_ns = json.loads((run / "start.json").read_text())["t0_mono_ns"]
    journeys, dues = (table.column(name).to_pylist() for name in ("journey", "due_ns"))
    due: Due = Counter((j, ns - t0_ns) for j, ns in zip(journeys, dues, strict=True))
    curve = curve_differs(due, model, source, window_s, options.speed)
    return {
        "replayed": "all of it" if window_s is None else f"{window_s[0]:g} s to {window_s[1]:g} s",
        "expected": part.rows,
        "due": due.total(),
        "not_sent": pc.sum(pc.equal(table.column("sent_ns"), NOT_SENT)).as_py() or 0,
        "replay_differs": differences(expected(part, options.speed), due) + curve,
        "verdict": summary["verdict"],
        "reasons": summary["reasons"][:2],
    }


def curve_differs(
    due: Due,
    model: TrafficModel,
    source: Source,
    window_s: tuple[float, float] | None,
    speed: int,
) -> int:
    """In how many arrivals the run's curve, by journey and second of the file, differs from the file's own."""
    start_ms, end_ms = (round(s * 1000) for s in window_s) if window_s else (0, math.inf)
    first_ms = _first_ms(model)
    came = Counter[tuple[str, int]]()
    for (journey, ns), number in due.items():
        came[journey, (first_ms + start_ms + round(ns * speed / 1e6)) // 1000] += number
    wanted = Counter[tuple[str, int]]()
    for (label, second), number in source.per_second.items():
        if window_s is None or start_ms <= second * 1000 - first_ms < end_ms:
            wanted[model.operations[label], second] += number
    return differences(wanted, came)


def per_second(model: TrafficModel) -> Counter[tuple[str, int]]:
    """The model's requests by label and second since 1970."""
    first_ms = _first_ms(model)
    return Counter(
        (label, (first_ms + ms) // 1000)
        for label, offsets in model.offsets_ms.items()
        for ms in offsets
    )


def expected(model: TrafficModel, speed: int) -> Due:
    """When each request of the model is due: the k-th millisecond at k·10⁶ / speed nanoseconds."""
    return Counter(
        (model.operations[label], round(ms * 1_000_000 / speed))
        for label, offsets in model.offsets_ms.items()
        for ms in offsets
    )


def scheduled(traffic: Path, speed: int) -> Due:
    """What the crowd would be given of the whole recording."""
    scenario = load_scenario(SCENARIO, _chosen(traffic, speed, None))
    return Counter(
        (arrival.journey, round(arrival.due_s * 1e9))
        for arrival in arrivals(scenario.stages, scenario.seed)
    )


def _chosen(traffic: Path, speed: int, window_s: tuple[float, float] | None) -> list[str]:
    """The values of --set."""
    chosen = [f"traffic.file={traffic}", f"traffic.speed={speed}"]
    if window_s is not None:
        chosen += [f"traffic.from={window_s[0]:.3f}s", f"traffic.until={window_s[1]:.3f}s"]
    return chosen


def window_of(model: TrafficModel, length_s: float) -> tuple[float, float] | None:
    """The busiest window of this length that begins with a second of the file; None when the recording is no longer."""
    if model.duration_s <= length_s:
        return None
    first_ms = _first_ms(model)
    times = sorted(ms for offsets in model.offsets_ms.values() for ms in offsets)
    starts = sorted({max(0, (first_ms + ms) // 1000 * 1000 - first_ms) for ms in times})
    length_ms = round(length_s) * 1000
    counts = {
        start: bisect_left(times, start + length_ms) - bisect_left(times, start) for start in starts
    }
    busiest = max(counts, key=lambda start: (counts[start], -start))
    return busiest / 1000, (busiest + length_ms) / 1000


def _first_ms(model: TrafficModel) -> int:
    return round(datetime.fromisoformat(model.first_at).timestamp() * 1000)


def differences(wanted: Mapping[Any, int], found: Mapping[Any, int]) -> int:
    """How many are missing on either side."""
    return sum(abs(wanted.get(key, 0) - found.get(key, 0)) for key in {*wanted, *found})


def _flashdrill(*arguments: str, may_fail: bool = False) -> None:
    command = [str(Path(sys.executable).with_name("flashdrill")), *arguments]
    ended = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
    )
    if ended.returncode not in ({0, 1, 3} if may_fail else {0}):
        raise SystemExit(f"flashdrill {arguments[0]}: {ended.stdout[-2000:]}{ended.stderr[-2000:]}")


def _print(path: Path, model: TrafficModel, told: Mapping[str, Any]) -> None:
    for line in _lines(path, model, told):
        print(line, flush=True)


def _lines(path: Path, model: TrafficModel, told: Mapping[str, Any]) -> Iterator[str]:
    yield f"{path.name}: {told['lines']} lines, {model.rows} arrivals over {model.duration_s:g} s"
    yield f"  import    {told['labels']} labels by second: {told['import_differs']} differ"
    yield f"  schedule  the whole recording, to the ns: {told['schedule_differs']} differ"
    yield (
        f"  replay    {told['replayed']}: {told['due']} of {told['expected']} due, {told['not_sent']} not sent, "
        f"{told['replay_differs']} differ; the run ended {told['verdict']} ({'; '.join(told['reasons'])})"
    )


if __name__ == "__main__":
    sys.exit(main())
