"""The edge by itself: what it leaves alone, what it does, and what it refuses to do."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import resource
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import aiohttp
import pytest

from flashdrill.edge.client import Edge
from flashdrill.edge.rule import parse_rule
from flashdrill.edge.talk import converse
from flashdrill.edge.way import Way, WaySpec, carry
from flashdrill.errors import EdgeError
from flashdrill.stack.ports import choose_ports
from tests.services.chaos_edge_rig import edge_rig

pytestmark = pytest.mark.services
HOST = "127.0.0.1"
PATIENCE_S = 20.0
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class OverError(Exception):
    """Ends the way of a test."""


@dataclass
class Server:
    """A server that answers as it is told, and keeps what it was asked."""

    answer: bytes = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Odd: a\r\nX-Odd: b\r\n\r\nok"
    before_s: float = 0.0
    heard: list[bytes] = field(default_factory=list)
    connections: int = 0
    ended: int = 0
    is_closing: bool = False
    idle_s: float | None = None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, request after request."""
        self.connections += 1
        try:
            while head := await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), self.idle_s):
                self.heard.append(head + await _body(head, reader))
                await asyncio.sleep(self.before_s)
                writer.write(self.answer)
                await writer.drain()
                if self.is_closing:
                    break
        except (asyncio.IncompleteReadError, TimeoutError):
            pass
        finally:
            self.ended += 1
            writer.close()


async def _body(head: bytes, reader: asyncio.StreamReader) -> bytes:
    headers = head.lower()
    if b"transfer-encoding: chunked" in headers:
        return await reader.readuntil(b"0\r\n\r\n")
    length = headers.partition(b"content-length:")[2].partition(b"\r\n")[0]
    return await reader.readexactly(int(length or b"0"))


@contextlib.asynccontextmanager
async def way_to(serve: Serve, mode: Literal["http", "tcp"] = "http") -> AsyncIterator[Way]:
    """A way to a server of the test."""
    async with contextlib.AsyncExitStack() as stack:
        server = await asyncio.start_server(serve, HOST, 0)
        stack.callback(server.close)
        upstream = server.sockets[0].getsockname()
        spec = WaySpec("it", mode, (HOST, choose_ports(["it"])["it"]), upstream)
        try:
            async with asyncio.timeout(PATIENCE_S), asyncio.TaskGroup() as group:
                way = Way(spec, group, converse if mode == "http" else carry)
                await way.open()
                try:
                    yield way
                finally:
                    way.close()
                raise OverError  # noqa: TRY301  (it ends the group)
        except* OverError:
            pass


async def rule(way: Way, action: str, name: str = "r", **keys: Any) -> None:
    await way.put(parse_rule(name, {"way": "it", "action": action, **keys}))


@contextlib.asynccontextmanager
async def session(way: Way) -> AsyncIterator[aiohttp.ClientSession]:
    base = f"http://{HOST}:{way.spec.listen[1]}"
    async with aiohttp.ClientSession(base) as client:
        yield client


async def asked(way: Way, raw: bytes, *, has_end: bool = False) -> bytes:
    """Everything that comes back on a connection of its own until the other side ends it."""
    reader, writer = await asyncio.open_connection(*way.spec.listen)
    writer.write(raw)
    if has_end:
        writer.write_eof()
    try:
        return await reader.read()
    finally:
        writer.close()


GET = b"GET /x?a=%2F HTTP/1.1\r\nHost: shop\r\nX-Case: KePt\r\nConnection: close\r\n\r\n"


async def test_nothing_is_changed_without_rules() -> None:
    server = Server()
    async with way_to(server.serve) as way:
        answer = await asked(way, GET)
    assert server.heard == [GET]
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert answer.count(b"X-Odd: ") == 2
    assert answer.endswith(b"\r\n\r\nok")


