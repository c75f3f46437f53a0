"""Answers of an HTTP/1.1 server, read as their bytes come in; httptools (llhttp) does the parsing.

expect(method) ── feed(bytes) ──> False, not whole yet ── feed(bytes) ──> True: status, header(), body, can_go_on
"""

from __future__ import annotations

import httptools


class BadAnswerError(Exception):
    """What came is no answer, or it is too large."""


class Answering:
    """Reads one answer after another from a connection."""

    def __init__(self, max_body_bytes: int) -> None:
        self.status = 0
        self.body = b""
        self.can_go_on = True
        """Whether the connection may carry another request."""
        self._max_body_bytes = max_body_bytes
        self._headers: dict[bytes, bytes] = {}
        self._is_head = self._has_head = self._is_whole = False
        self._parser = httptools.HttpResponseParser(self)

    def expect(self, method: str) -> None:
        """The next answer is one to a request of this method."""
        self.status, self.body, self.can_go_on = 0, b"", True
        self._headers = {}
        self._is_head = method == "HEAD"
        self._has_head = self._is_whole = False

    def feed(self, data: bytes | memoryview) -> bool:
        """Take what came; whether the answer is whole. Raises BadAnswerError."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as error:
            raise BadAnswerError("the server speaks another protocol now") from error
        except httptools.HttpParserError as error:
            cause = error.__context__
            raise BadAnswerError(
                str(cause if isinstance(cause, BadAnswerError) else error)
            ) from error
        if self._is_head and self._has_head:
            self._is_whole, self.can_go_on = True, False  # the parser waits for a body
        return self._is_whole

    def ended(self) -> bool:
        """The connection has ended: whether that is how the end of the answer is told."""
        self.can_go_on = False
        has_length = b"content-length" in self._headers or b"transfer-encoding" in self._headers
        self._is_whole = self._has_head and not has_length
        return self._is_whole

    def header(self, name: bytes) -> str:
        """A header of the answer by its lower-case name; of a repeated one the last. Empty when it has none."""
        return self._headers.get(name, b"").decode("latin-1")

    # -- what httptools tells ------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """An answer begins; after a whole one nobody asked for it."""
        if self._is_whole:
            self.can_go_on = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header."""
        if not self._is_whole:
            self._headers[name.lower()] = value

    def on_headers_complete(self) -> None:
        """The head is there; one of 1xx is not the answer yet."""
        if self._is_whole:
            return
        status = self._parser.get_status_code()
        if status >= 200:
            self.status, self._has_head = status, True
            self.can_go_on = self._parser.should_keep_alive()
        else:
            self._headers = {}

    def on_body(self, data: bytes) -> None:
        """More of the body."""
        if self._is_whole:
            return
        if len(self.body) + len(data) > self._max_body_bytes:
            raise BadAnswerError("the answer is too large")
        self.body = self.body + data if self.body else data

    def on_message_complete(self) -> None:
        """The end of an answer."""
        if self._has_head:
            self._is_whole = True
