"""This order system's own fault: earlier jobs hold the service's database connections and do not give them back.

    a lock on `orders` ── held by us ──┐
    reads of orders of that database ──┴── each waits for it, with a connection of the service's pool in its hands

New Year's Day, home appliances: requests waited for a connection until the API gateway gave up.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar
from urllib.parse import urlsplit

from flashdrill.chaos.fault import Evidence, FaultContext, Parameter
from flashdrill.chaos.question import Answer, Question, ask
from flashdrill.chaos.session import POLL_S, SessionFault, Sessions
from flashdrill.errors import ConfigError

BUCKETS = 256
USUAL_POOL = 8
"""The service's own default."""
LOCK_TIMEOUT_S = 5.0
READ_TIMEOUT_S = 5.0
CANARY_S = 0.7
LATE_S = 0.3
"""A canary that waits so long, and five times longer than before, is not answered as usual."""
BETWEEN_READS_S = 0.05

_LOCK = "LOCK TABLE orders IN ACCESS EXCLUSIVE MODE"
_WAITING = (
    "SELECT count(*) AS waiting, array_agg(DISTINCT application_name::text) AS names "
    "FROM pg_stat_activity WHERE $1 = ANY (pg_blocking_pids(pid))"
)


@dataclass(frozen=True, slots=True)
class Reads:
    """The canary of the drained database, and one of each other database; by name."""

    drained: Answer
    others: Mapping[str, Answer]


class PoolDrained(SessionFault):
    """Drains the service's pool of connections to one `database`: locks its orders, and keeps as many reads of orders
    open at the service as the pool has connections, past every proxy. Each holds a connection and waits.

    Seen when as many of the service's sessions wait for the lock as the pool has connections, and a read of an order
    there is late, refused (503, 504) or not answered, while a read in another database is answered as before. The
    service's breaker may open then, which lets go of the pool and refuses the rest. Healed when the lock is gone and
    a read there is answered as before.
    """

    kind = "pool_drained"
    slows = True
    target_kinds = frozenset({"http"})
    parameters: ClassVar[Mapping[str, Parameter]] = {
        "database": Parameter(
            "text", description="the target that is the database, such as shard3"
        ),
    }
    heal_limit_s = 20.0  # the service's breaker lets a probe through only after a while

    def __init__(self) -> None:
        super().__init__()
        self._pid = 0
        self._readers: asyncio.Task[None] | None = None
        self._answers: Counter[str] = Counter()
        self._before: Reads | None = None

    def sessions(self, ctx: FaultContext) -> Sessions:
        """At the database. Raises ConfigError when there is none of that name."""
        if self._sessions is None:
            database = ctx.targets.get(ctx.parameters["database"])
            if database is None or not database.dsn:
                raise ConfigError(f"there is no database {ctx.parameters['database']!r}")
            self._sessions = Sessions(ctx.planned.id, database.dsn)
        return self._sessions

    def undo(self, ctx: FaultContext) -> dict[str, Any]:
        """End the lock's session. Raises ConfigError when the service has no such database."""
        _databases(ctx)
        return super().undo(ctx)

    async def before(self, ctx: FaultContext) -> Reads:
        """How reads are answered."""
        self._before = await _canaries(ctx, READ_TIMEOUT_S)
        return self._before

    async def inject(self, ctx: FaultContext) -> None:
        """Take the lock and open the reads. Raises asyncpg's errors when the lock is not given in time."""
        paths = _paths(ctx, ctx.parameters["database"], _pool_size(ctx))
        session = await self.sessions(ctx).open(lock_timeout=f"{LOCK_TIMEOUT_S:g}s")
        await session.execute("BEGIN", timeout=LOCK_TIMEOUT_S)
        await session.execute(_LOCK, timeout=LOCK_TIMEOUT_S)
        self._pid = session.get_server_pid()
        self._readers = asyncio.create_task(self._reading(ctx, paths))

    async def observe(self, ctx: FaultContext, baseline: Reads) -> Evidence:
        """Until the pool was seen to wait and the canaries say the same."""
        now = asyncio.get_running_loop().time
        began, wanted, most = now(), _pool_size(ctx), 0
        names: set[str] = set()
        reads, is_seen = baseline, False
        while not is_seen and (left_s := ctx.observe_s - (now() - began)) > POLL_S:
            row = (await self.sessions(ctx).look(_WAITING, self._pid))[0]
            most = max(most, row["waiting"])
            names.update(row["names"] or ())
            if most < wanted:
                await asyncio.sleep(min(POLL_S, left_s))
                continue
            reads = await _canaries(ctx, min(CANARY_S, left_s))
            is_seen = _is_stuck(reads.drained, baseline.drained) and _goes_on(reads, baseline)
        return Evidence(
            is_seen,
            {
                "pool_size": wanted,
                "most_sessions_waiting": most,
                "waiting": sorted(names),
                "read_before": _words(baseline.drained),
                "read": _words(reads.drained),
                "other_reads_before": {n: _words(a) for n, a in baseline.others.items()},
                "other_reads": {n: _words(a) for n, a in reads.others.items()},
                "answers_to_our_reads": dict(self._answers),
                "observed_after_s": round(now() - began, 3),
            },
        )

    async def heal(self, ctx: FaultContext) -> None:
        """End the reads and the lock."""
        readers, self._readers = self._readers, None
        if readers is not None:
            readers.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await readers
        await super().heal(ctx)

    async def verify_healed(self, ctx: FaultContext) -> Evidence:
        """The lock's session is gone, and a read is answered as before (unless another fault is in force there)."""
        gone = await super().verify_healed(ctx)
        if not gone.observed:
            return gone
        read = (await _canaries(ctx, READ_TIMEOUT_S)).drained
        found = {**gone.measurements, "read": _words(read)}
        is_usual = read.is_answered and (
            read.status < 500
            if self._before is None
            else read.status == self._before.drained.status
        )
        if is_usual or ctx.others_in_force():
            return Evidence(True, found)
        return Evidence(False, {**found, "reason": f"a read is still {_words(read)}"})

    async def _reading(self, ctx: FaultContext, paths: list[str]) -> None:
        async with asyncio.TaskGroup() as group:
            for path in paths:
                group.create_task(self._one(ctx, path))

    async def _one(self, ctx: FaultContext, path: str) -> None:
        """One read after the other, so that one is always open."""
        while True:
            answer = await ask(ctx.target.upstream, Question(path=path), READ_TIMEOUT_S)
            self._answers[str(answer.status or answer.seen)] += 1
            await asyncio.sleep(BETWEEN_READS_S)  # a breaker that is open refuses at once


