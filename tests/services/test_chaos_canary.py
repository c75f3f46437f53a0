"""What a canary says about what it met, on sockets of the test's own."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from flashdrill.chaos import bulk
from flashdrill.chaos.canary import Reading, Seen, ask
from flashdrill.chaos.target import Address, Target
from tests.services.chaos_rig import SERVERS, serving

pytestmark = pytest.mark.services
HOST = "127.0.0.1"
Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@contextlib.asynccontextmanager
async def server(talk: Talk) -> AsyncIterator[Address]:
    """A server on a free port."""
    async with serving(talk) as port:
        yield HOST, port


async def look(talk: Talk, kind: str = "redis", timeout_s: float = 5.0) -> Reading:
    async with server(talk) as address:
        return await ask(
            Target("it", frozenset({kind}), None, address, address), address, timeout_s
        )


async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(-1)


async def closing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(6)


async def resetting(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(6)
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def babbling(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(6)
    writer.write(b"SSH-2.0-something")


@pytest.mark.parametrize("kind", ["redis", "http", "postgres"])
async def test_a_server_answers_in_its_own_language(kind: str) -> None:
    reading = await look(SERVERS[kind], kind)
    assert reading.seen is Seen.ANSWERED
    assert reading.received > 0


@pytest.mark.parametrize(
    ("talk", "timeout_s", "seen"),
    [
        (mute, 0.1, Seen.SILENT),
        (closing, 5.0, Seen.CLOSED),
        (resetting, 5.0, Seen.RESET),
        (babbling, 5.0, Seen.CLOSED),
    ],
)
async def test_what_else_can_happen(talk: Talk, timeout_s: float, seen: Seen) -> None:
    assert (await look(talk, timeout_s=timeout_s)).seen is seen


async def test_nobody_listens() -> None:
    with socket.socket() as sock:
        sock.bind((HOST, 0))
        address = sock.getsockname()
        reading = await ask(Target("it", frozenset({"redis"}), None, address, address), address)
    assert reading.seen is Seen.REFUSED


async def test_a_target_of_an_unknown_kind_only_has_to_accept() -> None:
    assert (await look(mute, "process")).is_answered


@pytest.mark.parametrize("kind", ["redis", "http"])
async def test_a_transfer_moves_about_as_much_as_it_was_asked_to(kind: str) -> None:
    async with server(SERVERS[kind]) as address:
        target = Target("it", frozenset({kind}), None, address, address)
        reading = await bulk.transfer(target, address, 5_000, 5.0)
    assert reading.is_answered
    assert 2_500 < reading.received < 10_000


async def test_a_transfer_that_is_cut_off_is_not_complete() -> None:
    async def half(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(b"$5000\r\nxxx")

    async with server(half) as address:
        target = Target("it", frozenset({"redis"}), None, address, address)
        assert (await bulk.transfer(target, address, 50, 5.0)).seen in {Seen.CLOSED, Seen.RESET}
