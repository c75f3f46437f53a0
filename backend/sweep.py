"""Reservations that nothing refers to any more: of a process that died, of an answer that was lost.

A reservation that nobody has used for `hold_s` is looked up on its shard: recorded there, it is settled; waiting in
the queue, it stays; neither, its units go back. Without the shard's answer nothing is released.
"""

from __future__ import annotations

import logging

from backend.breakers import BreakerOpenError
from backend.clock import Clock
from backend.deadline import Deadline
from backend.errors import ServiceError
from backend.events import EventLog
from backend.gate import Gate
from backend.lanes import Lane
from backend.settings import Settings
from backend.shards import Shards

LOG = logging.getLogger("backend.sweep")
BATCH = 200


class Sweep:
    """The sweep of all shards; `run` belongs to the service's task group."""

    def __init__(
        self,
        *,
        settings: Settings,
        clock: Clock,
        shards: Shards,
        gate: Gate,
        lanes: list[Lane],
        events: EventLog,
    ) -> None:
        self._hold_s = settings.hold_s
        self._every_s = settings.sweep_every_s
        self._deadline_s = settings.request_deadline_s
        self._clock = clock
        self._shards = shards
        self._gate = gate
        self._lanes = lanes
        self._events = events

    async def run(self) -> None:
        """Sweep every `sweep_every_s` until cancelled."""
        while True:
            await self._clock.sleep(self._every_s)
            for lane in self._lanes:
                try:
                    await self.sweep(lane.number)
                except (ServiceError, BreakerOpenError) as error:
                    LOG.info("%s is not swept this time: %s", lane.name, error)

    async def sweep(self, shard: int) -> int:
        """How many reservations of the shard were given back. Raises ServiceError or BreakerOpenError."""
        since = self._clock.now() - self._hold_s
        uids = await self._gate.pending(shard, since, BATCH, self._deadline())
        uids = [uid for uid in uids if self._lanes[shard].waiting(uid) is None]
        if not uids:
            return 0
        recorded = await self._shards.existing(shard, uids, self._deadline())
        released = 0
        for uid in uids:
            if uid in recorded:
                await self._gate.settle(shard, uid, recorded[uid], self._deadline())
            elif self._lanes[shard].waiting(uid) is None:
                released += await self._gate.expire(shard, uid, since, self._deadline())
        if released:
            self._events.emit("gate", f"shard{shard}", state="swept", released=released)
        return released

    def _deadline(self) -> Deadline:
        return Deadline.after(self._deadline_s)