async def test_bodies_of_any_length_pass_both_ways() -> None:
    body = bytes(range(256)) * 20_000
    server = Server(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    async with way_to(server.serve) as way, session(way) as client:
        for _ in range(2):
            async with client.post("/", data=io.BytesIO(body)) as reply:
                assert await reply.read() == body
    assert [heard.partition(b"\r\n\r\n")[2] for heard in server.heard] == [body, body]
    assert server.connections == 1


async def test_chunks_and_answers_without_a_body() -> None:
    chunked = Server(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
    async with (
        way_to(chunked.serve) as way,
        session(way) as client,
        client.put("/", data=_pieces()) as reply,
    ):
        assert await reply.read() == b"abc"
    assert chunked.heard[0].endswith(b"0\r\n\r\n")
    empty = Server(b"HTTP/1.1 204 No Content\r\n\r\n")
    async with way_to(empty.serve) as way, session(way) as client:
        assert [(await client.delete("/")).status for _ in range(2)] == [204, 204]
    head = Server(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n")
    async with way_to(head.serve) as way, session(way) as client:
        assert [(await client.head("/")).headers["Content-Length"] for _ in range(2)] == ["9", "9"]


async def test_a_client_of_http_1_0_is_answered_until_the_end_of_the_connection() -> None:
    server = Server(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
    async with way_to(server.serve) as way:
        answer = await asked(way, b"GET /old HTTP/1.0\r\nX-Case: KePt\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert answer.endswith(b"\r\n\r\nabc")
    assert server.heard[0].startswith(b"GET /old HTTP/1.1\r\n")


async def test_who_asks_whether_to_go_on_is_told_once() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = await reader.readexactly(5)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\n" + body)
        writer.close()

    head = b"POST / HTTP/1.1\r\nHost: shop\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"
    async with way_to(serve) as way:
        reader, writer = await asyncio.open_connection(*way.spec.listen)
        writer.write(head)
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b"hello")
        answer = await reader.read()
        assert answer.startswith(b"HTTP/1.1 200 OK")
        writer.close()


async def test_a_server_of_http_1_0_ends_its_answer_with_the_connection() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.0 200 Fine\r\n\r\nhello")
        writer.close()

    async with way_to(serve) as way, session(way) as client:
        for _ in range(2):
            async with client.get("/") as reply:
                assert (reply.status, reply.reason, await reply.text()) == (200, "Fine", "hello")


async def _pieces() -> AsyncIterator[bytes]:
    yield b"one"
    yield b"two"


async def test_each_client_has_a_connection_of_its_own() -> None:
    server = Server()
    async with way_to(server.serve) as way:
        async with session(way) as one, session(way) as other:
            for client in (one, other, one, other):
                async with client.get("/") as reply:
                    await reply.read()
            assert server.connections == 2
            assert way.told()["connections"] == 2
        await until(lambda: server.ended == 2)
        await until(lambda: way.told()["connections"] == 0)


async def test_a_server_that_ends_ends_the_client() -> None:
    async with way_to(Server(is_closing=True).serve) as way:
        reader, writer = await asyncio.open_connection(*way.spec.listen)
        writer.write(b"GET / HTTP/1.1\r\nHost: shop\r\n\r\n")
        assert (await reader.read()).endswith(b"ok")
        writer.close()


async def _resetting(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    link = writer.get_extra_info("socket")
    link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


@pytest.mark.parametrize("mode", ["http", "tcp"])
async def test_a_reset_is_a_reset(mode: Literal["http", "tcp"]) -> None:
    async with way_to(_resetting, mode) as way:
        with pytest.raises(ConnectionResetError):
            await asked(way, GET)


async def test_a_client_that_leaves_is_told_to_the_server() -> None:
    server = Server(before_s=0.3)
    async with way_to(server.serve) as way:
        _, writer = await asyncio.open_connection(*way.spec.listen)
        writer.write(GET)
        await until(lambda: len(server.heard) == 1)
        writer.close()
        await until(lambda: server.ended == 1)
        await until(lambda: way.told()["connections"] == 0)


async def test_a_client_that_has_said_all_is_answered() -> None:
    server = Server()
    get = GET.replace(b"Connection: close\r\n", b"")
    post = b"POST / HTTP/1.1\r\nHost: shop\r\nContent-Length: 3000000\r\n\r\n" + bytes(3_000_000)
    async with way_to(server.serve) as way:
        assert (await asked(way, get * 3, has_end=True)).count(b"\r\n\r\nok") == 3
        assert (await asked(way, post, has_end=True)).endswith(b"ok")
        await rule(way, "delay", delay_s=0.05)
        assert (await asked(way, get, has_end=True)).endswith(b"ok")
        await until(lambda: server.ended == 3)


async def test_a_last_answer_ends_the_servers_connection_though_the_server_does_not() -> None:
    server = Server()
    async with way_to(server.serve) as way:
        await asked(way, GET)
        await until(lambda: server.ended == 1)


async def test_the_trailers_of_a_request_pass() -> None:
    heard = asyncio.Queue[bytes]()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        heard.put_nowait(await reader.readuntil(b"\r\n\r\n"))
        writer.close()

    head = b"POST / HTTP/1.1\r\nHost: shop\r\nTransfer-Encoding: chunked\r\n\r\n"
    body = b"3\r\nabc\r\n0\r\nX-Sum: 6\r\n\r\n"
    async with way_to(serve) as way:
        with contextlib.suppress(ConnectionResetError):
            await asked(way, head + body)
        assert await heard.get() == body


async def test_what_is_no_http_ends_the_connection() -> None:
    async with way_to(Server().serve) as way:
        with contextlib.suppress(ConnectionResetError):
            assert await asked(way, b"\x16\x03\x01\x02\x00\x01\r\n\r\n") == b""


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()


async def test_bytes_and_half_closed_connections_pass_through_a_tcp_way() -> None:
    payload = bytes(range(256)) * 40_000
    async with way_to(_echo, "tcp") as way:
        reader, writer = await asyncio.open_connection(*way.spec.listen)
        writer.write(payload)
        writer.write_eof()
        assert await reader.read() == payload
        writer.close()


async def test_a_reader_that_is_slow_holds_up_the_sender() -> None:
    async with way_to(_flood, "tcp") as way:
        reader, writer = await asyncio.open_connection(*way.spec.listen, limit=1024)
        before = _flood_sent
        await until(lambda: _flood_sent > before)
        await settled(lambda: _flood_sent)
        assert _flood_sent < 64 << 20, "the way keeps no more than it must"
        await reader.readexactly(1024)
        writer.transport.abort()


_flood_sent = 0


async def _flood(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    global _flood_sent  # noqa: PLW0603
    with contextlib.suppress(ConnectionError):
        while _flood_sent < 256 << 20:
            writer.write(bytes(1 << 16))
            await writer.drain()
            _flood_sent += 1 << 16


async def test_copies_reach_the_server_and_one_answer_comes_back() -> None:
    server = Server()
    async with way_to(server.serve) as way, session(way) as client:
        await rule(way, "duplicate", copies=3, spread_s=0.05)
        async with client.post("/", json={"order": 1}) as reply:
            assert reply.status == 200
        await until(lambda: len(server.heard) == 3)
        assert way.rules["r"].counters.forwarded == 3
    assert len(set(server.heard)) == 1


async def test_a_late_answer_is_given_up_and_the_connection_goes_on() -> None:
    server = Server(before_s=0.3)
    async with way_to(server.serve) as way, session(way) as client:
        await rule(way, "gateway_timeout", timeout_s=0.05)
        async with client.get("/") as reply:
            assert reply.status == 504
            assert reply.headers["X-Flashdrill-Edge"] == "r"
        await way.remove("r")
        async with client.get("/") as reply:
            assert (reply.status, await reply.read()) == (200, b"ok")
        assert len(server.heard) == 2, "the first was done too"
        assert server.connections == 2


async def test_a_throttle_counts_by_period_and_does_not_forward_the_rest() -> None:
    server = Server()
    async with way_to(server.serve) as way, session(way) as client:
        await rule(way, "throttle", limit=2, period_s=60, match={"path": "/cb", "method": "POST"})
        statuses = [(await client.post("/cb")).status for _ in range(5)]
        assert statuses == [200, 200, 408, 408, 408]
        assert (await client.get("/cb")).status == 200
    assert len(server.heard) == 3


async def test_rules_combine_up_to_the_first_that_decides() -> None:
    server = Server()
    async with way_to(server.serve) as way, session(way) as client:
        await rule(way, "set_header", "h", header="X-Signature", value="wrong")
        await rule(way, "delay", "d", delay_s=0.05)
        await rule(way, "drop", "first", first=1)
        await rule(way, "status", "s", status=503, is_forwarded=True)
        with pytest.raises(aiohttp.ServerDisconnectedError):
            await client.post("/")
        async with client.post("/", headers={"x-signature": "right"}) as reply:
            assert reply.status == 503
            assert reply.headers["X-Flashdrill-Edge"] == "s"
        counted = {name: r.counters for name, r in way.rules.items()}
    assert b"X-Signature: wrong" in server.heard[0].replace(b"x-signature", b"X-Signature")
    assert b"right" not in server.heard[0]
    assert (counted["first"].applied, counted["first"].matched) == (1, 2)
    assert (counted["h"].applied, counted["d"].applied, counted["s"].forwarded) == (2, 2, 1)


async def test_damage_is_done_to_bodies_as_they_were_framed() -> None:
    document = json.dumps({"text": "x" * 100}).encode()
    server = Server(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(document) + document)
    async with way_to(server.serve) as way:
        await rule(way, "malform")
        malformed = (await asked(way, GET)).partition(b"\r\n\r\n")[2]
        await rule(way, "truncate", keep=0.25)
        head, _, cut = (await asked_until_cut(way, GET)).partition(b"\r\n\r\n")
    assert len(malformed) == len(document)
    with pytest.raises(ValueError, match=r"utf-8|Expecting|Invalid"):
        json.loads(malformed)
    assert b"Content-Length: %d" % len(document) in head
    assert cut == document[: len(document) // 4]


async def asked_until_cut(way: Way, raw: bytes) -> bytes:
    """What came before the connection was reset or closed."""
    reader, writer = await asyncio.open_connection(*way.spec.listen)
    writer.write(raw)
    got = b""
    with contextlib.suppress(ConnectionResetError):
        while data := await reader.read(1):
            got += data
    writer.close()
    return got


async def test_a_cut_keeps_its_share_of_a_long_body() -> None:
    length = 16 << 20
    server = Server(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % length + bytes(length))
    async with way_to(server.serve) as way:
        await rule(way, "truncate", keep=0.75)
        assert len((await asked(way, GET)).partition(b"\r\n\r\n")[2]) == length * 3 // 4


DAMAGES: list[tuple[str, dict[str, Any]]] = [
    ("truncate", {}),
    ("malform", {}),
    ("slow_body", {"rate": 1000}),
]
EMPTY = [
    b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 304 Not Modified\r\nContent-Length: 77\r\n\r\n",
]
CUT = [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nno"]


@pytest.mark.parametrize(("action", "keys"), DAMAGES)
async def test_an_answer_without_a_body_passes_and_is_not_counted(
    action: str, keys: dict[str, Any]
) -> None:
    server = Server()
    async with way_to(server.serve) as way:
        await rule(way, action, **keys)
        for server.answer in EMPTY:
            last = server.answer.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
            assert await asked(way, GET) == last
        counters = way.rules["r"].counters
        assert (counters.matched, counters.applied, counters.forwarded) == (2, 0, 2)


@pytest.mark.parametrize(
    ("action", "keys"), [*DAMAGES, ("status", {"status": 500, "is_forwarded": True})]
)
async def test_nothing_is_counted_as_done_to_an_answer_that_the_server_cut(
    action: str, keys: dict[str, Any]
) -> None:
    server = Server(is_closing=True)
    async with way_to(server.serve) as way:
        await rule(way, action, **keys)
        for server.answer in CUT:
            assert await asked_until_cut(way, GET) == b""
        counters = way.rules["r"].counters
        assert (counters.matched, counters.applied, counters.forwarded) == (2, 0, 2)


async def test_a_delay_outlasts_the_patience_of_the_server_with_idle_connections() -> None:
    server = Server(idle_s=0.1)
    async with way_to(server.serve) as way:
        await rule(way, "delay", delay_s=0.3)
        assert (await asked(way, GET)).endswith(b"ok")
    assert len(server.heard) == 1
    assert server.connections == 2


async def test_a_header_is_set_for_a_client_of_http_1_0() -> None:
    server = Server()
    async with way_to(server.serve) as way:
        await rule(way, "set_header", header="X-Signature", value="wrong")
        assert (await asked(way, b"GET / HTTP/1.0\r\n\r\n")).endswith(b"ok")
    assert b"wrong" in server.heard[0]


async def test_names_and_texts_of_a_rule_need_not_be_ascii() -> None:
    async with way_to(Server().serve) as way:
        await rule(way, "status", "été\n", status=503, headers={"X-Why": "plötzlich"}, body="ü")
        head, _, body = (await asked(way, GET)).partition(b"\r\n\r\n")
    assert b"\r\nX-Flashdrill-Edge: %C3%A9t%C3%A9%0A" in head
    assert "plötzlich".encode() in head
    assert body == "ü".encode()


@pytest.mark.parametrize("body", [b'{"user_id": "\\ud800"}', b"[" * 100_000])
async def test_a_body_that_is_odd_passes_a_rule_that_looks_into_it(body: bytes) -> None:
    server = Server()
    head = b"POST / HTTP/1.1\r\nHost: shop\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
    async with way_to(server.serve) as way:
        await rule(way, "delay", delay_s=0, match={"users": 0.5, "user_from": {"json": "user_id"}})
        assert (await asked(way, head % len(body) + body)).endswith(b"ok")


async def test_a_slow_body_is_let_go_when_the_rule_ends() -> None:
    server = Server(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + bytes(1000))
    async with way_to(server.serve) as way, session(way) as client:
        await rule(way, "slow_body", rate=10)
        async with client.get("/") as reply:
            await reply.content.readexactly(1)
            await way.remove("r")
            assert len(await reply.read()) == 999


async def test_the_same_seed_chooses_the_same_requests_and_users() -> None:
    async def chosen(seed: int) -> list[int]:
        async with way_to(Server().serve) as way, session(way) as client:
            await rule(way, "status", status=500, seed=seed, match={"share": 0.4})
            by_request = [(await client.get("/")).status for _ in range(30)]
            users = {"users": 0.4, "user_from": {"path": r"^/u/(\w+)"}}
            await rule(way, "status", status=500, seed=seed, match=users)
            by_user = [(await client.get(f"/u/{n % 15}")).status for n in range(30)]
            assert by_user[:15] == by_user[15:]
            return by_request + by_user

    first, again, other = await chosen(1), await chosen(1), await chosen(2)
    assert first == again != other
    assert {200, 500} == set(first)


async def test_a_closed_listener_keeps_its_port_and_its_connections() -> None:
    server = Server()
    async with way_to(server.serve) as way, session(way) as old:
        assert (await old.get("/")).status == 200
        await rule(way, "refuse")
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(*way.spec.listen)
        assert (await old.get("/")).status == 200
        assert not way.told()["is_listening"]
        await rule(way, "refuse", "second")
        await way.remove("r")
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(*way.spec.listen)
        await way.remove("second")
        async with session(way) as new:
            assert (await new.get("/")).status == 200


@pytest.mark.parametrize("mode", ["http", "tcp"])
async def test_half_open_connections_are_silent_and_reset_at_the_end(
    mode: Literal["http", "tcp"],
) -> None:
    server = Server()
    request = b"GET / HTTP/1.1\r\nHost: shop\r\n\r\n"
    async with way_to(server.serve, mode) as way:
        reader, writer = await asyncio.open_connection(*way.spec.listen)
        writer.write(request)
        await reader.readuntil(b"ok")
        await rule(way, "half_open")
        assert way.rules["r"].counters.connections == 1
        writer.write(request)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.read(1), 0.3)
        assert len(server.heard) == 1, "it was swallowed"
        new_reader, new_writer = await asyncio.open_connection(*way.spec.listen)
        new_writer.write(request)
        await new_reader.readuntil(b"ok")
        new_writer.close()
        await way.remove("r")
        with pytest.raises(ConnectionResetError):
            await reader.read()
        writer.close()


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"action": "status"}, "status is missing"),
    ({"action": "status", "status": 99}, "status is a status, 200 to 599, not 99"),
    ({"action": "nothing"}, "action is one of status, delay"),
    ({"action": "drop", "last": 3}, "no key 'last'"),
    ({"action": "delay", "delay_s": "1s"}, "delay_s is seconds"),
    ({"action": "delay", "delay_s": 0.1, "jitter_s": 0.2}, "jitter_s is at most delay_s"),
    ({"action": "set_header", "header": "A B", "value": "x"}, "header is the name of a header"),
    ({"action": "set_header", "header": "A", "value": "x\r\ny"}, "value is a text of one line"),
    ({"action": "half_open", "match": {"share": 0.5}}, "it has no match"),
    ({"action": "malform", "match": {"route": "/"}}, "no key 'route'"),
    ({"action": "malform", "match": {"users": 0.5}}, "users needs user_from"),
    ({"action": "malform", "match": {"user_from": {"path": "/u/"}}}, "needs one group"),
    ({"action": "statuss", "status": 500}, "action is one of status, delay"),
    ({"action": "delay", "delay_s": float("inf")}, "delay_s is seconds, 0 to 1e+12, not inf"),
    ({"action": "slow_body", "rate": float("inf")}, "rate is bytes per second, more than 0"),
    ({"action": "truncate", "keep": 1}, "keep is a share from 0 to less than 1"),
    ({"action": "duplicate", "copies": 10**9}, "copies is a whole number, 1 to 1000"),
    ({"action": "status", "status": 500, "body": "\ud800"}, "body is a text"),
    ({"action": "status", "status": 500, "headers": {"A": " x"}}, "headers is an object"),
    ({"action": "set_header", "header": "A", "value": "x "}, "without blanks around it"),
    ({"action": "set_header", "header": "content-length", "value": "9"}, "other than Content-Len"),
    ({"action": "malform", "way": "nowhere"}, "no way 'nowhere'"),
]


async def test_a_rule_that_cannot_be_is_refused_in_words(tmp_path: Path) -> None:
    async with edge_rig({"it": "http", "store": "redis"}, tmp_path) as it:
        for body, says in REFUSED:
            with pytest.raises(EdgeError) as error:
                await it.edge.put("r", {"way": "it", **body})
            assert says in str(error.value)
            assert error.value.status == 400
        with pytest.raises(EdgeError, match="carries no HTTP"):
            await it.edge.put("r", {"way": "store", "action": "malform"})
        assert await it.edge.rules() == {}
        assert not await it.edge.remove("r")
        ways = await it.edge.ways()
        assert {name: way["mode"] for name, way in ways.items()} == {"it": "http", "store": "tcp"}


async def test_a_low_limit_of_open_files_is_raised(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft // 2, hard))
    try:
        async with edge_rig({"it": "http"}, tmp_path) as it:
            assert resource.prlimit(it.process.pid, resource.RLIMIT_NOFILE) == (hard, hard)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_an_edge_that_is_not_there_is_said_so() -> None:
    port = choose_ports(["nobody"])["nobody"]
    with pytest.raises(EdgeError, match="did not answer") as error:
        await Edge(f"http://{HOST}:{port}").rules()
    assert error.value.status == 0


async def until(is_so: Callable[[], bool]) -> None:
    """Poll; the way's own time limit is the bound."""
    while not is_so():
        await asyncio.sleep(0.005)


async def settled(value: Callable[[], int]) -> None:
    """Until it has not changed for a while."""
    last = -1
    while last != (last := value()):
        await asyncio.sleep(0.2)
