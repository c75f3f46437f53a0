"""A stack that stays when the command that started it has ended: `flashdrill up`, `down` and `status`.

    .flashdrill/  state.json  guardian.sock  journal.jsonl  lock  logs/  data/

The guardian is left behind; it is asked through its socket, and takes everything down when told to.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flashdrill.errors import StackError
from flashdrill.model.journal import unhealed
from flashdrill.stack.embedded import Progress, Stack, StackSpec, start_stack
from flashdrill.stack.folders import discard, disk_errors_explained, locked
from flashdrill.stack.ports import HOST
from flashdrill.stack.probes import probe_of
from flashdrill.stack.provisions import NOTHING, Provisions
from flashdrill.stack.stack import address_text

STATE, SOCKET, DATA, JOURNAL = "state.json", "guardian.sock", "data", "journal.jsonl"
ASK_TIMEOUT_S = 5.0
DOWN_TIMEOUT_S = 10.0
_POLL_S = 0.02

DEFAULT_WORLD: Mapping[str, Any] = {
    "users": 10_000,
    "products": [
        {"sku": f"demo-{number}", "price_cents": 1_999, "stock": 1_000} for number in range(1, 6)
    ],
}
"""What there is to buy in a stack that was started by itself."""


@dataclass(frozen=True, slots=True)
class Server:
    """One server: its pid (None: it does not run), its address, its proxy's address, whether it answers."""

    name: str
    pid: int | None
    address: str
    proxy: str
    is_ready: bool

    @property
    def health(self) -> str:
        """In one word."""
        if self.is_ready:
            return "ready"
        return "down" if self.pid is None else "not ready"


@dataclass(frozen=True, slots=True)
class Standing:
    """What runs where. `settings` is the service's settings file, with the secret that signs callbacks."""

    state_dir: Path
    servers: tuple[Server, ...] = ()
    guardian_pid: int | None = None
    settings: str = ""

    @property
    def is_up(self) -> bool:
        """Whether there is a stack at all."""
        return self.guardian_pid is not None

    @property
    def is_healthy(self) -> bool:
        """Whether every server of it answers."""
        return self.is_up and bool(self.servers) and all(s.is_ready for s in self.servers)

    def table(self) -> str:
        """The servers as lines of text."""
        if not self.is_up:
            return f"no stack is up in {self.state_dir}"
        rows = [("server", "pid", "address", "through its proxy", "health")]
        rows += [
            (s.name, str(s.pid or "-"), s.address, s.proxy or "-", s.health) for s in self.servers
        ]
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        lines = [
            "  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip()
            for row in rows
        ]
        return "\n".join([*lines, f"guardian {self.guardian_pid}, settings {self.settings}"])


async def up(
    state_dir: Path,
    *,
    toxiproxy: str = "auto",
    progress: Progress = lambda _name, _seconds: None,
    world: Mapping[str, Any] = DEFAULT_WORLD,
    backend_settings: Mapping[str, Any] | None = None,
    time_scale: float = 1.0,
    ports: Mapping[str, int] | None = None,
    cache: Path | None = None,
    provisions: Provisions = NOTHING,
) -> Standing:
    """Start a stack under `state_dir` and leave it running; one that runs well already is left as it is.

    Raises StackError with a remedy, with nothing left running.
    """
    state_dir = _absolute(state_dir)
    with disk_errors_explained():
        state_dir.mkdir(parents=True, exist_ok=True)
        with locked(state_dir / "lock", timeout_s=0.0):
            standing = await status(state_dir)
            if standing.is_healthy:
                return standing
            if standing.is_up:
                raise StackError(
                    f"a stack with servers down is up in {state_dir}", remedy="flashdrill down"
                )
            spec = StackSpec(
                state_dir=state_dir / DATA,
                log_dir=state_dir / "logs",
                journal=state_dir / JOURNAL,
                backend_settings=backend_settings or {},
                world=world,
                toxiproxy=toxiproxy,
                time_scale=time_scale,
                ports=ports or {},
                cache=cache,
                provisions=provisions,
            )
            stack = await start_stack(spec, progress, socket=state_dir / SOCKET)
            await _leave(stack, state_dir)
            return await status(state_dir)


async def down(state_dir: Path) -> bool:
    """Take the stack down, its data with it; False when none was up. StackError when it cannot be ended."""
    state_dir = _absolute(state_dir)
    was_up = False
    reply = await _ask(state_dir / SOCKET, "shutdown", timeout_s=DOWN_TIMEOUT_S)
    if reply is not None:
        was_up = True
        if not reply["ok"]:
            raise StackError(f"these processes could not be ended: {reply.get('left')}")
        await _until(lambda: not (state_dir / SOCKET).exists(), DOWN_TIMEOUT_S)
    (state_dir / STATE).unlink(missing_ok=True)
    if not unhealed(state_dir / JOURNAL):
        (state_dir / JOURNAL).unlink(missing_ok=True)
    await asyncio.to_thread(discard, state_dir / DATA)  # left by a guardian that was killed
    return was_up


