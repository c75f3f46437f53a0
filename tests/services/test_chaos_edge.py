"""Every fault of the edge on a small service behind a real edge: seen, healed, and honest when sabotaged."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from flashdrill.chaos.canary import ask as ask_canary
from flashdrill.chaos.fault import Fault, FaultContext
from flashdrill.chaos.jitter import Jitter
from flashdrill.chaos.question import Question, ask
from flashdrill.chaos.timetable import Chaos
from flashdrill.load.answer import judge
from flashdrill.load.exchange import Reply
from flashdrill.model.faults import FaultRecord, PlannedFault
from flashdrill.model.journal import unhealed
from flashdrill.model.op import Outcome
from tests.services.chaos_edge_rig import SECRET, EdgeRig, edge_rig, planned
from tests.services.chaos_rig import healed_at_last, rig
from tests.services.chaos_rig import planned as planned_on_it
from tests.services.toxiproxy_servers import running

pytestmark = pytest.mark.services
PATIENCE_S = 10.0
PROBLEM = "application/problem+json"

ORDERS = {"route": "/orders", "method": "POST"}
FAULTS: dict[str, tuple[str, dict[str, Any]]] = {
    "status": ("http_status", {"status": 503}),
    "status-orders": ("http_status", {"status": 500, **ORDERS}),
    "status-share": ("http_status", {"status": 503, "share": 0.3}),
    "status-users": ("http_status", {"status": 503, "users": 0.2, **ORDERS}),
    "delay": ("http_delay", {"delay": 0.15}),
    "delay-jitter": ("http_delay", {"delay": 0.1, "jitter": 0.05, "route": "/orders/*"}),
    "truncate": ("http_truncate", {"keep": 0.5}),
    "malform": ("http_malform", {}),
    "slow-body": ("http_slow_body", {"rate": 100.0}),
    "slow-body-long": ("http_slow_body", {"rate": 300.0, "canary": "/long"}),
    "drop": ("http_drop_first", {}),
    "drop-first": ("http_drop_first", {"first": 5}),
    "gateway": ("gateway_timeout", {"timeout": 0.05, "canary": "/slow"}),
    "refused": ("connection_refused", {}),
    "refused-redis": ("connection_refused", {}),
    "half-open": ("half_open", {}),
    "half-open-redis": ("half_open", {}),
    "throttle": ("partner_throttle", {"limit": 6}),
    "credential": ("wrong_credential", {}),
    "duplicates": ("duplicate_callbacks", {"copies": 3}),
    "late": ("late_callbacks", {"delay": 0.15}),
    "forwarded-504": ("gateway_504", {}),
}
WAYS = {name: "redis" if name.endswith("redis") else "http" for name in FAULTS}


def line_of(name: str, duration_s: float = 1.5) -> PlannedFault:
    """The fault's line with the defaults that a plan would give it."""
    kind, parameters = FAULTS[name]
    return planned(kind, name, duration_s, **parameters)


async def tried(
    it: EdgeRig, sabotage: Callable[[type[Fault]], type[Fault]] = lambda kind: kind
) -> dict[str, tuple[FaultRecord, Chaos]]:
    """Every fault at once, each on its own way; what became of it, and its timetable."""

    async def one(name: str) -> tuple[FaultRecord, Chaos]:
        line = line_of(name)
        chaos = it.chaos(line, sabotage(it.kinds[line.kind]))
        return (await chaos.run(time.monotonic()))[0], chaos

    results = await asyncio.gather(*(one(name) for name in FAULTS))
    return dict(zip(FAULTS, results, strict=True))


async def test_every_fault_is_seen_and_healed(tmp_path: Path) -> None:
    async with edge_rig(WAYS, tmp_path) as it:
        records = {name: record for name, (record, _) in (await tried(it)).items()}
        told = {n: (r.error, r.evidence) for n, r in records.items()}
        assert {n: told[n] for n, r in records.items() if not r.effect_observed} == {}
        assert {n: told[n] for n, r in records.items() if not r.healed} == {}
        assert {n: told[n] for n, r in records.items() if r.error} == {}
        assert await it.edge.rules() == {}
        assert [n for n in FAULTS if unhealed(tmp_path / f"{n}.jsonl")] == []
        for target in it.targets.values():
            assert (await ask_canary(target, target.listen)).is_answered
        has_numbers(records)


