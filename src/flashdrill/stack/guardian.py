"""The parent of every process of a stack; when its own parent is gone, it takes everything down.

    python -m flashdrill.stack.guardian --journal PATH [--socket PATH] [--cleanup DIR]...

    harness ──stdin: commands──> guardian ──fork──> postgres ×4, valkey, toxiproxy, backend, crowd
            <──stdout: replies and exits──

Commands are JSON lines: {"id", "cmd": spawn | respawn | signal | kill | stop | status | journal | released | detach |
shutdown, ...}. Each gets {"id", "ok": true, ...} or {"id", "ok": false, "error", "errno"}; an exit is told unasked, as
{"event": "exit", "name", "pid", "status"} (status as in `subprocess`: negative for a signal).

A client of the socket that said {"cmd": "journal", "path"} and is gone without {"cmd": "released"} was killed: a child
of the guardian heals from its journal at once, and the stack goes on.

At EOF on stdin (only the harness holds the other end, so its SIGKILL is seen too) or SIGTERM: stop everyone,
heal what the journal holds, verify, remove the data, leave; within 5 s. A guardian that is itself killed leaves
nothing either: its children die by PR_SET_PDEATHSIG. After `detach` only the socket's clients and SIGTERM count.
It starts with the standard library and the journal alone: it must start fast and import nothing that could fail.
"""

from __future__ import annotations

import argparse
import errno
import json
import os
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flashdrill.model.faketime import release_memory
from flashdrill.stack.healing import GRACE_S, HEAL_LIMIT_S, heal
from flashdrill.stack.mounts import unmount_below
from flashdrill.stack.processes import (
    adopt_orphans,
    complain,
    descendants,
    dies_with,
    exited,
    poll,
    postgres_in,
    release_segment,
    send,
    stat_of,
    sweep,
)

MARKER = ".flashdrill-data"
"""A folder is removed by `--cleanup` only if it holds a file of this name."""

QUIT_LIMIT_S = 1.0
KILL_LIMIT_S = 1.0
HEALER_START_LIMIT_S = 2.0
HURRY_S = 1.0
"""A process that is to be started again may take that long to end, whatever it was granted."""
LAST_HEAL_LIMIT_S = 2.0
"""For what outlives the stack, when all of the stack is down."""
MAX_LINE_BYTES = 1 << 20
MAX_CLIENTS = 16


@dataclass(slots=True)
class Child:
    """A process that the guardian started; `kill_at` (monotonic seconds) ends its patience after a stop.

    `is_ending`: it was killed, or asked to stop.
    """

    name: str
    pid: int
    kind: str  # postgres or other
    data_dir: str = ""
    kill_at: float | None = None
    is_ending: bool = False


class Channel:
    """One client: JSON lines in and out. It never blocks on a client that does not read.

    `journal` is what it makes faults by; who holds it must release it before leaving.
    """

    def __init__(self, reads: int, writes: int, owner: socket.socket | None = None) -> None:
        self.reads, self.writes, self._owner = reads, writes, owner
        self.journal: Path | None = None
        self._buffer = b""
        for fd in (reads, writes):
            os.set_blocking(fd, False)

    def receive(self) -> list[dict[str, Any]] | None:
        """The whole commands that have arrived; None at the end of the stream."""
        try:
            data = os.read(self.reads, 65536)
        except BlockingIOError:
            return []
        except OSError:
            return None
        if not data or len(self._buffer) > MAX_LINE_BYTES:
            return None
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        return [json.loads(line) for line in lines if line.strip()]

    def send(self, message: dict[str, Any]) -> None:
        """Tell the client; a client that is gone or does not read misses it."""
        with suppress(OSError):
            os.write(self.writes, json.dumps(message).encode() + b"\n")

    def close(self) -> None:
        """Release a socket; the standard streams stay open until the guardian ends."""
        if self._owner is not None:
            self._owner.close()


