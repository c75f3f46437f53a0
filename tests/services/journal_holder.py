"""Harnesses to be killed.

    python -m tests.services.journal_holder hold SOCKET JOURNAL       a client of a guardian that lives on
    python -m tests.services.journal_holder leave SOCKET JOURNAL      the same, and it releases the journal first
    python -m tests.services.journal_holder guest FOLDER URL          a guest on somebody else's Toxiproxy server

Each prints a line when it is ready, and waits.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from flashdrill.stack.control import Guardian
from flashdrill.toxiproxy.guest import Guest


async def _hold(path: str, journal: str, *, is_released: bool) -> None:
    reader, writer = await asyncio.open_unix_connection(path)
    commands = [{"id": 1, "cmd": "journal", "path": journal}]
    commands += [{"id": 2, "cmd": "released"}] if is_released else []
    for command in commands:
        writer.write(json.dumps(command).encode() + b"\n")
        assert json.loads(await reader.readline())["ok"]
    await _wait()


async def _guest(folder: Path, url: str) -> None:
    journal = folder / "journal.jsonl"
    await Guardian.start(journal, log=folder / "guardian.log")
    guest = Guest(url, journal)
    await guest.arrive()
    await guest.settle([("flashdrill-1-redis", "127.0.0.1:0", "127.0.0.1:1")])
    await _wait()


async def _wait() -> None:
    print("ready", flush=True)
    await asyncio.sleep(120)


if __name__ == "__main__":
    how, first, second = sys.argv[1:]
    if how == "guest":
        asyncio.run(_guest(Path(first), second))
    else:
        asyncio.run(_hold(first, second, is_released=how == "leave"))
