"""Undoing what was done to processes. One that is gone, or another one under its pid, is left alone."""

from __future__ import annotations

import errno
import json
import os
import signal
import socket
import time
from pathlib import Path
from typing import Any

from flashdrill.model.processes import is_same
from flashdrill.stack.processes import poll, stat_of
from flashdrill.stack.undo.circumstances import Circumstances, NotUndoneError

SIGNAL_LIMIT_S = 1.0
"""How long a process may take to go on, or to end."""
REPLY_TIMEOUT_S = 1.0

_PAUSE_S = 0.05


def sigcont(undo: dict[str, Any], now: Circumstances) -> None:
    """Let a stopped process go on, and see that it does."""
    if _send(undo, signal.SIGCONT):
        pid = int(undo["pid"])
        poll(lambda: is_same(undo) and stat_of(pid)[0] in "Tt", now.left_s(SIGNAL_LIMIT_S))
        if is_same(undo) and stat_of(pid)[0] in "Tt":
            raise NotUndoneError(f"process {pid} is still stopped")


def send_signal(undo: dict[str, Any], _now: Circumstances) -> None:
    """Send a signal."""
    _send(undo, int(undo["signum"]))


def signal_named(undo: dict[str, Any], now: Circumstances) -> None:
    """Let the guardian signal what it runs under a name, once that listens: what has just started would end of it.

    One that does not run will find what was set when it starts.
    """
    name, path, signum = undo["name"], Path(undo["socket"]), int(undo["signum"])
    if now.is_stack_gone:
        return
    try:
        while (pid := _pid_of(name, path, now)) and not _listens(pid, signum):
            if now.is_over:
                raise NotUndoneError(f"{name} does not listen to signal {signum}")
            time.sleep(_PAUSE_S)
        if pid:
            _ask_guardian(path, {"id": 1, "cmd": "signal", "name": name, "signum": signum}, now)
    except (FileNotFoundError, ConnectionRefusedError):
        return
    except OSError as error:
        raise NotUndoneError(f"the guardian at {path}: {error or 'no answer'}") from None


def kill(undo: dict[str, Any], now: Circumstances) -> None:
    """SIGKILL, and see that it is gone."""
    if _send(undo, signal.SIGKILL):
        poll(lambda: is_same(undo), now.left_s(SIGNAL_LIMIT_S))
        if is_same(undo):
            raise NotUndoneError(f"process {undo['pid']} does not end")


def respawn(undo: dict[str, Any], now: Circumstances) -> None:
    """Let the guardian start the process, if it does not run. Without a guardian there is no stack to heal."""
    name, path = undo["name"], Path(undo["socket"])
    if now.is_stack_gone:
        return
    while True:
        try:
            reply = _ask_guardian(path, {"id": 1, "cmd": "respawn", "name": name}, now)
        except (FileNotFoundError, ConnectionRefusedError):
            return
        except OSError as error:
            raise NotUndoneError(f"the guardian at {path}: {error or 'no answer'}") from None
        if reply["ok"]:
            return
        if reply.get("errno") != errno.EAGAIN:
            raise NotUndoneError(f"{name} could not be started: {reply.get('error')}")
        if now.is_over:
            raise NotUndoneError(f"{name} has not ended yet, so it could not be started again")
        time.sleep(_PAUSE_S)


def _send(undo: dict[str, Any], signum: int) -> bool:
    """Whether the process is there, and got the signal."""
    int(undo["started"])  # an entry without it would match nothing, and look healed
    if not is_same(undo):
        return False
    try:
        os.kill(int(undo["pid"]), signum)
    except ProcessLookupError:
        return False
    except PermissionError:
        raise NotUndoneError(f"process {undo['pid']} belongs to somebody else") from None
    return True


def _pid_of(name: str, path: Path, now: Circumstances) -> int:
    """Of what the guardian runs under a name; 0: nothing."""
    rows = _ask_guardian(path, {"id": 1, "cmd": "status"}, now)["processes"]
    return next((int(row["pid"]) for row in rows if row["name"] == name), 0)


def _listens(pid: int, signum: int) -> bool:
    """Whether a process has a handler of its own for a signal, see proc(5)."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(errors="replace").splitlines()
    except OSError:
        return False
    caught = next((line.split()[1] for line in lines if line.startswith("SigCgt:")), "0")
    return bool(int(caught, 16) >> (signum - 1) & 1)


def _ask_guardian(path: Path, request: dict[str, Any], now: Circumstances) -> dict[str, Any]:
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    try:  # a socket's path may have 107 bytes, a state folder's any number
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as guardian:
            guardian.settimeout(now.left_s(REPLY_TIMEOUT_S))
            guardian.connect(f"/proc/self/fd/{folder}/{path.name}")
            guardian.sendall(json.dumps(request).encode() + b"\n")
            for line in guardian.makefile("rb"):
                reply: dict[str, Any] = json.loads(line)
                if reply.get("id") == request["id"]:
                    return reply
    finally:
        os.close(folder)
    raise OSError("it went away without an answer")
