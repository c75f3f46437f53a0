"""The wire against servers that misbehave; gevent serves them, in this thread."""

from __future__ import annotations

import errno
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gevent
import pytest
from gevent import ssl as gevent_ssl
from gevent.server import StreamServer
from trustme import CA

from flashdrill.errors import ConfigError
from flashdrill.load.connection import Connection
from flashdrill.load.exchange import Reply, Request
from flashdrill.load.http import KEPT_BYTES, MAX_ANSWER_BYTES, Wire
from flashdrill.model.op import NEVER

pytestmark = pytest.mark.services

GET = Request("GET", "/products/hot-1")
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"


class Peer:
    """A server that does what it is told with each connection."""

    def __init__(self, behave: Callable[[Any, Peer], None]) -> None:
        self.behave = behave
        self.connections = 0
        self.heard: list[bytes] = []
        self.closed = 0

    def handle(self, sock: Any, address: object) -> None:
        self.connections += 1
        try:
            self.behave(sock, self)
        finally:
            sock.close()

    def hear(self, sock: Any) -> bytes:
        """One request's head and what came with it; empty at the end."""
        data = bytes(sock.recv(65536))
        if data:
            self.heard.append(data)
        else:
            self.closed += 1
        return data


@contextmanager
def wired(
    behave: Callable[[Any, Peer], None], *, connections: int = 8
) -> Iterator[tuple[Wire, Peer]]:
    peer = Peer(behave)
    server = StreamServer(("127.0.0.1", 0), peer.handle)
    server.start()
    url = f"http://127.0.0.1:{server.server_port}"
    wire = Wire({"backend": url}, connections=connections, clock_ns=time.monotonic_ns)
    try:
        yield wire, peer
    finally:
        wire.close()
        server.stop(timeout=1)


def ask(wire: Wire, request: Request = GET, timeout_s: float = 5.0) -> Reply:
    return wire.send("backend", request, timeout_s=timeout_s)


def politely(sock: Any, peer: Peer) -> None:
    while peer.hear(sock):
        sock.sendall(ANSWER)


def test_an_answer_is_read_and_the_connection_kept() -> None:
    with wired(politely) as (wire, peer):
        replies = [ask(wire) for _ in range(3)]
    assert [(r.status, r.body, r.failure) for r in replies] == [(200, b"{}", "")] * 3
    assert all(0 < r.sent_ns <= r.done_ns for r in replies)
    assert peer.connections == 1


