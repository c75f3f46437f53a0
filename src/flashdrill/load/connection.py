"""One client connection under gevent, for the hot path: an answer costs one switch of greenlets.

    exchange() ── send ──> server          the hub reads when bytes come, and wakes the waiting greenlet
       ^───────── answer, whole ─┘         when the answer is whole, when the time is up, or at the end

The socket is watched all the time, so that an idle connection notices its end by itself.
"""

from __future__ import annotations

import _socket
import errno
import os
import socket
import ssl
from collections.abc import Callable
from typing import Any

import gevent
from gevent import getcurrent

from flashdrill.load.answering import Answering, BadAnswerError
from flashdrill.load.deadlines import Deadlines
from flashdrill.model.op import NEVER

READ, WRITE = 1, 2  # libev's EV_READ, EV_WRITE
CHUNK_BYTES = 64 * 1024
_BUFFER = memoryview(bytearray(CHUNK_BYTES))
"""For all connections: what is read is parsed before anything else is read."""
_WHOLE, _CLOSED = "whole", "the server closed the connection"
_IN_PROGRESS = frozenset({errno.EINPROGRESS, errno.EWOULDBLOCK})


class OutOfTimeError(Exception):
    """The time for an attempt is up."""


class Connection:
    """A connection to one address. `open`, then `exchange` again and again while `is_open`; `close` in the end."""

    def __init__(
        self, clock_ns: Callable[[], int], answer: Answering, deadlines: Deadlines
    ) -> None:
        self.is_open = False
        self.turn = 0
        """How many exchanges have begun and ended."""
        self.answer = answer
        self.first_ns = NEVER
        """When the first byte of the answer came (the clock's nanoseconds); NEVER before."""
        self.done_ns = 0
        self._clock_ns = clock_ns
        self._deadlines = deadlines
        self._hub: Any = gevent.get_hub()
        self._asker: Any = None  # the greenlet of the exchange
        self._waiter: Any = None  # the greenlet that waits for the answer
        self._is_asked = False
        self._end_of_answer: Exception | str | None = None
        self._sock: Any = None
        self._reads: Any = None
        self._writes: Any = None  # while a request does not fit into the socket's buffer

    def open(self, family: int, address: Any, timeout_s: float) -> None:
        """Connect. Raises OSError, OutOfTimeError."""
        self._sock = sock = _socket.socket(family, socket.SOCK_STREAM)
        try:
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            code = sock.connect_ex(address)
            if code in _IN_PROGRESS:
                self._wait_connected(timeout_s)
                code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            _refuse(code)
        except BaseException:
            sock.close()
            raise
        self.is_open = True
        self._reads = self._hub.loop.io(sock.fileno(), READ)
        self._reads.start(self._readable)

    def _wait_connected(self, timeout_s: float) -> None:
        """Wait until the socket is connected, or is not. Raises OutOfTimeError."""
        me = getcurrent()
        watcher, timer = (
            self._hub.loop.io(self._sock.fileno(), WRITE),
            self._hub.loop.timer(timeout_s),
        )
        watcher.start(me.switch)
        timer.start(me.throw, OutOfTimeError)
        try:
            self._hub.switch()
        finally:
            for each in (watcher, timer):
                each.stop()
                each.close()

    def exchange(self, data: bytes, method: str, deadline_ns: int) -> None:
        """Send a request and wait for its `answer`, whole, until the deadline (the clock's nanoseconds).

        Raises OSError, BadAnswerError, OutOfTimeError; the connection is of no use then.
        """
        self.answer.expect(method)
        self.first_ns = NEVER
        self._end_of_answer = None
        self._is_asked = True
        self.turn += 1
        self._asker = getcurrent()
        self._deadlines.add(deadline_ns, self)
        try:
            try:
                self._send(data)
            except OSError as error:
                self._hear_out(error)
            if self._end_of_answer is None:  # else it came while the request was still being sent
                self._wait_for_hub()
        finally:
            self.turn += 1
            self._asker = None
            self._is_asked = False
        if isinstance(self._end_of_answer, Exception):
            raise self._end_of_answer

    def out_of_time(self) -> None:
        """The deadline of the exchange has passed (`deadlines.Waiting`)."""
        self._asker.throw(OutOfTimeError)

    def close(self) -> None:
        """Close it; harmless when repeated."""
        if self.is_open:
            self.is_open = False
            self._reads.stop()
            self._reads.close()
            self._stop_writes()  # no watcher may outlive its file
            self._sock.close()

    def _send(self, data: bytes) -> None:
        """Send it all, or until the answer is there: who is answered need not say the rest."""
        try:
            sent = self._sock.send(data)
        except BlockingIOError:
            sent = 0
        if sent < len(data):
            self._send_rest(memoryview(data)[sent:])

    def _send_rest(self, data: memoryview) -> None:
        while data:
            self._wait_writable()
            if self._end_of_answer is not None:
                self.answer.can_go_on = False
                return
            data = data[self._sock.send(data) :]

    def _wait_writable(self) -> None:
        """Wait until the socket takes more, until the answer is there, or until the end. Raises OSError for that."""
        self._writes = self._hub.loop.io(self._sock.fileno(), WRITE)
        self._writes.start(getcurrent().switch)
        try:
            self._wait_for_hub()
        finally:
            self._stop_writes()
        if not self.is_open and self._end_of_answer is None:
            raise ConnectionResetError(_CLOSED)

    def _stop_writes(self) -> None:
        if self._writes is not None:
            self._writes.stop()
            self._writes.close()
            self._writes = None

    def _wait_for_hub(self) -> None:
        """Let others run, until the answer is there or something else has happened."""
        self._waiter = getcurrent()
        try:
            self._hub.switch()
        finally:
            self._waiter = None

    def _hear_out(self, error: OSError) -> None:
        """The server takes no more of the request: what it has said before that counts."""
        while self.is_open and self._is_asked and self._readable():
            pass
        if self._is_asked:
            self._end(error)
        self.answer.can_go_on = False

    def _readable(self) -> bool:
        """Called by the hub: bytes have come, or the end; whether there was anything."""
        try:
            size = self._sock.recv_into(_BUFFER)
        except BlockingIOError:
            return False
        except OSError as error:
            self._end(error)
            return True
        if size:
            self._take(_BUFFER[:size])
        else:
            self._end(None)
        return True

    def _take(self, data: bytes | memoryview) -> None:
        if not self._is_asked:
            self.close()
            return
        if self.first_ns == NEVER:
            self.first_ns = self._clock_ns()
        try:
            if self.answer.feed(data):
                self._conclude(_WHOLE)
        except BadAnswerError as error:
            self._conclude(error)

    def _end(self, error: OSError | None) -> None:
        self.close()
        if self._is_asked:
            is_whole = error is None and self.answer.ended()
            self._conclude(_WHOLE if is_whole else error or ConnectionResetError(_CLOSED))

    def _conclude(self, end: Exception | str) -> None:
        """Let the greenlet go on that waits for the answer."""
        self._end_of_answer = end
        self._is_asked = False
        self.done_ns = self._clock_ns()
        if self._waiter is not None:
            self._waiter.switch()


