"""The course of one fault, from its baseline to the proof that nothing of it is left.

waiting ── baseline ── admitted ── journal ── inject ── observe ── wait ── heal ── verify ── journal
                                              └────────────── whatever happens ──┘
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any

from flashdrill.chaos.fault import Evidence, Fault, FaultContext
from flashdrill.chaos.unhurried import finish
from flashdrill.model.faults import FaultRecord
from flashdrill.model.journal import Journal

BASELINE_TIMEOUT_S = 4.0
INJECT_TIMEOUT_S = 10.0
OBSERVE_GRACE_S = 1.0
"""How much longer than allowed an observation may take before it is cut off."""
HEAL_PAUSE_S = 0.2
ENDED_EARLY = "it had ended before it was healed"

Tell = Callable[[dict[str, Any]], None]
Admit = Callable[[float], Awaitable[str]]
"""Why a fault must not be made now, or nothing; given the run's start."""
_log = logging.getLogger(__name__)


async def _anybody(_t0_s: float) -> str:
    return ""


class Course:
    """One fault of a run. `t0_s` and all times are seconds of the monotonic clock."""

    def __init__(
        self,
        fault: Fault,
        ctx: FaultContext,
        *,
        journal: Journal,
        on_event: Tell,
        now: Callable[[], float] = time.monotonic,
        admit: Admit = _anybody,
    ) -> None:
        self.fault = fault
        self.ctx = ctx
        self.is_in_force = False
        self.has_begun = False
        self.is_over = asyncio.Event()
        """Healed as far as the fault itself goes, or never made."""
        self.is_gone = asyncio.Event()
        """Proven to be healed, or never made."""
        self.is_decided = asyncio.Event()
        """Made, or never to be made: whoever follows it can go on."""
        self.cue_s: float | None = None
        """When its moment had come; None: it has not."""
        self._journal = journal
        self._on_event = on_event
        self._now = now
        self._admit = admit
        self._t0_s = 0.0
        self._started_s: float | None = None
        self._ended_s: float | None = None
        self._was_tried = False
        self._was_made = False
        self._was_due = True
        self._is_observed = False
        self._is_healed = False
        self._evidence: dict[str, Any] = {}
        self._errors: list[str] = []
        self._healing = asyncio.Lock()

    @property
    def id(self) -> str:
        """The fault's id in the plan."""
        return self.ctx.planned.id

    @property
    def attempted_s(self) -> float | None:
        """When the injection began; None: it was never tried, or not yet."""
        return self._started_s if self._was_tried else None

    @property
    def end_s(self) -> float | None:
        """When it is to end, once it has begun."""
        attempted_s = self.attempted_s
        return None if attempted_s is None else attempted_s + self.ctx.planned.duration_s

    async def run(self, t0_s: float, baseline_lead_s: float, start_s: float) -> None:
        """Live through it from `start_s` after the run's start on.

        Errors are recorded, never raised; a cancellation goes on after the healing.
        """
        self._t0_s = t0_s
        try:
            await self._sleep_until(t0_s + start_s - baseline_lead_s)
            baseline = await self._baseline()
            await self._sleep_until(t0_s + start_s)
            self.cue_s = self._now()
            if refusal := await self._admit(t0_s):
                self.give_up(t0_s, refusal)
            else:
                await self._strike(baseline)
        finally:
            try:
                await finish(self.heal())
            finally:
                self.is_over.set()
                self.is_decided.set()
                if not self.is_in_force:
                    self.is_gone.set()

    def told_to_start(self) -> None:
        """Its condition has come true."""
        trigger = self.ctx.planned.trigger
        self._tell("triggered", trigger.condition.text if trigger and trigger.condition else "")

    def give_up(self, t0_s: float, reason: str) -> None:
        """It is not made, and this is why."""
        trigger = self.ctx.planned.trigger
        self._t0_s = t0_s
        self.has_begun = True
        self._started_s = self._ended_s = self._now()
        self._was_due = not (trigger and trigger.is_optional)
        self._is_healed = True
        if self._was_due:
            self._fail(reason)
        else:
            self._errors.append(reason)
            self._tell("not due", reason)
        for event in (self.is_over, self.is_gone, self.is_decided):
            event.set()

    async def heal(self) -> bool:
        """End the fault and prove it; True when nothing of it is left. Can be called again, and at once twice."""
        async with self._healing:
            if not self.is_in_force:
                return self._is_healed
            evidence = await self._healed()
            self._ended_s = self._ended_s or self._now()
            self._evidence["healing"] = evidence.measurements
            self._is_healed = evidence.observed
            if self.fault.has_ended_early and ENDED_EARLY not in self._errors:
                self._is_observed = False
                self._fail(ENDED_EARLY)
            if self._is_healed:
                self.is_in_force = False
                self.is_gone.set()
                self._note_healed()
            else:
                self._not_healed(evidence)
            return self._is_healed

    def record(self) -> FaultRecord:
        """What became of it, as far as is known now."""
        planned = self.ctx.planned
        condition = planned.trigger.condition if planned.trigger else None
        start_s = planned.start_s if self._started_s is None else self._started_s - self._t0_s
        end_s = self._ended_s if self._ended_s is not None else self._started_s
        return FaultRecord(
            id=planned.id,
            kind=planned.kind,
            target=planned.target,
            start_s=round(start_s, 6),
            end_s=round(start_s if end_s is None else end_s - self._t0_s, 6),
            effect_observed=self._is_observed,
            healed=self._is_healed,
            evidence=dict(self._evidence),
            error="; ".join(self._errors),
            slows=self.fault.slows,
            was_made=self._was_made,
            was_due=self._was_due,
            condition=condition.text if condition else "",
            drawn=dict(planned.drawn),
        )

    async def _baseline(self) -> Any:
        try:
            async with asyncio.timeout(BASELINE_TIMEOUT_S):
                return await self.fault.baseline(self.ctx)
        except Exception as error:
            self._fail(f"no baseline: {_words(error)}")
            return None

    async def _strike(self, baseline: Any) -> None:
        """Journal, inject, and stay in force until the time is over."""
        self.has_begun = True
        self._was_tried = True
        self._started_s = self._now()
        try:
            self._journal.injecting(self.id, self.fault.undo(self.ctx))
            self.is_in_force = True
            self._started_s = self._now()
            async with asyncio.timeout(INJECT_TIMEOUT_S):
                await self.fault.inject(self.ctx)
        except Exception as error:
            self._is_healed = not self.is_in_force
            self._fail(f"injection failed: {_words(error)}")
            return
        finally:
            self.is_decided.set()
        self._was_made = True
        self._tell("inject")
        await self._observe(baseline)
        await self._sleep_until(self._started_s + self.ctx.planned.duration_s)

    async def _observe(self, baseline: Any) -> None:
        if baseline is None and self._errors:
            return
        evidence = Evidence(False, {"reason": "the observation did not come to an end"})
        try:
            async with asyncio.timeout(self.ctx.observe_s + OBSERVE_GRACE_S):
                evidence = await self.fault.observe(self.ctx, baseline)
        except Exception as error:
            self._errors.append(f"observation failed: {_words(error)}")
        self._evidence.update(evidence.measurements)
        self._is_observed = evidence.observed
        if evidence.observed:
            self._tell("observed")
        else:
            self._fail(str(evidence.measurements.get("reason", "its effect was not seen")))

    async def _healed(self) -> Evidence:
        """Heal and verify, again and again within the limit."""
        last = Evidence(False, {"reason": "not finished in time"})
        try:
            async with asyncio.timeout(self.fault.heal_limit_s):
                while True:
                    last = await self._heal_once()
                    if last.observed:
                        return last
                    await asyncio.sleep(HEAL_PAUSE_S)
        except TimeoutError:
            return last

    async def _heal_once(self) -> Evidence:
        try:
            await self.fault.heal(self.ctx)
            if self._ended_s is None:
                self._ended_s = self._now()
            self.is_over.set()
            return await self.fault.verify_healed(self.ctx)
        except Exception as error:
            return Evidence(False, {"reason": _words(error)})

    def _note_healed(self) -> None:
        """A journal that cannot be told must not keep the others from being healed; it is healed from once more."""
        try:
            self._journal.healed(self.id)
        except OSError as error:
            self._fail(f"it is healed, but the journal cannot be told: {_words(error)}")
        else:
            self._tell("healed")

    def _not_healed(self, evidence: Evidence) -> None:
        reason = evidence.measurements.get("reason", evidence.measurements)
        message = f"NOT HEALED after {self.fault.heal_limit_s:g} s: {reason}"
        _log.error("fault %s on %s: %s", self.id, self.ctx.target.name, message)
        self._fail(message)

    def _fail(self, message: str) -> None:
        self._errors.append(message)
        self._tell("failed", message)

    def _tell(self, phase: str, detail: str = "") -> None:
        event = {
            "t_mono_ns": time.monotonic_ns(),
            "event": "fault",
            "id": self.id,
            "phase": phase,
            "kind": self.ctx.planned.kind,
            "target": self.ctx.planned.target,
        }
        if phase == "inject" and self.ctx.planned.drawn:
            event["drawn"] = dict(self.ctx.planned.drawn)
        self._on_event({**event, "detail": detail} if detail else event)

    async def _sleep_until(self, moment_s: float) -> None:
        await asyncio.sleep(max(0.0, moment_s - self._now()))


def _words(error: Exception) -> str:
    """An error in one line."""
    return " ".join(str(error).split()) or type(error).__name__
