"""SIGKILL the harness again and again while it injects every fault, and see from outside that nothing stays behind.

    python -m scripts.kill_harness --rounds 30 --seed 1

Brings one stack up with what every fault needs. Each round starts `flashdrill inject` on a timetable of its own, drawn
by the seed, kills that process (it alone, by its pid) at a moment drawn from the whole length, and asks the servers
themselves, again and again, until nothing of any fault is left: toxics, rules, sessions, locks, indexes, settings,
processes, clocks, files. A round is clean when that is so within 5 s. Then the service itself must recover within 20 s:
be ready, with its stock rebuilt in Redis; how long that takes is its own affair (it tries again every 5 s), and told
apart.

The last line is one JSON object: rounds, clean, slowest_s, median_s, recovered, recovered_slowest_s, in_force (how
often each fault was in force at a kill), never_in_force, left. Exit code 0: every round was clean, and the service
recovered.

`--without-healing` takes the journal away just before each kill: now the rounds must come out as not clean, or this
script sees nothing. The journal is put back then, and `flashdrill heal` must make the stack clean.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from flashdrill.plan.known import known_faults
from scripts.faults.catalogue import PLAN, ROOT
from scripts.healing import rounds
from scripts.healing.outside import Measured, left, measured, unrecovered
from scripts.healing.shop import Shop, family, shop_of

CLEAN_LIMIT_S = 5.0
RECOVERED_LIMIT_S = 20.0
BEGIN_TIMEOUT_S = 30.0
COMMAND_TIMEOUT_S = 90.0
BETWEEN_LOOKS_S = 0.05
BEGINS = "the timetable begins"


@dataclass(frozen=True, slots=True)
class Outcome:
    """One round: what was in force at the kill, and after how long nothing of it was left (None: not in time).

    `recovered_s` is the same for the service, `last` what was seen in the last look that was not clean.
    """

    in_force: tuple[str, ...]
    clean_s: float | None
    recovered_s: float | None
    last: tuple[str, ...] = ()

    @property
    def is_good(self) -> bool:
        """Nothing was left, and the service recovered."""
        return self.clean_s is not None and self.recovered_s is not None

    @property
    def left(self) -> tuple[str, ...]:
        """What was left at the limit."""
        return self.last if self.clean_s is None else ()


@dataclass(slots=True)
class Tally:
    """All rounds."""

    in_force: Counter[str] = field(default_factory=Counter)
    outcomes: list[Outcome] = field(default_factory=list)

    def add(self, outcome: Outcome) -> None:
        """One more."""
        self.outcomes.append(outcome)
        self.in_force.update(outcome.in_force)

    def line(self, every: Sequence[str]) -> dict[str, Any]:
        """The figures."""
        times = [o.clean_s for o in self.outcomes if o.clean_s is not None]
        recoveries = [o.recovered_s for o in self.outcomes if o.recovered_s is not None]
        return {
            "rounds": len(self.outcomes),
            "clean": len(times),
            "slowest_s": round(max(times), 3) if times else None,
            "median_s": round(statistics.median(times), 3) if times else None,
            "recovered": len(recoveries),
            "recovered_slowest_s": round(max(recoveries), 3) if recoveries else None,
            "in_force": {name: self.in_force[name] for name in every if self.in_force[name]},
            "never_in_force": [name for name in every if not self.in_force[name]],
            "left": [word for outcome in self.outcomes for word in outcome.left],
        }


class Soak:
    """One stack, and the rounds on it."""

    def __init__(self, folder: Path, toxiproxy: str, *, has_healing: bool) -> None:
        self.folder = folder
        self.state = folder / "state"
        self._toxiproxy = toxiproxy
        self._has_healing = has_healing
        self.shop: Shop
        self.before: Measured

    def up(self) -> None:
        """A whole stack, and what it looks like."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.call("up", "--chaos", str(PLAN), "--toxiproxy", self._toxiproxy)
        found = re.search(r"guardian (\d+)", self.call("status"))
        assert found is not None
        self.shop = shop_of(self.state, int(found[1]))
        self.before = asyncio.run(measured(self.shop))

    def call(self, command: str, *arguments: str) -> str:
        """What a command of flashdrill's says; it must end well."""
        argv = [*_flashdrill(command), *arguments, "--state", str(self.state)]
        done = subprocess.run(
            argv, cwd=ROOT, capture_output=True, text=True, timeout=COMMAND_TIMEOUT_S, check=False
        )
        if done.returncode:
            raise RuntimeError(f"flashdrill {command} ended with {done.returncode}: {done.stderr}")
        return done.stdout

    def play(self, drawn: rounds.Round) -> Outcome:
        """One round. A stack that is not clean in the end is replaced."""
        log = self.folder / f"round-{drawn.number:02}.log"
        plan = rounds.write(drawn, self.folder)
        argv = [*_flashdrill("inject"), str(plan), "--state", str(self.state)]
        with log.open("w") as output:
            harness = subprocess.Popen(argv, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT)
        try:
            began = _await_begin(harness, log)
            time.sleep(max(0.0, began + drawn.kill_s - time.monotonic()))
            journal = max((self.state / "journals").glob("*.jsonl"), key=_age)
            children = family(harness.pid)
            in_force = tuple(_in_force(journal))
            kept = None if self._has_healing else _taken_away(journal)
        finally:
            os.kill(harness.pid, signal.SIGKILL)
            killed = time.monotonic()
            harness.wait()
        outcome = self._judged(in_force, children, killed)
        if kept is not None:
            kept.replace(journal)
            self._mend(children)
        elif not outcome.is_good:
            self.call("down")
            self.up()
        return outcome

    def _judged(
        self, in_force: tuple[str, ...], harness: Sequence[psutil.Process], killed: float
    ) -> Outcome:
        async def look() -> list[str]:
            return await left(self.shop, self.before, harness)

        async def look_again() -> list[str]:
            return await unrecovered(self.shop, self.before)

        clean_s, last = asyncio.run(_until_nothing(look, killed, CLEAN_LIMIT_S))
        recovered_s, slow = asyncio.run(_until_nothing(look_again, killed, RECOVERED_LIMIT_S))
        return Outcome(in_force, clean_s, recovered_s, (*last, *slow))

    def _mend(self, harness: Sequence[psutil.Process]) -> None:
        self.call("heal")
        outcome = self._judged((), harness, time.monotonic())
        if not outcome.is_good:
            raise RuntimeError(f"`flashdrill heal` left: {outcome.last}")
        print("          put the journal back; flashdrill heal made it clean", flush=True)


