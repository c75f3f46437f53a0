"""One HTTP request on the wire, timed, with nothing hidden: no silent retry, no cookie, no redirect.

geventhttpclient keeps the connections and parses the answers. Its own client would repeat a GET
behind our back when a connection breaks, and Locust's session allows ten connections and lets the
eleventh customer wait without a word; so the pool here is as large as the in-flight bound, a wait
for it is measured, and each request is sent once.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import gevent
from geventhttpclient.connectionpool import ConnectionPool, SSLConnectionPool
from geventhttpclient.response import HTTPParseError, HTTPSocketPoolResponse

from flashdrill.errors import ConfigError
from flashdrill.load.exchange import Reply, Request

MAX_ANSWER_BYTES = 1 << 20

_OUR_OWN_LIMITS = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.EADDRNOTAVAIL})


class _MeasuredPool:
    """Connections of one host. Mixed into geventhttpclient's pools; `take` replaces their `get_socket`."""

    def take(self: Any, clock_ns: Callable[[], int]) -> tuple[Any, int]:
        """A connected socket and the nanoseconds waited for a free place (0 in an open generator)."""
        waited_ns = 0
        if not self._semaphore.acquire(blocking=False):
            began_ns = clock_ns()
            self._semaphore.acquire()
            waited_ns = clock_ns() - began_ns
        try:
            return self._idle() or self._create_socket(), waited_ns
        except BaseException:
            self._semaphore.release()
            raise

    def after_connect(self, sock: Any) -> None:
        """Small requests leave at once."""
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def _idle(self: Any) -> Any:
        while not self._socket_queue.empty():
            sock = self._socket_queue.get(block=False)
            if _is_quiet(sock):
                return sock
            sock.close()
        return None

    def _resolve(self: Any) -> Any:
        """Resolved once: a look-up in a thread for each connection would be the generator's own delay."""
        if not hasattr(self, "_resolved"):
            self._resolved = super()._resolve()  # type: ignore[misc]
        return self._resolved


class _PlainPool(_MeasuredPool, ConnectionPool):
    pass


class _TlsPool(_MeasuredPool, SSLConnectionPool):
    pass


@dataclass(frozen=True, slots=True)
class _Target:
    pool: Any
    host: str
    prefix: str


class Wire:
    """Sends requests to named targets, such as `backend` and `payment`.

    At most `connections` are open for each; whoever would exceed that waits, and the wait is measured.
    """

    def __init__(
        self, targets: Mapping[str, str], *, connections: int, clock_ns: Callable[[], int]
    ) -> None:
        self._clock_ns = clock_ns
        self._targets = {name: _target(url, connections) for name, url in targets.items()}

    def send(self, via: str, request: Request, *, timeout_s: float) -> Reply:
        """Send once and wait for the whole answer, `timeout_s` at most; never raises for what the network does.

        Raises OSError when this process has run out of files or ports: that is the generator's own fault.
        """
        target = self._targets[via]
        sent_ns = self._clock_ns()
        progress = _Progress()
        response: Any = None
        body, failure = b"", ""
        timer = gevent.Timeout.start_new(timeout_s)
        try:
            response, body = self._exchange(target, request, progress)
        except gevent.Timeout as timeout:
            if timeout is not timer:
                raise
            failure = "timeout" if progress.may_have_left else "connect_timeout"
        except (OSError, HTTPParseError) as error:
            if getattr(error, "errno", None) in _OUR_OWN_LIMITS:
                raise  # says nothing of the service
            failure = "connection_lost" if progress.may_have_left else "connection_refused"
        finally:
            timer.close()
        done_ns = self._clock_ns()
        if failure:
            return Reply(sent_ns, done_ns, failure=failure, connection_wait_ns=progress.waited_ns)
        return _reply(sent_ns, done_ns, response, body, progress.waited_ns)

    def close(self) -> None:
        """Close the idle connections; those in use close when they come back."""
        for target in self._targets.values():
            target.pool.close()

    def _exchange(
        self, target: _Target, request: Request, progress: _Progress
    ) -> tuple[Any, bytes]:
        sock, progress.waited_ns = target.pool.take(self._clock_ns)
        progress.may_have_left = True
        try:
            sock.sendall(_encode(target, request))
        except BaseException:
            target.pool.release_socket(sock)
            raise
        # From here on the response owns the socket: it is returned when the answer is whole, else closed.
        response = HTTPSocketPoolResponse(sock, target.pool, method=request.method)
        try:
            body = bytes(response.read(MAX_ANSWER_BYTES))
            if not response.message_complete:
                raise HTTPParseError("the answer is too large")
        finally:
            response.release()
        return response, body


@dataclass(slots=True)
class _Progress:
    """How far a request came: `may_have_left` is set before its first byte is written."""

    may_have_left: bool = False
    waited_ns: int = 0


def _target(url: str, connections: int) -> _Target:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ConfigError(f"not an HTTP address: {url!r}", remedy="use http://HOST:PORT")
    kind: Any = _TlsPool if parts.scheme == "https" else _PlainPool
    port = parts.port or (443 if parts.scheme == "https" else 80)
    pool = kind(
        parts.hostname,
        port,
        parts.hostname,
        port,
        size=connections,
        connection_timeout=None,  # one timer rules the whole attempt
        network_timeout=None,
    )
    return _Target(pool, parts.netloc, parts.path.rstrip("/"))


def _encode(target: _Target, request: Request) -> bytes:
    lines = [f"{request.method} {target.prefix}{request.path} HTTP/1.1", f"Host: {target.host}"]
    lines += [f"{name}: {value}" for name, value in request.headers.items()]
    if request.body or request.method in {"POST", "PUT", "PATCH"}:
        lines.append(f"Content-Length: {len(request.body)}")
    if any("\r" in line or "\n" in line for line in lines):
        raise ValueError(f"a line break in the head of {request.method} {request.path!r}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + request.body


def _reply(sent_ns: int, done_ns: int, response: Any, body: bytes, waited_ns: int) -> Reply:
    return Reply(
        sent_ns,
        done_ns,
        status=response.get_code(),
        body=body,
        content_type=str(response.get("content-type", "")),
        retry_after_s=_seconds(response.get("retry-after", "")),
        server_timing=str(response.get("server-timing", "")),
        connection_wait_ns=waited_ns,
    )


def _seconds(value: object) -> float | None:
    """A Retry-After in seconds; a date, or nonsense, is None."""
    try:
        return max(0.0, float(str(value)))
    except ValueError:
        return None


def _is_quiet(sock: Any) -> bool:
    """Whether an idle connection is still open and has nothing to read (a FIN, a late answer)."""
    try:
        sock._sock.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)  # below gevent: it never waits
    except BlockingIOError:
        return True
    except (OSError, AttributeError):
        return False
    return False
