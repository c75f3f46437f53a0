"""A Redis without memory."""

from __future__ import annotations

from flashdrill.chaos.redis_refusing import RedisRefusing


class RedisOom(RedisRefusing):
    """Sets `maxmemory` below what a Redis uses, and its policy to noeviction: writes are refused, reads go on.

    Seen when a write of a key of our own is refused with OOM, and a read is answered. Healed when both settings are
    what they were and such a write is taken. The policy is set first and put back last: nothing is evicted.
    """

    kind = "redis_oom"
    code = "OOM"
    settings = {"maxmemory-policy": "noeviction", "maxmemory": "1"}  # noqa: RUF012  (read only, as declared above)
