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

import psutil
import pytest

from flashdrill.chaos.canary import ask
from flashdrill.chaos.fault import Evidence, Fault, FaultContext
from flashdrill.chaos.kill import Kill
from flashdrill.chaos.latency import Latency
from flashdrill.errors import ToxiproxyError
from flashdrill.model.journal import unhealed
from flashdrill.stack.ports import choose_ports
from tests.services.chaos_rig import is_running, planned, process_rig, rig
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
FAULTS: dict[str, list[tuple[str, dict[str, Any]]]] = {
    "redis": [
        ("latency", {"latency": 0.15, "jitter": 0.0}),
        ("latency", {"latency": 0.15, "jitter": 0.0, "toxicity": 0.5}),
        ("timeout", {"timeout": 0.2}),
        ("bandwidth", {"rate_kb": 100}),
        ("bandwidth", {"rate_kb": 100, "stream": "upstream"}),
        ("slow_close", {"delay": 0.2}),
        ("reset_peer", {"timeout": 0.0}),
        ("slicer", {"average_size": 100, "size_variation": 10, "delay": 0.005}),
        ("limit_data", {"bytes": 1000}),
    ],
    "http": [
        ("latency", {"latency": 0.15, "jitter": 0.0, "stream": "upstream"}),
        ("timeout", {"timeout": 0.0, "stream": "upstream"}),
        ("bandwidth", {"rate_kb": 20}),
        ("slow_close", {"delay": 0.2}),
        ("reset_peer", {"timeout": 0.1}),
        ("limit_data", {"bytes": 500}),
        ("down", {}),
    ],
    "postgres": [
        ("latency", {"latency": 0.15, "jitter": 0.05}),
        ("timeout", {"timeout": 0.0}),
        ("down", {}),
    ],
}


def parameters_of(kind: str, values: dict[str, Any]) -> dict[str, Any]:
    return {} if kind == "down" else {**COMMON, **values}


async def proven(url: str, server: str, folder: Path, kind: str, values: dict[str, Any]) -> None:
    """One fault on a target of its own: seen, and nothing of it left."""
    async with rig(url, server, folder) as it:
        chaos = it.chaos(planned(kind, duration_s=2.5, **parameters_of(kind, values)))
        (record,) = await chaos.run(time.monotonic())
        assert record.effect_observed, record
        assert record.healed, record
        assert not record.error
        assert it.phases() == ["inject", "observed", "healed"]
        assert record.end_s - record.start_s >= 2.5
        assert await it.toxics() == []
        assert (await ask(it.target, it.target.listen)).is_answered
        assert unhealed(it.journal_path) == []
        assert chaos.active() == ()


@pytest.mark.parametrize("server", FAULTS)
async def test_network_faults_are_seen_and_healed(url: str, tmp_path: Path, server: str) -> None:
    async with asyncio.TaskGroup() as group:
        for kind, values in FAULTS[server]:
            group.create_task(proven(url, server, tmp_path, kind, values))


async def silent(url: str, folder: Path, kind: str, values: dict[str, Any]) -> None:
    """One fault that works on no connection: it is not seen, and the record says so."""
    async with rig(url, "redis", folder) as it:
        fault = planned(kind, duration_s=1.0, **{**COMMON, **values, "toxicity": 0.0})
        (record,) = await it.chaos(fault).run(time.monotonic())
        assert not record.effect_observed, record
        assert record.healed
        assert it.phases() == ["inject", "failed", "healed"]
        assert "not seen" in record.error


async def test_faults_that_work_on_no_connection_are_not_seen(
    embedded: str, tmp_path: Path
) -> None:
    kinds = {kind: values for kind, values in FAULTS["redis"] if "toxicity" not in values}
    assert len(kinds) == 7
    async with asyncio.TaskGroup() as group:
        for kind, values in kinds.items():
            group.create_task(silent(embedded, tmp_path, kind, values))


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


class Impatient(Kill):
    heal_limit_s = 1.0


async def test_a_kill_that_does_not_kill_is_not_seen(embedded: str, tmp_path: Path) -> None:
    port = choose_ports(["it"])["it"]
    async with process_rig(embedded, tmp_path, port) as it:

        async def spare(_name: str) -> None:
            return

        it.processes.kill = spare  # type: ignore[method-assign]
        it.kinds["kill"] = Impatient
        (record,) = await it.chaos(planned("kill", duration_s=0.5)).run(time.monotonic())
        assert not record.effect_observed
        assert not record.healed, "it is the process that it was"
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
        late = planned("latency", fault="late", start_s=0.5, latency=1e30)  # beyond the API
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
            assert await it.toxiproxy.remove_toxic(it.proxy, "flashdrill-f")
        (record,) = task.result()
        assert not record.effect_observed, record
        assert record.healed
        assert "it had ended before it was healed" in record.error
        assert it.phases() == ["inject", "failed", "failed", "healed"]


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
