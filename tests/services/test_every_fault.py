"""Every fault of the catalogue on the reference stack: as it is, with its injection and with its healing sabotaged.

Faults on different servers are tried at the same time, those on one server one after the other.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from flashdrill.analysis.verdict import judge
from flashdrill.chaos.fault import Fault
from flashdrill.model.faults import FaultRecord, PlannedFault
from flashdrill.model.journal import Journal, unhealed
from flashdrill.model.result import Conclusion
from flashdrill.plan.known import known_faults
from flashdrill.rehearsal.proving import Proof, Sabotage, prove
from flashdrill.stack.embedded import Stack, open_stack
from scripts.faults.catalogue import every_fault, specification
from tests.services import test_chaos_edge

LIMIT_S = 240.0
READY_TIMEOUT_S = 30.0
IN_FORCE_S = 2.0
HEALED_BY_OTHERS = {"redis_emptied"}
"""Its owner fills it again whatever the fault does; test_chaos_redis.py has one without an owner."""


def test_every_kind_is_in_the_plan() -> None:
    assert {line.kind for line in every_fault()} == set(known_faults())


def test_every_fault_of_the_edge_is_sabotaged_on_an_edge_of_its_own() -> None:
    kinds = known_faults()
    there = {kind for kind, _ in test_chaos_edge.FAULTS.values()}
    assert {kind for kind in kinds if "edge" in kinds[kind].needs} == there


async def test_every_fault_is_seen_and_healed(tmp_path: Path) -> None:
    proofs = await tried(every_fault(), Sabotage.NOTHING, tmp_path)
    assert [_told(p) for p in proofs if not p.is_proven] == []
    assert [p.record.id for p in proofs if not p.record.evidence] == [], "evidence has numbers"
    assert not unhealed(tmp_path / "proofs.jsonl")


async def test_a_sabotaged_injection_is_not_seen(tmp_path: Path) -> None:
    proofs = await tried(elsewhere_than_at_the_edge(), Sabotage.INJECTION, tmp_path)
    assert [_told(p) for p in proofs if p.record.effect_observed] == []
    assert [p.record.id for p in proofs if p.left] == []
    assert [p.record.id for p in proofs if not is_told(p.record, "not seen to take effect")] == []


async def test_a_sabotaged_healing_is_said_loudly(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR, logger="flashdrill.chaos.course"):
        lines = [f for f in elsewhere_than_at_the_edge() if f.kind not in HEALED_BY_OTHERS]
        proofs = await tried(lines, Sabotage.HEALING, tmp_path)
    assert [_told(p) for p in proofs if p.record.healed] == []
    assert [p.record.id for p in proofs if "NOT HEALED" not in p.record.error] == []
    assert [p.record.id for p in proofs if f"fault {p.record.id} on" not in caplog.text] == []
    assert [p.record.id for p in proofs if not is_told(p.record, "was not healed")] == []
    assert [p.left for p in proofs if p.left] == [], "the real healing came after"


def is_told(record: FaultRecord, words: str) -> bool:
    """Whether the run is inconclusive for it, in these words."""
    verdict = judge([], [], [], [record])
    assert verdict.conclusion is Conclusion.INCONCLUSIVE
    return any(record.id in reason and words in reason for reason in verdict.reasons)


def elsewhere_than_at_the_edge() -> list[PlannedFault]:
    """Those at the edge are sabotaged in test_chaos_edge.py, all at once."""
    kinds = known_faults()
    return [line for line in every_fault() if "edge" not in kinds[line.kind].needs]


async def tried(faults: Sequence[PlannedFault], sabotage: Sabotage, folder: Path) -> list[Proof]:
    """Those of the faults that this machine can do, on a stack of its own."""
    kinds = known_faults()
    lines = [line for line in faults if not kinds[line.kind].missing()]
    async with asyncio.timeout(LIMIT_S), open_stack(specification(folder, lines, kinds)) as stack:
        journal = Journal(folder / "proofs.jsonl")
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [
                    group.create_task(_lane(lane, stack, kinds, journal, sabotage))
                    for lane in lanes(lines)
                ]
        finally:
            journal.close()
    return [proof for task in tasks for proof in task.result()]


def lanes(lines: Sequence[PlannedFault]) -> Iterator[list[PlannedFault]]:
    """By server; what is done to the service through any of its ways is one lane."""
    found: dict[str, list[PlannedFault]] = defaultdict(list)
    for line in lines:
        found["backend" if line.target == "payment" else line.target].append(line)
    yield from found.values()


async def _lane(
    lines: Sequence[PlannedFault],
    stack: Stack,
    kinds: Mapping[str, type[Fault]],
    journal: Journal,
    sabotage: Sabotage,
) -> list[Proof]:
    proofs = []
    for line in lines:
        if line.target in stack.process_names:
            await stack.wait_ready(line.target, READY_TIMEOUT_S)
        short = replace(line, duration_s=min(line.duration_s, IN_FORCE_S))
        proofs.append(await prove(short, stack, kinds, journal, sabotage=sabotage))
    return proofs


def _told(proof: Proof) -> str:
    record = proof.record
    return f"{record.id}: {record.error or 'no error'} {dict(record.evidence)} left {proof.left}"
