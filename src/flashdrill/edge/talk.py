"""A way that knows HTTP/1: one request after the other, each treated as the rules say.

client ──request──> edge ──request──> server        h11 knows where messages begin and end on both sides;
       <──answer───      <──answer───               without rules for a request it is passed on as it comes
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import h11

from flashdrill.edge.alteration import damaged, own_answer, truncated, whole, with_headers
from flashdrill.edge.connection import Connection, connect
from flashdrill.edge.rule import Rule
from flashdrill.edge.treatment import Treatment, ended_within
from flashdrill.edge.upstream import (
    HEAD_LIMIT_BYTES,
    Answer,
    CutError,
    Request,
    Upstream,
    ask_once,
)
from flashdrill.edge.way import Way

KEPT_BODY_BYTES = 1024 * 1024
"""Request bodies up to this length can be looked into and copied; longer ones only pass."""
DRIPS_PER_S = 10
_CONTINUE = h11.InformationalResponse(status_code=100, headers=[], reason=b"Continue")


class Talk:
    """All exchanges of one client's connection."""

    def __init__(self, way: Way, connection: Connection) -> None:
        self._way = way
        self._connection = connection
        self._state = h11.Connection(h11.SERVER, max_incomplete_event_size=HEAD_LIMIT_BYTES)
        self._upstream: Upstream | None = None

    async def run(self) -> None:
        """Until one side ends. Raises ConnectionError, OSError, TimeoutError, h11.ProtocolError."""
        self._upstream = Upstream(await self._connection.reach())
        while True:
            self._when_server_ends(self._connection.server_ended)
            request = await self._request()
            self._when_server_ends(None)
            if request is None:
                return
            if not await self._exchange(request):
                return
            self._state.start_next_cycle()

    # -- one exchange ------------------------------------------------------------------------

    async def _exchange(self, request: Request) -> bool:
        """One request and its answer; False when the connection has had its last."""
        treatment = self._way.treat(request.asked)
        await self._hold(treatment.delays)
        request = with_headers(request, treatment.headers)
        rule = treatment.decisive
        match rule.action if rule else "":
            case "drop":
                return False
            case "throttle" | "status" if rule and not rule.keys.get("is_forwarded"):
                await self._finish_request(request)
                await self._give_own(rule, request)
            case _:
                await self._forward(request, treatment)
        is_over = self._state.our_state is not h11.DONE or self._state.their_state is not h11.DONE
        return not is_over

    async def _forward(self, request: Request, treatment: Treatment) -> None:
        upstream = await self._server()
        treatment.is_forwarded()
        self._send_copies(request, treatment)
        await upstream.ask(request)
        if request.has_rest:
            await self._pass_rest(upstream)
        self._connection.client.when_ended(lambda: self._client_ended(upstream))
        try:
            await self._answer(request, upstream, treatment.decisive)
        finally:
            self._connection.client.when_ended(None)
        if self._upstream is not upstream:
            return
        if upstream.can_go_on:
            upstream.state.start_next_cycle()
        else:
            self._leave(upstream)

    async def _answer(self, request: Request, upstream: Upstream, rule: Rule | None) -> None:
        match rule.action if rule else "":
            case "":
                await self._pass_answer(upstream)
            case "status" if rule:
                await upstream.whole_answer()
                await self._give_own(rule, request)
            case "gateway_timeout" if rule:
                await self._answer_in_time(request, upstream, rule)
            case "malform" | "truncate" | "slow_body" if rule:
                await self._alter(rule, await upstream.whole_answer())
            case action:
                raise AssertionError(action)

    async def _alter(self, rule: Rule, answer: Answer) -> None:
        """What the rule does to a body; an answer that has none goes as it is, and is not counted."""
        if not answer.body:
            await self._give(*whole(answer))
        elif rule.action == "slow_body":
            await self._drip(rule, answer)
        else:
            is_cut = rule.action == "truncate"
            events = truncated(answer, rule.keys["keep"]) if is_cut else damaged(answer)
            await self._give(*events)
            rule.counters.applied += 1

    async def _pass_answer(self, upstream: Upstream) -> None:
        async for event in upstream.answer():
            if not _is_continue(event):  # the client was told already
                await self._give(event)

    async def _answer_in_time(self, request: Request, upstream: Upstream, rule: Rule) -> None:
        """Pass on the answer if it begins in time; else one of our own, and the server's is thrown away."""
        answer = upstream.answer()
        try:
            async with asyncio.timeout(rule.keys["timeout_s"]):
                first = await anext(answer)
                while _is_continue(first):
                    first = await anext(answer)
        except TimeoutError:
            self._leave(upstream)
            await self._give_own(rule, request)
            return
        await self._give(first)
        async for event in answer:
            await self._give(event)

    async def _drip(self, rule: Rule, answer: Answer) -> None:
        """The body at the rule's rate; the rest at once when the rule ends."""
        rule.counters.applied += 1
        drip = max(1, int(rule.keys["rate"] / DRIPS_PER_S))
        await self._give(answer.head)
        left = memoryview(answer.body)
        while left and not await ended_within(rule, drip / rule.keys["rate"]):
            await self._give(h11.Data(bytes(left[:drip])))
            left = left[drip:]
        await self._give(*([h11.Data(bytes(left))] if left else []), h11.EndOfMessage())

    def _send_copies(self, request: Request, treatment: Treatment) -> None:
        if request.has_rest:
            return
        for rule in treatment.copies:
            rule.counters.applied += 1
            copies = rule.keys["copies"] - 1
            for n in range(1, copies + 1):
                after_s = rule.keys["spread_s"] * n / copies
                self._way.start(self._copy(request, rule, after_s))

    async def _copy(self, request: Request, rule: Rule, after_s: float) -> None:
        """The same request once more; its answer is thrown away."""
        if not await ended_within(rule, after_s):
            wire = await connect(self._way.upstream)
            rule.counters.forwarded += 1
            await ask_once(wire, request)

    # -- the client's side -------------------------------------------------------------------

    async def _request(self) -> Request | None:
        """The next request, its body up to a limit; None when the client has ended."""
        head = await self._event()
        if not isinstance(head, h11.Request):
            return None
        body = bytearray()
        if self._state.they_are_waiting_for_100_continue:
            await self._give(_CONTINUE)
        while len(body) <= KEPT_BODY_BYTES:
            event = await self._event()
            if isinstance(event, h11.EndOfMessage):
                return Request(head, bytes(body), event)
            if not isinstance(event, h11.Data):
                return None
            body += event.data
        return Request(head, bytes(body), None)

    async def _pass_rest(self, upstream: Upstream) -> None:
        while True:
            event = await self._event()
            if not isinstance(event, h11.Data | h11.EndOfMessage):
                raise CutError("the client ended in the middle of a request")
            await upstream.more(event)
            if isinstance(event, h11.EndOfMessage):
                return

    async def _finish_request(self, request: Request) -> None:
        """Take what is left of a request that is not forwarded."""
        while request.has_rest and isinstance(await self._event(), h11.Data):
            pass

    async def _event(self) -> h11.Event | type[h11.PAUSED]:
        while (event := self._state.next_event()) is h11.NEED_DATA:
            self._state.receive_data(await self._connection.take())
        assert event is not h11.NEED_DATA
        return event  # type: ignore[return-value]  # h11's sentinels are classes

    async def _give(self, *events: h11.Event) -> None:
        data = b"".join(self._state.send(event) or b"" for event in events)
        await self._connection.give(data)

    async def _give_own(self, rule: Rule, request: Request) -> None:
        await self._give(*own_answer(rule, request))
        rule.counters.applied += 1

    async def _hold(self, delays: Sequence[tuple[Rule, float]]) -> None:
        """Wait; a server that gave the idle connection up meanwhile is connected to again."""
        for rule, delay_s in delays:
            rule.counters.applied += 1
            await ended_within(rule, delay_s)
        if delays and self._upstream and self._upstream.wire.is_ended:
            self._leave(self._upstream)

    def _client_ended(self, upstream: Upstream) -> None:
        """Tell the server, unless the client has asked for more before it ended."""
        client = self._connection.client
        if client.is_lost or not (client.has_more or self._state.trailing_data[0]):
            upstream.wire.send_end()

    # -- the server's side -------------------------------------------------------------------

    async def _server(self) -> Upstream:
        if self._upstream is None:
            self._upstream = Upstream(await self._connection.reach())
        return self._upstream

    def _leave(self, upstream: Upstream) -> None:
        """The server may finish what it does; nobody hears its answer."""
        self._upstream = None
        self._connection.client.when_ended(None)
        self._connection.leave_server()
        self._way.start(upstream.finish())

    def _when_server_ends(self, callback: Callable[[], None] | None) -> None:
        if self._upstream is not None:
            self._upstream.wire.when_ended(callback)


async def converse(way: Way, connection: Connection) -> None:
    """Serve a connection of a way of mode http. Raises as `Talk.run` does."""
    await Talk(way, connection).run()


def _is_continue(event: h11.Event) -> bool:
    return isinstance(event, h11.InformationalResponse) and event.status_code == 100
