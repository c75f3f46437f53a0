"""All samplers of a run, side by side: each asks its source again and again, none of them can break the run."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from typing import Protocol

from flashdrill.observe.postgres import PostgresSource
from flashdrill.observe.processes import Pids, ProcessSource
from flashdrill.observe.prometheus import PREFIX, PrometheusSource
from flashdrill.observe.redis import RedisSource
from flashdrill.observe.samples import Sample, SampleTable

PERIOD_S = 0.5
READ_TIMEOUT_S = 2.0
"""Bounds every reading of every source, connecting included."""
CLOSE_TIMEOUT_S = 2.0
_REASON_CHARACTERS = 160
_log = logging.getLogger(__name__)


class Source(Protocol):
    """Something that can be asked how it is."""

    async def read(self) -> list[Sample]:
        """What it says now; any exception is a gap."""
        ...

    async def close(self) -> None:
        """Release what it holds."""
        ...


class Samplers:
    """The sources of one run; `table` holds what they said.

    `urls` are Prometheus endpoints, `dsns` databases, by name; `redis` is an address. All of them past the proxies.
    `pids` gives the processes that run now, by name; `prefix` is what metrics must start with to be kept.
    """

    def __init__(
        self,
        *,
        urls: Mapping[str, str] | None = None,
        pids: Pids | None = None,
        dsns: Mapping[str, str] | None = None,
        redis: tuple[str, int] | None = None,
        prefix: str = PREFIX,
        period_s: float = PERIOD_S,
        now_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self.table = SampleTable()
        self._period_s = period_s
        self._now_ns = now_ns
        self._is_stopping = asyncio.Event()
        self._sources: dict[str, Source] = {
            **{name: PrometheusSource(url, prefix=prefix) for name, url in (urls or {}).items()},
            **{name: PostgresSource(name, dsn) for name, dsn in (dsns or {}).items()},
        }
        if redis is not None:
            self._sources["redis"] = RedisSource(*redis)
        if pids is not None:
            self._sources["processes"] = ProcessSource(pids)

    async def run(self) -> None:
        """Sample until `stop` is called or this is cancelled; every connection is closed then."""
        try:
            async with asyncio.TaskGroup() as group:
                for name, source in self._sources.items():
                    group.create_task(self._follow(name, source))
        finally:
            for source in self._sources.values():
                await self._close(source)

    def stop(self) -> None:
        """Let `run` return after the readings under way."""
        self._is_stopping.set()

    async def _close(self, source: Source) -> None:
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await source.close()
        except Exception as error:
            _log.warning("a sampler did not close: %s", _reason(error))

    async def _follow(self, name: str, source: Source) -> None:
        """Ask at every multiple of the period; a moment that was missed is left out."""
        now = asyncio.get_running_loop().time
        began = now()
        while not self._is_stopping.is_set():
            await self._read(name, source)
            wait_s = self._period_s - (now() - began) % self._period_s
            try:
                async with asyncio.timeout(wait_s):
                    await self._is_stopping.wait()
            except TimeoutError:
                continue

    async def _read(self, name: str, source: Source) -> None:
        asked_ns = self._now_ns()
        try:
            async with asyncio.timeout(READ_TIMEOUT_S):
                samples = await source.read()
        except Exception as error:
            self.table.add_gap(asked_ns, name, _reason(error))
            return
        # The answer was made between the question and now.
        self.table.add((asked_ns + self._now_ns()) // 2, name, samples)


def _reason(error: Exception) -> str:
    """A kind of error and what it says, in one short line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}"[:_REASON_CHARACTERS]