def has_numbers(records: dict[str, FaultRecord]) -> None:
    """What the evidence says is what must have been."""
    evidence = {name: dict(record.evidence) for name, record in records.items()}
    assert set(evidence["status"]["statuses"]) == {"503"}
    assert set(evidence["status"]["statuses_direct"]) == {"200"}
    assert set(evidence["status-share"]["statuses"]) == {"200", "503"}
    assert set(evidence["status-users"]["statuses"]) == {"415", "503"}
    assert evidence["status-orders"]["canary"] == "POST /orders"
    assert min(evidence["delay"]["during_ms"]) > 100 > evidence["delay"]["baseline_ms"]
    assert 0 < evidence["truncate"]["body_bytes"] < evidence["truncate"]["declared_bytes"]
    assert evidence["malform"]["json"] == 0 < evidence["malform"]["json_direct"]
    assert 1 <= evidence["drop-first"]["counters"]["applied"] <= 5
    assert evidence["gateway"]["proven_by"] == "canary"
    assert evidence["half-open"]["old_connection"] == "silent"
    assert evidence["half-open"]["new_connection"] == "answered"
    assert evidence["half-open"]["healing"]["old_after"] in {"reset", "closed"}
    assert evidence["throttle"]["statuses"]["401"] <= 6
    assert evidence["credential"]["status_before"] == 404
    assert evidence["duplicates"]["handled"] >= evidence["duplicates"]["expected"] == 15
    assert evidence["forwarded-504"]["refused_by_the_service"] >= 3
    for name in (name for name in FAULTS if not name.startswith("refused")):
        assert evidence[name]["counters"], name


async def test_a_sabotaged_injection_is_not_seen(tmp_path: Path) -> None:
    async with edge_rig(WAYS, tmp_path) as it:
        tries = await tried(it, without_injection)
        records = {name: record for name, (record, _) in tries.items()}
        assert {n: r.evidence for n, r in records.items() if r.effect_observed} == {}
        assert {n: r.error for n, r in records.items() if not r.healed} == {}
        assert [n for n, r in records.items() if not r.error] == [], "each says why"


async def test_a_sabotaged_healing_is_not_called_healed(tmp_path: Path) -> None:
    async with edge_rig(WAYS, tmp_path) as it:
        is_over = False
        tries = await tried(it, lambda kind: without_healing(kind, lambda: is_over))
        records = {name: record for name, (record, _) in tries.items()}
        assert {n: r.evidence for n, r in records.items() if r.healed} == {}
        assert [n for n, r in records.items() if "NOT HEALED" not in r.error] == []
        assert set(await it.edge.rules()) == {f"flashdrill-{name}" for name in FAULTS}
        is_over = True
        left = await asyncio.gather(*(healed_at_last(chaos) for _, chaos in tries.values()))
        assert [fault for faults in left for fault in faults] == []
        assert await it.edge.rules() == {}


def without_injection(kind: type[Fault]) -> type[Fault]:
    async def inject(_self: Fault, _ctx: FaultContext) -> None:
        return None

    return type(kind.__name__, (kind,), {"inject": inject})


def without_healing(kind: type[Fault], is_over: Callable[[], bool]) -> type[Fault]:
    async def heal(self: Fault, ctx: FaultContext) -> None:
        if is_over():
            await kind.heal(self, ctx)

    return type(kind.__name__, (kind,), {"heal": heal, "heal_limit_s": 1.0})


async def customers(it: EdgeRig, question: Question, count: int) -> list[int]:
    """The statuses that so many of them get on the way `it`, one after the other."""
    listen = it.targets["it"].listen
    return [(await ask(listen, question, PATIENCE_S)).status for _ in range(count)]