class Guardian:
    """Starts processes, tells of their exits, and takes all of them down at the end."""

    def __init__(self, journal: Path | None, cleanup: list[Path]) -> None:
        self.cleanup = cleanup
        self._journals = [] if journal is None else [journal]  # what is healed from at the end
        self.healers: dict[
            int, tuple[Path, float]
        ] = {}  # by pid: the journal, and when it is killed
        self._known: dict[str, dict[str, Any]] = {}  # how each process was started first
        self.children: dict[str, Child] = {}
        self.data_dirs: set[str] = set()
        self.channels: list[Channel] = []
        self.is_over = self.is_detached = False
        self._farewell: list[tuple[Channel, object]] = []
        self._selector = selectors.DefaultSelector()
        self._commands: dict[str, Callable[..., dict[str, Any]]] = {
            "spawn": self.spawn,
            "respawn": self.respawn,
            "signal": self.signal,
            "kill": self.kill,
            "stop": self.stop,
            "status": self.status,
            "detach": self.detach,
        }

    # -- commands ----------------------------------------------------------------------------

    def spawn(
        self,
        name: str,
        argv: list[str],
        log: str,
        env: dict[str, str] | None = None,
        cwd: str = "/",
        kind: str = "other",
        data_dir: str = "",
        user: list[int] | None = None,
    ) -> dict[str, Any]:
        """Start a process in its own process group, output appended to `log`; `user`: [uid, gid]."""
        if name in self.children:
            raise ValueError(f"{name} already runs as {self.children[name].pid}")
        last_word = signal.SIGQUIT if kind == "postgres" else signal.SIGKILL
        uid, gid = user or (None, None)
        with Path(log).open("ab") as output:
            process = subprocess.Popen(
                argv,
                env=env,
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                process_group=0,
                user=uid,
                group=gid,
                extra_groups=None if user is None else [],
                preexec_fn=dies_with(os.getpid(), last_word),  # noqa: PLW1509  (one thread here)
            )
        process.returncode = 0  # reaped by the loop, not by this object
        self.children[name] = Child(name, process.pid, kind, data_dir)
        self._known[name] = {
            "argv": argv, "log": log, "env": env, "cwd": cwd,
            "kind": kind, "data_dir": data_dir, "user": user,
        }  # fmt: skip
        if data_dir:
            self.data_dirs.add(data_dir)
        return {"name": name, "pid": process.pid}

    def respawn(self, name: str) -> dict[str, Any]:
        """Start a process as it was started last, unless it runs; one that is about to end gets EAGAIN, and hurries."""
        if name not in self._known:
            raise ProcessLookupError(f"{name} was never started")
        child = self.children.get(name)
        if child is None:
            return self.spawn(name, **self._known[name])
        if child.is_ending or stat_of(child.pid)[0] in "ZX":
            if child.kill_at is not None:
                child.kill_at = min(child.kill_at, time.monotonic() + HURRY_S)
            raise OSError(errno.EAGAIN, f"{name} is about to end")
        return {"name": name, "pid": child.pid}

    def signal(self, name: str, signum: int) -> dict[str, Any]:
        """Send a signal to one process."""
        os.kill(self._child(name).pid, signum)
        return {}

    def kill(self, name: str) -> dict[str, Any]:
        """SIGKILL the process and all below it; a postmaster's backends go when its exit is seen."""
        child = self._child(name)
        child.is_ending = True
        family = [] if child.kind == "postgres" else descendants(child.pid)
        for pid in (child.pid, *family):
            send(pid, signal.SIGKILL)
        return {}

    def stop(self, name: str, timeout: float) -> dict[str, Any]:
        """SIGTERM (a postmaster: SIGINT, its fast shutdown), and SIGKILL after `timeout` seconds."""
        child = self._child(name)
        child.kill_at = time.monotonic() + timeout
        child.is_ending = True
        os.kill(child.pid, signal.SIGINT if child.kind == "postgres" else signal.SIGTERM)
        os.kill(child.pid, signal.SIGCONT)
        return {}

    def status(self) -> dict[str, Any]:
        """The guardian's pid and every process with its state letter (R, S, T, ... of proc(5))."""
        rows = [
            {"name": c.name, "pid": c.pid, "kind": c.kind, "state": stat_of(c.pid)[0]}
            for c in self.children.values()
        ]
        return {"pid": os.getpid(), "processes": rows}

    def detach(self) -> dict[str, Any]:
        """From now on the end of stdin means nothing: the stack outlives its harness."""
        self.is_detached = True
        return {}

    def _child(self, name: str) -> Child:
        if name not in self.children:
            raise ProcessLookupError(f"{name} does not run")
        return self.children[name]

    # -- the loop ----------------------------------------------------------------------------

    def serve(self, listener: socket.socket | None) -> None:
        """Obey until told to end, until the harness is gone, or until SIGTERM; then dismantle."""
        wake, alarm = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(alarm, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, lambda *_: self._end())
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        self._selector.register(wake, selectors.EVENT_READ, lambda: os.read(wake, 4096))
        if listener is not None:
            self._selector.register(listener, selectors.EVENT_READ, lambda: self._welcome(listener))
        self._listen_to(Channel(sys.stdin.fileno(), sys.stdout.fileno()))
        while not self.is_over:
            try:
                self._turn()
            except Exception as error:
                complain("loop", error)
        left = self.dismantle()
        for channel, request in self._farewell:
            channel.send({"id": request, "ok": not left, "left": left, "error": "processes left"})

    def _turn(self) -> None:
        for key, _ in self._selector.select(self._patience()):
            key.data()
        self._reap()
        for child in list(self.children.values()):
            if child.kill_at is not None and time.monotonic() >= child.kill_at:
                child.kill_at = None
                self.kill(child.name)
        for pid, (journal, kill_at) in self.healers.items():
            if time.monotonic() >= kill_at:
                send(pid, signal.SIGKILL)
                self.healers[pid] = (journal, time.monotonic() + KILL_LIMIT_S)

    def _patience(self) -> float | None:
        moments = [c.kill_at for c in self.children.values() if c.kill_at is not None]
        moments += [kill_at for _, kill_at in self.healers.values()]
        return max(0.0, min(moments) - time.monotonic()) if moments else None

    def _end(self) -> None:
        self.is_over = True

    def _listen_to(self, channel: Channel) -> None:
        self.channels.append(channel)
        self._selector.register(channel.reads, selectors.EVENT_READ, lambda: self._hear(channel))

    def _welcome(self, listener: socket.socket) -> None:
        client, _ = listener.accept()
        if len(self.channels) >= MAX_CLIENTS:
            client.close()
            return
        self._listen_to(Channel(client.fileno(), client.fileno(), client))

    def _hear(self, channel: Channel) -> None:
        requests = channel.receive()
        if requests is None:
            self._selector.unregister(channel.reads)
            self.channels.remove(channel)
            is_harness = channel.reads == sys.stdin.fileno()
            channel.close()
            if channel.journal is not None:
                self._heal_from(channel.journal)
            if is_harness and not self.is_detached:
                self._end()
            return
        for request in requests:
            self._obey(channel, request)

    def _obey(self, channel: Channel, request: dict[str, Any]) -> None:
        number, command = request.pop("id", None), request.pop("cmd", "")
        if command == "shutdown":
            self._farewell.append((channel, number))
            self._end()
            return
        try:
            if command in {"journal", "released"}:
                channel.journal = Path(request["path"]) if command == "journal" else None
                channel.send({"id": number, "ok": True})
                return
            channel.send({"id": number, "ok": True, **self._commands[command](**request)})
        except Exception as error:
            code = getattr(error, "errno", None)
            channel.send({"id": number, "ok": False, "error": str(error), "errno": code})

    def _heal_from(self, journal: Path) -> None:
        """In a child, so that the loop goes on: it may be asked to start processes again."""
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "flashdrill.stack.healing", str(journal)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            preexec_fn=dies_with(os.getpid(), signal.SIGKILL),  # noqa: PLW1509  (one thread here)
        )
        process.returncode = 0  # reaped by the loop, not by this object
        limit_s = HEALER_START_LIMIT_S + HEAL_LIMIT_S + GRACE_S
        self.healers[process.pid] = (journal, time.monotonic() + limit_s)

    def _reap(self) -> None:
        for pid, status in exited():
            self.healers.pop(pid, None)
            release_memory(pid)
            child = next((c for c in self.children.values() if c.pid == pid), None)
            if child is None:
                continue  # an orphan that came to us as its subreaper
            del self.children[child.name]
            if child.kind == "postgres":
                sweep(child.data_dir)
            for channel in self.channels:
                channel.send({"event": "exit", "name": child.name, "pid": pid, "status": status})

    # -- the end -----------------------------------------------------------------------------

    def dismantle(self) -> list[int]:
        """Kill before inspecting; survive every error; the pids that are left (none, or in the kernel's hands).

        Healing comes when the servers are gone: what was done to them went with them, and the rest is carried out.
        """
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        self._journals += [journal for journal, _ in self.healers.values()]
        self._journals += [channel.journal for channel in self.channels if channel.journal]
        steps = (
            self._stop_everyone,
            self._await_postmasters,
            self._kill_the_rest,
            self._heal,
            self._release_shared_memory,
            self._remove_data,
        )
        for step in steps:
            try:
                step()
            except Exception as error:
                complain(step.__name__, error)
        return self._survivors()

    def _stop_everyone(self) -> None:
        postmasters = [c.pid for c in self.children.values() if c.kind == "postgres"]
        families = {pid for p in postmasters for pid in descendants(p)}
        for pid in descendants(os.getpid()):
            send(pid, signal.SIGCONT)
            if pid in postmasters:
                send(pid, signal.SIGQUIT)
            elif pid not in families:
                send(pid, signal.SIGKILL)

    def _heal(self) -> None:
        for journal in dict.fromkeys(self._journals):
            try:
                results = heal(journal, is_stack_gone=True, limit_s=LAST_HEAL_LIMIT_S)
            except Exception as error:  # the next journal may be readable
                complain(f"heal from {journal}", error)
                continue
            for fault, why in results.items():
                if why:
                    complain("heal", RuntimeError(f"{fault}: {why}"))

    def _await_postmasters(self) -> None:
        def postmasters() -> bool:
            self._reap()
            return any(c.kind == "postgres" for c in self.children.values())

        poll(postmasters, QUIT_LIMIT_S)

    def _kill_the_rest(self) -> None:
        def still_there() -> bool:
            left = self._survivors()
            for pid in left:
                send(pid, signal.SIGKILL)
            self._reap()
            return bool(left)

        poll(still_there, KILL_LIMIT_S)

    def _survivors(self) -> list[int]:
        """By pid, and by data directory."""
        strays = [pid for folder in self.data_dirs for pid in postgres_in(folder)]
        return sorted({*descendants(os.getpid()), *strays})

    def _release_shared_memory(self) -> None:
        for folder in self.data_dirs:
            release_segment(Path(folder) / "postmaster.pid")

    def _remove_data(self) -> None:
        for folder in self.cleanup:
            if (folder / MARKER).is_file():
                unmount_below(folder)
                shutil.rmtree(folder, ignore_errors=True)


