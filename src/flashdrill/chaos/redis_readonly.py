"""A Redis that became a replica."""

from __future__ import annotations

from flashdrill.chaos.fault import FaultContext
from flashdrill.chaos.redis_refusing import RedisRefusing
from flashdrill.chaos.redis_session import RedisSession
from flashdrill.errors import StackError

NOWHERE = ("127.0.0.1", "0")
"""Nobody can listen on port 0: no primary is ever reached, so the data is never replaced by a primary's."""


class RedisReadonly(RedisRefusing):
    """Makes a Redis the replica of a primary that does not exist, as after a failover that went to the wrong side.

    Writes are refused, reads go on with what is there. Seen when a write of a key of our own is refused with READONLY,
    and a read is answered. Healed by REPLICAOF NO ONE: such a write is taken, the settings are what they were, and the
    keys are still there. A server that is already a replica is left alone.
    """

    kind = "redis_readonly"
    code = "READONLY"
    settings = {"replica-serve-stale-data": "yes", "replica-read-only": "yes"}  # noqa: RUF012  (read only)
    strikes = (("REPLICAOF", *NOWHERE),)
    amends = (("REPLICAOF", "NO", "ONE"),)

    async def check(self, ctx: FaultContext, redis: RedisSession) -> None:
        """A replica would lose its primary. Raises StackError."""
        role = (await redis.info("replication")).get("role")
        if role != "master":
            raise StackError(f"{ctx.target.name} is a {role}, and would lose its primary")