async def until_in_force(it: EdgeRig) -> None:
    """Poll until the edge has a rule."""
    async with asyncio.timeout(PATIENCE_S):
        while not await it.edge.rules():
            await asyncio.sleep(0.005)


def order_of(user: str) -> Question:
    body = f'{{"user_id": "{user}"}}'.encode()
    return Question("POST", "/orders", {"Content-Type": "application/json"}, body)


async def test_a_share_of_the_users_is_always_the_same_users(tmp_path: Path) -> None:
    async with edge_rig({"it": "http"}, tmp_path) as it:
        parameters = {"status": 503, "users": 0.5, **ORDERS}
        chaos = it.chaos(planned("http_status", "it", 1.5, **parameters))
        async with asyncio.TaskGroup() as group:
            run = group.create_task(chaos.run(time.monotonic()))
            await until_in_force(it)
            seen = [await customers(it, order_of(f"u{n}"), 3) for n in range(20)]
        assert run.result()[0].effect_observed
        assert {tuple(statuses) for statuses in seen} == {(503,) * 3, (415,) * 3}


async def test_canaries_leave_the_service_as_it_was(tmp_path: Path) -> None:
    async with edge_rig({"it": "http"}, tmp_path) as it:
        line = planned("http_status", "it", status=503, route="/orders*", method="POST")
        (record,) = await it.chaos(line).run(time.monotonic())
        assert record.effect_observed
        assert set(it.services["it"].requests) == {("POST", "/orders-canary")}


async def test_requests_on_other_routes_go_through(tmp_path: Path) -> None:
    async with edge_rig({"it": "http"}, tmp_path) as it:
        chaos = it.chaos(planned("http_status", "it", 1.0, status=503, route="/orders*"))
        async with asyncio.TaskGroup() as group:
            run = group.create_task(chaos.run(time.monotonic()))
            await until_in_force(it)
            assert await customers(it, Question(path="/healthz"), 3) == [200] * 3
            assert await customers(it, Question(path="/orders/7"), 3) == [503] * 3
        assert run.result()[0].effect_observed


async def test_drops_that_customers_used_up_are_proven_by_the_count(tmp_path: Path) -> None:
    async with edge_rig({"it": "http"}, tmp_path) as it:

        class Crowded(it.kinds["http_drop_first"]):  # type: ignore[name-defined,misc]
            async def inject(self, ctx: FaultContext) -> None:
                await super().inject(ctx)
                assert await customers(it, Question(), 3) == [0, 0, 200]

        line = planned("http_drop_first", "it", 0.8, first=2)
        (record,) = await it.chaos(line, Crowded).run(time.monotonic())
        assert record.effect_observed, record
        assert record.evidence["proven_by"] == "count of the edge"
        assert record.evidence["dropped"] == 2
        statuses = record.evidence["statuses"]
        assert "200" in statuses
        assert "closed" not in statuses, "no canary was dropped"
        assert record.healed


async def test_a_gateway_that_had_nothing_to_give_up_is_not_seen(tmp_path: Path) -> None:
    async with edge_rig({"it": "http"}, tmp_path) as it:
        line = planned("gateway_timeout", "it", 0.8, timeout=5.0)
        (record,) = await it.chaos(line).run(time.monotonic())
        assert not record.effect_observed
        assert "nothing took longer than 5 s" in record.error
        assert record.healed


async def test_customers_that_a_gateway_gave_up_prove_it_and_know_nothing(tmp_path: Path) -> None:
    async with edge_rig({"it": "http"}, tmp_path) as it:
        chaos = it.chaos(planned("gateway_timeout", "it", 1.2, timeout=0.1))
        async with asyncio.TaskGroup() as group:
            run = group.create_task(chaos.run(time.monotonic()))
            await until_in_force(it)
            answer = await ask(it.targets["it"].listen, Question(path="/slow"), PATIENCE_S)
        (record,) = run.result()
        assert record.effect_observed, record
        assert record.evidence["proven_by"] == "count of the edge"
        assert record.evidence["given_up"] == 1
        assert ("GET", "/slow") in it.services["it"].requests, "the work was done"
        reply = Reply(1, 2, status=answer.status, body=answer.body, content_type=PROBLEM)
        assert judge(reply, {200: "found"}).reason == "gateway_timeout"
        assert judge(reply, {200: "found"}).outcome is Outcome.INFO


