"""The Toxiproxy server: a process of the stack, or somebody else's at an address."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from flashdrill.stack.control import Command, environment_of
from flashdrill.stack.ports import HOST
from flashdrill.toxiproxy.server import find_server


async def toxiproxy_command(
    prefer: str, cache: Path, port: int, log: Path
) -> tuple[Command, dict[str, Any]]:
    """The command of a server (auto, real or embedded), and what the report says about it.

    May build the real one with Go, once; raises ToxiproxyError when `real` is wanted and not to be had.
    """
    choice = await asyncio.to_thread(find_server, cache, prefer)
    command = Command(
        name="toxiproxy", argv=tuple(choice.argv(HOST, port)), log=log, env=environment_of()
    )
    return command, {"kind": choice.kind, "description": choice.description, "note": choice.note}


def is_address(toxiproxy: str) -> bool:
    """Whether it names a server that runs already: `http://127.0.0.1:8474`."""
    return "://" in toxiproxy


def foreign(url: str) -> dict[str, Any]:
    """What the report says about somebody else's server."""
    return {
        "kind": "given",
        "description": f"the server at {url}, given back as it was found",
        "note": "",
    }
