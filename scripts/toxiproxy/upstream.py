"""The server behind the proxies: one process, one epoll loop, no framework that could be the slow part.

It answers every REQUEST bytes with ANSWER bytes; after a single FLOOD it sends to that client as fast as it is read.
Prints its port as one line, and serves until its standard input ends.
"""

from __future__ import annotations

import contextlib
import select
import socket
import sys

HOST = "127.0.0.1"
REQUEST = 100
ANSWER = 500
CHUNK = 256 * 1024
FLOOD = b"F"
BACKLOG = 4096
EVENTS = 512

_ANSWER = bytes(ANSWER)
_CHUNK = memoryview(bytes(CHUNK))


class Upstream:
    """A listening socket and its connections."""

    def __init__(self) -> None:
        self._poll = select.epoll()
        self._listener = socket.create_server((HOST, 0), backlog=BACKLOG)
        self._listener.setblocking(False)
        self._poll.register(self._listener.fileno(), select.EPOLLIN)
        self.port = int(self._listener.getsockname()[1])
        self._clients: dict[int, socket.socket] = {}
        self._partial: dict[int, int] = {}
        self._buffer = memoryview(bytearray(CHUNK))

    def serve(self) -> None:
        """Until standard input ends."""
        end, listener = sys.stdin.fileno(), self._listener.fileno()
        self._poll.register(end, select.EPOLLIN | select.EPOLLHUP)
        while True:
            for fd, event in self._poll.poll(-1, EVENTS):
                if fd == end:
                    return
                if fd == listener:
                    self._accept()
                elif event & (select.EPOLLHUP | select.EPOLLERR):
                    self._drop(fd)
                else:
                    self._serve(fd, event)

    def _accept(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while True:
                client, _ = self._listener.accept()
                client.setblocking(False)
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._clients[client.fileno()] = client
                self._poll.register(client.fileno(), select.EPOLLIN)

    def _serve(self, fd: int, event: int) -> None:
        try:
            if event & select.EPOLLIN:
                self._answer(fd)
            else:
                self._clients[fd].send(_CHUNK)
        except BlockingIOError:
            pass
        except OSError:
            self._drop(fd)

    def _answer(self, fd: int) -> None:
        client = self._clients[fd]
        size = client.recv_into(self._buffer)
        if not size:
            self._drop(fd)
        elif self._buffer[:1] == FLOOD:
            self._poll.modify(fd, select.EPOLLOUT)
        else:
            count, self._partial[fd] = divmod(self._partial.get(fd, 0) + size, REQUEST)
            client.send(_ANSWER * count)

    def _drop(self, fd: int) -> None:
        self._poll.unregister(fd)
        self._partial.pop(fd, None)
        self._clients.pop(fd).close()


def main() -> None:
    """Serve."""
    upstream = Upstream()
    print(upstream.port, flush=True)
    upstream.serve()


if __name__ == "__main__":
    main()
