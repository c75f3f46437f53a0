"""Canaries of HTTP: one request on a connection of its own, and all that can be said of its answer."""

from __future__ import annotations

import http.client
import io
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from flashdrill.chaos.canary import Reading, converse
from flashdrill.chaos.target import Address
from flashdrill.chaos.wire import Wire

MOST_BYTES = 4_194_304
"""No answer is read beyond that."""
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d{1,12})[ \t]*\r\n", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding:[ \t]*chunked[ \t]*\r\n", re.IGNORECASE)
_HAVE_A_BODY = frozenset({"POST", "PUT", "PATCH"})


@dataclass(frozen=True, slots=True)
class Question:
    """A request. It says `Connection: close`, unless it is to be asked on a connection that stays."""

    method: str = "GET"
    path: str = "/healthz"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    stays: bool = False

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    def encoded(self) -> bytes:
        """What is sent."""
        headers = {"Host": "canary", "Connection": "keep-alive" if self.stays else "close"}
        if self.body or self.method in _HAVE_A_BODY:
            headers["Content-Length"] = str(len(self.body))
        lines = [f"{name}: {value}" for name, value in {**headers, **self.headers}.items()]
        head = "\r\n".join([f"{self.method} {self.path} HTTP/1.1", *lines])
        return head.encode("latin-1") + b"\r\n\r\n" + self.body


@dataclass(frozen=True, slots=True)
class Answer(Reading):
    """What came back: `status` 0 when there was no status line; `declared` is the Content-Length, None without one.

    `is_answered` is true when the whole of it came, whatever the status.
    """

    status: int = 0
    body: bytes = b""
    declared: int | None = None
    question: str = ""

    @property
    def is_json(self) -> bool:
        """Whether the body can be read as JSON."""
        try:
            json.loads(self.body)
        except ValueError:
            return False
        return True


async def ask(address: Address, question: Question, timeout_s: float) -> Answer:
    """Ask once; never raises for what the network does."""
    talk = Exchange(question)
    return talk.answer(await converse(address, talk, timeout_s))


class Exchange:
    """The conversation of one question."""

    def __init__(self, question: Question) -> None:
        self.question = question
        self._raw = b""

    async def __call__(self, wire: Wire) -> bool:
        """Whether the whole answer came."""
        await wire.send(self.question.encoded())
        while not self._is_whole() and len(self._raw) < MOST_BYTES:
            data = await wire.receive()
            if not data:
                return self._ends_with_the_stream()
            self._raw += data
        return True

    def answer(self, reading: Reading) -> Answer:
        """The reading with what was in the answer."""
        return Answer(
            reading.seen,
            reading.waited_s,
            reading.sent,
            reading.received,
            reading.reads,
            **_content(self._raw, self.question.method),
            question=str(self.question),
        )

    def _is_whole(self) -> bool:
        head, end, body = self._raw.partition(b"\r\n\r\n")
        if not end:
            return False
        if self.question.method == "HEAD" or head[9:12] in {b"204", b"304"}:
            return True
        if length := _LENGTH.search(head + b"\r\n"):
            return len(body) >= int(length[1])
        return bool(_CHUNKED.search(head + b"\r\n")) and body.endswith(b"0\r\n\r\n")

    def _ends_with_the_stream(self) -> bool:
        """An answer without a length is over when the connection is."""
        head, end, _ = self._raw.partition(b"\r\n\r\n")
        head += b"\r\n"
        return bool(end) and not _LENGTH.search(head) and not _CHUNKED.search(head)


def _content(raw: bytes, method: str) -> dict[str, Any]:
    """Status, body and declared length of as much of an answer as there is."""
    if b"\r\n\r\n" not in raw:
        return {}
    response = http.client.HTTPResponse(_Stream(raw), method=method)  # type: ignore[arg-type]
    try:
        response.begin()
        declared = response.length
        body = response.read()
    except http.client.IncompleteRead as error:
        body = error.partial
    except (http.client.HTTPException, ValueError):
        return {}
    return {"status": response.status, "body": body, "declared": declared}


class _Stream:
    """Bytes that stand for a socket."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw

    def makefile(self, _mode: str) -> io.BytesIO:
        return io.BytesIO(self._raw)
