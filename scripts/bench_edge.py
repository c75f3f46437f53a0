"""What the edge costs: requests through it beside requests past it, in turns and in one run.

make bench-edge

client (this process) ── edge ── server (a process that answers at once)
                      └───────── direct ──┘

The last line is one JSON object: for each way the median requests per second and the median response time, and what
a request costs the edge in CPU time.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import psutil

from flashdrill.stack.ports import choose_ports

HOST = "127.0.0.1"
CONNECTIONS = 16
ROUND_S = 2.0
ROUNDS = 5
READY_TIMEOUT_S = 20.0
REQUEST = (
    b"POST /orders HTTP/1.1\r\nHost: shop\r\nContent-Type: application/json\r\n"
    b"Idempotency-Key: 0123456789abcdef\r\nContent-Length: 64\r\n\r\n"
    + b'{"a": "'
    + b"x" * 55
    + b'"}'
)
ANSWER = (
    b"HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: 200\r\n\r\n"
    + b"y" * 200
)
SERVER = f"""
import asyncio, sys
ANSWER, END = {ANSWER!r}, {REQUEST[-64:]!r}
class Server(asyncio.Protocol):
    def connection_made(self, transport): self.transport, self.got = transport, b""
    def data_received(self, data):
        self.got += data
        if self.got.endswith(END):
            self.got = b""
            self.transport.write(ANSWER)
async def main():
    server = await asyncio.get_running_loop().create_server(Server, {HOST!r}, int(sys.argv[1]))
    await server.serve_forever()
asyncio.run(main())
"""


@dataclass
class Tally:
    """The response times of one way, in seconds, by round; and how many a second."""

    waits: list[float] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)
    cpu_s: float = 0.0

    def told(self) -> dict[str, float]:
        """The figures that are printed."""
        return {
            "requests_per_s": round(statistics.median(self.rates)),
            "median_ms": round(statistics.median(self.waits) * 1000, 3),
            "p99_ms": round(statistics.quantiles(self.waits, n=100)[98] * 1000, 3),
        }


def main() -> None:
    """Measure and print."""
    direct, edge = asyncio.run(_measure())
    cost_us = round(edge.cpu_s / len(edge.waits) * 1e6)
    for name, tally in (("direct", direct), ("through the edge", edge)):
        told = tally.told()
        print(
            f"{name:18} {told['requests_per_s']:6.0f} requests/s, "
            f"median {told['median_ms']:.2f} ms, p99 {told['p99_ms']:.2f} ms"
        )
    print(f"one request costs the edge {cost_us} µs of a core; {CONNECTIONS} connections")
    print(json.dumps({"direct": direct.told(), "edge": edge.told(), "edge_cpu_us": cost_us}))


async def _measure() -> tuple[Tally, Tally]:
    ports = choose_ports(["server", "edge", "way"])
    way = f"it=http:{HOST}:{ports['way']}={HOST}:{ports['server']}"
    edge_argv = ["-P", "-m", "flashdrill.edge", "--port", str(ports["edge"]), "--way", way]
    direct, edge = Tally(), Tally()
    async with (
        _running(["-c", SERVER, str(ports["server"])], ports["server"]),
        _running(edge_argv, ports["way"]) as process,
    ):
        for _ in range(ROUNDS):
            await _round(ports["server"], direct)
            before = _cpu_s(process)
            await _round(ports["way"], edge)
            edge.cpu_s += _cpu_s(process) - before
    return direct, edge


async def _round(port: int, tally: Tally) -> None:
    """All connections at once, each asking again as soon as it is answered."""
    before, began = len(tally.waits), time.monotonic()
    async with asyncio.TaskGroup() as group:
        for _ in range(CONNECTIONS):
            group.create_task(_ask(port, began + ROUND_S, tally))
    tally.rates.append((len(tally.waits) - before) / (time.monotonic() - began))


async def _ask(port: int, until: float, tally: Tally) -> None:
    reader, writer = await asyncio.open_connection(HOST, port)
    while (asked := time.monotonic()) < until:
        writer.write(REQUEST)
        await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(200)
        tally.waits.append(time.monotonic() - asked)
    writer.close()


def _cpu_s(process: asyncio.subprocess.Process) -> float:
    times = psutil.Process(process.pid).cpu_times()
    return times.user + times.system


@asynccontextmanager
async def _running(argv: list[str], port: int) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(sys.executable, *argv)
    try:
        async with asyncio.timeout(READY_TIMEOUT_S):
            while not await _listens(port):  # noqa: ASYNC110  (another process cannot set an event)
                await asyncio.sleep(0.05)
        yield process
    finally:
        process.terminate()
        await process.wait()


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection(HOST, port)
    except OSError:
        return False
    writer.close()
    return True


if __name__ == "__main__":
    main()
