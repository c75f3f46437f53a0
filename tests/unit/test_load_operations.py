from __future__ import annotations

import json
from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from gevent import GreenletExit
from msgspec.structs import replace

from flashdrill.errors import ConfigError
from flashdrill.load.exchange import HeldBackError, Reply, Request
from flashdrill.load.operations import WORKER_SHIFT, Answer, Call, Operations, Place, Retry
from flashdrill.load.session import Market, Session
from flashdrill.model.op import NOT_SENT, Op, Outcome
from flashdrill.model.scenario import Product, Stage, World
from tests.unit.crowds import steady

MS = 10**6
PLACE = Place(stage="rush", journey="order", process=1, due_ns=1_000 * MS, is_arrival=True)
CALL = Call(
    kind="place_order",
    method="POST",
    path="/orders",
    acknowledged={201: "placed", 202: "queued"},
    required=("order_id",),
    key="k1",
)

ok = Reply(0, 0, status=201, body=b'{"order_id": "o1"}')
queued = Reply(0, 0, status=202, body=b'{"order_id": "o1"}')
lost = Reply(0, 0, failure="connection_lost")
refused_connection = Reply(0, 0, failure="connection_refused")


def problem(slug: str, status: int, *, refusal: bool = False, after: float | None = None) -> Reply:
    body = json.dumps({"type": slug, "definite": True, "refusal": refusal}).encode()
    kind = "application/problem+json"
    return Reply(0, 0, status=status, body=body, content_type=kind, retry_after_s=after)


class Rig:
    """A wire that answers from a list, each after 10 ms of a clock of its own."""

    def __init__(self, *replies: Reply | BaseException, in_flight_max: int = 8) -> None:
        self.now_ns = 1_005 * MS
        self.replies = list(replies)
        self.requests: list[Request] = []
        self.slept: list[float] = []
        self.lateness: list[int] = []
        self.ops: list[Op] = []
        self.operations = Operations(
            self,
            self,
            in_flight_max=in_flight_max,
            request_timeout_s=5,
            max_attempts=3,
            clock_ns=lambda: self.now_ns,
            sleep=self.sleep,
        )

    def send(self, via: str, request: Request, *, timeout_s: float) -> Reply:
        self.requests.append(request)
        sent_ns = self.now_ns
        self.now_ns += 10 * MS
        reply = self.replies.pop(0)
        if isinstance(reply, BaseException):
            raise reply
        return replace(reply, sent_ns=sent_ns, done_ns=self.now_ns)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now_ns += round(seconds * 1e9)

    def sent(self, lateness_ns: int) -> None:
        self.lateness.append(lateness_ns)

    def ended(self, op: Op) -> None:
        self.ops.append(op)

    def perform(self, call: Call = CALL) -> Answer:
        return self.operations.perform(call, PLACE, Random(1))

    def session(
        self, spawned: list[Callable[[], None]] | None = None, *, has_room: bool = True
    ) -> Session:
        stages = (Stage("a", 0, 1, (steady("order", 1, 1),)), Stage("b", 1, 1))
        market = Market(
            World(5, (Product("hot", 1, 1, 3), Product("cold", 1, 1, 1))), stages, {}, 0
        )
        waiting = spawned if spawned is not None else []
        return Session(
            market,
            self.operations,
            rng=Random(2),
            journey="order",
            due_ns=1_000 * MS,
            sleep_until=lambda due_ns: setattr(self, "now_ns", due_ns),
            spawn=lambda act, journey: waiting.append(act),
            has_room=has_room,
        )


def test_one_attempt_is_timed_from_when_it_was_due() -> None:
    rig = Rig(ok)
    op = rig.perform().op
    assert (op.outcome, op.reason, op.status, op.order_id) == (Outcome.OK, "placed", 201, "o1")
    assert (op.due_ns, op.sent_ns, op.done_ns) == (1_000 * MS, 1_005 * MS, 1_015 * MS)
    assert (op.key, op.is_arrival, op.attempts[0].sent_ns) == ("k1", True, 1_005 * MS)
    assert rig.lateness == [5 * MS]
    assert rig.ops == [op]


