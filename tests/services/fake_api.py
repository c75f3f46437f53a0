"""An HTTP server that answers everything with one status, for tests of healing."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from flashdrill.stack.ports import HOST
from tests.services.stack_pieces import url


@contextmanager
def fake_api(status: int) -> Iterator[tuple[str, list[str]]]:
    """An HTTP server that notes what it is asked for."""
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            asked.append(f"{self.command} {self.path} {body.decode()}".strip())
            self.send_response(status)
            self.end_headers()

        do_DELETE = do_POST = answer  # noqa: N815  (the names that http.server calls)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.HTTPServer((HOST, 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield url(server.server_address[1]), asked
        finally:
            server.shutdown()
            thread.join(5)
