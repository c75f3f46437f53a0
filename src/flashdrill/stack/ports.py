"""TCP ports on 127.0.0.1 for servers that must be able to come back on the same one."""

from __future__ import annotations

import random
import socket
from collections.abc import Iterable, Mapping
from pathlib import Path

from flashdrill.errors import StackError

HOST = "127.0.0.1"
LOWEST = 10_240
ATTEMPTS = 2_000
_EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")


def choose_ports(
    names: Iterable[str],
    *,
    fixed: Mapping[str, int] | None = None,
    rng: random.Random | None = None,
) -> dict[str, int]:
    """A free port for each name, those in `fixed` as given. StackError when one of them is taken.

    They lie below the range from which the kernel takes the ports of outgoing connections: while a killed
    server is down, no connection can be given its port.
    """
    rng = rng or random.SystemRandom()
    chosen = dict(fixed or {})
    for name, port in chosen.items():
        if not is_free(port):
            raise StackError(
                f"port {port} for {name} is taken on {HOST}",
                remedy="stop what listens there, or leave the choice of the port to flashdrill",
            )
    for name in names:
        if name not in chosen:
            chosen[name] = _free_port(rng, set(chosen.values()))
    return chosen


def is_free(port: int) -> bool:
    """Whether a server could listen on the port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def _free_port(rng: random.Random, taken: set[int]) -> int:
    ceiling = _ephemeral_start()
    for _ in range(ATTEMPTS):
        port = rng.randrange(LOWEST, ceiling)
        if port not in taken and is_free(port):
            return port
    raise StackError(
        f"no free port between {LOWEST} and {ceiling} on {HOST}",
        remedy="stop some of the servers on this machine",
    )


def _ephemeral_start() -> int:
    try:
        start = int(_EPHEMERAL.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        start = 32_768
    return start if start > LOWEST + 1_000 else 32_768
