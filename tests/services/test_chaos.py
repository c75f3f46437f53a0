"""Every fault on a small target behind a real proxy: seen, healed, and honest when sabotaged."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flashdrill.chaos.canary import ask
from flashdrill.chaos.fault import Evidence, Fault, FaultContext
from flashdrill.chaos.latency import Latency
from flashdrill.errors import ToxiproxyError
from flashdrill.model.journal import unhealed
from flashdrill.stack.ports import choose_ports
from tests.services.chaos_rig import Rig, is_running, planned, process_rig, rig
from tests.services.toxiproxy_servers import running

pytestmark = pytest.mark.services


@pytest.fixture(scope="module")
def embedded() -> Iterator[str]:
    with running("embedded") as url:
        yield url


@pytest.fixture(scope="module", params=["embedded", "real"])
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    with running(request.param) as url:
        yield url


COMMON: dict[str, Any] = {"stream": "downstream", "toxicity": 1.0}
TOXICS = [
    ("latency", "redis", {"latency": 0.15, "jitter": 0.0}),
    ("latency", "postgres", {"latency": 0.15, "jitter": 0.05}),
    ("latency", "http", {"latency": 0.15, "jitter": 0.0, "stream": "upstream"}),
    ("timeout", "postgres", {"timeout": 0.0}),
    ("timeout", "redis", {"timeout": 0.2}),
    ("timeout", "http", {"timeout": 0.0, "stream": "upstream"}),
    ("bandwidth", "redis", {"rate_kb": 100}),
    ("bandwidth", "redis", {"rate_kb": 100, "stream": "upstream"}),
    ("bandwidth", "http", {"rate_kb": 20}),
    ("slow_close", "redis", {"delay": 0.2}),
    ("slow_close", "http", {"delay": 0.2}),
    ("reset_peer", "redis", {"timeout": 0.0}),
    ("reset_peer", "http", {"timeout": 0.1}),
    ("slicer", "redis", {"average_size": 100, "size_variation": 10, "delay": 0.005}),
    ("limit_data", "redis", {"bytes": 1000}),
    ("limit_data", "http", {"bytes": 500}),
    ("down", "postgres", None),
    ("latency", "redis", {"latency": 0.15, "jitter": 0.0, "toxicity": 0.5}),
]


@pytest.mark.parametrize(("kind", "server", "parameters"), TOXICS)
async def test_a_network_fault_is_seen_and_healed(
    url: str, tmp_path: Path, kind: str, server: str, parameters: dict[str, Any] | None
) -> None:
    values = {} if parameters is None else {**COMMON, **parameters}
    async with rig(url, server, tmp_path) as it:
        chaos = it.chaos(planned(kind, duration_s=2.0, **values))
        (record,) = await chaos.run(time.monotonic())
        assert record.effect_observed, record
        assert record.healed, record
        assert not record.error
        assert it.phases() == ["inject", "observed", "healed"]
        assert record.end_s - record.start_s >= 2.0
        assert await it.toxics() == []
        assert (await ask(it.target, it.target.listen)).is_answered
        assert unhealed(it.journal_path) == []
        assert chaos.active() == ()


@pytest.mark.parametrize(
    ("kind", "server", "parameters"),
    [
        ("latency", "redis", {"latency": 0.1, "jitter": 0.0}),
        ("timeout", "http", {"timeout": 0.0}),
        ("reset_peer", "redis", {"timeout": 0.0}),
        ("bandwidth", "redis", {"rate_kb": 100}),
        ("slow_close", "redis", {"delay": 0.2}),
        ("limit_data", "redis", {"bytes": 1000}),
        ("slicer", "redis", {"average_size": 100, "size_variation": 10, "delay": 0.005}),
    ],
)
async def test_a_fault_that_works_on_no_connection_is_not_seen(
    embedded: str, tmp_path: Path, kind: str, server: str, parameters: dict[str, Any]
) -> None:
    """Each detector stays silent when nothing happens: here the toxicity is next to nothing."""
    values = {**COMMON, **parameters, "toxicity": 0.0}
    async with rig(embedded, server, tmp_path) as it:
        (record,) = await it.chaos(planned(kind, duration_s=1.0, **values)).run(time.monotonic())
        assert not record.effect_observed, record
        assert record.healed
        assert it.phases() == ["inject", "failed", "healed"]
        assert "not seen" in record.error


async def test_a_killed_process_comes_back_as_another(embedded: str, tmp_path: Path) -> None:
    port = choose_ports(["it"])["it"]
    async with process_rig(embedded, tmp_path, port) as it:
        pid = it.processes.pid("it")
        (record,) = await it.chaos(planned("kill", duration_s=0.5)).run(time.monotonic())
        assert record.effect_observed, record
        assert record.healed, record
        assert not is_running(pid)
        assert it.processes.pid("it") != pid
        assert record.evidence["killed_pid"] == pid
        assert record.evidence["healing"]["new_pid"] == it.processes.pid("it")


async def test_a_kill_that_does_not_kill_is_not_seen(embedded: str, tmp_path: Path) -> None:
    port = choose_ports(["it"])["it"]
    async with process_rig(embedded, tmp_path, port) as it:

        async def spare(_name: str) -> None:
            return

        it.processes.kill = spare  # type: ignore[method-assign]
        pending = it.chaos(planned("kill", duration_s=0.5))
        pending._courses["f"].fault.heal_limit_s = 1.0  # type: ignore[misc]
        (record,) = await pending.run(time.monotonic())
        assert not record.effect_observed
        assert "it had ended before it was healed" in record.error


async def test_a_paused_process_goes_on(embedded: str, tmp_path: Path) -> None:
    port = choose_ports(["it"])["it"]
    async with process_rig(embedded, tmp_path, port) as it:
        pid = it.processes.pid("it")
        (record,) = await it.chaos(planned("pause", duration_s=1.5)).run(time.monotonic())
        assert record.effect_observed, record
        assert record.healed, record
        assert it.processes.pid("it") == pid
        entries = it.journal_path.read_text().splitlines()
        assert '"sigcont"' in entries[0]
        assert f'"pid": {pid}' in entries[0]


async def test_a_pause_that_somebody_ends_is_not_seen(embedded: str, tmp_path: Path) -> None:
    port = choose_ports(["it"])["it"]
    async with process_rig(embedded, tmp_path, port) as it:

        async def ignored(_name: str, _signum: int) -> None:
            return

        it.processes.signal = ignored  # type: ignore[method-assign]
        (record,) = await it.chaos(planned("pause", duration_s=1.0)).run(time.monotonic())
        assert not record.effect_observed, record
        assert record.healed


async def test_an_injection_that_fails_is_recorded_and_stops_no_other(
    embedded: str, tmp_path: Path
) -> None:
    async with rig(embedded, "redis", tmp_path) as it:
        good = planned("latency", fault="good", latency=0.1, **COMMON, jitter=0.0)
        bad = planned("latency", fault="bad", latency=0.1, jitter=0.0, stream="sideways")
        late = planned("latency", fault="late", start_s=0.5, latency=-1e30, jitter=0.0)
        records = {r.id: r for r in await it.chaos(good, bad, late).run(time.monotonic())}
        assert records["good"].effect_observed
        assert "stream is downstream or upstream" in records["bad"].error
        assert not records["bad"].effect_observed
        assert records["bad"].healed, "it was never made"
        assert "injection failed" in records["late"].error
        assert it.phases("late") == ["failed", "healed"]
        assert await it.toxics() == []


async def test_a_toxiproxy_that_is_stopped_is_a_failed_injection(tmp_path: Path) -> None:
    with running("embedded") as url:
        async with rig(url, "redis", tmp_path) as it:
            chaos = it.chaos(planned("latency", start_s=0.3, latency=0.1, duration_s=0.5))
            await it.toxiproxy.version()
            stop(url)
            (record,) = await chaos.run(time.monotonic())
            assert "injection failed" in record.error
            assert "did not answer" in record.error
            assert not record.effect_observed
            assert record.healed, "what is gone holds no toxic"
            assert it.phases()[0] == "failed"


async def test_a_toxiproxy_that_dies_in_mid_fault_ends_it_early(tmp_path: Path) -> None:
    with running("embedded") as url:
        async with rig(url, "redis", tmp_path) as it:
            chaos = it.chaos(planned("latency", latency=0.05, duration_s=1.5))
            async with asyncio.TaskGroup() as group:
                task = group.create_task(chaos.run(time.monotonic()))
                await it.until(lambda: "observed" in it.phases())
                stop(url)
            (record,) = task.result()
            assert not record.effect_observed
            assert "it had ended before it was healed" in record.error


def stop(url: str) -> None:
    """Kill the server that listens there; it is this process's child."""
    port = int(url.rpartition(":")[2])
    import psutil

    for child in psutil.Process().children():
        if str(port) in child.cmdline():
            os.kill(child.pid, signal.SIGKILL)
            child.wait(10)


