"""How fast recordings are imported, and in how much memory: `flashdrill import` of files of several gigabytes.

make bench-import ARGS="--gigabytes 3"

JMeter results as CSV (so large), as XML and an access log (a tenth of it each) are written to a temporary folder and
imported, each by a process of its own. Its memory is the most that was ever resident; a file of a few rows tells the
part of it that does not grow. Every row written must be an arrival. The last line is one JSON object;
exit code 1 when rows are missing, or an arrival of JMeter's results takes more than MOST_BYTES.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

MOST_BYTES = 20.0
"""8 are the arrival itself; there is a moment with those of one label twice."""
LEAST_GIGABYTES = 0.5
ROWS = 50_000
"""Of a block, which lasts 100 s."""
FEW = 3
"""Blocks of the smallest file: enough for all that is loaded to write many arrivals."""
START = 15_323_765
"""Hundreds of seconds since 1970, in July 2018."""
LABELS = ("Home", "Search", "Product", "AddToCart", "POST /orders", "Party, details")
SHARES = (30, 25, 25, 12, 6, 2)
_STARTED = "@STARTED"
_HEADER = (
    "timeStamp,elapsed,label,responseCode,responseMessage,threadName,dataType,success,failureMessage,bytes,sentBytes,"
    "grpThreads,allThreads,URL,Latency,IdleTime,Connect\n"
)


@dataclass(frozen=True, slots=True)
class Form:
    """A kind of file: its importer, its ends, and a block of ROWS rows from the given hundred seconds on."""

    kind: str
    share: float
    head: str
    block: Callable[[], Callable[[int], bytes]]
    tail: str = ""


@dataclass(frozen=True, slots=True)
class Import:
    """What one took: seconds by the clock and of CPU, the most resident bytes; and how many arrivals it found."""

    seconds: float
    cpu_s: float
    resident: int
    arrivals: int


def main() -> int:
    """Write, import, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gigabytes", type=float, default=3.0, help="of the CSV")
    parser.add_argument("--only", choices=FORMS, nargs="*", default=list(FORMS))
    options = parser.parse_args()
    if options.gigabytes < LEAST_GIGABYTES:
        parser.error(f"--gigabytes: at least {LEAST_GIGABYTES}, or memory does not tell")
    found = {}
    for name in options.only:
        with tempfile.TemporaryDirectory(prefix="bench-import-") as folder:
            found[name] = measured(FORMS[name], Path(folder), options.gigabytes * 1e9)
        print(f"{name}: {found[name]}", flush=True)
    is_whole = all(part["missing"] == 0 for part in found.values())
    is_lean = all(
        part["rss_bytes_per_arrival"] <= MOST_BYTES
        for name, part in found.items()
        if FORMS[name].kind == "jtl"
    )
    print(json.dumps({"files": found, "whole": is_whole, "lean": is_lean}))
    return 0 if is_whole and is_lean else 1


def measured(form: Form, folder: Path, size: float) -> dict[str, Any]:
    """The figures of one import; `size` is that of the CSV, in bytes."""
    path = folder / "recording"
    few = _write(form, path, 0.0)
    constant = _imported(form.kind, path).resident
    rows = _write(form, path, size * form.share)
    import_ = _imported(form.kind, path)
    megabytes = path.stat().st_size / 1e6
    return {
        "megabytes": round(megabytes, 1),
        "rows": rows,
        "missing": rows - import_.arrivals,
        "seconds": round(import_.seconds, 1),
        "mb_per_s": round(megabytes / import_.seconds, 1),
        "mb_per_cpu_s": round(megabytes / import_.cpu_s, 1),
        "cpu_us_per_row": round(import_.cpu_s * 1e6 / rows, 2),
        "rss_mb": round(import_.resident / 1e6, 1),
        "rss_mb_of_few": round(constant / 1e6, 1),
        "rss_bytes_per_arrival": round((import_.resident - constant) / (rows - few), 2),
    }


