"""What can be broken: addresses on both sides of a proxy, and the control of processes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeAlias

from flashdrill.errors import StackError

Address: TypeAlias = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Target:
    """A part of the system. Clients reach it at `listen`, a proxy (None: there is none) forwards to `upstream`.

    `kinds` are some of tcp, postgres, redis, http, process (every proxied target is tcp); `dsn` goes past the
    proxy, empty when it is no database. What a stack provides only for the faults that need it is empty else: `way`
    is the target's name at the HTTP edge, `folder` a folder with a small file system of its own, `clock_file` what
    the process's clock is set by (see `flashdrill.chaos.clock_step`).
    """

    name: str
    kinds: frozenset[str]
    proxy: str | None
    listen: Address
    upstream: Address
    dsn: str = ""
    process: str = ""  # what ProcessControl calls it; empty: the target's name
    way: str = ""
    folder: Path | None = None
    clock_file: Path | None = None
    settings_file: Path | None = None

    @property
    def process_name(self) -> str:
        """What ProcessControl calls its process."""
        return self.process or self.name


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

    async def stop(self, name: str, timeout_s: float) -> object:
        """Ask it to end, SIGKILL it after `timeout_s`; returns when it is gone."""
        ...

    async def spawn_helper(self, name: str, argv: Sequence[str]) -> int:
        """Start a process that belongs to a fault, under a name of its own; its pid. It dies with the harness."""
        ...

    def respawning(self, name: str) -> dict[str, object]:
        """The journal's entry that starts a process again when the harness cannot: `{"type": "none"}` when whoever
        started it dies with the harness."""
        ...

    def signalling(self, name: str, signum: int) -> dict[str, object]:
        """The same for a signal, to whatever runs under the name by then: another fault may have started it again."""
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
