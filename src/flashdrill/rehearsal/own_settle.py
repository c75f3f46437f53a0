"""After the load on somebody's own service: wait until it is quiet, and read what it declares. It runs on."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import replace

from flashdrill.audit.declared import read_declared, read_number
from flashdrill.audit.fetching import UnreadableError
from flashdrill.model.faults import FaultRecord
from flashdrill.model.reads import FinalReads
from flashdrill.model.service import Read, Service
from flashdrill.rehearsal.prepare import Prepared
from flashdrill.rehearsal.trace import Trace
from flashdrill.rehearsal.watcher import Watcher

READ_TIMEOUT_S = 60.0
"""For all final reads together."""
NUMBER_TIMEOUT_S = 5.0
POLL_S = 0.2
ECHO_S = 2.0
"""So long after a fault the service may still be away because of it."""


async def settle(
    prepared: Prepared, service: Service, before: FinalReads, trace: Trace, watcher: Watcher
) -> None:
    """Fill in `drain_s` and the final reads. What cannot be had is left out, and said as a problem."""
    trace.problems += absences_in_words(trace)
    if not service.reads and service.drained is None:
        return
    left = await _quiet(prepared, service, trace, watcher)
    watcher.phase("reading what the service's stores hold")
    found = await read_declared(service, READ_TIMEOUT_S)
    trace.problems += [f"the final read of {n} failed: {why}" for n, why in found.failures.items()]
    trace.reads = replace(
        found.reads,
        queue_depth=left,
        earlier_orders=before.earlier_orders,
        earlier_payments=before.earlier_payments,
    )


async def _quiet(
    prepared: Prepared, service: Service, trace: Trace, watcher: Watcher
) -> int | None:
    """What `drained` says in the end; None without one, or when it cannot be read."""
    if service.drained is None:
        watcher.phase(f"letting the service settle, {service.settle_s:g} s")
        await asyncio.sleep(service.settle_s)
        return None
    watcher.phase("waiting until the service has drained")
    return await _drain(service.drained, prepared.scenario.limits.drain_timeout_s, trace, watcher)


async def _drain(read: Read, timeout_s: float, trace: Trace, watcher: Watcher) -> int | None:
    began = time.monotonic()
    left, why = None, ""
    while time.monotonic() - began < timeout_s:
        try:
            left, why = await read_number(read, NUMBER_TIMEOUT_S), ""
        except UnreadableError as error:
            left, why = None, str(error)
        watcher.waiting(left)
        if left == 0:
            trace.drain_s = time.monotonic() - trace.load_ended_ns / 1e9
            return 0
        await asyncio.sleep(POLL_S)
    what = f"service.reads.drained could not be read: {why}" if why else f"{left} were left"
    trace.problems.append(f"the service had not drained {timeout_s:g} s after the load: {what}")
    return left


def absences_in_words(trace: Trace) -> Iterator[str]:
    """When nobody answered although no fault was in force, in words."""
    for from_ns, to_ns in trace.absences:
        from_s, to_s = ((moment - trace.t0_ns) / 1e9 for moment in (from_ns, to_ns))
        if not any(_explains(fault, from_s, to_s) for fault in trace.faults):
            yield (
                f"the service did not answer from {from_s:.1f} s to {to_s:.1f} s, and no fault was in force: "
                "it is not known what it is that was measured"
            )


def _explains(fault: FaultRecord, from_s: float, to_s: float) -> bool:
    return fault.start_s <= from_s and to_s <= fault.end_s + ECHO_S
