"""The clients: one epoll loop over plain sockets, three loads, each for a given time.

Every measurement has a warm-up that does not count. Times are nanoseconds inside, seconds and microseconds outside.
"""

from __future__ import annotations

import contextlib
import gc
import select
import socket
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from scripts.toxiproxy.upstream import ANSWER, CHUNK, EVENTS, FLOOD, HOST, REQUEST

CONNECT_TIMEOUT_S = 15.0
STALL_TIMEOUT_S = 10.0
"""Clients that hear nothing for so long end the benchmark."""
NS = 1_000_000_000

_REQUEST = bytes(REQUEST)


class StallError(Exception):
    """A server stopped answering, or closed a connection."""


@dataclass(slots=True)
class Client:
    """One connection; `due` are the moments from which the requests without an answer count."""

    sock: socket.socket
    due: deque[int] = field(default_factory=deque)
    partial: int = 0


class Clients:
    """Connections to one port, each with its first answer; `joined_s`: how long that took for all.

    A connection to a proxy is not one to the upstream yet: only an answer proves it.
    """

    def __init__(self, port: int, count: int) -> None:
        start = time.perf_counter_ns()
        self._poll = select.epoll()
        self._clients: dict[int, Client] = {}
        self._buffer = memoryview(bytearray(CHUNK))
        self.answered = 0
        for _ in range(count):
            sock = socket.create_connection((HOST, port), CONNECT_TIMEOUT_S)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setblocking(False)
            self._poll.register(sock.fileno(), select.EPOLLIN)
            self._clients[sock.fileno()] = Client(sock)
            self._ask(sock.fileno(), time.perf_counter_ns())
        self._finish()
        self.joined_s = (time.perf_counter_ns() - start) / NS

    def close(self) -> None:
        """Close them all."""
        for client in self._clients.values():
            client.sock.close()
        self._poll.close()

    def megabytes_per_s(self, warm_up_s: float, duration_s: float) -> float:
        """Received in sum, in MB (1,000,000 bytes) a second; nothing else can be measured afterwards."""
        for client in self._clients.values():
            client.sock.send(FLOOD)
        self._receive_for(warm_up_s)
        start = time.perf_counter_ns()
        received = self._receive_for(duration_s)
        return received / 1e6 / ((time.perf_counter_ns() - start) / NS)

    def round_trips_per_s(self, warm_up_s: float, duration_s: float) -> float:
        """In sum; every client asks again as soon as it has its answer."""
        for fd in self._clients:
            self._ask(fd, time.perf_counter_ns())
        self._converse_for(warm_up_s, is_again=True)
        start = time.perf_counter_ns()
        count = len(self._converse_for(duration_s, is_again=True))
        rate = count / ((time.perf_counter_ns() - start) / NS)
        self._finish()
        return rate

    def latencies_us(self, rate_per_s: float, warm_up_s: float, duration_s: float) -> list[float]:
        """Of requests at a fixed rate in sum, whether or not earlier ones are answered; from when each was due."""
        found: list[int] = []
        start = time.perf_counter_ns()
        counted_from = start + int(warm_up_s * NS)
        end = counted_from + int(duration_s * NS)
        order = list(self._clients)
        sent = 0
        while (due := start + int(sent * NS / rate_per_s)) < end:
            now = time.perf_counter_ns()
            if now < due:
                found += self._converse(due - now, is_again=False, counted_from=counted_from)
                continue
            self._ask(order[sent % len(order)], due)
            sent += 1
        found += self._finish(counted_from)
        return [value / 1000 for value in found]

    def _ask(self, fd: int, due: int) -> None:
        client = self._clients[fd]
        client.due.append(due)
        client.sock.send(_REQUEST)

    def _converse_for(self, duration_s: float, *, is_again: bool) -> list[int]:
        found: list[int] = []
        end = time.perf_counter_ns() + int(duration_s * NS)
        while (left := end - time.perf_counter_ns()) > 0:
            found += self._converse(left, is_again=is_again)
        return found

    def _finish(self, counted_from: int = 0) -> list[int]:
        """Wait for every answer that is still to come."""
        found: list[int] = []
        give_up = time.perf_counter_ns() + int(STALL_TIMEOUT_S * NS)
        while any(client.due for client in self._clients.values()):
            if time.perf_counter_ns() > give_up:
                raise StallError(f"no answer for {STALL_TIMEOUT_S:g} s")
            found += self._converse(NS // 100, is_again=False, counted_from=counted_from)
        return found

    def _converse(self, wait_ns: int, *, is_again: bool, counted_from: int = 0) -> list[int]:
        """Take what has come; gives the latencies of the answers that are complete."""
        found = []
        for fd, _ in self._ready(wait_ns):
            client = self._clients[fd]
            size = client.sock.recv_into(self._buffer)
            if not size:
                raise StallError("a connection was closed")
            count, client.partial = divmod(client.partial + size, ANSWER)
            now = time.perf_counter_ns()
            self.answered += count
            for _ in range(count):
                due = client.due.popleft()
                if due >= counted_from:
                    found.append(now - due)
                if is_again:
                    self._ask(fd, now)
        return found

    def _receive_for(self, duration_s: float) -> int:
        received = 0
        end = time.perf_counter_ns() + int(duration_s * NS)
        while (left := end - time.perf_counter_ns()) > 0:
            for fd, _ in self._ready(left):
                received += self._clients[fd].sock.recv_into(self._buffer)
        return received

    def _ready(self, wait_ns: int) -> list[tuple[int, int]]:
        """What can be read; epoll's own timeout counts in milliseconds, select's does not."""
        if found := self._poll.poll(0, EVENTS):
            return found
        select.select([self._poll.fileno()], [], [], max(0, wait_ns) / NS)
        return self._poll.poll(0, EVENTS)


@contextlib.contextmanager
def clients(port: int, count: int) -> Iterator[Clients]:
    """Connected clients, closed afterwards; the garbage collector rests meanwhile."""
    gc.collect()
    gc.disable()
    try:
        with contextlib.closing(Clients(port, count)) as group:
            yield group
    finally:
        gc.enable()
