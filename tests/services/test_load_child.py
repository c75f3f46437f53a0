"""The load process as the harness runs it: a real headless Locust against a tiny service."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from array import array
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from aiohttp import web

from flashdrill.errors import ConfigError, InconclusiveError, StackError
from flashdrill.load import child
from flashdrill.load.record import read_stream
from flashdrill.load.schedule import arrivals
from flashdrill.load.spec import CrowdSpec, write_spec
from flashdrill.model.history import ops_from_table
from flashdrill.model.op import NOT_SENT, Op, Outcome
from flashdrill.model.scenario import Limits, Product, Stage, World
from flashdrill.model.traffic import TrafficModel
from tests.services.load_shop import SECRET, Shop, problem, reset
from tests.unit.crowds import steady

pytestmark = pytest.mark.services

LOCUSTFILE = Path(__file__).parents[2] / "scenarios" / "flash_sale.py"
WORLD = World(500, (Product("hot-1", 1999, 40, 3), Product("cold-1", 500, 1000, 1)))
QUICK = {"payment_s": 0.05, "late_payment_s": 0.1}
TIMEOUT_S = 60


class Crowd:
    """A load process, its specification, and what it said."""

    def __init__(self, spec: CrowdSpec, process: asyncio.subprocess.Process) -> None:
        self.spec, self.process = spec, process
        self.lines: list[dict[str, Any]] = []

    @property
    def live_path(self) -> Path:
        return Path(self.spec.live_path)

    def is_alive(self) -> bool:
        return self.process.returncode is None

    async def begin(self) -> int:
        ready = await child.wait_ready(self.live_path, self.is_alive)
        assert ready["pid"] == self.process.pid
        t0_ns = time.monotonic_ns() + 200_000_000
        child.start(Path(self.spec.start_path), t0_ns)
        return t0_ns

    async def follow(self, seconds: int = 10**9) -> None:
        """Listen to the end, or until so many seconds were told."""
        async for line in child.follow(self.live_path, self.is_alive):
            self.lines.append(line)
            seconds -= line["event"] == "second"
            if seconds <= 0:
                return

    async def finish(self) -> dict[str, Any]:
        await self.follow()
        assert await self.process.wait() == 0
        return self.lines[-1]

    def table(self) -> pa.Table:
        return read_stream(Path(self.spec.ops_path))

    def ops(self) -> list[Op]:
        return list(ops_from_table(self.table()))


@asynccontextmanager
async def crowd(
    shop: Shop, folder: Path, *stages: Stage, locustfile: Path = LOCUSTFILE, **more: Any
) -> AsyncIterator[Crowd]:
    spec = CrowdSpec(
        **{
            "name": "test",
            "locustfile": str(locustfile),
            "base_url": shop.url,
            "payment_url": shop.url,
            "hmac_secret": SECRET,
            "stages": stages,
            "world": WORLD,
            "seed": 11,
            "ops_path": str(folder / "ops.record"),
            "live_path": str(folder / "live.jsonl"),
            "start_path": str(folder / "start.json"),
            "parameters": QUICK,
            **more,
        }
    )
    write_spec(spec, folder / "crowd.json")
    process = await asyncio.create_subprocess_exec(
        *child.command(folder / "crowd.json"),
        env=child.environment(folder / "crowd.json"),
        cwd=folder,
        stdout=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(TIMEOUT_S):
            yield Crowd(spec, process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def rush(duration_s: float, **rates: float) -> Stage:
    return Stage("rush", 0, duration_s, tuple(steady(j, r, duration_s) for j, r in rates.items()))


def of_kind(ops: list[Op], kind: str) -> list[Op]:
    return [op for op in ops if op.kind == kind]


async def test_arrivals_are_those_of_the_schedule_at_their_times(tmp_path: Path) -> None:
    stages = (rush(1.5, browse=20, order=40, buy=20), Stage("tail", 1.5, 0.5))
    async with Shop().serving() as shop, crowd(shop, tmp_path, *stages) as running:
        t0_ns = await running.begin()
        done = await running.finish()
        ops = running.ops()
    planned = [(t0_ns + round(a.due_s * 1e9), a.journey, a.stage) for a in arrivals(stages, 11)]
    came = sorted((op.due_ns, op.journey, op.stage) for op in ops if op.is_arrival)
    assert came == sorted(planned)
    assert len({op.op_id for op in ops}) == len(ops)
    assert all(op.due_ns <= op.sent_ns <= op.done_ns for op in ops)
    assert {op.outcome for op in ops} == {Outcome.OK}
    assert (done["due"], done["crowd_errors"], done["interrupted"]) == (len(planned), 0, False)
    assert done["sent"] == len(ops) == sum(shop.requests.values())
    assert done["connection_waits"] == 0


async def test_a_recording_comes_at_its_own_times_to_the_nanosecond(tmp_path: Path) -> None:
    """40 s of a recording at 50 times speed."""
    offsets_ms = tuple(n * n // 10 % 40_000 for n in range(200))
    model = TrafficModel(
        source="a recording",
        rows=len(offsets_ms),
        first_at="2026-01-01T00:00:00Z",
        duration_s=max(offsets_ms) / 1000,
        offsets_ms={"GET /": array("q", sorted(offsets_ms))},
        operations={"GET /": "order"},
    )
    stage = Stage("recorded", 0, 1.0, recorded=model.recorded(speed=50))
    async with Shop().serving() as shop, crowd(shop, tmp_path, stage) as running:
        t0_ns = await running.begin()
        done = await running.finish()
        arrived = [op for op in running.ops() if op.is_arrival]
    assert sorted(op.due_ns - t0_ns for op in arrived) == sorted(ms * 20_000 for ms in offsets_ms)
    assert all(op.sent_ns != NOT_SENT for op in arrived)
    assert done["due"] == len(offsets_ms)


async def test_every_part_of_the_sale_is_played_and_told_to_the_checkers(tmp_path: Path) -> None:
    parameters = {**QUICK, "double_click_share": 0.3, "duplicate_payment_share": 0.5}
    async with (
        Shop().serving() as shop,
        crowd(shop, tmp_path, rush(2, browse=10, buy=40), parameters=parameters) as running,
    ):
        await running.begin()
        await running.finish()
        ops = running.ops()
    orders, payments = of_kind(ops, "place_order"), of_kind(ops, "pay_callback")
    assert {op.kind for op in ops} == {"get_product", "place_order", "pay_callback", "get_order"}
    assert shop.unsigned == 0
    assert {op.key for op in orders} == set(shop.orders)
    assert all(shop.orders[op.key] == op.order_id for op in orders)
    assert all(op.breakdown == "q.pool.shard0;dur=0.1" for op in orders)
    twice = [key for key, count in Counter(op.key for op in orders).items() if count == 2]
    assert twice
    for key in twice:
        first, second = (op for op in orders if op.key == key)
        assert first.process != second.process
        assert first.due_ns == second.due_ns
    assert {op.transaction_id for op in payments} == set(shop.payments)
    assert {op.order_id for op in payments} <= {op.order_id for op in orders}
    assert max(shop.payments.values()) >= 2
    prices = {product.sku: product.price_cents for product in WORLD.products}
    assert all(op.amount_cents == prices[op.sku] * op.quantity for op in orders)


async def test_a_stall_shows_in_every_response_time_that_it_delayed(tmp_path: Path) -> None:
    """A closed model would send one request into the stall and see one slow answer."""
    async with Shop().serving() as shop, crowd(shop, tmp_path, rush(3, order=60)) as running:
        t0_ns = await running.begin()
        await asyncio.sleep(max(0, (t0_ns - time.monotonic_ns()) / 1e9 + 1))
        shop.open_gate.clear()
        stalled_ns = time.monotonic_ns()
        await asyncio.sleep(1)
        opened_ns = time.monotonic_ns()
        shop.open_gate.set()
        await running.finish()
        ops = running.ops()
    hit = [op for op in ops if stalled_ns < op.due_ns < opened_ns]
    assert len(hit) > 30  # they came all the same
    assert all(op.done_ns >= opened_ns for op in hit)
    # Response times fall as a line from the whole stall to nothing: their mean is half of it.
    mean_s = sum(op.done_ns - op.due_ns for op in hit) / len(hit) / 1e9
    assert mean_s > 0.35 * (opened_ns - stalled_ns) / 1e9
    assert all(op.sent_ns < opened_ns for op in hit[: len(hit) // 2])


async def test_beyond_the_bound_arrivals_are_recorded_as_not_sent(tmp_path: Path) -> None:
    limits = Limits(in_flight=5, request_timeout_s=5)
    async with (
        Shop().serving() as shop,
        crowd(shop, tmp_path, rush(1, order=80), limits=limits) as running,
    ):
        shop.open_gate.clear()
        await running.begin()
        await running.follow(seconds=2)
        shop.open_gate.set()
        done = await running.finish()
        ops = running.ops()
    left_out = [op for op in ops if op.sent_ns == NOT_SENT]
    arrived = [op for op in ops if op.is_arrival]
    assert len(arrived) == done["due"] == len(list(arrivals(running.spec.stages, 11)))
    assert {(op.outcome, op.reason) for op in left_out} == {(Outcome.FAIL, "not_sent")}
    assert len(left_out) == done["not_sent"] == len(ops) - 5
    assert done["connection_waits"] == 0


Answer = Callable[[web.Request], Awaitable[web.StreamResponse | None]]


def always(make: Callable[[web.Request], web.StreamResponse]) -> Answer:
    async def hook(request: web.Request) -> web.StreamResponse | None:
        return make(request) if request.path == "/orders" else None

    return hook


@pytest.mark.parametrize(
    ("make", "outcome", "reason", "is_refusal", "attempts"),
    [
        (
            lambda r: problem("sold-out", 409, definite=True, refusal=True),
            Outcome.FAIL,
            "sold_out",
            True,
            1,
        ),
        (
            lambda r: problem("overloaded", 503, definite=True),
            Outcome.FAIL,
            "overloaded",
            False,
            2,
        ),
        (lambda r: web.Response(status=504), Outcome.INFO, "gateway_timeout", False, 2),
        (reset, Outcome.INFO, "connection_lost", False, 2),
    ],
)
async def test_what_the_service_does_is_called_by_its_name(
    tmp_path: Path,
    make: Callable[[web.Request], web.StreamResponse],
    outcome: Outcome,
    reason: str,
    is_refusal: bool,
    attempts: int,
) -> None:
    limits = Limits(max_attempts=2, request_timeout_s=2)
    async with (
        Shop().serving() as shop,
        crowd(shop, tmp_path, rush(0.5, buy=30), limits=limits) as running,
    ):
        shop.hook = always(make)
        await running.begin()
        await running.finish()
        ops = running.ops()
    assert {(op.outcome, op.reason, op.is_refusal) for op in ops} == {(outcome, reason, is_refusal)}
    assert {len(op.attempts) for op in ops} == {attempts}
    assert not of_kind(ops, "pay_callback")  # who got no order pays nothing


async def test_a_payment_for_a_queued_order_comes_again_until_it_is_taken(tmp_path: Path) -> None:
    turned_away: Counter[str] = Counter()

    async def hook(request: web.Request) -> web.StreamResponse | None:
        if request.path != "/payments/callback":
            return None
        transaction = json.loads(await request.read())["transaction_id"]
        turned_away[transaction] += 1
        if turned_away[transaction] > 4:
            return None
        return problem("order-still-queued", 503, definite=True, retry_after="0.05")

    async with Shop().serving() as shop, crowd(shop, tmp_path, rush(0.3, buy=20)) as running:
        shop.hook = hook
        await running.begin()
        await running.finish()
        payments = of_kind(running.ops(), "pay_callback")
    assert payments
    assert {op.outcome for op in payments} == {Outcome.OK}
    assert max(len(op.attempts) for op in payments) == 5
    assert {a.reason for op in payments for a in op.attempts} == {"order_still_queued", "paid"}
    assert shop.unsigned == 0


async def test_a_timeout_is_unknown_and_not_waited_for(tmp_path: Path) -> None:
    limits = Limits(max_attempts=1, request_timeout_s=0.2)
    async with (
        Shop().serving() as shop,
        crowd(
            shop,
            tmp_path,
            rush(0.5, order=20),
            limits=limits,
            parameters={**QUICK, "double_click_share": 0},
        ) as running,
    ):
        shop.open_gate.clear()
        await running.begin()
        done = await running.finish()
        ops = running.ops()
    assert {(op.outcome, op.reason) for op in ops} == {(Outcome.INFO, "timeout")}
    assert done["info"] == len(ops) == done["due"]


async def test_a_stopped_process_shows_its_lateness(tmp_path: Path) -> None:
    async with Shop().serving() as shop, crowd(shop, tmp_path, rush(3, order=50)) as running:
        await running.begin()
        await running.follow(seconds=1)
        running.process.send_signal(signal.SIGSTOP)
        await asyncio.sleep(1)
        running.process.send_signal(signal.SIGCONT)
        running.lines.clear()
        done = await running.finish()
        ops = running.ops()
    late_s = np.array([op.sent_ns - op.due_ns for op in ops if op.is_arrival]) / 1e9
    assert len(late_s) == done["due"] == len(list(arrivals(running.spec.stages, 11)))
    assert late_s.max() > 0.8
    assert (late_s > 0.1).sum() > 20
    assert max(line.get("lateness_p99_ms") or 0 for line in running.lines) > 800
    assert done["lateness_max_ms"] > 800


async def test_sigterm_ends_it_soon_with_everything_on_disk(tmp_path: Path) -> None:
    async with Shop().serving() as shop, crowd(shop, tmp_path, rush(60, order=50)) as running:
        await running.begin()
        await running.follow(seconds=1)
        shop.open_gate.clear()
        await asyncio.sleep(0.2)
        running.process.terminate()
        async with asyncio.timeout(5):
            running.lines.clear()
            done = await running.finish()
        ops = running.ops()
    assert done["interrupted"] is True
    assert len(ops) == done["sent"]
    open_then = [op for op in ops if op.reason == "abandoned"]
    assert open_then
    assert {op.outcome for op in open_then} == {Outcome.INFO}
    assert set(shop.orders) <= {op.key for op in ops}  # nothing that happened is missing


async def test_sigterm_before_the_start_ends_it_too(tmp_path: Path) -> None:
    async with Shop().serving() as shop, crowd(shop, tmp_path, rush(60, order=50)) as running:
        await child.wait_ready(running.live_path, running.is_alive)
        running.process.terminate()
        assert (await running.finish())["interrupted"] is True
    assert not running.ops()


async def test_a_killed_process_leaves_a_readable_history_and_no_verdict(tmp_path: Path) -> None:
    async with Shop().serving() as shop, crowd(shop, tmp_path, rush(60, order=50)) as running:
        await running.begin()
        await running.follow(seconds=2)
        os.kill(running.process.pid, signal.SIGKILL)
        with pytest.raises(InconclusiveError, match="died in mid-run"):
            await running.follow()
    assert running.table().num_rows > 20


async def test_errors_of_a_journey_are_counted_and_told(tmp_path: Path) -> None:
    locustfile = tmp_path / "broken.py"
    locustfile.write_text(
        "import socket\n"
        "from flashdrill.locust import OpenCrowd, journey\n"
        "class Broken(OpenCrowd):\n"
        "    @journey\n"
        "    def order(self, session):\n"
        "        raise KeyError('slip')\n"
        "    @journey\n"
        "    def idle(self, session):\n"
        "        pass\n"
        "    @journey\n"
        "    def stray(self, session):\n"
        "        socket.create_connection(('0.0.0.0', 9))\n"
    )
    async with (
        Shop().serving() as shop,
        crowd(
            shop, tmp_path, rush(0.5, order=10, idle=10, stray=10), locustfile=locustfile
        ) as running,
    ):
        await running.begin()
        done = await running.finish()
    assert done["crowd_errors"] == done["due"] > 0
    told = [line["error"] for line in running.lines if line["event"] == "error"]
    assert any("slip" in text for text in told)
    assert any("without an operation" in text for text in told)
    assert any("0.0.0.0 is not among the hosts of this run" in text for text in told)


async def test_a_journey_that_the_locustfile_lacks_is_told_before_the_start(tmp_path: Path) -> None:
    async with (
        Shop().serving() as shop,
        crowd(shop, tmp_path, rush(1, refund=1)) as running,
    ):
        with pytest.raises(ConfigError, match="no journey refund"):
            await child.wait_ready(running.live_path, running.is_alive)
        assert await running.process.wait() == 2


async def test_two_workers_make_up_one_crowd(tmp_path: Path) -> None:
    stage = rush(1, order=60)
    spots = [tmp_path / name for name in "ab"]
    for spot in spots:
        spot.mkdir()
    async with (
        Shop().serving() as shop,
        crowd(shop, spots[0], stage, worker=0, workers=2) as first,
        crowd(shop, spots[1], stage, worker=1, workers=2) as second,
    ):
        await first.begin()
        await second.begin()
        await first.finish()
        await second.finish()
    ops = first.ops() + second.ops()
    assert len([op for op in ops if op.is_arrival]) == len(list(arrivals((stage,), 11)))
    assert len({op.op_id for op in ops}) == len(ops)
    assert len({op.key for op in ops}) + sum(op.is_arrival is False for op in ops) == len(ops)


async def test_a_seed_repeats_who_buys_what_but_never_a_key(tmp_path: Path) -> None:
    chosen, keys = [], []
    async with Shop().serving() as shop:
        for name in "ab":
            (tmp_path / name).mkdir()
            async with crowd(shop, tmp_path / name, rush(0.5, order=60)) as running:
                t0_ns = await running.begin()
                await running.finish()
                ops = sorted((op for op in running.ops() if op.is_arrival), key=lambda o: o.due_ns)
            chosen.append([(op.due_ns - t0_ns, op.user_id, op.sku, op.quantity) for op in ops])
            keys.append({op.key for op in ops})
    assert chosen[0] == chosen[1]
    assert not keys[0] & keys[1]


async def test_a_history_that_cannot_be_written_is_told_before_the_start(tmp_path: Path) -> None:
    async with (
        Shop().serving() as shop,
        crowd(shop, tmp_path, rush(1, order=10), ops_path="/dev/full") as running,
    ):
        with pytest.raises(StackError, match="died before it was ready"):
            await child.wait_ready(running.live_path, running.is_alive)
        assert await running.process.wait() == 4


async def test_a_host_that_is_not_allowed_is_refused_by_the_load_process_itself(
    tmp_path: Path,
) -> None:
    """Nothing before it has looked: the specification is handed to it as it is."""
    async with (
        Shop().serving() as shop,
        crowd(shop, tmp_path, rush(1, order=1), payment_url="http://shop.invalid:1") as running,
    ):
        with pytest.raises(ConfigError, match=r"shop\.invalid is not among"):
            await child.wait_ready(running.live_path, running.is_alive)
        assert await running.process.wait() == 2


async def test_above_the_cap_nothing_is_sent_and_the_load_ends(tmp_path: Path) -> None:
    """Of 40 arrivals a second each tries three times: the cap of 60 requests holds, and the load is over at once."""
    heard: list[str] = []

    async def busy(request: web.Request) -> web.StreamResponse:
        heard.append(request.path)
        return problem("busy", 503, definite=True)

    limits = Limits(max_attempts=3, rate_max=60)
    async with Shop().serving() as shop:
        shop.hook = busy
        async with crowd(shop, tmp_path, rush(30, order=40), limits=limits) as running:
            t0_ns = await running.begin()
            done = await running.finish()
            ops = running.ops()
    over = next(line for line in running.lines if line["event"] == "over_cap")
    assert over["requests_per_s"] == 60
    assert over["t_s"] < 15, "it ended long before its 30 s"
    assert 60 <= len(heard) <= 60 * (over["t_s"] + 2)
    assert done["interrupted"] is True
    assert done["crowd_errors"] == 0, (
        "the customers who were ended are no error of the crowd's code"
    )
    assert max(op.due_ns for op in ops if op.is_arrival) - t0_ns < (over["t_s"] + 1) * 1e9
