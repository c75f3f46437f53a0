"""Workers on other machines: a Locust master is the load process here, and mirrors what each of them records."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

import msgspec

from flashdrill.errors import FlashdrillError, InconclusiveError, StackError
from flashdrill.load import child, hall
from flashdrill.load.spec import CrowdSpec
from flashdrill.rehearsal.folder import RunFolder
from flashdrill.rehearsal.system import Host

NAME = "crowd"
COME_TIMEOUT_S = 120.0
"""So long the workers may take to come."""

CLOSE_TIMEOUT_S = 8.0
"""For the master and what the workers still hand in."""

_REMEDY = "start it with: flashdrill worker --master {}:{}"


class Hall:
    """Where the workers of a run come to."""

    def __init__(self, folder: RunFolder, host: Host, bind: tuple[str, int]) -> None:
        self._host, self._bind = host, bind
        self._events = folder.master_events
        self._orders = folder.path / "master.json"
        self._log = folder.logs / "crowd.log"
        self._ready: list[CrowdSpec] = []

    async def open(self, specs: Sequence[Path], start: Path) -> None:
        """Start the master."""
        host, port = self._bind
        orders = hall.Orders(host, port, tuple(map(str, specs)), str(self._events), str(start))
        self._orders.write_bytes(msgspec.json.encode(orders))
        command = [sys.executable, "-P", "-m", "flashdrill.load.master", str(self._orders)]
        await self._host.spawn(NAME, command, env={}, log=self._log)

    async def wait_ready(self, spec: CrowdSpec) -> dict[str, Any]:
        """The first line of a worker. Raises InconclusiveError, which names it, when it does not come or cannot start,
        and StackError when the master cannot."""
        try:
            line = await child.wait_ready(
                Path(spec.live_path),
                lambda: self._is_there(spec.worker),
                timeout_s=COME_TIMEOUT_S + spec.calibrate_s,
                who=self._who(spec),
            )
        except StackError as error:
            if not self._host.is_running(NAME):
                raise StackError(
                    f"no Locust master on {self._bind[0]}:{self._bind[1]}",
                    remedy="see logs/crowd.log in the run's folder; give a free port with --bind",
                ) from None
            remedy = "; ".join([*hall.refused(self._events), _REMEDY.format(*self._bind)])
            raise self._named(spec, error, remedy=remedy) from None
        self._ready.append(spec)
        return line

    async def attend(self, told: Callable[[str], None]) -> NoReturn:
        """Tell of whoever is turned away while others are waited for; until it is cancelled. Raises InconclusiveError
        as soon as a worker that was ready is lost."""
        count = 0
        while True:
            refused = hall.refused(self._events)
            for words in refused[count:]:
                told(words)
            count = len(refused)
            self.check()
            await asyncio.sleep(child.POLL_S)

    def check(self) -> None:
        """Raise InconclusiveError, which names it, when a worker that was ready is lost."""
        lost = hall.lost(self._events)
        for spec in self._ready:
            if spec.worker in lost:
                raise InconclusiveError(self._lost(spec, lost[spec.worker]))

    async def follow(self, spec: CrowdSpec) -> AsyncIterator[dict[str, Any]]:
        """The lines of a worker, until it is done. Raises InconclusiveError, which names it, when it is lost."""
        lines = child.follow(
            Path(spec.live_path), lambda: self._is_there(spec.worker), who=self._who(spec)
        )
        try:
            async for line in lines:
                yield line
        except InconclusiveError as error:
            if not self._host.is_running(NAME):
                raise InconclusiveError("the Locust master died in mid-run") from None
            raise self._named(spec, error) from None

    def with_clocks(self, line: dict[str, Any]) -> dict[str, Any]:
        """The load's last line, with each worker's machine and how well its clock is known."""
        if line["event"] != "done":
            return line
        names, clocks = hall.joined(self._events), hall.clocks(self._events)
        for worker in line["workers"]:
            number = worker["worker"]
            worker["name"] = names[number]
            if clock := clocks.get(number):  # a load that was stopped before it began has none
                worker["clock_error_ms"] = round(clock.error_ns / 1e6, 3)
        return line

    async def close(self) -> None:
        """End the arrivals; the workers hand in what they have."""
        if self._host.is_running(NAME):
            await self._host.stop(NAME, timeout_s=CLOSE_TIMEOUT_S)

    def forget(self) -> None:
        """Remove what the master has read."""
        self._orders.unlink(missing_ok=True)

    def _is_there(self, worker: int) -> bool:
        return self._host.is_running(NAME) and worker not in hall.lost(self._events)

    def _who(self, spec: CrowdSpec) -> str:
        name = hall.joined(self._events).get(spec.worker)
        return f"worker {spec.worker + 1} of {spec.workers}" + (f" ({name})" if name else "")

    def _named(
        self, spec: CrowdSpec, error: FlashdrillError, remedy: str = ""
    ) -> InconclusiveError:
        lost = hall.lost(self._events)
        words = self._lost(spec, lost[spec.worker]) if spec.worker in lost else error.message
        return InconclusiveError(words, remedy=remedy)

    def _lost(self, spec: CrowdSpec, why: str) -> str:
        return f"{self._who(spec)} " + (f"gave up: {why}" if why else "was not heard of any more")
