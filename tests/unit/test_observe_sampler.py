"""The samplers side by side: a source that fails, or hangs, is a gap and nothing more."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

import pytest

from flashdrill.observe.sampler import Samplers, Source
from flashdrill.observe.samples import Sample


class Counting:
    """Says how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0
        self.is_closed = False

    async def read(self) -> list[Sample]:
        self.asked += 1
        return [Sample("asked", self.asked)]

    async def close(self) -> None:
        self.is_closed = True


class Broken(Counting):
    async def read(self) -> list[Sample]:
        self.asked += 1
        if self.asked % 2:
            raise ConnectionRefusedError("nobody there")
        return [Sample("asked", self.asked)]

    async def close(self) -> None:
        self.is_closed = True
        raise RuntimeError("and it does not close either")


class Hanging(Counting):
    async def read(self) -> list[Sample]:
        self.asked += 1
        await asyncio.sleep(3600)
        raise AssertionError


def samplers(**sources: Source) -> Samplers:
    made = Samplers(period_s=0.01)
    made._sources.update(sources)
    return made


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not is_so():
            await asyncio.sleep(0.002)


async def test_each_source_is_asked_again_and_again() -> None:
    good = Counting()
    made = samplers(good=good)
    async with asyncio.TaskGroup() as group:
        group.create_task(made.run())
        await until(lambda: good.asked > 3)
        made.stop()
    assert [value for _, value in made.table.series("asked")][:3] == [1.0, 2.0, 3.0]
    times = [t for t, _ in made.table.series("asked")]
    assert times == sorted(set(times))
    assert made.table.gaps() == {}
    assert good.is_closed


async def test_failures_and_silence_are_gaps(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("flashdrill.observe.sampler.READ_TIMEOUT_S", 0.05)
    good, broken, hanging = Counting(), Broken(), Hanging()
    made = samplers(good=good, broken=broken, hanging=hanging)
    with caplog.at_level(logging.WARNING):
        async with asyncio.TaskGroup() as group:
            group.create_task(made.run())
            await until(lambda: good.asked > 3 and broken.asked > 3 and hanging.asked > 1)
            made.stop()
    gaps = made.table.gaps()
    assert set(gaps) == {"broken", "hanging"}
    assert gaps["broken"][0][1] == "ConnectionRefusedError: nobody there"
    assert gaps["hanging"][0][1].startswith("TimeoutError")
    assert {row.source for row in made.table if row.metric == "asked"} == {"good", "broken"}
    assert hanging.is_closed
    assert "did not close" in caplog.text


async def test_a_cancellation_closes_everything() -> None:
    good, hanging = Counting(), Hanging()
    made = samplers(good=good, hanging=hanging)
    task = asyncio.create_task(made.run())
    await until(lambda: good.asked > 1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert good.is_closed
    assert hanging.is_closed
