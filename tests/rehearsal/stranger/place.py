"""The stranger's machine room: a PostgreSQL server, a Toxiproxy in front of it, and the shop.

    python -m tests.rehearsal.stranger.place FOLDER [--careless]

keeps it up until Ctrl-C.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from flashdrill.stack import postgres
from flashdrill.stack.control import Guardian
from flashdrill.stack.folders import cache_dir, claim
from flashdrill.stack.identity import choose_identity, data_root, install_for
from flashdrill.stack.ports import HOST, choose_ports
from flashdrill.stack.probes import probe_of, wait_until_ready
from flashdrill.stack.services import DATABASE, USER
from flashdrill.stack.template import Recipe, copy, template

HERE = Path(__file__).parent
PASSWORD = "not-for-logs-7f31"
PATIENCE_S = 30.0


@dataclass(frozen=True, slots=True)
class Place:
    """Where things are; `folder` has the scenario, its plan and the shop's pid file."""

    folder: Path
    shop_url: str
    toxiproxy_url: str
    dsn: str  # past the proxy

    @property
    def arguments(self) -> tuple[str, ...]:
        """Of `flashdrill run`."""
        return (
            *("--target", self.shop_url),
            *("--toxiproxy", self.toxiproxy_url, "--adopt", "shop-db=postgres"),
            *("--chaos", str(self.folder / "late_database.yaml")),
        )


@asynccontextmanager
async def place(folder: Path, *, careless: bool = False) -> AsyncIterator[Place]:
    """Everything of the stranger's, up and answering; gone afterwards."""
    for name in ("rush.yaml", "late_database.yaml", "customers.yaml"):
        shutil.copy(HERE / name, folder / name)
    ports = choose_ports(["shard0", "proxy", "toxiproxy", "shop"])
    async with _database(folder, ports["shard0"]):
        with _toxiproxy(folder, ports), _shop(folder, ports, careless):
            yield Place(
                folder,
                f"http://{HOST}:{ports['shop']}",
                f"http://{HOST}:{ports['toxiproxy']}",
                _dsn(ports["shard0"]),
            )


def _dsn(port: int) -> str:
    return f"postgresql://{USER}:{PASSWORD}@{HOST}:{port}/{DATABASE}"


@asynccontextmanager
async def _database(folder: Path, port: int) -> AsyncIterator[None]:
    identity = choose_identity()
    state = claim(folder / "database")
    root = data_root(state, identity)
    guardian = await Guardian.start(
        folder / "journal.jsonl", log=folder / "guardian.log", cleanup=(state, root)
    )
    try:
        install = postgres.find_installation()
        copy(
            template(Recipe(install.folder, install.version, "", identity), cache_dir()),
            root / "shard0",
        )
        log = folder / "database.log"
        await guardian.spawn(
            postgres.command(
                "shard0",
                port,
                data=root / "shard0",
                install=install_for(identity, install.folder, root),
                identity=identity,
                log=log,
            )
        )
        await wait_until_ready(
            "shard0",
            probe_of("shard0", {"shard0": port}),
            is_running=lambda: guardian.is_running("shard0"),
            log=log,
            timeout_s=PATIENCE_S,
        )
        yield
    finally:
        await guardian.shutdown()


@contextmanager
def _toxiproxy(folder: Path, ports: dict[str, int]) -> Iterator[None]:
    config = folder / "proxies.json"
    proxy = {
        "name": "shop-db",
        "listen": f"{HOST}:{ports['proxy']}",
        "upstream": f"{HOST}:{ports['shard0']}",
        "enabled": True,
    }
    config.write_text(json.dumps([proxy]))
    command = ["-m", "flashdrill.cli.main", "toxiproxy", "--port", str(ports["toxiproxy"])]
    with _running(
        [sys.executable, *command, "--config", str(config)],
        folder / "toxiproxy.log",
        f"http://{HOST}:{ports['toxiproxy']}/version",
    ):
        yield


@contextmanager
def _shop(folder: Path, ports: dict[str, int], careless: bool) -> Iterator[None]:
    command = [sys.executable, str(HERE / "shop.py"), "--port", str(ports["shop"])]
    command += ["--pid-file", str(folder / "shop.pid"), *(["--careless"] if careless else [])]
    with _running(
        command,
        folder / "shop.log",
        f"http://{HOST}:{ports['shop']}/",
        SHOP_DATABASE=_dsn(ports["proxy"]),
    ):
        yield


@contextmanager
def _running(command: list[str], log: Path, url: str, **environ: str) -> Iterator[None]:
    """A process that answers at a URL."""
    with log.open("w") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=output, env={**os.environ, **environ}
        )
    try:
        deadline = time.monotonic() + PATIENCE_S
        while not _answers(url):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait(timeout=10)


def _answers(url: str) -> bool:
    try:
        with urlopen(url, timeout=1):
            return True
    except (URLError, OSError):
        return False


async def _stay(folder: Path, *, careless: bool) -> None:
    """Up until Ctrl-C, for a look by hand."""
    folder.mkdir(parents=True, exist_ok=True)
    async with place(folder, careless=careless) as where:
        print(f"export SHOP_DSN={where.dsn}")
        print("flashdrill run", folder / "rush.yaml", *where.arguments, flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        asyncio.run(_stay(Path(sys.argv[1]), careless="--careless" in sys.argv))
