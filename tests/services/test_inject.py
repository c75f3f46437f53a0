"""`flashdrill inject` on a stack that is up, as a user does it; and what is left when it is killed."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from scripts.healing.outside import Measured, left, measured
from scripts.healing.shop import Shop, family, shop_of

pytestmark = pytest.mark.services

ROOT = Path(__file__).parents[2]
PATIENCE_S = 60.0
CLEAN_WITHIN_S = 15.0  # 5 s on a quiet machine: `make soak-healing` measures it

QUICK = """\
name: quick
faults:
  - {id: slow, kind: latency, target: shard0, at: 1s, for: 1s, latency: 200ms}
  - {id: locked, kind: row_lock, target: shard1, at: 1s, for: 1s, table: stock, where: "sku = 'demo-1'"}
  - {id: killed, kind: kill, target: shard2, at: 1s, for: 500ms}
  - {id: full, kind: redis_oom, target: redis, at: 1s, for: 1s}
  - {id: core, kind: busy_core, target: backend, at: 1s, for: 2s}
"""
LONG = """\
name: long
faults:
  - {id: slow, kind: latency, target: shard0, at: 1s, for: 60s, latency: 200ms}
  - {id: read-only, kind: read_only, target: shard1, at: 1s, for: 60s}
  - {id: killed, kind: kill, target: shard2, at: 1s, for: 60s}
  - {id: paused, kind: pause, target: shard3, at: 1s, for: 60s}
  - {id: full, kind: redis_oom, target: redis, at: 1s, for: 60s}
  - {id: core, kind: busy_core, target: backend, at: 1s, for: 60s}
"""
IDS = set(re.findall(r"id: ([\w-]+)", LONG))


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended, and what it said."""

    code: int
    said: str


@dataclass(frozen=True, slots=True)
class Up:
    """A stack that is up, its addresses, and what it looked like when it was whole."""

    folder: Path
    state: Path
    shop: Shop
    before: Measured

    def call(self, command: str, *arguments: str) -> Ended:
        return call(command, *arguments, "--state", str(self.state))

    def plan(self, text: str) -> str:
        path = self.folder / f"{text.split()[1]}.yaml"
        path.write_text(text)
        return str(path)

    def clean(self, harness: list[psutil.Process]) -> list[str]:
        """What is left at the deadline; nothing when it was clean before."""
        deadline = time.monotonic() + CLEAN_WITHIN_S
        while words := asyncio.run(left(self.shop, self.before, harness)):
            if time.monotonic() > deadline:
                return words
            time.sleep(0.1)
        return []


def call(*arguments: str) -> Ended:
    done = subprocess.run(
        [sys.executable, "-m", "flashdrill.cli.main", *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    return Ended(done.returncode, done.stdout)


@contextmanager
def stack_up(folder: Path) -> Iterator[Up]:
    state = folder / "state"
    try:
        started = call("up", "--toxiproxy", "embedded", "--state", str(state))
        assert started.code == 0, started.said
        found = re.search(r"guardian (\d+)", started.said)
        assert found is not None, started.said
        shop = shop_of(state, int(found[1]))
        yield Up(folder, state, shop, asyncio.run(measured(shop)))
    finally:
        assert call("down", "--state", str(state)).code == 0


@contextmanager
def injecting(up: Up, plan: str) -> Iterator[subprocess.Popen[bytes]]:
    """A running injection with all faults of the long plan in force; it is over at the end."""
    log = up.folder / "inject.log"
    argv = [sys.executable, "-m", "flashdrill.cli.main", "inject", plan, "--state", str(up.state)]
    with log.open("w") as output:
        process = subprocess.Popen(argv, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT)
    try:
        deadline = time.monotonic() + PATIENCE_S
        while set(re.findall(r"fault ([\w-]+): observed", log.read_text())) != IDS:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        yield process
    finally:
        process.kill()
        process.wait()


def killed(up: Up) -> list[psutil.Process]:
    """An injection, killed in the middle; the processes that it had."""
    with injecting(up, up.plan(LONG)) as process:
        harness = family(process.pid)
        assert len(harness) > 1, "the busy core's helper is its child"
    return harness


def journal_of(up: Up) -> Path:
    return max((up.state / "journals").glob("*.jsonl"), key=lambda path: path.stat().st_mtime)


def test_injected_without_load_and_clean_after_a_sigkill(tmp_path: Path) -> None:
    with stack_up(tmp_path) as up:
        done = up.call("inject", up.plan(QUICK))
        assert done.code == 0, done.said
        for name in ("slow", "locked", "killed", "full", "core"):
            for phase in ("inject", "observed", "healed"):
                assert f"fault {name}: {phase}" in done.said
        assert up.clean([]) == []

        lacking = up.call("inject", str(ROOT / "chaos/plans/every_fault.yaml"))
        assert lacking.code == 4, lacking.said
        assert "flashdrill up --chaos" in lacking.said

        harness = killed(up)
        assert up.clean(harness) == []


def test_without_its_journal_it_is_not_clean_and_the_next_one_waits_for_it(tmp_path: Path) -> None:
    with stack_up(tmp_path) as up:
        with injecting(up, up.plan(LONG)) as process:
            harness = family(process.pid)
            journal = journal_of(up)
            away = journal.replace(tmp_path / "away")
        words = asyncio.run(left(up.shop, up.before, harness))
        assert any("toxic" in word for word in words), words
        assert any("stopped" in word for word in words), words
        assert any("read_only" in word for word in words), words
        away.replace(journal)
        refused = up.call("inject", up.plan(QUICK))
        assert refused.code == 4, refused.said
        assert "flashdrill heal" in refused.said
        healed = up.call("heal")
        assert healed.code == 0, healed.said
        assert up.clean(harness) == []
        assert json.loads(journal.read_text().splitlines()[-1])["do"] == "healed"
