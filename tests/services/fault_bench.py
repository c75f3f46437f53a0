"""One fault at a time on a target of the test's own, as it is or with a part that does nothing; and undoing by hand."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flashdrill.chaos.catalogue import catalogue
from flashdrill.chaos.fault import Fault, FaultContext
from flashdrill.chaos.target import ProcessControl, Target
from flashdrill.chaos.timetable import Chaos
from flashdrill.model.faults import FaultPlan, FaultRecord, PlannedFault
from flashdrill.model.journal import Journal, unhealed
from flashdrill.stack.healing import why_left
from flashdrill.stack.undo.circumstances import Circumstances
from tests.services.chaos_rig import PATIENCE_S, Processes, healed_at_last

IDLE_HEAL_S = 1.0
"""How long a healing that does nothing is waited for."""


@dataclass
class Bench:
    """A target, and the kinds that can be tried on it."""

    target: Target
    folder: Path
    processes: ProcessControl = field(default_factory=Processes)
    kinds: dict[str, type[Fault]] = field(default_factory=catalogue)
    events: list[dict[str, Any]] = field(default_factory=list)
    fault: str = "f"  # its id
    others: dict[str, Target] = field(default_factory=dict)

    @property
    def journal_path(self) -> Path:
        """Where the undoing stands."""
        return self.folder / "journal.jsonl"

    async def run(self, kind: str, sabotage: str = "", **parameters: Any) -> FaultRecord:
        """What became of a fault; `sabotage` names what does nothing: inject or heal. All is healed in the end."""
        is_over = False
        original = self.kinds[kind]
        fault = _sabotaged(original, sabotage, lambda: is_over) if sabotage else original
        async with self.chaos(fault, **parameters) as chaos:
            (record,) = await chaos.run(asyncio.get_running_loop().time())
            is_over = True
            assert await healed_at_last(chaos) == ()
        return record

    @asynccontextmanager
    async def in_force(self, kind: str, **parameters: Any) -> AsyncIterator[dict[str, Any]]:
        """A fault that was seen; its undo, as a guardian would read it."""
        async with (
            self.chaos(self.kinds[kind], duration_s=60.0, **parameters) as chaos,
            asyncio.TaskGroup() as group,
        ):
            task = group.create_task(chaos.run(asyncio.get_running_loop().time()))
            async with asyncio.timeout(PATIENCE_S):
                while self.phases() != ["inject", "observed"]:
                    assert "failed" not in self.phases(), self.events
                    await asyncio.sleep(0.01)
            ((_, undo),) = unhealed(self.journal_path)
            yield undo
            task.cancel()

    @asynccontextmanager
    async def chaos(
        self, kind: type[Fault], duration_s: float = 0.8, **parameters: Any
    ) -> AsyncIterator[Chaos]:
        """The timetable of one fault, which begins at once."""
        line = PlannedFault(self.fault, kind.kind, self.target.name, 0.0, duration_s, parameters)
        journal = Journal(self.journal_path)
        try:
            yield Chaos(
                FaultPlan("plan", Path("plan.yaml"), (line,)),
                kinds={kind.kind: kind},
                targets={**self.others, self.target.name: self.target},
                toxiproxy_url="http://127.0.0.1:1",
                processes=self.processes,
                journal=journal,
                on_event=self.events.append,
            )
        finally:
            journal.close()

    def phases(self) -> list[str]:
        """The steps that were told."""
        return [event["phase"] for event in self.events]


def _sabotaged(kind: type[Fault], what: str, is_over: Any) -> type[Fault]:
    async def nothing(_self: Fault, _ctx: FaultContext) -> None:
        return

    async def heal(self: Fault, ctx: FaultContext) -> None:
        if is_over():
            await kind.heal(self, ctx)

    if what == "inject":
        return type(kind.__name__, (kind,), {"inject": nothing})
    limit = property(lambda _self: kind.heal_limit_s if is_over() else IDLE_HEAL_S)
    return type(kind.__name__, (kind,), {"heal": heal, "heal_limit_s": limit})


async def undo_by_hand(undo: dict[str, Any]) -> None:
    """Do what the journal says, as the guardian and `flashdrill heal` do it: by other means than the fault's."""
    now = Circumstances(time.monotonic() + PATIENCE_S)
    assert not await asyncio.to_thread(why_left, [undo], now)
