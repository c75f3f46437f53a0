"""Undoing what a Redis server was told, in its own protocol.

RESP2, see https://redis.io/docs/latest/develop/reference/protocol-spec.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Iterable
from io import BufferedReader
from typing import Any

from flashdrill.stack.undo.circumstances import Circumstances, NotUndoneError

ANSWER_TIMEOUT_S = 1.5

_PAUSE_S = 0.05
_FOR_A_MOMENT = ("BUSY", "LOADING")
"""What a server says that will take the command soon."""


def redis(undo: dict[str, Any], now: Circumstances) -> None:
    """Give the server its commands, all of them, again until it takes them or the time is over."""
    commands, tolerated = undo["commands"], tuple(undo.get("tolerates", ()))
    left = list(commands)
    while True:
        refusals: list[str] = []
        try:
            left, refusals = _tell(undo["host"], int(undo["port"]), left, tolerated, now)
        except OSError as error:
            if now.is_stack_gone:
                return
            refusals = [str(error) or type(error).__name__]
        where = f"redis at {undo['host']}:{undo['port']}"
        if not left:
            return
        if now.is_over or not _is_for_a_moment(refusals):
            raise NotUndoneError(f"{where}: {'; '.join(refusals)}")
        time.sleep(_PAUSE_S)


def _is_for_a_moment(refusals: Iterable[str]) -> bool:
    """Connections fail for a moment too: a server that was killed comes back."""
    return not any(
        said.startswith("-") and not said[1:].startswith(_FOR_A_MOMENT) for said in refusals
    )


def _tell(
    host: str, port: int, commands: list[list[str]], tolerated: tuple[str, ...], now: Circumstances
) -> tuple[list[list[str]], list[str]]:
    """The commands that were refused, and with which words. OSError when the server cannot be reached."""
    left, refusals = [], []
    with socket.create_connection((host, port), timeout=now.left_s(ANSWER_TIMEOUT_S)) as server:
        answers = server.makefile("rb")
        for words in commands:
            server.settimeout(now.left_s(ANSWER_TIMEOUT_S))
            server.sendall(_encoded(words))
            error = _error_in(answers)
            if error and not error[1:].startswith(tolerated or ("\n",)):
                left.append(words)
                refusals.append(error)
    return left, refusals


def _encoded(words: list[str]) -> bytes:
    parts = [word.encode() for word in words]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(p), p) for p in parts)


def _error_in(answers: BufferedReader) -> str:
    """Read one whole answer: its error as `-WORDS`, or nothing."""
    line = answers.readline()
    if not line.endswith(b"\r\n"):
        raise ConnectionResetError("it hung up")
    kind, rest = line[:1], line[1:-2].decode(errors="replace")
    if kind == b"-":
        return f"-{rest}"
    if kind == b"$" and int(rest) >= 0:
        answers.read(int(rest) + 2)
    if kind == b"*":
        return next(filter(None, [_error_in(answers) for _ in range(max(0, int(rest)))]), "")
    return ""
