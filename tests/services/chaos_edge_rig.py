"""A small order service behind an edge of its own: one way for each fault, so that all of them can be tried at once."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import json
import os
import sys
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from flashdrill.chaos.canary import Seen, accepted, converse
from flashdrill.chaos.catalogue import catalogue, load_own
from flashdrill.chaos.fault import Fault
from flashdrill.chaos.target import Target
from flashdrill.chaos.timetable import Chaos
from flashdrill.edge.client import Edge
from flashdrill.model.faults import FaultPlan, PlannedFault
from flashdrill.model.journal import Journal
from flashdrill.stack.ports import choose_ports
from tests.services.chaos_rig import HOST, Processes, redis_like, serving

OWN = Path(__file__).parents[2] / "chaos" / "faults"
READY_TIMEOUT_S = 20.0
SECRET = "a secret of the test"
SLOW_S = 0.3
MODES = {"http": "http", "redis": "tcp"}


@dataclass
class Service:
    """As much of the order service as canaries see, and what it was asked."""

    handled: int = 0
    refused_orders: int = 0
    requests: list[tuple[str, str]] = field(default_factory=list)

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        while True:
            line, headers = _parsed(await reader.readuntil(b"\r\n\r\n"))
            body = await reader.readexactly(int(headers.get("content-length", "0")))
            status, document = await self._answer(*line, headers, body)
            payload = document.encode()
            head = f"HTTP/1.1 {status} Test\r\nContent-Length: {len(payload)}\r\n"
            kind = "text/plain" if line[1] == "/metrics" else "application/json"
            writer.write(f"{head}Content-Type: {kind}\r\n\r\n".encode() + payload)
            await writer.drain()
            if headers.get("connection") == "close":
                return

    async def _answer(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, str]:
        if path == "/metrics":
            return 200, self._metrics()
        self.requests.append((method, path))
        if path == "/healthz":
            return (200, '{"status":"alive"}') if method == "GET" else (405, '{"status":405}')
        self.handled += 1
        if path == "/slow":
            await asyncio.sleep(SLOW_S)
            return 200, '{"status":"slow"}'
        if path == "/long":
            return 200, json.dumps({"text": "x" * 400})
        if path == "/orders" and method == "POST":
            self.refused_orders += 1
            return 415, '{"status":415}'
        if path == "/payments/callback":
            is_signed = headers.get("x-signature") == signature(
                headers.get("x-timestamp", ""), body
            )
            return (404, '{"status":404}') if is_signed else (401, '{"status":401}')
        return 404, '{"status":404}'

    def _metrics(self) -> str:
        return (
            f'flashdrill_resource_uses_total{{resource="requests"}} {self.handled}.0\n'
            f'flashdrill_orders_total{{result="validation"}} {self.refused_orders}.0\n'
        )


def signature(timestamp: str, body: bytes) -> str:
    """As the payment provider signs."""
    message = timestamp.encode() + b"." + body
    return hmac.new(SECRET.encode(), message, hashlib.sha256).hexdigest()


@dataclass
class EdgeRig:
    """An edge that runs, its ways as targets, and the services behind them."""

    edge: Edge
    process: asyncio.subprocess.Process
    targets: dict[str, Target]
    services: dict[str, Service]
    folder: Path
    toxiproxy_url: str = "http://127.0.0.1:1"
    kinds: dict[str, type[Fault]] = field(default_factory=lambda: catalogue() | load_own(OWN))
    events: list[dict[str, Any]] = field(default_factory=list)

    def chaos(self, fault: PlannedFault, kind: type[Fault] | None = None) -> Chaos:
        """The timetable of one fault."""
        kinds = self.kinds if kind is None else {**self.kinds, fault.kind: kind}
        return Chaos(
            FaultPlan("plan", Path("plan.yaml"), (fault,)),
            kinds=kinds,
            targets=self.targets,
            toxiproxy_url=self.toxiproxy_url,
            processes=Processes(),
            journal=Journal(self.folder / f"{fault.id}.jsonl"),
            on_event=self.events.append,
            edge=self.edge,
            seed=11,
        )


def planned(kind: str, way: str, duration_s: float = 1.2, **parameters: Any) -> PlannedFault:
    """One line of a plan; the fault is called as its way is."""
    return PlannedFault(way, kind, way, 0.0, duration_s, parameters)


@contextlib.asynccontextmanager
async def edge_rig(ways: Mapping[str, str], folder: Path) -> AsyncIterator[EdgeRig]:
    """An edge with these ways, each (http or redis) to a server of its own."""
    settings = folder / "settings.json"
    settings.write_text(json.dumps({"hmac_secret": SECRET}))
    ports = choose_ports(["edge", *ways])
    services: dict[str, Service] = {}
    targets: dict[str, Target] = {}
    async with contextlib.AsyncExitStack() as stack:
        for way, kind in ways.items():
            services[way] = Service()
            talk = services[way].talk if kind == "http" else redis_like
            port = await stack.enter_async_context(serving(talk))
            plain = Target(way, frozenset({kind}), None, (HOST, ports[way]), (HOST, port), way=way)
            targets[way] = replace(plain, settings_file=settings if kind == "http" else None)
        process = await stack.enter_async_context(_edge(ports["edge"], targets, ways))
        edge = Edge(f"http://{HOST}:{ports['edge']}")
        yield EdgeRig(edge, process, targets, services, folder)


@contextlib.asynccontextmanager
async def _edge(
    port: int, targets: Mapping[str, Target], ways: Mapping[str, str]
) -> AsyncIterator[asyncio.subprocess.Process]:
    argv = [sys.executable, "-P", "-m", "flashdrill.edge", "--host", HOST, "--port", str(port)]
    for way, target in targets.items():
        here, there = (f"{host}:{number}" for host, number in (target.listen, target.upstream))
        argv += ["--way", f"{way}={MODES[ways[way]]}:{here}={there}"]
    process = await asyncio.create_subprocess_exec(*argv, env=dict(os.environ))
    try:
        await _ready([(HOST, port), *(target.listen for target in targets.values())], process)
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        async with asyncio.timeout(READY_TIMEOUT_S):
            await process.wait()


async def _ready(places: list[tuple[str, int]], process: asyncio.subprocess.Process) -> None:
    deadline = time.monotonic() + READY_TIMEOUT_S
    for place in places:
        while (await converse(place, accepted, 1.0)).seen is not Seen.ANSWERED:
            assert process.returncode is None, "the edge died"
            assert time.monotonic() < deadline, f"nobody listens at {place}"
            await asyncio.sleep(0.02)


def _parsed(head: bytes) -> tuple[tuple[str, str], dict[str, str]]:
    first, *lines = head.decode("latin-1").strip().split("\r\n")
    method, path, _ = first.split(" ")
    pairs = (line.partition(":") for line in lines)
    return (method, path), {name.lower(): value.strip().lower() for name, _, value in pairs}