async def test_an_edge_that_dies_takes_its_faults_with_it(tmp_path: Path) -> None:
    async with edge_rig({"it": "http"}, tmp_path) as it:
        chaos = it.chaos(planned("http_status", "it", 1.0, status=503))
        async with asyncio.TaskGroup() as group:
            run = group.create_task(chaos.run(time.monotonic()))
            await until_in_force(it)
            it.process.kill()
            await it.process.wait()
        (record,) = run.result()
        assert record.healed
        assert not record.effect_observed
        assert "ended before it was healed" in record.error
        assert "the edge is gone" in record.evidence["healing"]["reason"]


async def test_a_rule_that_somebody_removed_was_not_in_force(tmp_path: Path) -> None:
    async with edge_rig({"it": "http"}, tmp_path) as it:
        chaos = it.chaos(planned("http_status", "it", 1.0, status=503))
        async with asyncio.TaskGroup() as group:
            run = group.create_task(chaos.run(time.monotonic()))
            await until_in_force(it)
            assert await it.edge.remove("flashdrill-it")
        (record,) = run.result()
        assert record.healed
        assert not record.effect_observed
        assert "ended before it was healed" in record.error


async def test_a_canary_that_nobody_can_sign_is_said_so(tmp_path: Path) -> None:
    async with edge_rig({"it": "http"}, tmp_path) as it:
        it.targets["it"] = replace(it.targets["it"], settings_file=None)
        (record,) = await it.chaos(planned("wrong_credential", "it", 0.2)).run(time.monotonic())
        assert not record.effect_observed
        assert "no canary can be signed" in record.error
        assert record.healed


async def test_evidence_never_has_the_secret(tmp_path: Path) -> None:
    async with edge_rig({"it": "http"}, tmp_path) as it:
        (record,) = await it.chaos(planned("wrong_credential", "it", 1.0)).run(time.monotonic())
        assert record.effect_observed, record
        assert SECRET not in str(record) + str(it.events) + (tmp_path / "it.jsonl").read_text()


JITTER = {"jitter": 0.05, "latency": 0.0, "stream": "downstream", "toxicity": 1.0}


async def jittered(
    url: str, folder: Path, kind: type[Fault] | None = None, **changes: Any
) -> FaultRecord:
    """A jitter on a tiny Redis behind Toxiproxy; nothing of it is left in the end."""
    async with rig(url, "redis", folder) as it:
        it.kinds["jitter"] = kind or it.kinds["jitter"]
        chaos = it.chaos(planned_on_it("jitter", duration_s=1.5, **{**JITTER, **changes}))
        return (await chaos.run(time.monotonic()))[0]


class Even(Jitter):
    """A latency, and no jitter."""

    def attributes(self, parameters: Mapping[str, Any]) -> dict[str, int]:
        return {"latency": 100, "jitter": 0}


async def test_a_jitter_is_seen_in_how_much_the_canaries_differ(tmp_path: Path) -> None:
    with running("embedded") as url:
        real, nowhere, even, left = await asyncio.gather(
            jittered(url, tmp_path),
            jittered(url, tmp_path, toxicity=0.0),
            jittered(url, tmp_path, Even),
            jittered(url, tmp_path, without_healing(Jitter, lambda: False)),
        )
    assert real.effect_observed, real
    assert real.healed
    assert not real.error
    assert real.evidence["canaries"] >= 16
    assert real.evidence["spread_ms"] > 25 > real.evidence["spread_direct_ms"]
    assert not nowhere.effect_observed
    assert "differ no more than usual" in nowhere.error
    assert nowhere.healed
    assert not even.effect_observed, "later, but not unevenly so"
    assert not left.healed
    assert "NOT HEALED" in left.error
