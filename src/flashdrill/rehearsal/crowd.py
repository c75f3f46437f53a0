"""The crowd of one run: started, told when to begin, followed until it is done."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import msgspec

from flashdrill.load import child
from flashdrill.load.spec import CrowdSpec, write_spec
from flashdrill.model.calibration import Calibration
from flashdrill.model.hosts import Admission
from flashdrill.model.scenario import Scenario
from flashdrill.rehearsal.folder import RunFolder
from flashdrill.rehearsal.system import Host

LEAD_S = 1.0
"""Between the start signal and the first arrival: the child polls for the signal."""


class Crowd:
    """One load process, a child of the stack's guardian."""

    def __init__(
        self, scenario: Scenario, host: Host, folder: RunFolder, admission: Admission
    ) -> None:
        self._host = host
        self._spec_path = folder.crowd
        self._log = folder.logs / "crowd.log"
        self.calibration: Calibration | None = None
        self._spec = CrowdSpec.from_scenario(
            scenario,
            base_url=host.backend_url,
            payment_url=host.payment_url,
            hmac_secret=host.hmac_secret,
            folder=folder.path,
            admission=admission,
        )

    async def prepare(self) -> None:
        """Start the process and wait until it could begin; before that it is calibrated, when the scenario asks."""
        write_spec(self._spec, self._spec_path)
        await self._host.spawn(
            "crowd",
            child.command(self._spec_path),
            env=child.environment(self._spec_path),
            log=self._log,
        )
        patience_s = child.READY_TIMEOUT_S + self._spec.calibrate_s
        ready = await child.wait_ready(self._live, self._is_alive, timeout_s=patience_s)
        if found := ready.get("calibration"):
            self.calibration = msgspec.convert(found, Calibration)

    def begin(self) -> int:
        """Let it begin; returns when the run starts (CLOCK_MONOTONIC ns)."""
        t0_ns = time.monotonic_ns() + int(LEAD_S * 1e9)
        child.start(self._start, t0_ns)
        return t0_ns

    async def follow(self, told: Callable[[dict[str, Any]], None]) -> None:
        """Pass on every line that it says until it is done."""
        async for line in child.follow(self._live, self._is_alive):
            told(line)

    async def stop(self) -> None:
        """End its arrivals and let it write what it has; nothing happens when it is done already."""
        if self._is_alive():
            await self._host.stop("crowd", timeout_s=5.0)

    def forget_secret(self) -> None:
        """Remove the specification, which holds the run's signing secret."""
        self._spec_path.unlink(missing_ok=True)

    @property
    def _live(self) -> Any:
        return self._spec_path.parent / self._spec.live_path

    @property
    def _start(self) -> Any:
        return self._spec_path.parent / self._spec.start_path

    def _is_alive(self) -> bool:
        return self._host.is_running("crowd")
