"""What an answer must look like for an HTTP fault to be believed: each detector fires, and stays silent."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from flashdrill.chaos.canary import Seen
from flashdrill.chaos.catalogue import catalogue, load_own
from flashdrill.chaos.edge_rule import EdgeFault, counted, rule_name
from flashdrill.chaos.fault import Evidence, Fault, FaultContext
from flashdrill.chaos.http_rule import HttpFault
from flashdrill.chaos.jitter import is_spread, spread_s
from flashdrill.chaos.proof import Baseline
from flashdrill.chaos.question import Answer
from flashdrill.chaos.target import Target
from flashdrill.edge.client import Edge
from flashdrill.errors import ConfigError, StackError
from flashdrill.load.answer import judge
from flashdrill.load.exchange import Reply
from flashdrill.model.faults import PlannedFault
from flashdrill.model.op import Outcome
from flashdrill.toxiproxy.client import Toxiproxy

OWN = Path(__file__).parents[2] / "chaos" / "faults"
KINDS = catalogue() | load_own(OWN)
BODY = b'{"status":"alive"}'
FINE = Answer(Seen.ANSWERED, 0.002, 40, 100, 1, status=200, body=BODY, declared=len(BODY))
REFUSED = replace(FINE, status=404)
BEFORE = Baseline(FINE, FINE)


def late(wait_s: float, **changes: Any) -> Answer:
    return replace(FINE, waited_s=wait_s, **changes)


CUT = replace(FINE, seen=Seen.CLOSED, body=BODY[:9])
NOTHING = Answer(Seen.CLOSED, 0.001, 40)
DAMAGED = replace(FINE, body=b'{"status":"aliv#"#')
SILENT = Answer(Seen.SILENT, 1.0, 40)


@pytest.mark.parametrize(
    ("kind", "parameters", "answer", "control", "is_shown"),
    [
        ("http_status", {"status": 503}, replace(FINE, status=503), FINE, True),
        ("http_status", {"status": 503}, replace(FINE, status=500), FINE, False),
        ("http_status", {"status": 503}, FINE, FINE, False),
        ("http_status", {"status": 503}, *[replace(FINE, status=503)] * 2, False),
        ("http_delay", {"delay": 0.1}, late(0.102), FINE, True),
        ("http_delay", {"delay": 0.1}, SILENT, FINE, True),
        ("http_delay", {"delay": 0.1}, late(0.07), FINE, False),
        ("http_delay", {"delay": 0.1}, late(0.102), late(0.09), False),
        ("http_delay", {"delay": 0.1}, late(0.102, seen=Seen.CLOSED), FINE, False),
        ("http_truncate", {}, CUT, FINE, True),
        ("http_truncate", {}, CUT, CUT, False),
        ("http_truncate", {}, NOTHING, FINE, False),
        ("http_truncate", {}, FINE, FINE, False),
        ("http_malform", {}, DAMAGED, FINE, True),
        ("http_malform", {}, DAMAGED, DAMAGED, False),
        ("http_malform", {}, CUT, FINE, False),
        ("http_malform", {}, replace(DAMAGED, status=500), FINE, False),
        ("http_malform", {}, FINE, FINE, False),
        ("http_slow_body", {"rate": 100.0}, late(0.182), FINE, True),
        ("http_slow_body", {"rate": 100.0}, late(0.102), FINE, False),
        ("http_slow_body", {"rate": 100.0}, late(0.182), late(0.17), False),
        ("http_slow_body", {"rate": 9.0}, late(1.0, seen=Seen.SILENT, body=BODY[:9]), FINE, True),
        ("http_slow_body", {"rate": 9.0}, SILENT, FINE, False),
        ("http_drop_first", {}, NOTHING, FINE, True),
        ("http_drop_first", {}, replace(NOTHING, seen=Seen.RESET), FINE, True),
        ("http_drop_first", {}, CUT, FINE, False),
        ("http_drop_first", {}, NOTHING, NOTHING, False),
        ("http_drop_first", {}, SILENT, FINE, False),
        ("gateway_timeout", {"timeout": 0.1}, late(0.1, status=504), FINE, True),
        ("gateway_timeout", {"timeout": 0.1}, late(0.01, status=504), FINE, False),
        ("gateway_timeout", {"timeout": 0.1}, late(0.1), FINE, False),
        ("gateway_timeout", {"timeout": 0.1}, *[late(0.1, status=504)] * 2, False),
        ("partner_throttle", {"limit": 3}, replace(FINE, status=408), REFUSED, True),
        ("partner_throttle", {"limit": 3}, REFUSED, REFUSED, False),
        ("wrong_credential", {}, replace(FINE, status=401), REFUSED, True),
        ("wrong_credential", {}, *[replace(FINE, status=401)] * 2, False),
        ("wrong_credential", {}, replace(FINE, status=401), SILENT, False),
        ("late_callbacks", {"delay": 0.1}, late(0.102), FINE, True),
        ("late_callbacks", {"delay": 0.1}, FINE, FINE, False),
        ("gateway_504", {}, replace(FINE, status=504), REFUSED, True),
        ("gateway_504", {}, REFUSED, REFUSED, False),
        ("duplicate_callbacks", {}, FINE, FINE, False),
    ],
)
def test_what_shows_an_effect(
    kind: str, parameters: dict[str, Any], answer: Answer, control: Answer, is_shown: bool
) -> None:
    values = with_defaults(KINDS[kind], parameters)
    assert fault(kind).is_shown(values, answer, control, BEFORE) is is_shown


def with_defaults(kind: type[Fault], parameters: Mapping[str, Any]) -> dict[str, Any]:
    defaults = {n: p.default for n, p in kind.parameters.items() if not p.is_required}
    return {**defaults, **parameters}


def fault(kind: str) -> HttpFault:
    made = KINDS[kind]()
    assert isinstance(made, HttpFault)
    return made


def test_a_service_that_speaks_no_json_is_damaged_when_its_constant_answer_differs() -> None:
    plain = replace(FINE, body=b"alive")
    broken = replace(plain, body=b"al###")
    malform = fault("http_malform")
    assert malform.is_shown({}, broken, plain, Baseline(plain, plain))
    changing = Baseline(plain, replace(plain, body=b"other"))
    assert not malform.is_shown({}, broken, plain, changing)


@pytest.mark.parametrize(
    ("kind", "parameters", "before", "words"),
    [
        ("http_status", {"status": 503}, replace(FINE, status=503), "before the fault too"),
        ("http_truncate", {}, replace(FINE, body=b""), "no body"),
        ("http_malform", {}, replace(FINE, body=b""), "no body"),
        ("http_slow_body", {"rate": 1000.0}, FINE, "too few"),
        ("gateway_timeout", {"timeout": 1.0}, replace(FINE, status=504), "before the fault too"),
        ("gateway_504", {}, replace(FINE, status=504), "before the fault too"),
        ("partner_throttle", {"limit": 1}, replace(FINE, status=408), "before the fault too"),
        ("wrong_credential", {}, replace(FINE, status=401), "before the fault too"),
    ],
)
def test_a_canary_that_could_not_show_it_is_said_so(
    kind: str, parameters: dict[str, Any], before: Answer, words: str
) -> None:
    values = with_defaults(KINDS[kind], parameters)
    assert words in fault(kind).blind(values, Baseline(before, before))
    fine = Baseline(late(0.002, body=BODY * 100), FINE)
    assert fault(kind).blind(values, fine) == ""


@pytest.mark.parametrize(
    ("kind", "parameters", "words"),
    [
        ("http_status", {"status": 200}, "from 400 to 599"),
        ("gateway_timeout", {"timeout": 1.0, "status": 99}, "from 400 to 599"),
        ("http_truncate", {"keep": 1.0}, "less than 100%"),
        ("http_slow_body", {"rate": 0.0}, "more than 0"),
        ("http_status", {"route": "/a*", "canary": "/b"}, "is not on the route"),
        ("partner_throttle", {"period": 0.0}, "more than 0"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_done(
    kind: str, parameters: dict[str, Any], words: str
) -> None:
    ctx = context(kind, parameters)
    with pytest.raises(ConfigError, match=words) as refused:
        KINDS[kind]().undo(ctx)
    assert "fault 'f'" in refused.value.message
    assert refused.value.remedy


class Counts:
    """An edge that says what it counted."""

    url = "http://127.0.0.1:9"

    def __init__(self, *rules: str, **counts: int) -> None:
        self._rules = {rule: {"counters": counts} for rule in rules}

    async def rules(self) -> dict[str, dict[str, Any]]:
        return self._rules


def context(kind: str, parameters: Mapping[str, Any], edge: Counts | None = None) -> FaultContext:
    values = with_defaults(KINDS[kind], parameters)
    there = ("127.0.0.1", 9)
    return FaultContext(
        planned=PlannedFault("f", kind, "it", 0.0, 1.0, values),
        target=Target("it", frozenset({"http"}), None, there, there, way="it"),
        toxiproxy=Toxiproxy("http://127.0.0.1:3"),
        processes=cast("Any", None),
        edge=cast("Edge", edge or Counts()),
        seed=7,
    )


async def test_what_the_edge_did_not_count_was_not_the_rules_doing() -> None:
    seen = Evidence(True, {"n": 1})
    ctx = context("http_status", {})
    assert rule_name(ctx) == "flashdrill-f"
    assert not (await counted(ctx, seen)).observed, "there is no such rule"
    idle = replace(ctx, edge=cast("Edge", Counts("flashdrill-f", matched=3, applied=0)))
    told = await counted(idle, seen)
    assert not told.observed
    assert "no request" in told.measurements["reason"]
    busy = replace(ctx, edge=cast("Edge", Counts("flashdrill-f", matched=3, applied=2)))
    assert (await counted(busy, seen)).observed
    assert (await counted(busy, seen)).measurements["counters"] == {"matched": 3, "applied": 2}
    assert not (await counted(busy, Evidence(False))).observed, "a count alone is no effect"


def test_a_rule_says_where_with_what_chance_and_for_whom() -> None:
    values = {"status": 500, "share": 0.3, "route": "/orders*", "method": "post", "users": 0.1}
    fault_of_orders = fault("http_status")
    ctx = context("http_status", values)
    body = fault_of_orders.body(ctx)
    assert (body["way"], body["seed"], body["action"], body["status"]) == ("it", 7, "status", 500)
    assert body["match"] == {
        "method": "POST",
        "path": "/orders*",
        "share": 0.3,
        "users": 0.1,
        "user_from": {"json": "user_id"},
    }
    assert fault_of_orders.undo(ctx)["rule"] == "flashdrill-f"
    assert fault_of_orders.undo(ctx)["type"] == "edge_rule"


def test_a_target_that_is_not_behind_the_edge_is_refused() -> None:
    ctx = context("connection_refused", {})
    with pytest.raises(StackError, match="not behind the edge"):
        KINDS["connection_refused"]().undo(replace(ctx, target=replace(ctx.target, way="")))
    with pytest.raises(StackError, match="has none"):
        KINDS["connection_refused"]().undo(replace(ctx, edge=None))


@pytest.mark.parametrize(
    ("kind", "parameters", "outcome", "reason"),
    [
        ("http_status", {"status": 503}, Outcome.FAIL, "edge_503"),
        ("http_status", {"status": 503, "definite": False}, Outcome.INFO, "http_503"),
        ("http_status", {"status": 504}, Outcome.INFO, "gateway_timeout"),
        ("gateway_504", {}, Outcome.INFO, "gateway_timeout"),
    ],
)
def test_how_the_crowd_counts_an_answer_of_the_edge(
    kind: str, parameters: dict[str, Any], outcome: Outcome, reason: str
) -> None:
    rule = fault(kind).action(with_defaults(KINDS[kind], parameters))
    reply = Reply(
        1,
        2,
        status=rule["status"],
        body=rule["body"].encode(),
        content_type=rule["headers"]["Content-Type"],
    )
    said = judge(reply, {201: "placed"}, ("order_id",))
    assert (said.outcome, said.reason, said.is_refusal) == (outcome, reason, False)


def test_only_what_was_not_forwarded_says_that_nothing_happened() -> None:
    for kind in [k for k, v in KINDS.items() if issubclass(v, HttpFault)]:
        required = {"delay": 0.1, "rate": 10.0, "timeout": 0.1, "limit": 1}
        rule = fault(kind).action(with_defaults(KINDS[kind], required))
        says_definite = "definite" in str(rule.get("body", ""))
        assert says_definite is (kind == "http_status"), kind
        assert not (says_definite and rule.get("is_forwarded")), kind
        assert not says_definite or json.loads(rule["body"])["definite"] is True


def test_every_rule_of_the_edge_needs_the_edge() -> None:
    kinds = {kind for kind, fault in KINDS.items() if issubclass(fault, EdgeFault)}
    assert kinds == {kind for kind, fault in KINDS.items() if "edge" in fault.needs}
    assert len(kinds) >= 14


UNEVEN = [[0.02 * n for n in range(1, 11)]] * 2
USUAL = [[0.002 + 0.0001 * n for n in range(10)]] * 2


def test_a_jitter_is_a_spread_that_others_do_not_have() -> None:
    assert spread_s(UNEVEN) == pytest.approx(0.1)
    assert spread_s([[0.001]]) == 0.0
    assert is_spread(0.1, UNEVEN, USUAL, spread_s(USUAL))
    assert not is_spread(0.1, USUAL, USUAL, spread_s(USUAL)), "nothing differs"
    assert not is_spread(0.1, UNEVEN, UNEVEN, spread_s(USUAL)), "the server itself is uneven"
    assert not is_spread(0.1, UNEVEN, USUAL, spread_s(UNEVEN)), "it was uneven before"
    assert not is_spread(0.1, [USUAL[0], [*USUAL[1][:-1], 5.0]], USUAL, spread_s(USUAL)), (
        "one straggler"
    )
    assert not is_spread(0.5, UNEVEN, USUAL, spread_s(USUAL)), "too little for that jitter"
    later = [[0.2 + wait_s for wait_s in USUAL[0]], USUAL[1]]
    assert not is_spread(0.1, later, USUAL, spread_s(USUAL)), "a whole round was late, evenly so"
