"""What a canary must look like for an effect to be believed: each detector fires, and stays silent."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from flashdrill.chaos.canary import Reading, Seen
from flashdrill.chaos.catalogue import catalogue
from flashdrill.chaos.fault import FaultContext
from flashdrill.chaos.proof import Baseline, Comparison, Search, measure_baseline
from flashdrill.chaos.target import Address, Target
from flashdrill.chaos.toxic import ToxicFault
from flashdrill.model.faults import PlannedFault
from flashdrill.toxiproxy.client import Toxiproxy

LISTEN, UPSTREAM = ("127.0.0.1", 1), ("127.0.0.1", 2)
QUICK = Reading(Seen.ANSWERED, 0.002, sent=30_000, received=30_000, reads=2)
BASELINE = Baseline(QUICK, QUICK)


def context(kind: str, observe_s: float = 1.0, **parameters: Any) -> FaultContext:
    """A context without servers."""
    defaults = {n: p.default for n, p in catalogue()[kind].parameters.items() if not p.is_required}
    return FaultContext(
        planned=PlannedFault("f", kind, "it", 0.0, 1.0, {**defaults, **parameters}),
        target=Target("it", frozenset({"redis"}), "it", LISTEN, UPSTREAM),
        toxiproxy=Toxiproxy("http://127.0.0.1:3"),
        processes=Nobody(),
        observe_s=observe_s,
    )


class Nobody:
    def pid(self, name: str) -> int | None:
        return None

    async def kill(self, name: str) -> None: ...

    async def start(self, name: str) -> None: ...

    async def wait_ready(self, name: str, timeout_s: float) -> None: ...

    async def signal(self, name: str, signum: int) -> None: ...


def read(seen: Seen, waited_s: float, received: int = 0, reads: int = 0) -> Reading:
    return Reading(seen, waited_s, 30_000, received, reads)


SLOW = read(Seen.ANSWERED, 0.102)
SILENT = read(Seen.SILENT, 0.5)


@pytest.mark.parametrize(
    ("kind", "parameters", "reading", "control", "is_shown"),
    [
        ("latency", {"latency": 0.1}, SLOW, QUICK, True),
        ("latency", {"latency": 0.1}, read(Seen.ANSWERED, 0.070), QUICK, False),
        ("latency", {"latency": 0.1}, SLOW, read(Seen.ANSWERED, 0.09), False),
        ("latency", {"latency": 0.1}, SILENT, QUICK, True),
        ("latency", {"latency": 0.1}, SILENT, SILENT, False),
        ("latency", {"latency": 0.1}, read(Seen.CLOSED, 0.5), QUICK, False),
        ("timeout", {}, SILENT, QUICK, True),
        ("timeout", {}, SILENT, SILENT, False),
        ("timeout", {}, read(Seen.SILENT, 0.1), QUICK, False),
        ("timeout", {}, read(Seen.CLOSED, 0.5), QUICK, False),
        ("timeout", {}, SLOW, QUICK, False),
        ("timeout", {"timeout": 0.4}, read(Seen.CLOSED, 0.4), QUICK, True),
        ("timeout", {"timeout": 0.4}, read(Seen.CLOSED, 0.1), QUICK, False),
        ("reset_peer", {}, read(Seen.RESET, 0.01), QUICK, True),
        ("reset_peer", {}, read(Seen.CLOSED, 0.01), QUICK, False),
        ("reset_peer", {}, read(Seen.RESET, 0.01), read(Seen.RESET, 0.01), False),
        ("limit_data", {"bytes": 10}, read(Seen.CLOSED, 0.01), QUICK, True),
        ("limit_data", {"bytes": 10}, QUICK, QUICK, False),
        ("limit_data", {"bytes": 10}, read(Seen.CLOSED, 0.01), read(Seen.CLOSED, 0.01), False),
        ("bandwidth", {"rate_kb": 100}, read(Seen.ANSWERED, 0.302), QUICK, True),
        ("bandwidth", {"rate_kb": 100}, read(Seen.ANSWERED, 0.150), QUICK, False),
        ("bandwidth", {"rate_kb": 0}, read(Seen.SILENT, 1.5), QUICK, True),
        ("bandwidth", {"rate_kb": 100_000}, read(Seen.ANSWERED, 0.003), QUICK, False),
        ("slow_close", {"delay": 0.1}, SLOW, QUICK, True),
        ("slow_close", {"delay": 0.1}, QUICK, QUICK, False),
        ("slicer", {"average_size": 1000, "delay": 0.01}, read(Seen.ANSWERED, 0.3), QUICK, True),
        ("slicer", {"average_size": 1000, "delay": 0.01}, QUICK, QUICK, False),
        ("slicer", {"average_size": 1000}, read(Seen.ANSWERED, 0.01, 30_000, 20), QUICK, True),
        ("slicer", {"average_size": 1000}, read(Seen.ANSWERED, 0.01, 30_000, 3), QUICK, False),
    ],
)
def test_what_shows_an_effect(
    kind: str, parameters: dict[str, Any], reading: Reading, control: Reading, is_shown: bool
) -> None:
    fault = catalogue()[kind]()
    assert isinstance(fault, ToxicFault)
    seen = Comparison(reading, control, BASELINE)
    assert fault.shows(context(kind, **parameters), seen) is is_shown


class Looks:
    """Canaries whose answers are given: those through the proxy in turn, the others always quick."""

    def __init__(self, *waits_s: float) -> None:
        self.waits_s = list(waits_s)
        self.count = 0

    async def __call__(self, address: Address, timeout_s: float) -> Reading:
        if address == UPSTREAM:
            return QUICK
        self.count += 1
        wait_s = self.waits_s.pop(0) if len(self.waits_s) > 1 else self.waits_s[0]
        return read(Seen.ANSWERED, wait_s)


def search(looks: Looks, *, is_every: bool = True, expected_s: float = 0.1) -> Search:
    return Search(
        look=looks,
        shows=lambda c: c.rise_s() > 0.07,
        patience_s=0.2,
        expected_s=expected_s,
        is_every=is_every,
    )


async def test_two_full_rounds_are_asked_for() -> None:
    looks = Looks(0.1)
    evidence = await search(looks).run(context("latency", latency=0.1), BASELINE)
    assert evidence.observed
    assert looks.count == 6
    assert evidence.measurements["rounds"] == 2
    assert evidence.measurements["during_ms"] == [100.0, 100.0, 100.0]


async def test_one_round_will_do_when_there_is_no_time_for_two() -> None:
    looks = Looks(0.1)
    evidence = await search(looks, expected_s=0.5).run(context("latency", latency=0.1), BASELINE)
    assert evidence.observed
    assert looks.count == 3


async def test_one_slow_canary_among_quick_ones_proves_nothing() -> None:
    looks = Looks(0.1, 0.1, 0.002, 0.1, 0.002, 0.1, 0.002)
    evidence = await search(looks).run(context("latency", 0.4, latency=0.1), BASELINE)
    assert not evidence.observed
    assert "not seen" in evidence.measurements["reason"]


async def test_one_is_enough_when_only_some_connections_are_hit() -> None:
    looks = Looks(0.002, 0.002, 0.002, 0.1, 0.002)
    context_ = context("latency", 2.0, latency=0.1)
    assert (await search(looks, is_every=False).run(context_, BASELINE)).observed


async def test_without_a_baseline_nothing_can_be_proven() -> None:
    dead = Baseline(read(Seen.REFUSED, 0.0), QUICK)
    evidence = await search(Looks(0.1)).run(context("latency", latency=0.1), dead)
    assert not evidence.observed
    assert "before the fault" in evidence.measurements["reason"]


async def test_the_baseline_is_the_quickest_of_a_few() -> None:
    found = await measure_baseline(context("latency", latency=0.1), Looks(0.09, 0.003, 0.05), 1.0)
    assert found.path.waited_s == 0.003
    assert found.direct == QUICK


@pytest.mark.parametrize(
    ("kind", "parameters", "attributes"),
    [
        ("latency", {"latency": 1.2, "jitter": 0.05}, {"latency": 1200, "jitter": 50}),
        ("timeout", {"timeout": 0.0}, {"timeout": 0}),
        ("bandwidth", {"rate_kb": 64}, {"rate": 64}),
        ("slow_close", {"delay": 0.25}, {"delay": 250}),
        ("reset_peer", {"timeout": 2.0}, {"timeout": 2000}),
        ("limit_data", {"bytes": 512}, {"bytes": 512}),
        (
            "slicer",
            {"average_size": 64, "size_variation": 8, "delay": 0.001},
            {"average_size": 64, "size_variation": 8, "delay": 1000},
        ),
    ],
)
def test_attributes_are_in_the_units_of_the_api(
    kind: str, parameters: dict[str, Any], attributes: dict[str, int]
) -> None:
    fault = catalogue()[kind]()
    assert isinstance(fault, ToxicFault)
    assert fault.attributes(parameters) == attributes
    undo = fault.undo(context(kind, **parameters))
    assert undo == {
        "type": "toxic",
        "api": "http://127.0.0.1:3",
        "proxy": "it",
        "toxic": "flashdrill-f",
    }


def test_the_modules_are_named_after_their_kinds() -> None:
    folder = Path(__file__).parents[2] / "src" / "flashdrill" / "chaos"
    for kind in catalogue():
        assert (folder / f"{kind}.py").exists()


async def test_a_wait_is_never_longer_than_what_is_left() -> None:
    asked: list[float] = []

    async def look(_address: Address, timeout_s: float) -> Reading:
        asked.append(timeout_s)
        await asyncio.sleep(0)
        return QUICK

    slow = Search(look=look, shows=lambda _c: False, patience_s=5.0, expected_s=0.1)
    await slow.run(context("latency", 0.3, latency=0.1), BASELINE)
    assert max(asked) <= 0.3