async def status(state_dir: Path) -> Standing:
    """What the stack's guardian knows, and whether every server answers."""
    state_dir = _absolute(state_dir)
    state = read_state(state_dir)
    reply = await _ask(state_dir / SOCKET, "status", timeout_s=ASK_TIMEOUT_S)
    if reply is None or state is None:
        return Standing(state_dir)
    pids = {row["name"]: int(row["pid"]) for row in reply["processes"]}
    ports = state["ports"]
    async with asyncio.TaskGroup() as group:
        answers = {name: group.create_task(_answers(name, ports)) for name in state["servers"]}
    servers = tuple(
        Server(
            name=name,
            pid=pids.get(name),
            address=f"{HOST}:{ports[name]}",
            proxy=state["proxies"].get(name, ""),
            is_ready=name in pids and answer.result(),
        )
        for name, answer in answers.items()
    )
    return Standing(state_dir, servers, int(reply["pid"]), state["settings"])


async def _leave(stack: Stack, state_dir: Path) -> None:
    """Write the addresses down, and let the guardian go on by itself."""
    try:
        _write(state_dir / STATE, stack)
        await stack.guardian.detach()
    except BaseException:
        await stack.close()
        raise


def _write(path: Path, stack: Stack) -> None:
    proxies = {name: address_text(proxy.listen) for name, proxy in stack.proxies.items()}
    edges = {name: address_text(p.edge) for name, p in stack.proxies.items() if p.edge is not None}
    state = {
        "servers": sorted(stack.process_names, key=lambda n: (not n.startswith("shard"), n)),
        "ports": dict(stack.ports),
        "proxies": proxies,
        "shards": [stack.dsn(number) for number in range(stack.shard_count)],
        "backend_url": stack.backend_url,
        "payment_url": stack.payment_url,
        "metrics_url": stack.metrics_url,
        "toxiproxy_url": stack.toxiproxy_url,
        "edges": edges,
        "edge_url": stack.edge_url,
        "log_dir": str(stack.log_dir),
        "queue_dir": str(stack.queue_dir),
        "has_volume": stack.has_volume,
        "clock_file": str(stack.clock_file or ""),
        "settings": str(stack.settings_path),
        "events": str(stack.events_path),
        "environment": stack.environment(),
    }
    unfinished = path.with_suffix(".tmp")
    unfinished.write_text(json.dumps(state, indent=2) + "\n")
    unfinished.replace(path)


def read_state(state_dir: Path) -> dict[str, Any] | None:
    """What `up` wrote down about the stack; None when there is none. StackError when it cannot be read."""
    path = state_dir / STATE
    try:
        state: dict[str, Any] = json.loads(path.read_text())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise StackError(f"{path} cannot be read: {error}", remedy="flashdrill down") from error
    return state


async def _answers(name: str, ports: Mapping[str, int]) -> bool:
    return await probe_of(name, ports)()


async def _ask(path: Path, command: str, *, timeout_s: float) -> dict[str, Any] | None:
    """The guardian's reply; None when no guardian listens. StackError when it does not answer."""
    try:
        folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    except OSError:
        return None
    try:
        async with asyncio.timeout(timeout_s):
            try:  # by way of the folder's descriptor: a socket's path may have 107 bytes only
                reader, writer = await asyncio.open_unix_connection(
                    f"/proc/self/fd/{folder}/{path.name}"
                )
            except (FileNotFoundError, ConnectionRefusedError):
                return None
            try:
                writer.write(json.dumps({"id": 1, "cmd": command}).encode() + b"\n")
                return await _reply(reader)
            finally:
                writer.close()
    except TimeoutError:
        raise StackError(
            f"the guardian at {path} does not answer", remedy="kill it: its servers die with it"
        ) from None
    finally:
        os.close(folder)


async def _reply(reader: asyncio.StreamReader) -> dict[str, Any]:
    """The reply, past the exits that are told to every client."""
    while line := await reader.readline():
        message: dict[str, Any] = json.loads(line)
        if message.get("id") == 1:
            return message
    raise StackError("the guardian went away without an answer", remedy="flashdrill status")


async def _until(is_true: Callable[[], bool], timeout_s: float) -> None:
    deadline = asyncio.get_running_loop().time() + timeout_s
    while not is_true():
        if asyncio.get_running_loop().time() > deadline:
            raise StackError(f"the guardian did not leave within {timeout_s:g} s")
        await asyncio.sleep(_POLL_S)


def _absolute(folder: Path) -> Path:
    return folder.absolute()
