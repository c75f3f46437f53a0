"""The edge as a process of the stack: a way for each proxy that has one, in front of Toxiproxy."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

from flashdrill.stack.control import Command, environment_of
from flashdrill.stack.ports import HOST
from flashdrill.stack.services import proxies
from flashdrill.stack.stack import Address, ProxyAddress


def edge_command(port: int, ways: Iterable[ProxyAddress], log: Path) -> Command:
    """The command of an edge whose control API is at `port`; every way forwards to its proxy in Toxiproxy."""
    http = {proxy.name for proxy in proxies() if "http" in proxy.kinds}
    argv = [sys.executable, "-P", "-m", "flashdrill.edge", "--host", HOST, "--port", str(port)]
    for way in ways:
        assert way.edge is not None
        mode = "http" if way.name in http else "tcp"
        argv += ["--way", f"{way.name}={mode}:{_text(way.edge)}={_text(way.listen)}"]
    return Command(name="edge", argv=tuple(argv), log=log, env=environment_of())


def _text(address: Address) -> str:
    return f"{address[0]}:{address[1]}"
