"""The command lines of docker-compose.yml and deploy/kubernetes/, run as they are, as processes of this machine.

    load-master, load-worker x2 ── toxiproxy:18080 ── the embedded stack        of the compose file's profile `load`
    load-master, load-worker x2 ── shop.shop.svc.cluster.local:8000             of the manifests' jobs

Everything is in namespaces of its own (network, mounts, processes), where the names mean addresses that are not
loopback; nothing is left of them. It needs root and `unshare`. Two paths of the containers are replaced by folders
here: that of the scenario and that of the runs. No container runs: images, networks, policies and limits are not tried.
The last line is JSON.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import yaml
from aiohttp import web

from flashdrill.model.history import read_ops
from flashdrill.stack.compose import LOAD_FOLDER, RUNS_FOLDER
from flashdrill.stack.up import up
from scripts.containers import ROOT
from scripts.manifests import FOLDER, MASTER, WORKERS, parsed, read_manifests
from scripts.two_hosts import IP, found, ip

INSIDE = "--inside"
ADDRESSES = {
    "toxiproxy": "10.123.9.1",
    MASTER: "10.123.9.2",
    "shop.shop.svc.cluster.local": "10.123.9.3",
}
SECRETS = Path("/run/secrets")
TOKEN = "a-token"
PATIENCE_S = 240.0


def separate() -> int:
    """This program again, in namespaces of its own; its exit code."""
    unshare = shutil.which("unshare") or "/usr/bin/unshare"
    kinds = ["--net", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child"]
    command = [unshare, *kinds, sys.executable, "-m", "scripts.load_side", INSIDE]
    return subprocess.run(command, cwd=ROOT, check=False).returncode


def settle_in(place: Path) -> None:
    """Names and addresses as in the containers, and an empty folder of secrets."""
    ip("link", "set", "lo", "up")
    for address in ADDRESSES.values():
        ip("addr", "add", f"{address}/32", "dev", "lo")
    names = place / "hosts"
    lines = ["127.0.0.1 localhost", *(f"{address} {name}" for name, address in ADDRESSES.items())]
    names.write_text("\n".join(lines) + "\n")
    mount = shutil.which("mount") or "/bin/mount"
    subprocess.run([mount, "--bind", str(names), "/etc/hosts"], check=True)
    subprocess.run([mount, "-t", "tmpfs", "none", str(SECRETS.parent)], check=True)
    (SECRETS / "load").mkdir(parents=True)


@contextlib.asynccontextmanager
async def stack(place: Path) -> AsyncIterator[None]:
    """The embedded stack with what the containers sell, behind a proxy at toxiproxy:18080."""
    standing = await up(
        place / "stack",
        toxiproxy="embedded",
        world=json.loads((ROOT / "deploy" / "backend" / "world.json").read_text()),
    )
    _share_secret(Path(standing.settings))
    (backend,) = (server.address for server in standing.servers if server.name == "backend")
    listen = f"{ADDRESSES['toxiproxy']}:18080"
    proxy = {"name": "backend", "listen": listen, "upstream": backend, "enabled": True}
    (place / "proxies.json").write_text(json.dumps([proxy]))
    argv = ("flashdrill", "toxiproxy", "--config", str(place / "proxies.json"))
    process = await asyncio.create_subprocess_exec(
        *resolved(argv), stdout=asyncio.subprocess.DEVNULL
    )
    try:
        yield
    finally:
        process.terminate()
        await process.wait()
        down = ("flashdrill", "down", "--state", str(place / "stack"))
        await (await asyncio.create_subprocess_exec(*resolved(down))).wait()


def _share_secret(settings: Path) -> None:
    secret = json.loads(settings.read_text())["hmac_secret"]
    (SECRETS / "hmac_secret").write_text(secret)


@contextlib.asynccontextmanager
async def shop() -> AsyncIterator[None]:
    """A shop for the scenario of the manifests: who has the token is answered."""

    async def answer(request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return web.json_response({}, status=401)
        return web.json_response({}, status=201 if request.method == "POST" else 200)

    async def health(_: web.Request) -> web.Response:
        return web.json_response({})

    (SECRETS / "load" / "token").write_text(TOKEN)
    app = web.Application()
    app.add_routes(
        [web.get("/health", health), web.get("/items/{sku}", answer), web.post("/orders", answer)]
    )
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, ADDRESSES["shop.shop.svc.cluster.local"], 8000).start()
    try:
        yield
    finally:
        await runner.cleanup()


def resolved(argv: tuple[str, ...] | list[str]) -> list[str]:
    """The command line with the program of this environment."""
    return [str(Path(sys.executable).with_name(argv[0])), *argv[1:]]


async def played(
    master: list[str], worker: list[str], count: int, *, load: Path, out: Path
) -> dict[str, Any]:
    """One run of a master and its workers, which come first; how each ended, and what is on record."""
    log = out / "log"
    folders = {LOAD_FOLDER: str(load), RUNS_FOLDER: str(out / "runs")}
    places = re.compile("|".join(map(re.escape, folders)))
    argv = [places.sub(lambda path: folders[path.group()], word) for word in master]
    with log.open("wb") as told:
        processes = [
            await asyncio.create_subprocess_exec(
                *resolved(command), cwd=out, stdout=told, stderr=told
            )
            for command in [worker] * count + [argv]
        ]
        async with asyncio.timeout(PATIENCE_S):
            *ends, verdict = [await process.wait() for process in processes]
    if verdict not in {0, 1}:
        print(log.read_text())
        return {"exit_code": verdict, "workers_exit": ends, "is_exact": False}
    scenario = load / Path(str(parsed(argv)["scenario"])).name
    return {
        "exit_code": verdict,
        "workers_exit": ends,
        **found(out, scenario),
        "outcomes": outcomes(out),
    }


def outcomes(out: Path) -> dict[str, dict[str, int]]:
    """How many operations of each kind ended how."""
    (path,) = out.glob("runs/*/ops.parquet")
    ops = read_ops(path).to_pylist()
    kinds = sorted({op["kind"] for op in ops})
    return {kind: Counter(op["outcome"] for op in ops if op["kind"] == kind) for kind in kinds}


async def compose(place: Path) -> dict[str, Any]:
    """The profile `load`, no variable set."""
    text = (ROOT / "docker-compose.yml").read_text()
    services = yaml.safe_load(re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text))["services"]
    worker = services[WORKERS]
    async with stack(place):
        return await played(
            [str(word) for word in services[MASTER]["command"]],
            worker["command"],
            int(worker["deploy"]["replicas"]),
            load=ROOT / "deploy" / "load",
            out=place / "compose",
        )


async def kubernetes(place: Path) -> dict[str, Any]:
    """Both jobs."""
    manifests = read_manifests()
    async with shop():
        return await played(
            manifests.arguments(MASTER),
            manifests.arguments(WORKERS),
            manifests.spec("Job", WORKERS)["parallelism"],
            load=FOLDER / "load",
            out=place / "kubernetes",
        )


async def both(place: Path) -> dict[str, dict[str, Any]]:
    """One after the other."""
    return {"compose": await compose(place), "kubernetes": await kubernetes(place)}


def main() -> int:
    """0 when both sent their schedules exactly, and every worker handed in its share."""
    if os.geteuid() != 0 or not Path(IP).exists():
        print("scripts.load_side needs root and `ip`: it makes namespaces", file=sys.stderr)
        return 2
    if INSIDE not in sys.argv:
        return separate()
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        for name in ("compose", "kubernetes"):
            (place / name).mkdir()
        settle_in(place)
        ends = asyncio.run(both(place))
    good = all(end["is_exact"] and not any(end["workers_exit"]) for end in ends.values())
    print(json.dumps({"good": good, **ends}))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
