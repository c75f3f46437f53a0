"""Other people's clients, unchanged, against the embedded Toxiproxy server: do they see what they see of a real one?

make toxiproxy-clients

The programs are in tests/clients. Each library is installed by its own language's tool into a temporary folder; a
language whose tools are not here is said. Without a real server the programs run against the embedded one alone, and
nothing is compared. The last line is one JSON object; exit code 1 when a program failed or saw something else.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingTCPServer

from flashdrill.errors import ToxiproxyError
from flashdrill.toxiproxy.server import find_server

HOST = "127.0.0.1"
PROGRAMS = Path(__file__).resolve().parent.parent / "tests" / "clients"
CACHE = Path.home() / ".cache" / "flashdrill"
PREPARE_TIMEOUT_S = 240.0
RUN_TIMEOUT_S = 30.0
READY_TIMEOUT_S = 20.0
EMBEDDED, REAL = "embedded", "real"


@dataclass(frozen=True, slots=True)
class Client:
    """A library, the tools it needs, how its program is made ready and started, in a copy of its folder."""

    library: str
    folder: str
    tools: tuple[str, ...]
    prepare: tuple[tuple[str, ...], ...]
    start: tuple[str, ...]


CLIENTS = (
    Client("toxiproxy-python 0.1.1", "python", (), (), (sys.executable, "program.py")),
    Client(
        "toxiproxy-node-client 4.1.0",
        "node",
        ("node", "npm"),
        (("npm", "install", "--silent", "--no-audit", "--no-fund"),),
        ("node", "program.js"),
    ),
    Client(
        "github.com/Shopify/toxiproxy/v2/client 2.12.0",
        "go",
        ("go",),
        (("go", "build", "-mod=mod", "-o", "program", "."),),
        ("./program",),
    ),
    Client(
        "toxiproxy-java 2.1.7",
        "java",
        ("java", "javac", "mvn"),
        (
            ("mvn", "-q", "-B", "dependency:copy-dependencies", "-DoutputDirectory=jars"),
            ("javac", "-cp", "jars/*", "Program.java"),
        ),
        ("java", "-cp", "jars/*:.", "Program"),
    ),
)


class Echo(StreamRequestHandler):
    """Says what it hears."""

    def handle(self) -> None:
        """Until the client ends."""
        with contextlib.suppress(OSError):
            while data := self.request.recv(65536):
                self.request.sendall(data)


class EchoServer(ThreadingTCPServer):
    """The upstream of the programs."""

    daemon_threads = True


def main() -> int:
    """Run every program, print what each saw, compare."""
    servers = _servers()
    results = {client.library: _outcome(client, servers) for client in CLIENTS}
    good = "as with the real server" if REAL in servers else "works, compared with nothing"
    for library, outcome in results.items():
        print(f"{library}: {outcome or good}")
    counts = {
        "clients": len(CLIENTS),
        "same": sum(not outcome for outcome in results.values()),
        "unavailable": sum(outcome.startswith("unavailable") for outcome in results.values()),
        "compared": REAL in servers,
    }
    print(json.dumps(counts))
    return 0 if counts["same"] + counts["unavailable"] == len(CLIENTS) else 1


def _servers() -> list[str]:
    try:
        find_server(CACHE, prefer=REAL)
    except ToxiproxyError as error:
        print(f"no real server to compare with: {error.message}")
        return [EMBEDDED]
    return [EMBEDDED, REAL]


def _outcome(client: Client, servers: Sequence[str]) -> str:
    """What is wrong; empty when nothing is."""
    missing = [tool for tool in client.tools if shutil.which(tool) is None]
    if missing:
        return f"unavailable, no {' and no '.join(missing)} on the PATH"
    with tempfile.TemporaryDirectory(prefix="toxiproxy-client-") as place:
        folder = Path(place) / client.folder
        shutil.copytree(PROGRAMS / client.folder, folder)
        try:
            for command in client.prepare:
                _output(command, folder, PREPARE_TIMEOUT_S)
            seen = {kind: _seen(client, folder, kind) for kind in servers}
        except subprocess.CalledProcessError as error:
            return f"failed: {error.stderr.strip() or error.stdout.strip()}"
    ours, theirs = seen[EMBEDDED], seen.get(REAL, seen[EMBEDDED])
    print(f"{client.library}:")
    print("\n".join(f"  {line}" for line in ours))
    differing = [pair for pair in zip(ours, theirs, strict=False) if pair[0] != pair[1]]
    if differing or len(ours) != len(theirs):
        return f"DIFFERS: {differing or theirs[len(ours) :]}"
    return ""


def _seen(client: Client, folder: Path, kind: str) -> list[str]:
    """The program's lines, with ports that differ from run to run as PORT."""
    with _running(kind) as port, EchoServer((HOST, 0), Echo) as upstream:
        threading.Thread(target=upstream.serve_forever, daemon=True).start()
        behind = str(upstream.server_address[1])
        try:
            output = _output((*client.start, HOST, str(port), behind), folder, RUN_TIMEOUT_S)
        finally:
            upstream.shutdown()
    return [re.sub(r"127\.0\.0\.1:\d+", f"{HOST}:PORT", line) for line in output.splitlines()]


@contextlib.contextmanager
def _running(kind: str) -> Iterator[int]:
    """The port of a server of this kind."""
    with EchoServer((HOST, 0), Echo) as free:
        port = int(free.server_address[1])
    command = find_server(CACHE, prefer=kind).argv(HOST, port)
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            _wait(port, process)
            yield port
        finally:
            process.terminate()
            process.wait(READY_TIMEOUT_S)


def _wait(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + READY_TIMEOUT_S
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection((HOST, port)):
            return
        time.sleep(0.02)
    raise ToxiproxyError("the server did not come up")


def _output(command: Sequence[str], folder: Path, timeout_s: float) -> str:
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "GOFLAGS": ""},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=True,
    )
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
