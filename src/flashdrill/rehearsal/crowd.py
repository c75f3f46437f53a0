"""The crowd of one run, in one load process or several: started, told when to begin, followed until it is done."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from flashdrill.load import child
from flashdrill.load.orders import order
from flashdrill.load.several import Several, done
from flashdrill.load.spec import CrowdSpec, write_spec
from flashdrill.model.calibration import Calibration, together
from flashdrill.model.hosts import Admission
from flashdrill.model.scenario import Scenario, Stage
from flashdrill.rehearsal.folder import RunFolder
from flashdrill.rehearsal.hall import Hall
from flashdrill.rehearsal.system import Host

LEAD_S = 1.0
"""Between the start signal and the first arrival: the children poll for the signal."""

AWAY_LEAD_S = 2.0
"""The same for workers on other machines, which a master tells."""

STOP_TIMEOUT_S = 5.0


class Crowd:
    """As many load processes as the scenario says, children of the stack's guardian; each sends its share."""

    def __init__(
        self,
        scenario: Scenario,
        host: Host,
        folder: RunFolder,
        admission: Admission,
        bind: tuple[str, int] | None = None,
    ) -> None:
        self._host = host
        self._hall = Hall(folder, host, bind) if bind else None
        self.calibration: Calibration | None = None
        count = scenario.limits.workers
        specs = [
            CrowdSpec.from_scenario(
                scenario,
                base_url=host.backend_url,
                payment_url=host.payment_url,
                hmac_secret=host.hmac_secret,
                folder=folder.path,
                admission=admission,
                worker=worker,
                workers=count,
            )
            for worker in range(count)
        ]
        self._start = Path(specs[0].start_path)
        self._orders = Path(specs[0].orders_path)
        self._processes = [_process(spec, folder) for spec in specs]

    async def prepare(self, told: Callable[[str], None]) -> None:
        """Start the processes and wait until all could begin; before that they are calibrated, when the scenario asks,
        all at the same time. `told` hears of workers that are turned away."""
        for process in self._processes:
            write_spec(process.spec, process.spec_path)
        if self._hall is not None:
            await self._hall.open([process.spec_path for process in self._processes], self._start)
        async with asyncio.TaskGroup() as group:
            attending = group.create_task(self._hall.attend(told)) if self._hall else None
            preparing = [group.create_task(self._prepare(process)) for process in self._processes]
            found = [await task for task in preparing]
            if attending is not None:
                attending.cancel()
        self.calibration = together([own for own in found if own])

    def begin(self) -> int:
        """Let them begin; returns when the run starts (CLOCK_MONOTONIC ns). Raises InconclusiveError when one that was
        ready is lost: a smaller load is another one."""
        if self._hall is not None:
            self._hall.check()
        lead_s = LEAD_S if self._hall is None else AWAY_LEAD_S
        t0_ns = time.monotonic_ns() + int(lead_s * 1e9)
        child.start(self._start, t0_ns)
        return t0_ns

    def order(self, stages: tuple[Stage, ...]) -> None:
        """Let these stages follow those ordered before; none: no more will come."""
        order(self._orders, stages)

    async def follow(self, told: Callable[[dict[str, Any]], None]) -> None:
        """Pass on what they say, as if one process had said it, until all are done.

        Raises InconclusiveError, which names it, as soon as one dies or falls silent.
        """
        several = Several(len(self._processes))
        async with asyncio.TaskGroup() as group:
            for process in self._processes:
                group.create_task(self._follow(process, several, told))

    def last_words(self) -> dict[str, Any]:
        """The totals of a load that nobody has followed to its end; empty unless every process has told its own."""
        told = {process.spec.worker: child.last_words(process.live) for process in self._processes}
        parts = {worker: line for worker, line in told.items() if line}
        if len(parts) < len(self._processes):
            return {}
        if self._hall is not None:
            return self._hall.with_clocks(done(parts))
        return done(parts) if len(parts) > 1 else parts[0]

    async def stop(self) -> None:
        """End the arrivals and let every process write what it has; nothing happens to those that are done already."""
        if self._hall is not None:
            await self._hall.close()
            return
        async with asyncio.TaskGroup() as group:
            for process in self._processes:
                if self._is_alive(process):
                    group.create_task(self._host.stop(process.name, timeout_s=STOP_TIMEOUT_S))

    def forget_secret(self) -> None:
        """Remove the specifications, which hold the run's signing secret."""
        for process in self._processes:
            process.spec_path.unlink(missing_ok=True)
        if self._hall is not None:
            self._hall.forget()

    async def _prepare(self, process: _Process) -> Calibration | None:
        if self._hall is not None:
            ready = await self._hall.wait_ready(process.spec)
            found = ready.get("calibration")
            return msgspec.convert(found, Calibration) if found else None
        await self._host.spawn(
            process.name,
            child.command(process.spec_path),
            env=child.environment(process.spec_path),
            log=process.log,
        )
        ready = await child.wait_ready(
            process.live,
            lambda: self._is_alive(process),
            timeout_s=child.READY_TIMEOUT_S + process.spec.calibrate_s,
            who=process.who,
        )
        found = ready.get("calibration")
        return msgspec.convert(found, Calibration) if found else None

    async def _follow(
        self, process: _Process, several: Several, told: Callable[[dict[str, Any]], None]
    ) -> None:
        if self._hall is not None:
            lines = self._hall.follow(process.spec)
        else:
            lines = child.follow(process.live, lambda: self._is_alive(process), who=process.who)
        async for line in lines:
            if len(self._processes) == 1 and self._hall is None:
                told(line)
                continue
            for merged in several.take(process.spec.worker, line):
                told(merged if self._hall is None else self._hall.with_clocks(merged))

    def _is_alive(self, process: _Process) -> bool:
        return self._host.is_running(process.name)


@dataclass(frozen=True, slots=True)
class _Process:
    """One load process. `who` is what people are told of it."""

    name: str
    who: str
    spec: CrowdSpec
    spec_path: Path
    log: Path

    @property
    def live(self) -> Path:
        return Path(self.spec.live_path)


def _process(spec: CrowdSpec, folder: RunFolder) -> _Process:
    if spec.workers == 1:
        log = folder.logs / "crowd.log"
        return _Process("crowd", child.ALONE, spec, folder.crowd, log)
    name = f"crowd-{spec.worker}"
    who = f"load process {spec.worker + 1} of {spec.workers} ({name})"
    return _Process(name, who, spec, folder.path / f"{name}.json", folder.logs / f"{name}.log")
