"""Processes that a guardian runs for the harness: started, signalled, ended by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from flashdrill.errors import StackError
from flashdrill.stack.control import Command, Guardian, environment_of

STOP_TIMEOUT_S = 10.0


@dataclass(slots=True, kw_only=True)
class Wards:
    """They die with the guardian, and it dies with the harness."""

    guardian: Guardian
    log_dir: Path
    _commands: dict[str, Command] = field(default_factory=dict, repr=False)

    @property
    def process_names(self) -> tuple[str, ...]:
        """Every process that was ever started."""
        return tuple(self._commands)

    async def run(self, command: Command) -> int:
        """Start a process and remember how; its pid."""
        self._commands[command.name] = command
        return await self.guardian.spawn(command)

    async def spawn(self, name: str, argv: Sequence[str], env: Mapping[str, str], log: Path) -> int:
        """Start a process under the guardian, `env` on top of this process's environment; its pid."""
        return await self.run(Command(name, tuple(argv), log, environment_of(env), cwd=Path.cwd()))

    async def spawn_helper(self, name: str, argv: Sequence[str]) -> int:
        """Start a process that belongs to a fault; its pid."""
        return await self.spawn(name, argv, {}, self.log_dir / f"{name}.log")

    def respawning(self, name: str) -> dict[str, object]:
        """Nothing: the guardian and every process of it die with the harness."""
        return {"type": "none"}

    def signalling(self, name: str, signum: int) -> dict[str, object]:
        """Nothing, for the same reason."""
        return {"type": "none"}

    async def start(self, name: str) -> int:
        """Start a known process again, as it was started first; its pid. It may not be ready yet."""
        if name not in self._commands:
            raise StackError(f"there is no process {name}")
        return await self.guardian.spawn(self._commands[name])

    async def kill(self, name: str) -> None:
        """SIGKILL a process and all below it; returns when it is gone."""
        await self.guardian.kill(name)

    async def stop(self, name: str, timeout_s: float = STOP_TIMEOUT_S) -> int:
        """SIGTERM, and SIGKILL after `timeout_s`; the exit status (negative: the signal)."""
        return await self.guardian.stop(name, timeout_s)

    async def signal(self, name: str, signum: int) -> None:
        """Send a signal to one process."""
        await self.guardian.signal(name, signum)

    async def wait_exit(self, name: str, timeout_s: float) -> int:
        """The exit status of a process when it ends; StackError after `timeout_s`."""
        return await self.guardian.wait_exit(name, timeout_s)

    def pid(self, name: str) -> int:
        """The pid of a process that runs; StackError when it does not."""
        return self.guardian.pid(name)

    def is_running(self, name: str) -> bool:
        """Whether the process runs."""
        return self.guardian.is_running(name)
