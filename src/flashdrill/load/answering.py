"""Answers of an HTTP/1.1 server, read as their bytes come in; httptools (llhttp) does the parsing.

expect(method) ── feed(bytes) ──> False, not whole yet ── feed(bytes) ──> True: status, header(), body, can_go_on
"""

from __future__ import annotations

import httptools

MAX_HEAD_BYTES = 64 * 1024
_LISTS = frozenset({b"server-timing"})
"""Headers that may come in several lines, which are one list."""


class BadAnswerError(Exception):
    """What came is no answer."""


class TooLargeError(BadAnswerError):
    """The answer has no end in sight."""


class Answering:
    """Reads one answer after another from a connection.

    A body of more than `kept_bytes` is read and not kept: `body` is empty then. One of more than `most_bytes` is no
    answer.
    """

    def __init__(self, kept_bytes: int, most_bytes: int) -> None:
        self.status = 0
        self.can_go_on = True
        """Whether the connection may carry another request."""
        self._kept_bytes, self._most_bytes = kept_bytes, most_bytes
        self._head_bytes = self._body_bytes = 0
        self._body: list[bytes] = []
        self._headers: dict[bytes, bytes] = {}
        self._is_head = self._has_head = self._is_whole = False
        self._parser = httptools.HttpResponseParser(self)

    def expect(self, method: str) -> None:
        """The next answer is one to a request of this method."""
        self.status, self.can_go_on = 0, True
        self._head_bytes = self._body_bytes = 0
        self._body, self._headers = [], {}
        self._is_head = method == "HEAD"
        self._has_head = self._is_whole = False

    def feed(self, data: bytes | memoryview) -> bool:
        """Take what came; whether the answer is whole. Raises BadAnswerError."""
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            if not self._is_whole:
                raise _bad(error) from error
            self.can_go_on = False  # what came behind it does not change it
        if not self._has_head:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES:
                raise TooLargeError("the head of the answer is too large")
        if self._is_head and self._has_head:
            self._is_whole, self.can_go_on = True, False  # the parser waits for a body
        return self._is_whole

    @property
    def body(self) -> bytes:
        """What was kept of it."""
        return b"".join(self._body)

    def ended(self) -> bool:
        """The connection has ended: whether that is how the end of the answer is told."""
        self.can_go_on = False
        has_length = b"content-length" in self._headers or b"transfer-encoding" in self._headers
        self._is_whole = self._has_head and not has_length
        return self._is_whole

    def header(self, name: bytes) -> str:
        """A header of the answer by its lower-case name; of a repeated one the last, if it is no list. Empty when it
        has none."""
        value = self._headers.get(name)
        return value.decode("latin-1") if value else ""

    # -- what httptools tells ------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """An answer begins; after a whole one nobody asked for it."""
        if self._is_whole:
            self.can_go_on = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header."""
        if self._is_whole:
            return
        name = name.lower()
        if name in _LISTS and name in self._headers:
            value = self._headers[name] + b", " + value
        self._headers[name] = value

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
        self._body_bytes += len(data)
        if self._body_bytes <= self._kept_bytes:
            self._body.append(data)
        elif self._body_bytes <= self._most_bytes:
            self._body.clear()
        else:
            raise TooLargeError("the answer is too large")

    def on_message_complete(self) -> None:
        """The end of an answer."""
        if self._has_head:
            self._is_whole = True


def _bad(error: Exception) -> BadAnswerError:
    """What the parser's complaint says of the answer."""
    cause = error.__context__
    if isinstance(cause, BadAnswerError):
        return cause
    if isinstance(error, httptools.HttpParserUpgrade):
        return BadAnswerError("the server speaks another protocol now")
    return BadAnswerError(str(error))