def _write(form: Form, path: Path, size: float) -> int:
    """A file of at least this size, and of a few blocks; how many rows it has."""
    block = form.block()
    count = 0
    with path.open("wb") as file:
        file.write(form.head.encode())
        while count < FEW or file.tell() < size:
            file.write(block(START + count))
            count += 1
        file.write(form.tail.encode())
    return count * ROWS


def _imported(kind: str, path: Path) -> Import:
    """An import in a process of its own."""
    words = ("import", kind, str(path), "-o", str(path.with_suffix(".yaml")), "--json")
    began = time.monotonic()
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            [Path(sys.executable).parent / "flashdrill", *words], stdout=output
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.monotonic() - began
        if process.returncode:
            raise SystemExit(f"flashdrill import {kind} ended with {process.returncode}")
        output.seek(0)
        cpu_s = usage.ru_utime + usage.ru_stime
        return Import(seconds, cpu_s, usage.ru_maxrss * 1024, json.load(output)["arrivals"])


def _label(row: int) -> str:
    place = row * 37 % 100
    for label, share in zip(LABELS, SHARES, strict=True):
        place -= share
        if place < 0:
            return label
    raise AssertionError


def _quoted(text: str) -> str:
    return f'"{text}"' if "," in text else text


def _csv_block() -> Callable[[int], bytes]:
    rows = "".join(
        f"{_STARTED}{row * 100_000 // ROWS:05},{row % 900},{_quoted(_label(row))},200,OK,Buyers 1-{row % 500},text,"
        f"true,,{row % 9000},420,500,500,https://shop.example/a/{row % 100},{row % 800},0,0\n"
        for row in range(ROWS)
    ).encode()
    return lambda hundreds: rows.replace(_STARTED.encode(), b"%d" % hundreds)


def _xml_block() -> Callable[[int], bytes]:
    rows = "".join(
        f'<httpSample t="{row % 900}" it="0" lt="{row % 800}" ct="0" ts="{_STARTED}{row * 100_000 // ROWS:05}" '
        f's="true" lb="{_label(row)}" rc="200" rm="OK" tn="Buyers 1-{row % 500}" by="{row % 9000}" ng="500" '
        f'na="500">\n  <java.net.URL>https://shop.example/a/{row % 100}</java.net.URL>\n</httpSample>\n'
        for row in range(ROWS)
    ).encode()
    return lambda hundreds: rows.replace(_STARTED.encode(), b"%d" % hundreds)


def _log_block() -> Callable[[int], bytes]:
    """Rows of 100 s, all of whose times are written anew: minutes do not end with hundreds of seconds."""
    halves = [
        (
            f"10.0.{row % 500 // 250}.{row % 250} - - [",
            f'] "GET /{_label(row)[:4]}/{row % 100} HTTP/1.1" 200 {row % 9000} "-" "Mozilla/5.0 (X11; Linux x86_64)"\n',
        )
        for row in range(ROWS)
    ]
    return lambda hundreds: "".join(
        f"{host}{time_}{rest}"
        for second, time_ in enumerate(_seconds(hundreds))
        for host, rest in halves[second * ROWS // 100 : (second + 1) * ROWS // 100]
    ).encode()


def _seconds(hundreds: int) -> list[str]:
    moments = (datetime.fromtimestamp(hundreds * 100 + second, UTC) for second in range(100))
    return [f"{moment:%d/%b/%Y:%H:%M:%S} +0000" for moment in moments]


FORMS = {
    "jtl_csv": Form("jtl", 1.0, _HEADER, _csv_block),
    "jtl_xml": Form(
        "jtl",
        0.1,
        '<?xml version="1.0" encoding="UTF-8"?>\n<testResults version="1.2">\n',
        _xml_block,
        "</testResults>\n",
    ),
    "access_log": Form("access-log", 0.1, "", _log_block),
}


if __name__ == "__main__":
    sys.exit(main())
