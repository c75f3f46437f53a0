"""How fast the embedded Toxiproxy server is beside the real one and beside no proxy at all, in one run.

make bench-toxiproxy

Direct, the real server, the embedded one on uvloop and on asyncio take turns, several rounds of it, so that a busy
moment of the machine meets all of them; what is printed are medians over the rounds, in brackets the lowest and the
highest. Without a real server (neither toxiproxy-server nor go) the embedded one is measured alone. The last line is
one JSON object with the ratios.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import resource
import socket
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flashdrill.errors import ToxiproxyError
from flashdrill.toxiproxy.client import Toxiproxy
from flashdrill.toxiproxy.server import find_server
from scripts.toxiproxy.load import StallError, clients
from scripts.toxiproxy.upstream import HOST

CACHE = Path.home() / ".cache" / "flashdrill"
READY_TIMEOUT_S = 20.0
STOP_TIMEOUT_S = 5.0
QUIET_TIMEOUT_S = 2.0
QUIET_S = 0.01
COUNTS = (1, 32, 1000)
RATE_PER_S = 1000
WARM_UP_S = 0.06
BULK_WARM_UP_S = 0.5
"""Under a latency toxic the first tenths of a second fill its buffers: they say little of what follows."""
BULK_S = 0.8
WITHOUT_UVLOOP = (
    "import sys; sys.modules['uvloop'] = None;"
    "from flashdrill.toxiproxy.embedded.__main__ import main;"
    "sys.exit(main(sys.argv[1:]))"
)
TOXICS = {"no toxic": None, "latency 0 ms": 0, "latency 10 ms": 10}
NO_TOXICS = {"no toxic": None}


@dataclass(frozen=True, slots=True)
class Way:
    """One way to the upstream, and the process in between."""

    server: str
    toxic: str
    port: int
    pid: int = 0


@dataclass(slots=True)
class Cell:
    """What the rounds saw on one way with one number of connections."""

    mb_per_s: list[float] = field(default_factory=list)
    trips_per_s: list[float] = field(default_factory=list)
    p50_us: list[float] = field(default_factory=list)
    p99_us: list[float] = field(default_factory=list)
    cpu_us: list[float] = field(default_factory=list)
    joined_s: list[float] = field(default_factory=list)


Cells = dict[tuple[str, str, int], Cell]


def main() -> int:
    """Measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--seconds", type=float, default=0.2, help="of each measurement of small requests"
    )
    parser.add_argument("--connections", type=int, nargs="+", default=list(COUNTS))
    options = parser.parse_args()
    raise_file_limit()
    try:
        cells = _measure(options.rounds, options.seconds, options.connections)
    except (StallError, OSError, ToxiproxyError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    _print_table(cells, options)
    print(json.dumps(_ratios(cells, options.connections)))
    return 0


def _commands() -> dict[str, list[str]]:
    """The servers that can be had here."""
    found: dict[str, list[str]] = {}
    try:
        found["real"] = list(find_server(CACHE, prefer="real").command)
    except ToxiproxyError as error:
        print(f"the embedded server alone: {error.message}")
    with contextlib.suppress(ImportError):
        import uvloop  # noqa: F401, PLC0415 - only whether it is there

        found["uvloop"] = list(find_server(CACHE, prefer="embedded").command)
    found["asyncio"] = [sys.executable, "-P", "-c", WITHOUT_UVLOOP]
    return found


def _measure(rounds: int, seconds: float, counts: list[int]) -> Cells:
    cells: Cells = defaultdict(Cell)
    with contextlib.ExitStack() as stack:
        port, upstream_pid = stack.enter_context(upstream())
        ways = [Way("direct", "no toxic", port)]
        for server, command in _commands().items():
            url, pid = stack.enter_context(serving(command))
            toxics = NO_TOXICS if server == "asyncio" else TOXICS
            ways += asyncio.run(_proxies(server, url, pid, port, toxics))
        for _ in range(rounds):
            for count in counts:
                for way in ways:
                    _visit(way, count, seconds, cells[way.server, way.toxic, count])
                    _wait_quiet([upstream_pid, way.pid])
    return cells


def _visit(way: Way, count: int, seconds: float, cell: Cell) -> None:
    """One round's three measurements."""
    warm_up_s = WARM_UP_S + (TOXICS[way.toxic] or 0) / 1000
    with clients(way.port, count) as group:
        cell.joined_s.append(group.joined_s)
        before, answered = _cpu_s(way.pid), group.answered
        cell.trips_per_s.append(group.round_trips_per_s(warm_up_s, seconds))
        cell.cpu_us.append((_cpu_s(way.pid) - before) / (group.answered - answered) * 1e6)
        latencies = sorted(group.latencies_us(RATE_PER_S, warm_up_s, seconds))
        cell.p50_us.append(statistics.median(latencies))
        cell.p99_us.append(latencies[int(len(latencies) * 0.99)])
        cell.mb_per_s.append(group.megabytes_per_s(BULK_WARM_UP_S, max(BULK_S, seconds)))


def _wait_quiet(pids: list[int]) -> None:
    """Until the processes have done with the connections that were closed just now."""
    deadline = time.monotonic() + QUIET_TIMEOUT_S
    used = -1.0
    while time.monotonic() < deadline:
        before, used = used, sum(_cpu_s(pid) for pid in pids)
        if used - before < QUIET_S / 10:
            return
        time.sleep(QUIET_S)


def _cpu_s(pid: int) -> float:
    """What all threads of a process have used so far, to the nanosecond."""
    total = 0
    for task in Path(f"/proc/{pid}/task").iterdir() if pid else ():
        with contextlib.suppress(OSError):
            total += int((task / "schedstat").read_text().split()[0])
    return total / 1e9


async def _proxies(
    server: str, url: str, pid: int, upstream_port: int, toxics: Mapping[str, int | None]
) -> list[Way]:
    """A proxy for each toxic."""
    api = Toxiproxy(url, timeout_s=READY_TIMEOUT_S)
    ways = []
    for toxic, latency_ms in toxics.items():
        proxy = await api.create(toxic, f"{HOST}:0", f"{HOST}:{upstream_port}")
        if latency_ms is not None:
            await api.add_toxic(
                toxic, name="slow", type="latency", attributes={"latency": latency_ms}
            )
        ways.append(Way(server, toxic, int(proxy.listen.rpartition(":")[2]), pid))
    return ways


@contextlib.contextmanager
def upstream() -> Iterator[tuple[int, int]]:
    """(port, process id) of the server behind the proxies."""
    process = subprocess.Popen(
        [sys.executable, "-m", "scripts.toxiproxy.upstream"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline()), process.pid
    finally:
        _end(process)


@contextlib.contextmanager
def serving(command: list[str]) -> Iterator[tuple[str, int]]:
    """(URL, process id) of a server."""
    with socket.socket() as sock:
        sock.bind((HOST, 0))
        port = sock.getsockname()[1]
    process = subprocess.Popen(
        [*command, "-host", HOST, "-port", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_ready(port, process)
        yield f"http://{HOST}:{port}", process.pid
    finally:
        _end(process)


def _wait_ready(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + READY_TIMEOUT_S
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection((HOST, port), 1.0):
            return
        time.sleep(0.02)
    raise StallError(f"{process.args!r} did not come up")


def _end(process: subprocess.Popen[Any]) -> None:
    process.terminate()
    try:
        process.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            stream.close()


def _print_table(cells: Cells, options: argparse.Namespace) -> None:
    print(
        f"{options.rounds} rounds of {options.seconds:g} s, and {max(BULK_S, options.seconds):g} s of bulk; "
        f"{os.cpu_count()} cores for clients, proxy and upstream together; "
        f"100 B asked, 500 B answered; latency at {RATE_PER_S:,} requests a second in sum"
    )
    form = "{:>5}  {:<8}{:<14}{:>22}{:>26}{:>10}{:>10}{:>10}{:>10}{:>9}{:>10}"
    for count in options.connections:
        print()
        print(form.format(
            "conns", "server", "toxic", "MB/s", "round trips/s", "p50 us", "p99 us", "+p50", "+p99", "CPU us",
            "joined s",
        ))  # fmt: skip
        direct = cells["direct", "no toxic", count]
        for (server, toxic, its_count), cell in cells.items():
            if its_count != count:
                continue
            p50, p99 = statistics.median(cell.p50_us), statistics.median(cell.p99_us)
            print(form.format(
                count, server, toxic, _spread(cell.mb_per_s), _spread(cell.trips_per_s),
                f"{p50:,.0f}", f"{p99:,.0f}",
                f"{p50 - statistics.median(direct.p50_us):,.0f}",
                f"{p99 - statistics.median(direct.p99_us):,.0f}",
                f"{statistics.median(cell.cpu_us):.1f}",
                f"{statistics.median(cell.joined_s):.3f}",
            ))  # fmt: skip
    print(
        "\n+p50, +p99: more than direct. CPU us: what the proxy's process uses for one round trip."
        " joined s: until every connection has had its first answer."
    )


def _spread(values: list[float]) -> str:
    return f"{statistics.median(values):,.0f} ({min(values):,.0f}-{max(values):,.0f})"


def _ratios(cells: Cells, counts: list[int]) -> dict[str, Any]:
    """Of the embedded server to the real one: throughput (more is better), added latency (less is better)."""
    found: dict[str, Any] = {"real": any(server == "real" for server, _, _ in cells)}
    for count in counts:
        direct = cells["direct", "no toxic", count]
        for (server, toxic, its_count), cell in cells.items():
            real = cells.get(("real", toxic, count))
            if its_count == count and server in {"uvloop", "asyncio"} and real is not None:
                key = f"{server}, {toxic}, {count} connections"
                found[key] = _compared(cell, real, direct)
    return found


def _compared(cell: Cell, real: Cell, direct: Cell) -> dict[str, float | None]:
    base_us = statistics.median(direct.p50_us)
    real_us = statistics.median(real.p50_us) - base_us
    added_us = statistics.median(cell.p50_us) - base_us
    return {
        "throughput": _ratio(cell.mb_per_s, real.mb_per_s),
        "round_trips": _ratio(cell.trips_per_s, real.trips_per_s),
        "added_p50": round(added_us / real_us, 2) if real_us > 0 else None,
        "cpu": _ratio(cell.cpu_us, real.cpu_us),
    }


def _ratio(ours: list[float], theirs: list[float]) -> float | None:
    """Of the medians; None where the other did nothing in that time."""
    base = statistics.median(theirs)
    return round(statistics.median(ours) / base, 2) if base else None


def raise_file_limit() -> None:
    """A thousand clients, and as many for the upstream, which inherits it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


if __name__ == "__main__":
    sys.exit(main())
