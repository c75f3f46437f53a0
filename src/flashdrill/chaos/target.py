"""What can be broken: addresses on both sides of a proxy, and the control of processes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, TypeAlias

from flashdrill.errors import StackError

Address: TypeAlias = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Target:
    """A part of the system. Clients reach it at `listen`, a proxy (None: there is none) forwards to `upstream`.

    `kinds` are some of postgres, redis, http, process; `dsn` goes past the proxy, empty when it is no database.
    """

    name: str
    kinds: frozenset[str]
    proxy: str | None
    listen: Address
    upstream: Address
    dsn: str = ""


class ProcessControl(Protocol):
    """Whoever started the processes. A process is called as its target is."""

    def pid(self, name: str) -> int | None:
        """The pid of a process; None, or a StackError, when it does not run."""
        ...

    async def kill(self, name: str) -> object:
        """SIGKILL it; returns when it is gone."""
        ...

    async def start(self, name: str) -> object:
        """Start it again as it was started first; it may not be ready yet."""
        ...

    async def wait_ready(self, name: str, timeout_s: float) -> object:
        """Return when it answers; StackError when it died or took too long."""
        ...

    async def signal(self, name: str, signum: int) -> object:
        """Send it a signal."""
        ...


def running_pid(processes: ProcessControl, name: str) -> int | None:
    """The pid of a process, None when it does not run."""
    try:
        return processes.pid(name)
    except StackError:
        return None


def required_pid(processes: ProcessControl, name: str) -> int:
    """The pid of a process; StackError when it does not run."""
    pid = running_pid(processes, name)
    if pid is None:
        raise StackError(f"{name} does not run, so nothing can be done to it")
    return pid
