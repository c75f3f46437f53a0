"""One HTTP request on the wire, timed, with nothing hidden: no silent retry, no cookie, no redirect, no other host.

Each request is sent once. The pool is as large as the in-flight bound, so that nobody waits for a connection; a wait
for one is measured. Certificates are verified.
"""

from __future__ import annotations

import errno
import socket
import ssl
from collections.abc import Callable, Mapping
from types import MappingProxyType
from urllib.parse import urlsplit

import gevent
from gevent.event import Event

from flashdrill.errors import ConfigError
from flashdrill.load.answering import Answering, BadAnswerError, TooLargeError
from flashdrill.load.connection import Connection, OutOfTimeError, TlsConnection
from flashdrill.load.deadlines import Deadlines
from flashdrill.load.exchange import Reply, Request
from flashdrill.model.hosts import Addresses, addresses_of, host_of

KEPT_BYTES = 1 << 20
"""Of a larger answer the status and the times count; its body is read, and not kept."""
MAX_ANSWER_BYTES = 64 << 20
_BODILESS = frozenset({"GET", "HEAD", "DELETE", "OPTIONS"})
_OUR_OWN_LIMITS = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.EADDRNOTAVAIL})


class Pool:
    """The connections to one server; `take` one, and `put` it back. `headers` go with every request.

    Raises ConfigError for a host that is neither loopback nor among `hosts`: they say which addresses it has.
    """

    def __init__(
        self,
        url: str,
        connections: int,
        clock_ns: Callable[[], int],
        deadlines: Deadlines,
        hosts: Addresses,
        headers: Mapping[str, str],
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ConfigError(f"not an HTTP address: {url!r}", remedy="use http://HOST:PORT")
        self.host = f"Host: {parts.netloc.rpartition('@')[2]}\r\n"
        self.head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        """What the head of every request has, beside its host."""
        self.lines = len(headers)
        self.prefix = parts.path.rstrip("/")
        self._host = parts.hostname
        self._port = parts.port or (443 if parts.scheme == "https" else 80)
        self._context = ssl.create_default_context() if parts.scheme == "https" else None
        self._clock_ns, self._deadlines = clock_ns, deadlines
        self._free = connections
        self._freed = Event()  # set when a place is given back
        self._idle: list[Connection] = []
        self._addresses = [
            _socket_address(a, self._port) for a in addresses_of(host_of(url), hosts)
        ]

    def take(self, deadline_ns: int) -> tuple[Connection, int]:
        """A connection that is open, and the nanoseconds waited for a free place (0 in an open generator).

        Raises OSError, OutOfTimeError.
        """
        waited_ns = 0 if self._free else self._await_place(deadline_ns)
        self._free -= 1
        try:
            while self._idle:
                connection = self._idle.pop()
                if connection.is_open:
                    return connection, waited_ns
            return self._connect(deadline_ns), waited_ns
        except BaseException:
            self._give_back()
            raise

    def put(self, connection: Connection, *, can_go_on: bool) -> None:
        """Give a connection back, for another request or never to be used again."""
        self._give_back()
        if can_go_on and connection.is_open:
            self._idle.append(connection)
        else:
            connection.close()

    def _await_place(self, deadline_ns: int) -> int:
        began_ns = self._clock_ns()
        while not self._free:
            self._freed.clear()
            if self._clock_ns() >= deadline_ns or not self._freed.wait(self._left_s(deadline_ns)):
                raise OutOfTimeError
        return self._clock_ns() - began_ns

    def _give_back(self) -> None:
        self._free += 1
        if self._free == 1:
            self._freed.set()

    def close(self) -> None:
        """Close the idle ones; those in use close when they come back."""
        while self._idle:
            self._idle.pop().close()

    def _connect(self, deadline_ns: int) -> Connection:
        """A new one, to the first address that takes it."""
        failure: OSError = ConnectionRefusedError(f"no address of {self._host}")
        for family, address in self._addresses:
            connection = self._new()
            try:
                connection.open(family, address, self._left_s(deadline_ns))
            except ssl.SSLError:
                raise  # this address has answered
            except OSError as error:
                if _has_no_ipv6(error, family) and len(self._addresses) > 1:
                    continue
                if error.errno in _OUR_OWN_LIMITS:
                    raise
                failure = error
            else:
                return connection
        raise failure

    def _new(self) -> Connection:
        if self._context is None:
            return Connection(self._clock_ns, _answering(), self._deadlines)
        return TlsConnection(
            self._clock_ns, _answering(), self._deadlines, self._context, self._host
        )

    def _left_s(self, deadline_ns: int) -> float:
        return max(0.001, (deadline_ns - self._clock_ns()) / 1e9)


class Wire:
    """Sends requests to named targets, such as `backend` and `payment`.

    At most `connections` are open for each; whoever would exceed that waits, and the wait is measured. `count` is told
    of each request before it leaves, and may refuse it by raising.
    """

    def __init__(
        self,
        targets: Mapping[str, str],
        *,
        connections: int,
        clock_ns: Callable[[], int],
        hosts: Addresses = MappingProxyType({}),
        headers: Mapping[str, str] = MappingProxyType({}),
        count: Callable[[int], None] | None = None,
    ) -> None:
        self._clock_ns, self._count = clock_ns, count
        self._deadlines = Deadlines(clock_ns, gevent.get_hub().loop.timer)
        self._pools = {
            name: Pool(url, connections, clock_ns, self._deadlines, hosts, headers)
            for name, url in targets.items()
        }

    def send(self, via: str, request: Request, *, timeout_s: float) -> Reply:
        """Send once and wait for the whole answer, `timeout_s` at most; never raises for what the network does.

        Raises, before anything has left: ValueError and KeyError for a request that cannot be sent, what `count`
        raises, and OSError when this process has run out of files or ports. All are the generator's own faults.
        """
        pool = self._pools[via]
        data = _encode(pool, request)
        sent_ns = self._clock_ns()
        if self._count is not None:
            self._count(sent_ns)
        deadline_ns = sent_ns + round(timeout_s * 1e9)
        try:
            connection, waited_ns = pool.take(deadline_ns)
        except OutOfTimeError:
            return Reply(sent_ns, self._clock_ns(), failure="connect_timeout")
        except OSError as error:
            if error.errno in _OUR_OWN_LIMITS:
                raise  # says nothing of the service
            failure = "tls_failed" if isinstance(error, ssl.SSLError) else "connection_refused"
            return Reply(sent_ns, self._clock_ns(), failure=failure)
        can_go_on, failure = False, ""
        try:
            connection.exchange(data, request.method, deadline_ns)
            can_go_on = connection.answer.can_go_on
        except OutOfTimeError:
            failure = "timeout"
        except TooLargeError:
            failure = "answer_too_large"
        except (OSError, BadAnswerError):
            failure = "connection_lost"
        finally:
            pool.put(connection, can_go_on=can_go_on)
        if failure:
            return Reply(
                sent_ns,
                self._clock_ns(),
                failure=failure,
                connection_wait_ns=waited_ns,
                first_ns=connection.first_ns,
            )
        return _reply(sent_ns, connection, waited_ns)

    def close(self) -> None:
        """Close the idle connections; those in use close when they come back."""
        for pool in self._pools.values():
            pool.close()
        self._deadlines.close()


def _encode(pool: Pool, request: Request) -> bytes:
    method, body, headers = request.method, request.body, request.headers
    host = "" if "Host" in headers else pool.host
    head = f"{method} {pool.prefix}{request.path} HTTP/1.1\r\n{host}{pool.head}"
    lines = pool.lines + (2 if host else 1)
    for name, value in headers.items():
        head += f"{name}: {value}\r\n"
        lines += 1
    if body or method not in _BODILESS:
        head += f"Content-Length: {len(body)}\r\n"
        lines += 1
    if head.count("\r") != lines or head.count("\n") != lines:
        raise ValueError(f"a line break in {_broken(request)}")  # and not what it holds
    return head.encode("latin-1") + b"\r\n" + body


def _broken(request: Request) -> str:
    """Where a line break is."""
    names = (
        name for name, value in request.headers.items() if not {"\r", "\n"}.isdisjoint(name + value)
    )
    return ", ".join(f"the header {name!r}" for name in names) or "the method or the path"


def _answering() -> Answering:
    return Answering(KEPT_BYTES, MAX_ANSWER_BYTES)


def _has_no_ipv6(error: OSError, family: int) -> bool:
    """Whether this machine cannot use the address: `localhost` is often two of them."""
    return family == socket.AF_INET6 and error.errno == errno.EADDRNOTAVAIL


def _reply(sent_ns: int, connection: Connection, waited_ns: int) -> Reply:
    answer = connection.answer
    return Reply(
        sent_ns,
        connection.done_ns,
        status=answer.status,
        body=answer.body,
        content_type=answer.header(b"content-type"),
        retry_after_s=_seconds(answer.header(b"retry-after")),
        server_timing=answer.header(b"server-timing"),
        connection_wait_ns=waited_ns,
        first_ns=connection.first_ns,
    )


def _socket_address(address: str, port: int) -> tuple[int, object]:
    return (socket.AF_INET6 if ":" in address else socket.AF_INET), (address, port)


def _seconds(value: str) -> float | None:
    """A Retry-After in seconds; a date, or nonsense, is None."""
    try:
        return max(0.0, float(value)) if value else None
    except ValueError:
        return None
