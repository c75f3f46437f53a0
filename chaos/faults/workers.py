"""This order system's own fault: fewer workers than it was planned with.

The service is one asyncio process; its workers are its request slots (`in_flight_max`), and what finds none free is
refused with 503 at once. It reads that one setting again on SIGHUP, as servers with worker processes do.
"""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from flashdrill import Fault
from flashdrill.chaos.canary import Reading, converse
from flashdrill.chaos.fault import Evidence, FaultContext, Parameter
from flashdrill.chaos.target import required_pid
from flashdrill.chaos.wire import Wire
from flashdrill.errors import ConfigError, StackError
from flashdrill.observe.prometheus import scrape

KEY = "in_flight_max"
MOST_WORKERS = 200
MORE = 3
"""How many more requests than there are workers are held open at once."""
WAIT_S = 0.3
"""How long a request is held open; one that is refused is refused at once."""
POLL_S = 0.05
_HALF_A_REQUEST = (
    b"POST /payments/callback HTTP/1.1\r\nHost: canary\r\nContent-Type: application/json\r\n"
    b"Content-Length: 1000\r\n\r\n{"
)


@dataclass(frozen=True, slots=True)
class Slots:
    """How many requests the service says it takes at once, and how many of some that were sent it refused."""

    capacity: int
    refused: int
    sent: int


class Workers(Fault):
    """Gives the service fewer workers: `workers` requests at once, any more are refused with 503.

    Seen when the service's own gauge says so and, of a few more half-sent requests than that held open at once, some
    are refused with 503 at once; before, none was. Healed when the gauge is what it was, and none is refused.
    """

    kind = "workers"
    slows = True
    target_kinds = frozenset({"http"})
    parameters: ClassVar[Mapping[str, Parameter]] = {
        "workers": Parameter(
            "int", description="how many are left; at most 200", least=1, most=MOST_WORKERS
        ),
    }

    def __init__(self) -> None:
        self._usual = 0

    async def baseline(self, ctx: FaultContext) -> Slots:
        """What the service takes at once. Raises OSError, StackError."""
        slots = await _look(ctx)
        self._usual = slots.capacity
        return slots

    def undo(self, ctx: FaultContext) -> dict[str, Any]:
        """The setting as it was, and SIGHUP. Raises ConfigError, StackError."""
        workers = ctx.parameters["workers"]
        if not self._usual:
            raise StackError("the service did not say how many workers it has")
        if not 0 < workers <= MOST_WORKERS or workers >= self._usual:
            raise ConfigError(
                f"fault {ctx.planned.id!r}: workers is from 1 to {min(MOST_WORKERS, self._usual - 1)}, not {workers}"
            )
        required_pid(ctx.processes, ctx.target.process_name)
        steps = [
            {"type": "json_value", "path": str(_settings(ctx)), "key": KEY, "value": self._usual},
            ctx.processes.signalling(ctx.target.process_name, signal.SIGHUP),
        ]
        return {"type": "all", "steps": steps}

    async def inject(self, ctx: FaultContext) -> None:
        """Write the setting, and tell the service. Raises OSError, StackError."""
        await self._set(ctx, ctx.parameters["workers"])

    async def observe(self, ctx: FaultContext, baseline: Slots) -> Evidence:
        """Until the gauge says so, and requests are refused."""
        now = asyncio.get_running_loop().time
        began = now()
        workers = ctx.parameters["workers"]
        while True:
            slots = await _look(ctx)
            is_seen = slots.capacity == workers and slots.refused > 0 and not baseline.refused
            if is_seen or now() - began + WAIT_S > ctx.observe_s:
                break
            await asyncio.sleep(POLL_S)
        found = {
            "workers_before": baseline.capacity,
            "workers": slots.capacity,
            "requests_at_once": slots.sent,
            "refused_before": baseline.refused,
            "refused": slots.refused,
            "observed_after_s": round(now() - began, 3),
        }
        return Evidence(is_seen, found)

    async def heal(self, ctx: FaultContext) -> None:
        """Write what it was, and tell the service; nothing to do when that was never known."""
        if self._usual:
            await self._set(ctx, self._usual)

    async def verify_healed(self, ctx: FaultContext) -> Evidence:
        """The gauge is what it was, and nothing is refused (the crowd may need all workers just now)."""
        slots = await _look(ctx)
        setting = json.loads(_settings(ctx).read_text()).get(KEY, self._usual)
        found = {"workers": slots.capacity, "refused": slots.refused, "setting": setting}
        if self._usual and (slots.capacity, setting) != (self._usual, self._usual):
            return Evidence(False, {"reason": f"it has {slots.capacity} workers", **found})
        if slots.refused and not ctx.others_in_force():
            return Evidence(
                False, {"reason": f"it refuses {slots.refused} of {slots.sent}", **found}
            )
        return Evidence(True, found)

    async def _set(self, ctx: FaultContext, workers: int) -> None:
        _write(_settings(ctx), workers)
        await ctx.processes.signal(ctx.target.process_name, signal.SIGHUP)


def _settings(ctx: FaultContext) -> Path:
    if ctx.target.settings_file is None:
        raise StackError(f"nobody knows where the settings of {ctx.target.name} are")
    return ctx.target.settings_file


def _write(path: Path, workers: int) -> None:
    """One key; all at once, and with the file's own mode: it has secrets."""
    document = {**json.loads(path.read_text()), KEY: workers}
    beside = path.with_name(f"{path.name}.new")
    beside.touch(mode=0o600)
    beside.chmod(path.stat().st_mode)
    beside.write_text(json.dumps(document))
    beside.replace(path)


async def _look(ctx: FaultContext) -> Slots:
    """The gauge, and some requests at once."""
    host, port = ctx.target.upstream
    url = f"http://{host}:{port}/metrics"
    capacities = [
        sample.value
        for sample in await scrape(url, prefix="flashdrill_resource_capacity")
        if sample.labels.get("resource") == "requests"
    ]
    if not capacities:
        raise StackError(f"{url} does not say how many requests the service takes at once")
    sent = ctx.parameters["workers"] + MORE
    refusals = await asyncio.gather(*(_is_refused(ctx) for _ in range(sent)))
    return Slots(int(capacities[0]), sum(refusals), sent)


async def _is_refused(ctx: FaultContext) -> bool:
    """Whether half a request is answered with 503 instead of being waited for."""
    heard = b""

    async def talk(wire: Wire) -> bool:
        nonlocal heard
        await wire.send(_HALF_A_REQUEST)
        heard = await wire.receive()
        return bool(heard)

    reading: Reading = await converse(ctx.target.upstream, talk, WAIT_S)
    return reading.is_answered and heard.startswith(b"HTTP/1.1 503")