def test_the_request_is_what_was_asked() -> None:
    with wired(politely) as (wire, peer):
        ask(wire, Request("POST", "/orders", b'{"a":1}', {"Idempotency-Key": "k"}))
    head, _, body = peer.heard[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /orders HTTP/1.1\r\nHost: 127.0.0.1:")
    assert b"\r\nIdempotency-Key: k\r\n" in head
    assert head.endswith(b"Content-Length: 7")
    assert body == b'{"a":1}'


def test_a_host_of_ones_own_takes_the_place_of_ours() -> None:
    with wired(politely) as (wire, peer):
        ask(wire, Request("GET", "/", b"", {"Host": "shop.example"}))
    assert peer.heard == [b"GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n"]


def test_a_line_break_cannot_be_smuggled_in() -> None:
    with wired(politely) as (wire, peer), pytest.raises(ValueError, match="line break"):
        ask(wire, Request("GET", "/a\r\nX: y"))
    assert not peer.heard


def test_headers_of_the_answer_that_matter() -> None:
    def behave(sock: Any, peer: Peer) -> None:
        peer.hear(sock)
        sock.sendall(
            b"HTTP/1.1 503 No\r\nRetry-After: 2\r\nServer-Timing: q.redis;dur=1\r\n"
            b"Content-Type: application/problem+json\r\nContent-Length: 2\r\n\r\n{}"
        )

    with wired(behave) as (wire, _):
        reply = ask(wire)
    assert (reply.status, reply.retry_after_s, reply.server_timing) == (503, 2.0, "q.redis;dur=1")
    assert reply.content_type == "application/problem+json"


def test_a_refused_connection_is_told_from_a_lost_one() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # bound, not listening
        port = closed.getsockname()[1]
        wire = Wire(
            {"backend": f"http://127.0.0.1:{port}"}, connections=1, clock_ns=time.monotonic_ns
        )
        assert ask(wire).failure == "connection_refused"
        assert ask(wire).failure == "connection_refused"  # and its place was given back


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"HTTP/1.1 20",
        b"HTTP/1.1 201 Created\r\nContent-Length: 10\r\n\r\n{}",
        b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{}",
        b"garbage\r\n\r\n",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_end_before_the_answer_is_whole_is_lost_and_never_sent_twice(
    said: bytes, method: str
) -> None:
    def behave(sock: Any, peer: Peer) -> None:
        peer.hear(sock)
        if said:
            sock.sendall(said)

    with wired(behave) as (wire, peer):
        reply = ask(wire, Request(method, "/"))
    assert (reply.failure, reply.status) == ("connection_lost", 0)
    assert len(peer.heard) == 1


def test_a_reset_is_lost() -> None:
    def behave(sock: Any, peer: Peer) -> None:
        peer.hear(sock)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")

    with wired(behave) as (wire, _):
        assert ask(wire).failure == "connection_lost"


def test_a_connection_that_timed_out_is_never_used_again() -> None:
    def behave(sock: Any, peer: Peer) -> None:
        while peer.hear(sock):
            if len(peer.heard) > 1:
                sock.sendall(ANSWER)

    with wired(behave) as (wire, peer):
        assert ask(wire, timeout_s=0.05).failure == "timeout"
        assert ask(wire).status == 200
        assert peer.connections == 2
        gevent.sleep(0)
    assert peer.closed >= 1


def test_the_first_byte_is_timed_apart_from_the_last() -> None:
    def haltingly(sock: Any, peer: Peer) -> None:
        while peer.hear(sock):
            sock.sendall(ANSWER[:20])
            gevent.sleep(0.1)
            sock.sendall(ANSWER[20:])

    with wired(haltingly) as (wire, _):
        reply = ask(wire)
        assert reply.sent_ns < reply.first_ns <= reply.done_ns - 90_000_000
    with wired(lambda sock, peer: peer.hear(sock)) as (wire, _):
        silent = ask(wire)
        assert (silent.failure, silent.first_ns) == ("connection_lost", NEVER)


def test_a_trickle_does_not_outlast_the_timeout() -> None:
    def behave(sock: Any, peer: Peer) -> None:
        peer.hear(sock)
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        while True:
            sock.sendall(b"x")
            gevent.sleep(0.01)

    with wired(behave) as (wire, _):
        assert ask(wire, timeout_s=0.1).failure == "timeout"


def test_an_idle_connection_that_was_closed_is_replaced_in_silence() -> None:
    def behave(sock: Any, peer: Peer) -> None:
        peer.hear(sock)
        sock.sendall(ANSWER)  # and closes, though it did not say so

    with wired(behave) as (wire, peer):
        for _ in range(3):
            assert ask(wire).status == 200
            gevent.sleep(0.02)
    assert peer.connections == 3


def test_an_answer_without_bound_is_not_read_to_its_end() -> None:
    def behave(sock: Any, peer: Peer) -> None:
        peer.hear(sock)
        size = 2 * MAX_ANSWER_BYTES
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        try:
            sock.sendall(b"x" * size)
        except OSError:
            peer.closed += 1

    with wired(behave) as (wire, peer):
        assert ask(wire, timeout_s=60).failure == "answer_too_large"
        gevent.sleep(0.05)
    assert peer.closed == 1


def test_a_large_answer_has_its_status_and_the_connection_goes_on() -> None:
    def behave(sock: Any, peer: Peer) -> None:
        while peer.hear(sock):
            size = 2 * KEPT_BYTES
            sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + b"x" * size)

    with wired(behave) as (wire, peer):
        replies = [ask(wire) for _ in range(2)]
    assert [(r.status, r.body, r.failure) for r in replies] == [(200, b"", "")] * 2
    assert peer.connections == 1


REFUSED = b"HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}"
LARGE = Request("POST", "/", b"x" * (16 << 20))
"""Larger than what the buffers of both ends hold."""


def test_who_is_answered_while_still_sending_takes_that_answer() -> None:
    def lingering(sock: Any, peer: Peer) -> None:
        peer.hear(sock)
        sock.sendall(REFUSED)
        sock.shutdown(socket.SHUT_WR)
        gevent.sleep(0.3)

    with wired(lingering) as (wire, _):
        reply = ask(wire, LARGE)
        again = ask(wire)
    assert (reply.status, reply.body, reply.failure) == (413, b"{}", "")
    assert again.status == 413


def test_an_answer_that_came_before_the_reset_counts() -> None:
    def abruptly(sock: Any, peer: Peer) -> None:
        peer.hear(sock)
        sock.sendall(REFUSED)  # and closes, with most of the request unread: a reset

    with wired(abruptly) as (wire, _):
        assert ask(wire, LARGE).status == 413


