"""The reference order service as a process of the stack: its settings and its commands."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flashdrill.errors import EXIT_USAGE, ConfigError, StackError
from flashdrill.stack.control import Command, environment_of
from flashdrill.stack.probes import remedy

COMMAND_TIMEOUT_S = 60.0
# -P: a folder `backend` in the current directory, the user's own, must not come first.
_PROGRAM = (sys.executable, "-P", "-m", "backend")


@dataclass(frozen=True, slots=True)
class Backend:
    """Where the service's code and settings are. `seed_settings` goes past the proxies."""

    root: Path  # the folder that holds backend/
    settings: Path
    seed_settings: Path
    world: Path

    def environment(self) -> dict[str, str]:
        """The process environment: the service is found, and its output is not held back."""
        path = os.pathsep.join(filter(None, (str(self.root), os.environ.get("PYTHONPATH", ""))))
        return environment_of({"PYTHONPATH": path, "PYTHONUNBUFFERED": "1"})

    def serve(self, log: Path, cwd: Path, extra: Mapping[str, str]) -> Command:
        """The command of the service itself, `extra` on top of its environment."""
        argv = (*_PROGRAM, "serve", "--settings", str(self.settings))
        env = {**self.environment(), **extra}
        return Command(name="backend", argv=argv, log=log, env=env, cwd=cwd)

    async def schema(self) -> str:
        """The SQL of one shard."""
        return await self._run("schema")

    async def seed(self) -> None:
        """Fill the shards and the gate with the world's stock."""
        await self._run("seed", "--settings", str(self.seed_settings), "--world", str(self.world))

    async def queue_state(self) -> dict[str, Any]:
        """What the queue files hold; the service must be down."""
        state: dict[str, Any] = json.loads(
            await self._run("queue", "--settings", str(self.settings))
        )
        return state

    async def _run(self, *arguments: str) -> str:
        process = await asyncio.create_subprocess_exec(
            *_PROGRAM,
            *arguments,
            env=self.environment(),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            out, err = await asyncio.wait_for(process.communicate(), COMMAND_TIMEOUT_S)
        except TimeoutError:
            raise StackError(
                f"`backend {arguments[0]}` did not end in {COMMAND_TIMEOUT_S:g} s"
            ) from None
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if process.returncode:
            raise _failure(arguments[0], process.returncode, err.decode(errors="replace").strip())
        return out.decode()


def check_settings(root: Path, overrides: Mapping[str, Any]) -> None:
    """Let the service look at settings before anything is started. Blocks. Raises ConfigError, StackError."""
    asker = Backend(root, Path(), Path(), Path())
    try:
        answer = subprocess.run(
            [*_PROGRAM, "check"],
            env=asker.environment(),
            input=json.dumps(dict(overrides), default=str),
            capture_output=True,
            text=True,
            timeout=COMMAND_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise StackError(f"`backend check` did not end in {COMMAND_TIMEOUT_S:g} s") from None
    if answer.returncode:
        raise _failure("check", answer.returncode, answer.stderr.strip())


def write_settings(path: Path, settings: Mapping[str, Any]) -> None:
    """Write a JSON file that only this user can read: it holds the signing secret."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(settings, file, indent=2)


def _failure(command: str, status: int, said: str) -> ConfigError | StackError:
    end = said[-800:]
    if status == EXIT_USAGE:
        return ConfigError(f"the backend refuses its settings: {end}")
    return StackError(f"`backend {command}` failed (status {status}): {end}", remedy=remedy(end))
