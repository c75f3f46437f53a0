"""After the load: wait until the service has drained, stop it, and read what its stores hold."""

from __future__ import annotations

import asyncio
import time

from flashdrill.audit.final_reads import read_shards
from flashdrill.errors import FlashdrillError
from flashdrill.observe.prometheus import scrape
from flashdrill.rehearsal.prepare import Prepared
from flashdrill.rehearsal.topology import SHARDS
from flashdrill.rehearsal.trace import Trace
from flashdrill.rehearsal.watcher import Watcher
from flashdrill.stack.embedded import Stack

POLL_S = 0.1
SCRAPE_TIMEOUT_S = 2.0
READ_TIMEOUT_S = 60.0
QUEUE_DEPTH = "flashdrill_queue_depth"


async def settle(prepared: Prepared, stack: Stack, trace: Trace, watcher: Watcher) -> None:
    """Fill in `drain_s` and the final reads. What cannot be had is left out, and said as a problem."""
    watcher.phase("waiting until the queues are empty")
    trace.drain_s = await _drain(stack, trace, prepared.scenario.limits.drain_timeout_s, watcher)
    watcher.phase("stopping the service, reading every shard")
    await stack.stop_backend()
    trace.reads = await read_shards(
        [stack.dsn(number) for number in range(SHARDS)],
        prepared.reports / "queries" / "final_reads",
        READ_TIMEOUT_S,
        queue_depth=await _queue_depth(stack, trace),
    )


async def _drain(stack: Stack, trace: Trace, timeout_s: float, watcher: Watcher) -> float | None:
    """Seconds from the end of the load (faults healed) until no order waits; None: not within the limit."""
    began = time.monotonic()
    while time.monotonic() - began < timeout_s:
        depth = await _depth_now(stack)
        watcher.waiting(None if depth is None else int(depth))
        if depth == 0:
            return time.monotonic() - trace.load_ended_ns / 1e9
        await asyncio.sleep(POLL_S)
    trace.problems.append(f"the queues were not empty {timeout_s:.0f} s after the load")
    return None


async def _depth_now(stack: Stack) -> float | None:
    """The records in all queues as the service counts them; None when it does not answer."""
    try:
        samples = await scrape(stack.metrics_url, timeout_s=SCRAPE_TIMEOUT_S)
    except (OSError, TimeoutError, ValueError):
        return None
    depths = [sample.value for sample in samples if sample.metric == QUEUE_DEPTH]
    return sum(depths) if depths else None


async def _queue_depth(stack: Stack, trace: Trace) -> int | None:
    try:
        return int((await stack.queue_state())["depth"])
    except (FlashdrillError, KeyError, ValueError) as error:
        trace.problems.append(f"the queue files could not be read: {error}")
        return None