async def _canaries(ctx: FaultContext, timeout_s: float) -> Reads:
    """A read of an order that nobody placed, in each of the service's databases, at the same time."""
    names = _databases(ctx)
    drained = ctx.parameters["database"]
    async with asyncio.TaskGroup() as group:
        tasks = {
            name: group.create_task(
                ask(ctx.target.upstream, Question(path=_paths(ctx, name, 1)[0]), timeout_s)
            )
            for name in names
        }
    answers = {name: task.result() for name, task in tasks.items()}
    return Reads(answers.pop(drained), answers)


def _is_stuck(read: Answer, before: Answer) -> bool:
    """Whether it is not answered as usual: late, refused, or not at all."""
    return not read.is_answered or read.status in {503, 504} or _is_late(read, before)


def _goes_on(reads: Reads, before: Reads) -> bool:
    """Whether a read in another database, if there is one, is answered as before."""
    return not reads.others or any(
        read.is_answered
        and read.status == before.others[name].status
        and not _is_late(read, before.others[name])
        for name, read in reads.others.items()
    )


def _is_late(read: Answer, before: Answer) -> bool:
    return read.waited_s > max(LATE_S, 5 * before.waited_s)


def _words(read: Answer) -> str:
    return f"{read.status or read.seen} after {read.waited_s * 1000:.0f} ms"


def _settings(ctx: FaultContext) -> dict[str, Any]:
    """The service's own. Raises ConfigError when the target has none."""
    if ctx.target.settings_file is None:
        raise ConfigError(
            f"nobody knows the settings of {ctx.target.name}; take the service itself"
        )
    settings: dict[str, Any] = json.loads(ctx.target.settings_file.read_text())
    return settings


def _pool_size(ctx: FaultContext) -> int:
    return int(_settings(ctx).get("pool_size", USUAL_POOL))


def _databases(ctx: FaultContext) -> list[str]:
    """The targets that the service's settings call its shards, in that order. Raises ConfigError."""
    names = []
    for dsn in _settings(ctx)["shards"]:
        place = urlsplit(dsn)
        address = (place.hostname, place.port)
        found = [n for n, t in ctx.targets.items() if t.dsn and address in {t.listen, t.upstream}]
        if not found:
            raise ConfigError(f"no target is the database at {place.hostname}:{place.port}")
        names.append(found[0])
    if ctx.parameters["database"] not in names:
        raise ConfigError(
            f"{ctx.target.name} has no database {ctx.parameters['database']!r}",
            remedy=f"it has {', '.join(names)}",
        )
    return names


def _paths(ctx: FaultContext, database: str, count: int) -> list[str]:
    """So many reads of orders that nobody placed and that would be in that database."""
    names = _databases(ctx)
    table = _settings(ctx).get("shard_of_bucket") or [b % len(names) for b in range(BUCKETS)]
    bucket = table.index(names.index(database))
    return [f"/orders/{_uid(ctx, number)}{bucket:02x}" for number in range(count)]


def _uid(ctx: FaultContext, number: int) -> str:
    return hashlib.sha256(f"{ctx.planned.id} {number}".encode()).hexdigest()[:32]
