"""A stack that somebody else started with `flashdrill up`, as faults need it: its addresses and its processes.

inject ──socket──> guardian ──> postgres ×4, valkey, toxiproxy, edge, backend
  └── helpers of faults: its own children, which die with it
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flashdrill.errors import StackError
from flashdrill.stack.control import Client, Lines, environment_of
from flashdrill.stack.ports import HOST
from flashdrill.stack.postgres import dsn
from flashdrill.stack.probes import probe_of, wait_until_ready
from flashdrill.stack.provisions import Provisions
from flashdrill.stack.services import proxies
from flashdrill.stack.stack import READY_TIMEOUT_S, ProxyAddress
from flashdrill.stack.tied import tied
from flashdrill.stack.up import SOCKET, read_state
from flashdrill.stack.wards import STOP_TIMEOUT_S

CONNECT_TIMEOUT_S = 5.0
HELPER_END_TIMEOUT_S = 5.0


class Visitor(Client):
    """A client of a guardian that is not ours: nothing ends with it."""

    def __init__(self, transport: asyncio.WriteTransport, lines: Lines) -> None:
        super().__init__(lines)
        self._transport = transport

    async def begin(self) -> None:
        """Learn what runs."""
        await self.status()

    async def respawn(self, name: str) -> int:
        """Let the guardian start one of its processes again, as it was started first; its pid."""
        reply = await self._ask("respawn", name=name)
        return int(reply["pid"])

    def close(self) -> None:
        """Leave."""
        self._transport.close()

    def _write(self, line: bytes) -> None:
        if self._transport.is_closing():
            raise BrokenPipeError
        self._transport.write(line)


@dataclass(slots=True)
class AttachedStack:
    """What a fault plan needs of a stack; the control of its processes goes through its guardian."""

    visitor: Visitor
    state_dir: Path
    ports: Mapping[str, int]
    proxies: Mapping[str, ProxyAddress]
    toxiproxy_url: str
    edge_url: str
    log_dir: Path
    queue_dir: Path
    has_volume: bool
    clock_file: Path | None
    settings_path: Path
    _helpers: dict[str, asyncio.subprocess.Process] = field(default_factory=dict)

    @property
    def socket(self) -> Path:
        """Where its guardian listens."""
        return self.state_dir / SOCKET

    @property
    def provisions(self) -> Provisions:
        """What it has for the faults that need it."""
        edges = {name for name, proxy in self.proxies.items() if proxy.edge is not None}
        return Provisions(frozenset(edges), self.clock_file is not None, self.has_volume)

    def dsn(self, shard: int, direct: bool = True) -> str:
        """How to connect to a shard, past its proxy or through it."""
        proxy = self.proxies[f"shard{shard}"]
        return dsn((proxy.upstream if direct else proxy.entrance)[1])

    # -- processes ---------------------------------------------------------------------------

    def pid(self, name: str) -> int:
        """The pid of a process that runs; StackError when it does not."""
        helper = self._helpers.get(name)
        if helper is None:
            return self.visitor.pid(name)
        if helper.returncode is not None:
            raise StackError(f"{name} does not run")
        return helper.pid

    async def kill(self, name: str) -> None:
        """SIGKILL a process and all below it; returns when it is gone."""
        helper = self._helpers.get(name)
        if helper is None:
            await self.visitor.kill(name)
        else:
            await _end(name, helper)

    async def start(self, name: str) -> int:
        """Start it again as it was started first; its pid. It may not be ready yet."""
        return await self.visitor.respawn(name)

    async def wait_ready(self, name: str, timeout_s: float = READY_TIMEOUT_S) -> None:
        """Return when the server answers, asked past the proxies; StackError when it died or is too slow."""
        await wait_until_ready(
            name,
            probe_of(name, self.ports),
            is_running=lambda: self.visitor.is_running(name),
            log=self.log_dir / f"{name}.log",
            timeout_s=timeout_s,
        )

    async def signal(self, name: str, signum: int) -> None:
        """Send a signal to one process."""
        await self.visitor.signal(name, signum)

    async def stop(self, name: str, timeout_s: float = STOP_TIMEOUT_S) -> int:
        """SIGTERM, and SIGKILL after `timeout_s`; the exit status (negative: the signal)."""
        return await self.visitor.stop(name, timeout_s)

    async def spawn_helper(self, name: str, argv: Sequence[str]) -> int:
        """Start a process that belongs to a fault, as a child of ours; its pid. The kernel ends it with us."""
        with (self.log_dir / f"{name}.log").open("ab") as log:
            helper = await asyncio.create_subprocess_exec(
                *tied(argv),
                env=environment_of(),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                process_group=0,  # a Ctrl-C at the terminal is ours alone
            )
        self._helpers[name] = helper
        return helper.pid

    def respawning(self, name: str) -> dict[str, object]:
        """The guardian starts it again: it does not die with us."""
        return {"type": "respawn", "socket": str(self.socket), "name": name}

    def signalling(self, name: str, signum: int) -> dict[str, object]:
        """The guardian signals what it runs under the name by then."""
        place = {"socket": str(self.socket), "name": name}
        return {"type": "signal_named", **place, "signum": signum}

    async def leave(self) -> None:
        """End what is left of the helpers, and the talk with the guardian. The stack goes on."""
        for name, helper in self._helpers.items():
            await _end(name, helper)
        self.visitor.close()


@asynccontextmanager
async def attached(state_dir: Path) -> AsyncIterator[AttachedStack]:
    """The stack that is up in a folder. StackError with a remedy when there is none."""
    state_dir = _absolute(state_dir)
    state = read_state(state_dir)
    visitor = None if state is None else await _visit(state_dir / SOCKET)
    if state is None or visitor is None:
        raise StackError(f"no stack is up in {state_dir}", remedy="flashdrill up")
    try:
        await visitor.begin()
        stack = _stack(visitor, state_dir, state)
    except BaseException:
        visitor.close()
        raise
    try:
        yield stack
    finally:
        await stack.leave()


async def _visit(path: Path) -> Visitor | None:
    """A talk with the guardian at a socket; None when nobody listens."""
    try:
        folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    except OSError:
        return None
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            # By way of the folder's descriptor: a socket's path may have 107 bytes only.
            transport, lines = await asyncio.get_running_loop().create_unix_connection(
                Lines, f"/proc/self/fd/{folder}/{path.name}"
            )
    except (FileNotFoundError, ConnectionRefusedError):
        return None
    except TimeoutError:
        raise StackError(f"the guardian at {path} does not answer") from None
    finally:
        os.close(folder)
    return Visitor(transport, lines)


def _stack(visitor: Visitor, state_dir: Path, state: Mapping[str, Any]) -> AttachedStack:
    if "edges" not in state:
        raise StackError(
            f"the stack in {state_dir} was started by an older flashdrill",
            remedy="flashdrill down, and flashdrill up",
        )
    ports: Mapping[str, int] = state["ports"]
    return AttachedStack(
        visitor=visitor,
        state_dir=state_dir,
        ports=ports,
        proxies={
            way.name: ProxyAddress(
                way.name,
                listen=_address(state["proxies"][way.name]),
                upstream=(HOST, ports[way.upstream]),
                edge=_address(state["edges"][way.name]) if way.name in state["edges"] else None,
            )
            for way in proxies()
        },
        toxiproxy_url=state["toxiproxy_url"],
        edge_url=state["edge_url"],
        log_dir=Path(state["log_dir"]),
        queue_dir=Path(state["queue_dir"]),
        has_volume=state["has_volume"],
        clock_file=Path(state["clock_file"]) if state["clock_file"] else None,
        settings_path=Path(state["settings"]),
    )


def _absolute(folder: Path) -> Path:
    return folder.absolute()


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    return host, int(port)


async def _end(name: str, helper: asyncio.subprocess.Process) -> None:
    """SIGKILL a child of ours. StackError when it does not end."""
    if helper.returncode is None:
        with suppress(ProcessLookupError):
            helper.send_signal(signal.SIGKILL)
    try:
        async with asyncio.timeout(HELPER_END_TIMEOUT_S):
            await helper.wait()
    except TimeoutError:
        raise StackError(f"{name} did not end within {HELPER_END_TIMEOUT_S:g} s") from None
