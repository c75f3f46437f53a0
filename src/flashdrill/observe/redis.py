"""What a Redis server is doing, from INFO."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping

from flashdrill.observe.samples import Sample

_METRICS = {
    "redis_commands_total": ("total_commands_processed",),
    "redis_cpu_seconds_total": ("used_cpu_user", "used_cpu_sys"),
    "redis_ops_per_s": ("instantaneous_ops_per_sec",),
    "redis_connected_clients": ("connected_clients",),
    "redis_blocked_clients": ("blocked_clients",),
    "redis_used_memory_bytes": ("used_memory",),
    "redis_evicted_keys_total": ("evicted_keys",),
    "redis_rejected_connections_total": ("rejected_connections",),
}
"""Each is the sum of these fields of INFO."""


class RedisSource:
    """One connection of its own, past every proxy; made anew after any error."""

    def __init__(self, host: str, port: int) -> None:
        self._address = host, port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def read(self) -> list[Sample]:
        """What it says now. Raises OSError, ValueError."""
        try:
            if self._streams is None:
                self._streams = await asyncio.open_connection(*self._address)
            return list(parse_info(await _info(*self._streams)))
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """End the connection."""
        streams, self._streams = self._streams, None
        if streams is not None:
            streams[1].transport.abort()


async def _info(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> str:
    """The text of INFO. Raises ConnectionError when the server hangs up, ValueError for another answer."""
    writer.write(b"INFO\r\n")
    try:
        header = await reader.readuntil(b"\r\n")
        if header[:1] != b"$":
            raise ValueError(f"Redis answered INFO with {header[:80]!r}")
        return (await reader.readexactly(int(header[1:]) + 2)).decode()
    except asyncio.IncompleteReadError as error:
        raise ConnectionError("Redis closed the connection") from error


def parse_info(text: str) -> Iterator[Sample]:
    """The metrics that the text has all fields for."""
    fields = _fields(text)
    for metric, names in _METRICS.items():
        if all(name in fields for name in names):
            yield Sample(metric, sum(float(fields[name]) for name in names))


def _fields(text: str) -> Mapping[str, str]:
    pairs = (line.partition(":") for line in text.splitlines() if not line.startswith("#"))
    return {name: value.strip() for name, colon, value in pairs if colon}
