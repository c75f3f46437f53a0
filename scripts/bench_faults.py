"""Inject every fault for real, one at a time, on the reference stack; print what was seen, keep it for docs/faults.md.

make bench-faults

The last line is one JSON object: {"faults": N, "proven": N, "healed": N, "unavailable": N}. Ends with 1 when a fault
that this machine can do was not proven or not healed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flashdrill.chaos.fault import Fault
from flashdrill.model.faults import PlannedFault
from flashdrill.model.journal import Journal
from flashdrill.plan.known import known_faults
from flashdrill.rehearsal.proving import Proof, prove
from flashdrill.stack.embedded import Stack, open_stack
from scripts.faults.catalogue import every_fault, specification
from scripts.faults.page import EVIDENCE, PAGE, page

READY_TIMEOUT_S = 30.0


def main() -> int:
    """Prove all of them, or those that are named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kinds", nargs="*", help="only these kinds; nothing is kept then")
    parser.add_argument(
        "--keep", action="store_true", help=f"write {EVIDENCE.name} and {PAGE.name}"
    )
    options = parser.parse_args()
    kinds = known_faults()
    lines = [line for line in every_fault() if not options.kinds or line.kind in options.kinds]
    unavailable = {line.kind: lacking for line in lines if (lacking := kinds[line.kind].missing())}
    possible = [line for line in lines if line.kind not in unavailable]
    proofs = asyncio.run(_prove_all(possible, kinds))
    for kind, lacking in unavailable.items():
        print(f"unavailable  {kind}: {lacking}")
    if options.keep and not options.kinds:
        EVIDENCE.write_text(json.dumps(_kept(proofs, unavailable), indent=1) + "\n")
        PAGE.write_text(page())
    result = {
        "faults": len(lines),
        "proven": sum(proof.record.effect_observed for proof in proofs),
        "healed": sum(proof.record.healed for proof in proofs),
        "unavailable": sum(line.kind in unavailable for line in lines),
    }
    print(json.dumps(result))
    return 0 if all(proof.is_proven for proof in proofs) else 1


async def _prove_all(lines: list[PlannedFault], kinds: Mapping[str, type[Fault]]) -> list[Proof]:
    """One after the other on one stack that is whole before each."""
    if not lines:
        return []
    with tempfile.TemporaryDirectory(prefix="flashdrill-faults-") as folder:
        spec = specification(Path(folder), lines, kinds)
        async with open_stack(spec) as stack:
            journal = Journal(Path(folder) / "proofs.jsonl")
            proofs = []
            for line in lines:
                await stack.wait_ready("backend", READY_TIMEOUT_S)
                proofs.append(await _prove_one(line, stack, kinds, journal))
            journal.close()
            return proofs


async def _prove_one(
    line: PlannedFault, stack: Stack, kinds: Mapping[str, type[Fault]], journal: Journal
) -> Proof:
    began = time.monotonic()
    proof = await prove(line, stack, kinds, journal)
    record = proof.record
    word = "proven" if proof.is_proven else "NOT PROVEN"
    took_s = time.monotonic() - began
    print(
        f"{word:<11}  {record.id:<28} {record.kind} on {record.target}, {took_s:.1f} s {record.error}",
        flush=True,
    )
    return proof


def _kept(proofs: list[Proof], unavailable: Mapping[str, str]) -> dict[str, Any]:
    """What the page shows."""
    shown = {
        proof.record.id: {
            "observed": proof.record.effect_observed,
            "healed": proof.record.healed,
            "in_force_s": round(proof.record.end_s - proof.record.start_s, 2),
            "evidence": proof.record.evidence,
            **({"error": proof.record.error} if proof.record.error else {}),
        }
        for proof in proofs
    }
    return {"proofs": shown, "unavailable": dict(unavailable)}


if __name__ == "__main__":
    sys.exit(main())
