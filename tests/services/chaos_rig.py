"""A target of the test's own behind a real proxy: tiny servers, one process, and a plan of one fault."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from flashdrill.chaos.canary import Seen, ask
from flashdrill.chaos.catalogue import catalogue
from flashdrill.chaos.fault import Fault
from flashdrill.chaos.target import Target
from flashdrill.chaos.timetable import Chaos
from flashdrill.errors import StackError
from flashdrill.model.faults import FaultPlan, PlannedFault
from flashdrill.model.journal import Journal
from flashdrill.model.processes import identity
from flashdrill.toxiproxy.client import Toxiproxy

HOST = "127.0.0.1"
HEALING_TRIES = 5
PATIENCE_S = 20.0
SERVER = Path(__file__).with_name("chaos_server.py")

Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Any]


async def redis_like(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """PING and ECHO."""
    while line := await reader.readline():
        if line.startswith(b"PING"):
            writer.write(b"+PONG\r\n")
        elif line.startswith(b"*2"):
            await reader.readline()
            await reader.readline()
            size = await reader.readline()
            writer.write(size + await reader.readexactly(int(size[1:]) + 2))


async def http_like(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """200 to everything; honours `Connection: close`."""
    while (head := await reader.readuntil(b"\r\n\r\n")) and not reader.at_eof():
        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n" + b"X-Pad: " + b"x" * 100 + b"\r\n\r\nok"
        )
        if b"Connection: close" in head:
            return


async def postgres_like(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """N to an SSLRequest."""
    await reader.readexactly(8)
    writer.write(b"N")
    await reader.read()


SERVERS: Mapping[str, Answer] = {
    "redis": redis_like,
    "http": http_like,
    "postgres": postgres_like,
}


@contextlib.asynccontextmanager
async def serving(talk: Answer) -> AsyncIterator[int]:
    """A server that talks to each client like that; gives its port. Every connection is closed at the end."""
    talks: set[asyncio.Task[None]] = set()

    async def guarded(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        talks.add(task)
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                await talk(reader, writer)
        finally:
            writer.close()
            with contextlib.suppress(OSError, asyncio.CancelledError):
                await writer.wait_closed()

    async with await asyncio.start_server(guarded, HOST, 0) as server:
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            for task in talks:
                task.cancel()
            await asyncio.gather(*talks, return_exceptions=True)


class Processes:
    """A ProcessControl over `chaos_server.py` processes."""

    def __init__(self) -> None:
        self.ports: dict[str, int] = {}
        self.commands: dict[str, list[str]] = {}  # others than chaos_server.py
        self.protocols: dict[str, str] = {}  # others than http
        self._running: dict[str, asyncio.subprocess.Process] = {}

    def pid(self, name: str) -> int:
        process = self._running.get(name)
        if process is None or process.returncode is not None:
            raise StackError(f"{name} does not run")
        return process.pid

    async def start(self, name: str) -> None:
        command = self.commands.get(name) or [sys.executable, str(SERVER), str(self.ports[name])]
        self._running[name] = await asyncio.create_subprocess_exec(*command)

    async def stop(self, name: str, timeout_s: float) -> int:
        process = self._running[name]
        process.terminate()
        try:
            return await asyncio.wait_for(process.wait(), timeout_s)
        except TimeoutError:
            await self.kill(name)
            return -signal.SIGKILL

    async def spawn_helper(self, name: str, argv: Sequence[str]) -> int:
        self.commands[name] = list(argv)
        await self.start(name)
        return self.pid(name)

    def respawning(self, name: str) -> dict[str, object]:
        return {"type": "none"}

    def signalling(self, name: str, signum: int) -> dict[str, object]:
        return {"type": "signal", **identity(self.pid(name)), "signum": signum}

    async def kill(self, name: str) -> None:
        self._running[name].kill()
        await self._running[name].wait()

    async def signal(self, name: str, signum: int) -> None:
        os.kill(self.pid(name), signum)

    async def wait_ready(self, name: str, timeout_s: float) -> None:
        kinds = frozenset({self.protocols.get(name, "http")})
        target = Target(name, kinds, None, (HOST, 0), (HOST, self.ports[name]))
        deadline = time.monotonic() + timeout_s
        while (await ask(target, target.upstream)).seen is not Seen.ANSWERED:
            if time.monotonic() > deadline:
                raise StackError(f"{name} is not ready")
            await asyncio.sleep(0.02)

    async def close(self) -> None:
        for process in self._running.values():
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.send_signal(signal.SIGCONT)
                    process.kill()
                await process.wait()


@dataclass
class Rig:
    """One target called `it`, its proxy, and what was heard of its faults."""

    target: Target
    toxiproxy: Toxiproxy
    journal_path: Path
    processes: Processes = field(default_factory=Processes)
    kinds: dict[str, type[Fault]] = field(default_factory=catalogue)
    events: list[dict[str, Any]] = field(default_factory=list)

    def chaos(self, *faults: PlannedFault) -> Chaos:
        """The timetable of these faults."""
        return Chaos(
            FaultPlan("plan", Path("plan.yaml"), faults),
            kinds=self.kinds,
            targets={"it": self.target},
            toxiproxy_url=self.toxiproxy.url,
            processes=self.processes,
            journal=self.journal,
            on_event=self.events.append,
        )

    @property
    def journal(self) -> Journal:
        """Opened at first use."""
        if not hasattr(self, "_journal"):
            self._journal = Journal(self.journal_path)
        return self._journal

    @property
    def proxy(self) -> str:
        """The proxy's name."""
        return str(self.target.proxy)

    def phases(self, fault: str = "f") -> list[str]:
        """The steps that were told of a fault."""
        return [event["phase"] for event in self.events if event["id"] == fault]

    async def toxics(self) -> list[str]:
        """What is left in the proxy."""
        return [toxic.name for toxic in await self.toxiproxy.toxics(self.proxy)]

    async def until(self, is_so: Callable[[], bool]) -> None:
        """Poll with a deadline."""
        async with asyncio.timeout(PATIENCE_S):
            while not is_so():
                await asyncio.sleep(0.005)


