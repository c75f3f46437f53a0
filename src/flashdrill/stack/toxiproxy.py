"""The Toxiproxy server as a process of the stack."""

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