def listen(path: Path) -> socket.socket:
    """A socket for the clients of a detached guardian; only this user may connect."""
    path.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    previous = os.umask(0o077)
    try:  # a socket's path may have 107 bytes, a state folder's any number
        listener.bind(f"/proc/self/fd/{folder}/{path.name}")
    finally:
        os.umask(previous)
        os.close(folder)
    listener.listen(MAX_CLIENTS)
    listener.setblocking(False)
    return listener


def _absolute(text: str) -> Path:
    return Path(text).absolute()


def main(arguments: Iterable[str] | None = None) -> None:
    """Run a guardian until it is told to end or its parent is gone."""
    parser = argparse.ArgumentParser(prog="python -m flashdrill.stack.guardian")
    parser.add_argument("--journal", type=_absolute)
    parser.add_argument("--socket", type=_absolute)
    parser.add_argument("--cleanup", type=_absolute, action="append", default=[])
    options = parser.parse_args(None if arguments is None else list(arguments))
    with suppress(PermissionError):  # already the leader of its session
        os.setsid()
    adopt_orphans()
    guardian = Guardian(options.journal, options.cleanup)
    listener = None if options.socket is None else listen(options.socket)
    os.chdir("/")
    guardian.serve(listener)
    if options.socket is not None:
        options.socket.unlink(missing_ok=True)


if __name__ == "__main__":
    main()