def planned(
    kind: str, *, fault: str = "f", start_s: float = 0.0, duration_s: float = 1.5, **parameters: Any
) -> PlannedFault:
    """One line of a plan."""
    return PlannedFault(fault, kind, "it", start_s, duration_s, parameters)


@contextlib.asynccontextmanager
async def rig(url: str, kind: str, folder: Path) -> AsyncIterator[Rig]:
    """A tiny server of that kind behind a proxy of a running Toxiproxy."""
    async with (
        serving(SERVERS[kind]) as port,
        _behind(url, port, frozenset({kind}), folder) as made,
    ):
        yield made


@contextlib.asynccontextmanager
async def process_rig(url: str, folder: Path, port: int) -> AsyncIterator[Rig]:
    """An HTTP server in a process of its own behind a proxy."""
    async with _behind(url, port, frozenset({"http", "process"}), folder) as made:
        made.processes.ports["it"] = port
        try:
            await made.processes.start("it")
            await made.processes.wait_ready("it", PATIENCE_S)
            yield made
        finally:
            await made.processes.close()


@contextlib.asynccontextmanager
async def _behind(url: str, port: int, kinds: frozenset[str], folder: Path) -> AsyncIterator[Rig]:
    toxiproxy = Toxiproxy(url)
    name = f"it-{port}"
    proxy = await toxiproxy.create(name, f"{HOST}:0", f"{HOST}:{port}")
    listen = (HOST, int(proxy.listen.rpartition(":")[2]))
    made = Rig(Target("it", kinds, name, listen, (HOST, port)), toxiproxy, folder / f"{name}.jsonl")
    try:
        yield made
    finally:
        made.journal.close()
        with contextlib.suppress(StackError):
            await toxiproxy.delete(name)


def is_running(pid: int) -> bool:
    """Whether the process exists and is no zombie."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


async def healed_at_last(chaos: Chaos) -> tuple[str, ...]:
    """What is still in force when everything was healed; a machine that is busy gets a few tries."""
    for _ in range(HEALING_TRIES - 1):
        if not await chaos.heal_all():
            return ()
    return await chaos.heal_all()
