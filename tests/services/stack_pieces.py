"""Servers of a stack without the backend, for tests; and a harness to be killed.

    python -m tests.services.stack_pieces FOLDER CACHE [TOXIPROXY_URL PROXY TOXIC]

starts them, notes the toxic in the journal, prints their pids as one JSON line, and waits to be killed.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from flashdrill.model.journal import Journal
from flashdrill.stack import postgres, valkey
from flashdrill.stack.control import Command, Guardian
from flashdrill.stack.folders import claim
from flashdrill.stack.identity import Identity, choose_identity, data_root, install_for
from flashdrill.stack.ports import HOST, choose_ports
from flashdrill.stack.probes import probe_of, wait_until_ready
from flashdrill.stack.template import Recipe, copy, template

SCHEMA = "CREATE TABLE orders (id int PRIMARY KEY);"
SHARDS = ("shard0", "shard1")


@dataclass(frozen=True, slots=True)
class Pieces:
    """Two shards, a Redis and their guardian."""

    folder: Path
    guardian: Guardian
    ports: dict[str, int]
    commands: dict[str, Command]
    state: Path
    root: Path

    async def ready(self, name: str) -> None:
        """Wait until the server answers."""
        await wait_until_ready(
            name,
            probe_of(name, self.ports),
            is_running=lambda: self.guardian.is_running(name),
            log=self.commands[name].log,
            timeout_s=20,
        )

    async def start(self, name: str) -> None:
        """Start it (again) and wait until it answers."""
        await self.guardian.spawn(self.commands[name])
        await self.ready(name)

    def every_pid(self) -> set[int]:
        """The guardian and all below it."""
        guardian = psutil.Process(self.guardian.own_pid)
        return {guardian.pid, *(child.pid for child in guardian.children(recursive=True))}


@asynccontextmanager
async def pieces(
    folder: Path, cache: Path, *, identity: Identity | None = None
) -> AsyncIterator[Pieces]:
    """Two shards and a Redis that answer; all gone afterwards."""
    identity = identity or choose_identity()
    state = claim(folder / "state")
    root = data_root(state, identity)
    guardian = await Guardian.start(
        folder / "journal.jsonl", log=folder / "guardian.log", cleanup=(state, root)
    )
    try:
        install = postgres.find_installation()
        source = template(Recipe(install.folder, install.version, SCHEMA, identity), cache)
        programs = install_for(identity, install.folder, root)
        ports = choose_ports([*SHARDS, "redis"])
        commands = {
            name: postgres.command(
                name,
                ports[name],
                data=root / name,
                install=programs,
                identity=identity,
                log=folder / f"{name}.log",
            )
            for name in SHARDS
        }
        commands["redis"] = valkey.command(
            ports["redis"], program=valkey.find_server(), folder=state, log=folder / "redis.log"
        )
        made = Pieces(folder, guardian, ports, commands, state, root)
        for name in SHARDS:
            copy(source, root / name)
        for command in commands.values():
            await guardian.spawn(command)
        for name in commands:
            await made.ready(name)
        yield made
    finally:
        await guardian.shutdown()


def alive(pids: set[int]) -> set[int]:
    """Those of the pids that still run; a zombie does not."""
    left = set()
    for pid in pids:
        try:
            if psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
                left.add(pid)
        except psutil.NoSuchProcess:
            continue
    return left


async def gone(pids: set[int], timeout_s: float) -> set[int]:
    """Wait until none of the pids runs; those that still do after `timeout_s`."""
    deadline = asyncio.get_running_loop().time() + timeout_s
    while (left := alive(pids)) and asyncio.get_running_loop().time() < deadline:
        await asyncio.sleep(0.02)  # somebody else's children: there is no event to wait for
    return left


def url(port: int) -> str:
    """An address on loopback."""
    return f"http://{HOST}:{port}"


async def _harness(folder: Path, cache: Path, *toxic: str) -> None:
    async with pieces(folder, cache) as made:
        if toxic:
            api, proxy, name = toxic
            undo = {"type": "toxic", "api": api, "proxy": proxy, "toxic": name}
            Journal(folder / "journal.jsonl").injecting("slow", undo)
        os.kill(made.guardian.pid("redis"), signal.SIGSTOP)
        os.kill(made.guardian.pid("shard1"), signal.SIGSTOP)
        print(json.dumps(sorted(made.every_pid())), flush=True)
        await asyncio.sleep(120)


if __name__ == "__main__":
    asyncio.run(_harness(Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:]))
