"""The HTTP edge: size, type, signature and shape of a request are checked here, before anything is touched.

What can be asked, and what may be answered, is the table in operations.py; the statuses of problems are in problems.py.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from aiohttp import web
from msgspec import UNSET
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from backend.answers import (
    Alive,
    Payment,
    PaymentResult,
    PlacedOrder,
    QueuedOrder,
    QueuedStatus,
)
from backend.breakers import BreakerOpenError
from backend.clock import Clock
from backend.deadline import Deadline
from backend.errors import DeadlineError, DrainingError, OverloadedError, RefusedError, ServiceError
from backend.meters import Meter
from backend.openapi import document
from backend.operations import OPERATIONS, UNMETERED
from backend.pay import SIGNATURE_HEADER, TIMESTAMP_HEADER, PayOrder, check_signature
from backend.payloads import KEY_HEADER, parse_callback, parse_key, parse_order
from backend.place import Accepted, PlaceOrder
from backend.problems import problem, problem_of
from backend.read import Reads
from backend.readiness import Readiness
from backend.settings import Settings
from backend.timing import BREAKDOWN, header

LOG = logging.getLogger("backend.routes")
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Edge:
    """The handlers and what they need."""

    def __init__(
        self,
        *,
        settings: Settings,
        clock: Clock,
        requests: Meter,
        place: PlaceOrder,
        pay: PayOrder,
        reads: Reads,
        readiness: Readiness,
        registry: CollectorRegistry,
        dice: random.Random,
    ) -> None:
        self.results: Counter[str] = Counter()
        self.is_draining = False
        self._settings = settings
        self._clock = clock
        self._requests = requests
        self._place = place
        self._pay = pay
        self._reads = reads
        self._readiness = readiness
        self._registry = registry
        self._dice = dice
        self._document = msgspec.json.encode(document(settings))

    def application(self) -> web.Application:
        """The application with its routes."""

        @web.middleware
        async def bounded(request: web.Request, handler: Handler) -> web.StreamResponse:
            return await self._bounded(request, handler)

        app = web.Application(middlewares=[bounded])
        for operation in OPERATIONS:
            handler = getattr(self, operation.name)
            if operation.method == "GET":
                app.router.add_get(operation.path, handler)  # and HEAD
            else:
                app.router.add_route(operation.method, operation.path, handler)
        return app

    async def place_order(self, request: web.Request) -> web.Response:
        """POST /orders."""
        deadline = Deadline.after(self._settings.request_deadline_s)
        body = await self._body(request, deadline)
        _refuse_other_types(request)
        key = parse_key(request.headers.getall(KEY_HEADER, []))
        accepted = await self._place.place(parse_order(body), key, deadline)
        self.results["queued" if accepted.http_status == 202 else "placed"] += 1
        return _json(_acknowledgement(accepted), accepted.http_status)

    async def payment_callback(self, request: web.Request) -> web.Response:
        """POST /payments/callback. The signature is checked before the body is parsed."""
        deadline = Deadline.after(self._settings.request_deadline_s)
        body = await self._body(request, deadline)
        check_signature(
            self._settings.hmac_secret,
            request.headers.get(TIMESTAMP_HEADER),
            request.headers.get(SIGNATURE_HEADER),
            body,
            now_s=self._clock.utcnow().timestamp(),
            age_s=self._settings.signature_age_s,
        )
        _refuse_other_types(request)
        result = await self._pay.pay(parse_callback(body), deadline)
        return _json(Payment(PaymentResult(result)))

    async def get_order(self, request: web.Request) -> web.Response:
        """GET /orders/{order_id}."""
        deadline = Deadline.after(self._settings.request_deadline_s)
        return _json(await self._reads.order(request.match_info["order_id"], deadline))

    async def get_product(self, request: web.Request) -> web.Response:
        """GET /products/{sku}."""
        deadline = Deadline.after(self._settings.request_deadline_s)
        return _json(await self._reads.product(request.match_info["sku"], deadline))

    async def healthz(self, _: web.Request) -> web.Response:
        """GET /healthz: the process is alive."""
        return _json(Alive("alive"))

    async def readyz(self, _: web.Request) -> web.Response:
        """GET /readyz: 200 when orders can be taken; the body says what is usable."""
        if self.is_draining:
            raise DrainingError("the service is shutting down")
        report = await self._readiness.report()
        return _json(report, 200 if report.ready else 503)

    async def metrics(self, _: web.Request) -> web.Response:
        """GET /metrics: the same as on the metrics port."""
        body = generate_latest(self._registry)
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def openapi(self, _: web.Request) -> web.Response:
        """GET /openapi.json: what this process answers, with its own limits."""
        return web.Response(body=self._document, content_type="application/json")

    async def _bounded(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Every request: the in-flight bound, the breakdown on a sample, and errors as problems."""
        if request.path in UNMETERED:
            return await self._answered(request, handler)
        if self._dice.random() >= self._settings.timing_sample:
            with self._requests.holding():
                return await self._answered(request, handler)
        breakdown: dict[str, float] = {}
        token = BREAKDOWN.set(breakdown)
        try:
            with self._requests.holding(breakdown):
                response = await self._answered(request, handler)
        finally:
            BREAKDOWN.reset(token)
        response.headers["Server-Timing"] = header(breakdown)
        return response

    async def _answered(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            self._admit(request)
            return await handler(request)
        except RefusedError as error:
            self._count(request, error.slug)
            return self._closed_if_unread(request, problem_of(error))
        except (ServiceError, BreakerOpenError) as error:
            slug = error.slug if isinstance(error, ServiceError) else "breaker-open"
            self._count(request, slug)
            return self._closed_if_unread(request, problem_of(error))
        except web.HTTPException as error:
            return self._closed_if_unread(request, _of_the_router(error))
        except Exception:
            LOG.exception("%s %s", request.method, request.path)
            self._count(request, "internal")
            return self._closed_if_unread(request, problem("internal", "see the log"))

    def _admit(self, request: web.Request) -> None:
        if request.path in UNMETERED:
            return
        if self.is_draining:
            raise DrainingError("the service is shutting down")
        slots = self._requests.capacity
        if self._requests.holders > slots:
            raise OverloadedError(f"{slots:.0f} requests are in flight")

    def _count(self, request: web.Request, slug: str) -> None:
        if request.path == "/orders":
            self.results[slug.replace("-", "_")] += 1

    def _closed_if_unread(self, request: web.Request, response: web.Response) -> web.Response:
        """A body that nobody wants is not read either: the connection ends with the answer."""
        if request.body_exists and not request.content.is_eof():
            response.force_close()
        return response

    async def _body(self, request: web.Request, deadline: Deadline) -> bytes:
        """The body, if it is as small as it says and comes in time. Raises RefusedError, DeadlineError."""
        limit = self._settings.body_limit_bytes
        if request.headers.get("Content-Encoding", "identity") != "identity":
            raise RefusedError("validation", "a compressed body is not accepted", 415)
        if (request.content_length or 0) > limit:
            raise _too_large(limit)
        body = bytearray()
        try:
            async with asyncio.timeout(deadline.left_s()):
                async for chunk in request.content.iter_any():
                    body += chunk
                    if len(body) > limit:
                        raise _too_large(limit)
        except TimeoutError:
            raise DeadlineError("the body did not arrive in time") from None
        except (web.PayloadAccessError, ConnectionError, ValueError) as error:
            raise RefusedError("validation", "the body is broken", 400) from error
        return bytes(body)


def _acknowledgement(accepted: Accepted) -> PlacedOrder | QueuedOrder:
    if accepted.http_status == 201:
        return PlacedOrder(accepted.order_id, "placed", accepted.order_no)
    status = QueuedStatus(accepted.status)
    return QueuedOrder(accepted.order_id, status, accepted.order_no or UNSET)


def _of_the_router(error: web.HTTPException) -> web.Response:
    """No such path, or no such method there: then `Allow` says which there are."""
    slug = "not-found" if error.status == 404 else "validation"
    response = problem(slug, error.reason, error.status)
    if allowed := error.headers.get("Allow"):
        response.headers["Allow"] = allowed
    return response


def _too_large(limit: int) -> RefusedError:
    return RefusedError("validation", f"a body has at most {limit} bytes", 413)


def _refuse_other_types(request: web.Request) -> None:
    if request.content_type != "application/json":
        raise RefusedError("validation", "Content-Type must be application/json", 415)


def _json(body: Any, status: int = 200) -> web.Response:
    return web.Response(
        status=status, body=msgspec.json.encode(body), content_type="application/json"
    )