class TlsConnection(Connection):
    """The same over TLS: the server's certificate is verified against `context`."""

    def __init__(
        self,
        clock_ns: Callable[[], int],
        answer: Answering,
        deadlines: Deadlines,
        context: ssl.SSLContext,
        host: str,
    ) -> None:
        super().__init__(clock_ns, answer, deadlines)
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)
        self._shaking: Any = None  # the greenlet that opens it

    def open(self, family: int, address: Any, timeout_s: float) -> None:
        """Connect and shake hands. Raises OSError (ssl.SSLError is one), OutOfTimeError."""
        began_ns = self._clock_ns()
        super().open(family, address, timeout_s)
        me = self._shaking = getcurrent()
        timer = self._hub.loop.timer(max(0.001, timeout_s - (self._clock_ns() - began_ns) / 1e9))
        timer.start(me.throw, OutOfTimeError)
        try:
            while not self._shake_hands():
                self._hub.switch()
        except BaseException:
            self.close()
            raise
        finally:
            self._shaking = None
            timer.stop()
            timer.close()

    def _shake_hands(self) -> bool:
        if not self.is_open:
            raise ConnectionResetError(_CLOSED)
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            is_done = False
        else:
            is_done = True
        super()._send(self._outgoing.read())
        return is_done

    def _send(self, data: bytes) -> None:
        left = memoryview(data)
        while left:
            left = left[self._tls.write(left) :]
        super()._send(self._outgoing.read())

    def _take(self, data: bytes | memoryview) -> None:
        self._incoming.write(data)
        if self._shaking is not None:
            self._shaking.switch()
            return
        records, has_ended, error = self._decrypted()
        if has_ended:
            self.close()  # first: whoever is woken by its answer sends no more on it
        if records:
            super()._take(records)
        if has_ended:
            self._end(error)

    def _decrypted(self) -> tuple[bytes, bool, OSError | None]:
        """All that the server has said by now, whether that was the last of it, and the error that ended it.

        All at once: what is taken wakes the customer, whose next request must not get the rest as its answer.
        """
        records = []
        try:
            while record := self._tls.read(CHUNK_BYTES):
                records.append(record)
        except ssl.SSLWantReadError:  # a part of a record, or what a client has no use for
            return b"".join(records), False, None
        except ssl.SSLZeroReturnError:
            pass
        except OSError as error:
            return b"".join(records), True, error
        return b"".join(records), True, None

    def _end(self, error: OSError | None) -> None:
        super()._end(error)
        if self._shaking is not None:
            self._shaking.switch()


def _refuse(code: int) -> None:
    """Raise the OSError of a connection that was not made; 0 is one that was."""
    if code:
        raise OSError(code, os.strerror(code))