async def test_a_toxic_removed_behind_our_back_is_not_an_effect(
    embedded: str, tmp_path: Path
) -> None:
    async with rig(embedded, "redis", tmp_path) as it:
        chaos = it.chaos(planned("latency", latency=0.3, duration_s=1.2))
        async with asyncio.TaskGroup() as group:
            task = group.create_task(chaos.run(time.monotonic()))
            await it.until(lambda: "inject" in it.phases())
            assert await it.toxiproxy.remove_toxic("it", "flashdrill-f")
        (record,) = task.result()
        assert not record.effect_observed, record
        assert record.healed
        assert "it had ended before it was healed" in record.error
        assert it.phases() == ["inject", "failed", "failed", "healed"] or it.phases() == [
            "inject",
            "failed",
            "healed",
            "failed",
        ]


async def test_a_fault_that_cannot_be_healed_says_so_loudly(
    embedded: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class Stubborn(Latency):
        heal_limit_s = 0.5

        async def heal(self, ctx: FaultContext) -> None:
            raise ToxiproxyError("no, said the saboteur")

    async with rig(embedded, "redis", tmp_path) as it:
        it.kinds["latency"] = Stubborn
        chaos = it.chaos(planned("latency", latency=0.1))
        with caplog.at_level(logging.ERROR):
            (record,) = await chaos.run(time.monotonic())
        assert record.effect_observed
        assert not record.healed
        assert "NOT HEALED" in record.error
        assert "saboteur" in record.error
        assert "NOT HEALED" in caplog.text
        assert it.phases()[-1] == "failed"
        assert [fault for fault, _ in unhealed(it.journal_path)] == ["f"]
        assert chaos.active() == ("f",)
        assert await chaos.heal_all() == ("f",)


async def test_a_heal_that_does_nothing_is_found_out(embedded: str, tmp_path: Path) -> None:
    class Idle(Latency):
        heal_limit_s = 0.5

        async def heal(self, ctx: FaultContext) -> None:
            return

    async with rig(embedded, "redis", tmp_path) as it:
        it.kinds["latency"] = Idle
        (record,) = await it.chaos(planned("latency", latency=0.1)).run(time.monotonic())
        assert not record.healed
        assert "the toxic is still there" in record.error
        assert await it.toxics() == ["flashdrill-f"]


@pytest.mark.parametrize("phase", ["inject", "observed"])
async def test_a_cancellation_in_mid_fault_leaves_no_toxic(
    embedded: str, tmp_path: Path, phase: str
) -> None:
    async with rig(embedded, "redis", tmp_path) as it:
        chaos = it.chaos(planned("latency", latency=0.1, duration_s=60.0))
        task = asyncio.create_task(chaos.run(time.monotonic()))
        await it.until(lambda: phase in it.phases())
        task.cancel()
        await asyncio.sleep(0)
        task.cancel()  # an impatient user
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await it.toxics() == []
        assert unhealed(it.journal_path) == []
        (record,) = chaos.records()
        assert record.healed
        assert record.end_s < 60
        assert await chaos.heal_all() == ()


async def test_a_cancellation_before_the_fault_makes_none(embedded: str, tmp_path: Path) -> None:
    async with rig(embedded, "redis", tmp_path) as it:
        chaos = it.chaos(planned("latency", start_s=60.0, latency=0.1))
        task = asyncio.create_task(chaos.run(time.monotonic()))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert chaos.records() == []
        assert it.events == []


async def test_heal_all_ends_what_is_in_force(embedded: str, tmp_path: Path) -> None:
    async with rig(embedded, "redis", tmp_path) as it:
        chaos = it.chaos(planned("latency", latency=0.1, duration_s=1.0))
        async with asyncio.TaskGroup() as group:
            group.create_task(chaos.run(time.monotonic()))
            await it.until(lambda: "observed" in it.phases())
            assert chaos.active() == ("f",)
            assert await chaos.heal_all() == ()
            assert await it.toxics() == []
        assert chaos.records()[0].healed
        assert chaos.records()[0].effect_observed


async def test_faults_overlap_and_follow_each_other(embedded: str, tmp_path: Path) -> None:
    async with rig(embedded, "redis", tmp_path) as it:
        first = planned("latency", fault="first", start_s=0.1, latency=0.1, duration_s=1.2)
        over = planned("latency", fault="over", start_s=0.6, latency=0.3, duration_s=1.4)
        after = planned("timeout", fault="after", start_s=2.0, duration_s=1.5)
        records = {r.id: r for r in await it.chaos(first, over, after).run(time.monotonic())}
        for record in records.values():
            assert record.effect_observed, record
            assert record.healed, record
        assert records["over"].start_s < records["first"].end_s
        assert records["after"].start_s >= records["over"].end_s
        assert await it.toxics() == []


class Noisy(Fault):
    """A user's own fault whose every step fails."""

    kind = "noisy"
    target_kinds = frozenset({"redis"})
    heal_limit_s = 0.3

    async def baseline(self, ctx: FaultContext) -> None:
        raise RuntimeError("no baseline today")

    async def inject(self, ctx: FaultContext) -> None:
        return

    async def observe(self, ctx: FaultContext, baseline: Any) -> Evidence:
        raise RuntimeError("blind")

    async def heal(self, ctx: FaultContext) -> None:
        return

    async def verify_healed(self, ctx: FaultContext) -> Evidence:
        return Evidence(True)


async def test_errors_of_a_users_fault_are_recorded(embedded: str, tmp_path: Path) -> None:
    async with rig(embedded, "redis", tmp_path) as it:
        it.kinds["noisy"] = Noisy
        (record,) = await it.chaos(planned("noisy", duration_s=0.2)).run(time.monotonic())
        assert not record.effect_observed
        assert record.healed
        assert "no baseline today" in record.error


async def test_unused_rig_is_clean(embedded: str, tmp_path: Path) -> None:
    async with rig(embedded, "http", tmp_path) as it:
        assert isinstance(it, Rig)
        assert (await ask(it.target, it.target.listen)).is_answered