@pytest.mark.parametrize("how", [socket.SHUT_WR, socket.SHUT_RDWR])
def test_an_end_while_still_sending_is_lost(how: int) -> None:
    def ends(sock: Any, peer: Peer) -> None:
        peer.hear(sock)
        sock.shutdown(how)
        gevent.sleep(0.3)

    with wired(ends) as (wire, _):
        assert ask(wire, LARGE).failure == "connection_lost"
        assert ask(wire).failure == "connection_lost"


def test_a_request_that_nobody_reads_runs_out_of_time() -> None:
    with wired(lambda sock, peer: gevent.sleep(1)) as (wire, _):
        assert ask(wire, LARGE, timeout_s=0.2).failure == "timeout"


def test_a_machine_without_ipv6_is_no_limit_of_this_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`localhost` is two addresses, and nobody listens."""
    with wired(politely) as (wire, _):
        (pool,) = wire._pools.values()
        pool._addresses.append((socket.AF_INET6, ("2001:db8::1", 9)))

    def open_none(self: Connection, family: int, address: Any, timeout_s: float) -> None:
        is_4 = family == socket.AF_INET
        raise OSError(errno.ECONNREFUSED if is_4 else errno.EADDRNOTAVAIL, "no")

    monkeypatch.setattr(Connection, "open", open_none)
    assert ask(wire).failure == "connection_refused"
    del pool._addresses[0]
    with pytest.raises(OSError, match="no"):
        ask(wire)


@pytest.mark.parametrize(("connections", "waits"), [(1, 1), (2, 0)])
def test_a_wait_for_a_connection_is_measured(connections: int, waits: int) -> None:
    def slowly(sock: Any, peer: Peer) -> None:
        while peer.hear(sock):
            gevent.sleep(0.05)
            sock.sendall(ANSWER)

    with wired(slowly, connections=connections) as (wire, _):
        replies = gevent.joinall([gevent.spawn(ask, wire) for _ in range(2)])
    waited = [g.value.connection_wait_ns for g in replies if g.value.connection_wait_ns]
    assert len(waited) == waits
    assert all(wait_ns > 0 for wait_ns in waited)


def test_a_greenlet_killed_in_mid_request_gives_its_place_back() -> None:
    def never(sock: Any, peer: Peer) -> None:
        while peer.hear(sock):
            if len(peer.heard) > 1:
                sock.sendall(ANSWER)

    with wired(never, connections=1) as (wire, peer):
        victim = gevent.spawn(ask, wire)
        with gevent.Timeout(5):
            while not peer.heard:
                gevent.sleep(0.005)
        victim.kill()
        assert ask(wire).status == 200


@contextmanager
def wired_by_tls(
    monkeypatch: pytest.MonkeyPatch,
    folder: Path,
    name: str,
    behave: Callable[[Any, Peer], None] = politely,
) -> Iterator[Wire]:
    """To a server whose certificate is for `name`, of an authority that is trusted."""
    authority = CA()
    trusted = folder / "authority.pem"
    authority.cert_pem.write_to_path(str(trusted))
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    context = gevent_ssl.SSLContext(gevent_ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    peer = Peer(behave)
    server = StreamServer(("127.0.0.1", 0), peer.handle, ssl_context=context)
    server.start()
    url = f"https://localhost:{server.server_port}"
    wire = Wire({"backend": url}, connections=8, clock_ns=time.monotonic_ns)
    try:
        yield wire
    finally:
        wire.close()
        server.stop(timeout=1)


def test_tls_with_a_connection_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with wired_by_tls(monkeypatch, tmp_path, "localhost") as wire:
        large = Request("POST", "/orders", b"x" * 300_000)
        first = ask(wire)
        assert [ask(wire).status, ask(wire, large).status, first.status] == [200] * 3
        assert first.body == b"{}"
        greenlets = [gevent.spawn(ask, wire) for _ in range(20)]
        assert {greenlet.get().status for greenlet in greenlets} == {200}


def test_what_is_left_of_one_answer_is_never_taken_for_the_next_under_tls_either(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def talkative(sock: Any, peer: Peer) -> None:
        while peer.hear(sock):
            sock.sendall(ANSWER)
            sock.sendall(ANSWER.replace(b"200 OK", b"500 No"))

    with wired_by_tls(monkeypatch, tmp_path, "localhost", talkative) as wire:
        assert [ask(wire).status for _ in range(4)] == [200] * 4


def test_an_answer_and_the_end_at_once_under_tls(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def once(sock: Any, peer: Peer) -> None:
        peer.hear(sock)
        sock.sendall(ANSWER)
        sock.unwrap()

    with wired_by_tls(monkeypatch, tmp_path, "localhost", once) as wire:
        assert [ask(wire).status for _ in range(3)] == [200] * 3


def test_connecting_and_shaking_hands_have_one_time_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """The socket is open after a half of it; nobody answers the handshake."""
    connect = Connection.open

    def late(self: Connection, family: int, address: Any, timeout_s: float) -> None:
        gevent.sleep(0.5)
        connect(self, family, address, timeout_s)

    monkeypatch.setattr(Connection, "open", late)
    with wired(lambda sock, peer: gevent.sleep(3)) as (plain, _):
        url = f"https://127.0.0.1:{_port(plain)}"
        wire = Wire({"b": url}, connections=1, clock_ns=time.monotonic_ns)
        reply = wire.send("b", GET, timeout_s=1)
    assert reply.failure == "connect_timeout"
    assert reply.done_ns - reply.sent_ns < 1.4e9


def test_a_certificate_of_somebody_else_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with wired_by_tls(monkeypatch, tmp_path, "somebody.example") as wire:
        assert ask(wire).failure == "tls_failed"
    with wired_by_tls(monkeypatch, tmp_path, "localhost") as wire:
        monkeypatch.delenv("SSL_CERT_FILE")
        untrusting = Wire(
            {"b": f"https://localhost:{_port(wire)}"}, connections=1, clock_ns=time.monotonic_ns
        )
        assert untrusting.send("b", GET, timeout_s=5).failure == "tls_failed"


def _port(wire: Wire) -> int:
    return wire._pools["backend"]._port


def test_a_server_that_speaks_no_tls_is_told() -> None:
    def behave(sock: Any, peer: Peer) -> None:
        peer.hear(sock)
        sock.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")

    with wired(behave) as (plain, _):
        url = f"https://127.0.0.1:{_port(plain)}"
        wire = Wire({"b": url}, connections=1, clock_ns=time.monotonic_ns)
        assert wire.send("b", GET, timeout_s=5).failure == "tls_failed"


@pytest.mark.parametrize("url", ["", "127.0.0.1:80", "ftp://host"])
def test_what_is_no_http_address_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="not an HTTP address"):
        Wire({"backend": url}, connections=1, clock_ns=time.monotonic_ns)


def test_a_name_goes_to_the_addresses_it_was_given_and_a_request_carries_its_marks() -> None:
    peer = Peer(politely)
    server = StreamServer(("127.0.0.1", 0), peer.handle)
    server.start()
    wire = Wire(
        {"backend": f"http://shop.example.com:{server.server_port}"},
        connections=1,
        clock_ns=time.monotonic_ns,
        hosts={"shop.example.com": ("127.0.0.1",)},
        headers={"X-Flashdrill-Run": "r1", "X-More": "2"},
    )
    try:
        assert ask(wire, Request("GET", "/a", b"", {"X-Own": "3"})).status == 200
    finally:
        wire.close()
        server.stop(timeout=1)
    head = peer.heard[0]
    assert b"\r\nHost: shop.example.com:" in head
    assert b"\r\nX-Flashdrill-Run: r1\r\nX-More: 2\r\nX-Own: 3\r\n" in head


def test_a_host_that_is_not_allowed_cannot_be_connected_to(monkeypatch: pytest.MonkeyPatch) -> None:
    def looked_up(*_: object) -> None:
        raise AssertionError("a name was looked up")

    monkeypatch.setattr(socket, "getaddrinfo", looked_up)
    for host in ("shop.example.com", "10.0.0.7"):
        with pytest.raises(ConfigError, match=f"{host} is not among the hosts of this run"):
            Wire({"backend": f"http://{host}"}, connections=1, clock_ns=time.monotonic_ns)


def test_a_redirect_is_an_answer_and_not_followed() -> None:
    other = Peer(politely)
    server = StreamServer(("127.0.0.1", 0), other.handle)
    server.start()
    place = b"Location: http://127.0.0.1:%d/\r\n" % server.server_port

    def behave(sock: Any, peer: Peer) -> None:
        while peer.hear(sock):
            sock.sendall(b"HTTP/1.1 302 Found\r\n" + place + b"Content-Length: 0\r\n\r\n")

    try:
        with wired(behave) as (wire, peer):
            assert [ask(wire).status for _ in range(2)] == [302, 302]
    finally:
        server.stop(timeout=1)
    assert (peer.connections, len(peer.heard), other.connections) == (1, 2, 0)