def test_queued_is_told_apart() -> None:
    assert Rig(queued).perform().op.reason == "queued"


def test_an_unknown_attempt_is_repeated_with_the_same_body_and_any_ok_wins() -> None:
    rig = Rig(lost, ok)
    op = rig.perform(replace(CALL, headers={"Idempotency-Key": "k1"})).op
    assert (op.outcome, len(op.attempts)) == (Outcome.OK, 2)
    assert rig.requests[0] == rig.requests[1]
    assert rig.lateness == [5 * MS]  # an operation leaves once


def test_unknown_stays_unknown_even_if_the_last_attempt_was_refused() -> None:
    op = Rig(lost, problem("sold-out", 409, refusal=True)).perform().op
    assert (op.outcome, op.reason, op.is_refusal) == (Outcome.INFO, "connection_lost", False)


def test_a_refusal_is_not_repeated() -> None:
    rig = Rig(problem("sold-out", 409, refusal=True), ok)
    op = rig.perform().op
    assert (op.outcome, op.reason, op.is_refusal) == (Outcome.FAIL, "sold_out", True)
    assert len(rig.requests) == 1


def test_a_definite_failure_is_repeated_up_to_the_limit() -> None:
    rig = Rig(*[problem("overloaded", 503)] * 3)
    op = rig.perform().op
    assert (op.outcome, op.reason, len(op.attempts)) == (Outcome.FAIL, "overloaded", 3)
    assert len(rig.slept) == 2


def test_nothing_left_when_every_connection_was_refused() -> None:
    op = Rig(*[refused_connection] * 3).perform().op
    assert (op.outcome, op.reason, op.status) == (Outcome.FAIL, "connection_refused", 0)


def test_a_call_may_have_more_patience_than_the_scenario() -> None:
    patient = replace(CALL, retry=Retry(attempts=5))
    rig = Rig(*[problem("order-still-queued", 503)] * 4, ok)
    assert rig.perform(patient).is_ok
    assert len(rig.requests) == 5


def test_pauses_grow_with_jitter_and_retry_after_is_honoured_within_its_cap() -> None:
    retry, rng = Retry(base_s=0.1, cap_s=0.4, retry_after_cap_s=5), Random(1)
    for attempt, longest in enumerate([0.1, 0.2, 0.4, 0.4]):
        assert longest / 2 <= retry.pause_s(attempt, None, rng) <= longest
    assert retry.pause_s(0, 1.0, rng) == 1.0
    assert retry.pause_s(0, 3600.0, rng) == 5.0
    rig = Rig(problem("rate-limited", 429, after=2.0), ok)
    rig.perform()
    assert rig.slept == [2.0]


def test_each_attempt_is_signed_afresh() -> None:
    stamps = iter("ab")
    rig = Rig(lost, ok)
    rig.perform(replace(CALL, sign=lambda body: {"X-Timestamp": next(stamps)}))
    assert [r.headers["X-Timestamp"] for r in rig.requests] == ["a", "b"]


def test_without_room_an_arrival_is_recorded_as_not_sent() -> None:
    rig = Rig(ok, in_flight_max=0)
    op = rig.perform().op
    assert (op.sent_ns, op.outcome, op.reason) == (NOT_SENT, Outcome.FAIL, "not_sent")
    assert (op.attempts, op.is_arrival, op.is_refusal) == ((), True, False)
    assert not rig.requests
    assert not rig.lateness


def test_room_is_given_back() -> None:
    rig = Rig(ok, lost, KeyboardInterrupt(), ok, in_flight_max=1)
    assert rig.perform().is_ok
    with pytest.raises(KeyboardInterrupt):
        rig.perform()
    assert rig.operations.in_flight == 0
    assert rig.perform().is_ok


def test_what_was_out_when_the_crowd_was_stopped_is_unknown() -> None:
    class Stopped(BaseException):
        pass

    rig = Rig(Stopped())
    with pytest.raises(Stopped):
        rig.perform()
    (op,) = rig.ops
    assert (op.outcome, op.reason, op.sent_ns) == (Outcome.INFO, "abandoned", 1_005 * MS)


