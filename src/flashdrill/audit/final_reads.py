"""The final reads of every shard, put together; what cannot be read is named, never guessed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from itertools import chain
from pathlib import Path

import asyncpg

from flashdrill.audit.reading import ShardReads, load_queries, read_shard
from flashdrill.model.reads import FinalReads

log = logging.getLogger(__name__)


async def read_shards(
    dsns: Sequence[str],
    queries_dir: Path,
    timeout_s: float,
    *,
    queue_depth: int | None = None,
) -> FinalReads:
    """Everything that the shards hold, read side by side within `timeout_s` (seconds).

    `dsns` are direct addresses, in the order of the shards' numbers; `queue_depth` is what the caller
    found in the durable queues. A shard that cannot be read is in `missing` as `shardN` and gives no
    row at all; a query file that cannot be read makes every shard missing. No exception but cancellation.
    """
    try:
        queries = load_queries(queries_dir)
    except OSError as error:
        log.warning("final reads: %s", error)
        names = tuple(f"shard{number}" for number in range(len(dsns)))
        return FinalReads(shards=len(dsns), queue_depth=queue_depth, missing=names)
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(_attempt(number, dsn, queries, timeout_s))
            for number, dsn in enumerate(dsns)
        ]
    return assemble([task.result() for task in tasks], queue_depth=queue_depth)


def assemble(shards: Sequence[ShardReads | None], *, queue_depth: int | None) -> FinalReads:
    """The reads of all shards as one; None stands for a shard that could not be read."""
    read = [shard for shard in shards if shard is not None]
    return FinalReads(
        shards=len(shards),
        orders=tuple(chain.from_iterable(shard.orders for shard in read)),
        lines=tuple(chain.from_iterable(shard.lines for shard in read)),
        stock=tuple(chain.from_iterable(shard.stock for shard in read)),
        movements=tuple(chain.from_iterable(shard.movements for shard in read)),
        money=tuple(chain.from_iterable(shard.money for shard in read)),
        payments=tuple(chain.from_iterable(shard.payments for shard in read)),
        queue_depth=queue_depth,
        open_sessions=sum(shard.open_sessions for shard in read),
        missing=tuple(f"shard{n}" for n, shard in enumerate(shards) if shard is None),
    )


async def _attempt(
    number: int, dsn: str, queries: dict[str, str], timeout_s: float
) -> ShardReads | None:
    try:
        return await read_shard(number, dsn, queries, timeout_s=timeout_s)
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
        log.warning("final reads: shard%d: %s: %s", number, type(error).__name__, error)
    except (TypeError, ValueError) as error:  # columns that do not fit, or an address that is none
        log.warning("final reads: shard%d: %s", number, error)
    return None
