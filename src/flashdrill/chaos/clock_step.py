"""A server whose clock jumps."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, ClassVar

from flashdrill.chaos.canary import CANARY_TIMEOUT_S, Seen, converse
from flashdrill.chaos.fault import Evidence, Fault, FaultContext, Parameter
from flashdrill.chaos.target import Address
from flashdrill.chaos.wire import Wire
from flashdrill.errors import ConfigError, StackError
from flashdrill.model.faketime import faketime_library

NORMAL = "+0"
TOLERANCE_S = 1.5
"""A Date header has whole seconds, and may be a second old."""
SMALLEST_STEP_S = 3.0
POLL_S = 0.05
_QUESTION = b"GET /healthz HTTP/1.1\r\nHost: canary\r\nConnection: close\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Offset:
    """How far a server's Date header is from this machine's clock; None, and why, when it told none."""

    seconds: float | None
    seen: str

    def is_near(self, seconds: float) -> bool:
        """Whether it is so far, as well as a Date header can say."""
        return self.seconds is not None and abs(self.seconds - seconds) <= TOLERANCE_S


class ClockStep(Fault):
    """Steps the wall clock of a service by `step`, as a wrong NTP server does; nobody else's, and no timers.

    The service runs under libfaketime. Seen when the Date header of its answers is off by the step, give or take
    1.5 s. Healed when the header is right again and the file that sets the clock says so.
    """

    kind = "clock_step"
    target_kinds = frozenset({"http"})
    needs = frozenset({"clock"})
    parameters: ClassVar[Mapping[str, Parameter]] = {
        "step": Parameter(
            "signed_duration",
            description="how far, such as -30s; at least 3 s either way",
            unit="s",
        ),
    }

    def __init__(self) -> None:
        self._is_injected = False

    @classmethod
    def missing(cls) -> str:
        """libfaketime."""
        if faketime_library():
            return ""
        return "there is no libfaketime: pip install libfaketime (x86-64), or apt-get install libfaketime"

    async def baseline(self, ctx: FaultContext) -> Offset:
        """How far the service's clock is from this one."""
        return await _offset(ctx.target.upstream)

    def undo(self, ctx: FaultContext) -> dict[str, Any]:
        """The file that sets the clock, as it should be. Raises ConfigError, StackError."""
        if abs(ctx.parameters["step"]) < SMALLEST_STEP_S:
            raise ConfigError(
                f"fault {ctx.planned.id!r}: a step of less than {SMALLEST_STEP_S:g} s cannot be seen"
            )
        return {"type": "file_text", "path": str(_clock_file(ctx)), "text": NORMAL}

    async def inject(self, ctx: FaultContext) -> None:
        """Step the clock. Raises StackError when the service has no clock of its own."""
        _set(_clock_file(ctx), f"{ctx.parameters['step']:+f}")
        self._is_injected = True

    async def observe(self, ctx: FaultContext, baseline: Offset) -> Evidence:
        """Until the Date header is off by the step."""
        now = asyncio.get_running_loop().time
        began = now()
        step_s = ctx.parameters["step"]
        while True:
            offset = await _offset(ctx.target.upstream)
            shift_s = _difference(offset, baseline)
            is_seen = shift_s is not None and abs(shift_s - step_s) <= TOLERANCE_S
            if is_seen or now() - began > ctx.observe_s:
                break
            await asyncio.sleep(POLL_S)
        return Evidence(
            is_seen,
            {
                "step_s": step_s,
                "offset_before_s": _rounded(baseline.seconds),
                "offset_s": _rounded(offset.seconds),
                "canary": offset.seen,
                "observed_after_s": round(now() - began, 3),
            },
        )

    async def heal(self, ctx: FaultContext) -> None:
        """Set the clock right; nothing to do for a service without one of its own."""
        if ctx.target.clock_file is None:
            return
        if self._is_injected and _text(ctx.target.clock_file) == NORMAL:
            self.has_ended_early = True
        self._is_injected = False
        _set(ctx.target.clock_file, NORMAL)

    async def verify_healed(self, ctx: FaultContext) -> Evidence:
        """The file says that nothing is stepped, and the Date header is right."""
        if ctx.target.clock_file is None:
            return Evidence(True, {"reason": "it has no clock of its own"})
        if (text := _text(ctx.target.clock_file)) != NORMAL:
            return Evidence(False, {"reason": f"the clock is still set to {text!r}"})
        offset = await _offset(ctx.target.upstream)
        found = {"offset_after_s": _rounded(offset.seconds), "after": offset.seen}
        if offset.is_near(0.0):
            return Evidence(True, found)
        if offset.seconds is None and (others := ctx.others_in_force()):
            return Evidence(True, {**found, "others_in_force": list(others)})
        return Evidence(False, {"reason": f"its clock is off by {offset.seconds} s", **found})


async def _offset(address: Address) -> Offset:
    """Ask for a Date header. Never raises for what the network does."""
    heard = b""

    async def talk(wire: Wire) -> bool:
        nonlocal heard
        await wire.send(_QUESTION)
        while b"\r\n\r\n" not in heard:
            data = await wire.receive()
            if not data:
                return False
            heard += data
        return True

    reading = await converse(address, talk, CANARY_TIMEOUT_S)
    if reading.seen is not Seen.ANSWERED:
        return Offset(None, str(reading.seen))
    for line in heard.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"date":
            told = parsedate_to_datetime(value.decode("latin-1").strip()).timestamp()
            return Offset(told + 0.5 - time.time(), str(reading.seen))  # a whole second: its middle
    return Offset(None, "an answer without a Date header")


def _difference(offset: Offset, baseline: Offset) -> float | None:
    if offset.seconds is None or baseline.seconds is None:
        return None
    return offset.seconds - baseline.seconds


def _clock_file(ctx: FaultContext) -> Path:
    if ctx.target.clock_file is None:
        raise StackError(f"{ctx.target.name} has no clock of its own")
    return ctx.target.clock_file


def _set(path: Path, text: str) -> None:
    """All at once: the service may read it at any moment."""
    beside = path.with_name(f"{path.name}.new")
    beside.write_text(f"{text}\n")
    beside.chmod(0o600)
    beside.replace(path)


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError as error:
        return f"({error.strerror})"


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)