@pytest.mark.parametrize("why", [ValueError("a line break"), HeldBackError()])
def test_what_the_generator_did_not_send_is_never_called_unknown(why: BaseException) -> None:
    rig = Rig(why)
    with pytest.raises(type(why)):
        rig.perform()
    (op,) = rig.ops
    assert (op.outcome, op.reason, op.sent_ns) == (Outcome.FAIL, "not_sent", NOT_SENT)


def test_a_first_attempt_that_left_counts_though_the_second_could_not() -> None:
    rig = Rig(lost, ValueError("a line break"))
    with pytest.raises(ValueError, match="line break"):
        rig.perform()
    (op,) = rig.ops
    assert (op.outcome, op.reason, len(op.attempts)) == (Outcome.INFO, "connection_lost", 1)


@pytest.mark.parametrize("wrong", [{"quantity": 1 << 63}, {"amount_cents": "5"}, {"quantity": 1.5}])
def test_numbers_that_the_record_cannot_hold_are_refused_before_anything_leaves(
    wrong: dict[str, Any],
) -> None:
    rig = Rig(ok)
    with pytest.raises(ConfigError, match="whole numbers of 64 bits"):
        rig.perform(replace(CALL, **wrong))
    assert not rig.requests


def test_ids_of_workers_do_not_meet() -> None:
    rig = Rig(ok)
    other = Operations(
        rig,
        rig,
        in_flight_max=1,
        request_timeout_s=1,
        max_attempts=1,
        clock_ns=lambda: 0,
        sleep=rig.sleep,
        worker=2,
    )
    answer = other.perform(CALL, PLACE, Random(1))
    assert answer.op.op_id > 2 << WORKER_SHIFT
    assert other.new_process() > 2 << WORKER_SHIFT
    assert answer.op.worker == 2


def test_a_customer_goes_on_as_a_new_process_only_after_an_unknown() -> None:
    rig = Rig(ok, lost, lost, lost, ok)
    session = rig.session()
    processes = [session.operation(CALL).op.process for _ in range(3)]
    assert processes[0] == processes[1] != processes[2]


def test_later_steps_are_due_after_the_one_before_and_the_time_thought() -> None:
    rig = Rig(ok, ok)
    session = rig.session()
    first = session.operation(CALL).op
    session.think(0.5)
    second = session.operation(CALL).op
    assert (first.is_arrival, second.is_arrival) == (True, False)
    assert second.due_ns == first.done_ns + 500 * MS
    assert second.stage == "b"


def test_a_journey_cannot_think_before_its_first_operation() -> None:
    with pytest.raises(ConfigError, match="'order' thinks before its first operation"):
        Rig().session().think(1)


def test_who_is_turned_away_goes_home_and_so_does_his_twin() -> None:
    rig, spawned = Rig(), []
    session = rig.session(spawned, has_room=False)
    session.beside(lambda twin: twin.operation(CALL))
    session.operation(CALL)
    spawned[0]()
    with pytest.raises(GreenletExit):
        session.think(1)
    assert [op.reason for op in rig.ops] == ["not_sent", "not_sent"]
    assert not rig.requests


def test_a_twin_acts_at_the_same_moment_as_another_process() -> None:
    rig, spawned = Rig(ok, ok), []
    session = rig.session(spawned)
    session.beside(lambda twin: twin.operation(CALL))
    mine = session.operation(CALL).op
    spawned[0]()
    twins = rig.ops[1]
    assert twins.process != mine.process
    assert (twins.due_ns, twins.key, twins.user_id) == (mine.due_ns, mine.key, mine.user_id)
    assert (mine.is_arrival, twins.is_arrival) == (True, False)


def test_products_are_drawn_by_weight_and_keys_are_fresh() -> None:
    session = Rig().session()
    drawn = [session.draw_product().sku for _ in range(4000)]
    assert 0.70 < drawn.count("hot") / 4000 < 0.80
    assert len({session.draw_key() for _ in range(1000)}) == 1000