async def _until_nothing(
    look: Callable[[], Awaitable[list[str]]], since: float, limit_s: float
) -> tuple[float | None, tuple[str, ...]]:
    """After how long nothing was found any more (None: not within the limit), and what was found until then."""
    last: tuple[str, ...] = ()
    while words := await look():
        last = tuple(words)
        if time.monotonic() - since > limit_s:
            return None, last
        await asyncio.sleep(BETWEEN_LOOKS_S)
    took_s = time.monotonic() - since
    return (took_s, last) if took_s <= limit_s else (None, last)


def _flashdrill(command: str) -> list[str]:
    return [sys.executable, "-m", "flashdrill.cli.main", command]


def _await_begin(harness: subprocess.Popen[bytes], log: Path) -> float:
    """The moment at which the timetable began. Raises RuntimeError when it does not."""
    deadline = time.monotonic() + BEGIN_TIMEOUT_S
    while BEGINS not in log.read_text():
        if harness.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"flashdrill inject did not begin: {log.read_text()}")
        time.sleep(0.005)
    return time.monotonic()


def _in_force(journal: Path) -> list[str]:
    """The faults that were injected, or are just being, and are not healed."""
    found: dict[str, None] = {}
    for line in journal.read_text().splitlines():
        try:
            entry = json.loads(line)
        except json.JSONDecodeError:
            continue  # the line that is being written
        if entry.get("do") == "inject":
            found[entry["fault"]] = None
        elif entry.get("do") == "healed":
            found.pop(entry["fault"], None)
    return list(found)


def _taken_away(journal: Path) -> Path:
    return journal.replace(journal.with_suffix(".away"))


def _age(path: Path) -> float:
    return path.stat().st_mtime


def _tell(drawn: rounds.Round, outcome: Outcome) -> None:
    word = (
        f"clean after {outcome.clean_s:.2f} s"
        if outcome.clean_s is not None
        else f"NOT CLEAN after {CLEAN_LIMIT_S:g} s"
    )
    back = (
        "the service did not recover"
        if outcome.recovered_s is None
        else f"the service recovered after {outcome.recovered_s:.2f} s"
    )
    print(f"round {drawn.number:>2}  killed at {drawn.kill_s:4.1f} s  {word}, {back}")
    print(f"          in force: {', '.join(outcome.in_force) or 'nothing'}")
    print(f"          left until then: {'; '.join(outcome.last) or 'nothing'}", flush=True)


def soak(count: int, seed: int, folder: Path, toxiproxy: str, *, has_healing: bool) -> Tally:
    """All rounds on one stack; it is down at the end."""
    kinds = known_faults()
    lacking = {name: kind.missing() for name, kind in kinds.items() if kind.missing()}
    for name, why in lacking.items():
        print(f"left out: {name}: {why}")
    every = rounds.lanes(name for name in kinds if name not in lacking)
    tally, stack = Tally(), Soak(folder, toxiproxy, has_healing=has_healing)
    try:
        stack.up()
        for number in range(1, count + 1):
            drawn = rounds.draw(number, every, tally.in_force, seed)
            outcome = stack.play(drawn)
            tally.add(outcome)
            _tell(drawn, outcome)
    finally:
        stack.call("down")
    return tally


def main() -> int:
    """Parse, soak, tell; one line of JSON at the end."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--toxiproxy", default="embedded", help="embedded, real or auto")
    parser.add_argument("--without-healing", action="store_true", help="take the journal away")
    parser.add_argument(
        "--keep", type=Path, help="a new folder for plans and logs, to look at afterwards"
    )
    chosen = parser.parse_args()
    with ExitStack() as stack:
        folder = chosen.keep or stack.enter_context(
            tempfile.TemporaryDirectory(prefix="flashdrill-soak-")
        )
        tally = soak(
            chosen.rounds,
            chosen.seed,
            Path(folder),
            chosen.toxiproxy,
            has_healing=not chosen.without_healing,
        )
    kinds = known_faults()
    possible = rounds.lanes(name for name, kind in kinds.items() if not kind.missing())
    print(json.dumps(tally.line([fault["id"] for lane in possible.values() for fault in lane])))
    return 0 if all(outcome.is_good for outcome in tally.outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
