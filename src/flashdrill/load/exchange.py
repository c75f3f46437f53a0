"""One HTTP request and what it brought back, as values."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from flashdrill.model.op import NEVER


class HeldBackError(BaseException):
    """A request must not leave, and its customer ends: nobody's code is to catch that as an error of its own."""


class Request(msgspec.Struct, frozen=True, gc=False):
    """One HTTP request. `path` is in origin form; header values must not hold line breaks."""

    method: str
    path: str
    body: bytes = b""
    headers: Mapping[str, str] = {}


class Reply(msgspec.Struct, frozen=True, gc=False):
    """What it brought back. Times are CLOCK_MONOTONIC nanoseconds; status 0: no answer.

    `failure` is empty, or one of connection_refused, connect_timeout, tls_failed, timeout, connection_lost,
    answer_too_large.
    """

    sent_ns: int
    done_ns: int
    status: int = 0
    failure: str = ""
    body: bytes = b""
    content_type: str = ""
    retry_after_s: float | None = None
    server_timing: str = ""
    connection_wait_ns: int = 0
    first_ns: int = NEVER  # when the first byte of it came
