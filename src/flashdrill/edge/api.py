"""The control API, JSON over HTTP on a port of its own.

PUT    /rules/{name}   200 the rule · 400 a rule that cannot be
DELETE /rules/{name}   204 · 404 no such rule
GET    /rules          200 {name: {"body", "counters"}}
GET    /ways           200 {name: {"mode", "listen", "upstream", "connections", "is_listening"}}
GET    /version        200 {"version"}
500 {"error"} when a port cannot be opened again
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from importlib.metadata import version

from aiohttp import web

from flashdrill.edge.rule import RuleError, parse_rule
from flashdrill.edge.way import Way


def application(ways: Mapping[str, Way]) -> web.Application:
    """The API over some ways."""
    api = _Api(ways)
    app = web.Application(middlewares=[_errors])
    app.add_routes(
        [
            web.put("/rules/{name}", api.put),
            web.delete("/rules/{name}", api.remove),
            web.get("/rules", api.rules),
            web.get("/ways", api.ways),
            web.get("/version", api.version),
        ]
    )
    return app


class _Api:
    def __init__(self, ways: Mapping[str, Way]) -> None:
        self._ways = ways

    async def put(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        rule = parse_rule(name, await _document(request))
        way = self._ways.get(rule.way)
        if way is None:
            raise RuleError(f"no way {rule.way!r}; there are {', '.join(self._ways)}")
        if way.spec.mode != "http" and not rule.is_of_connections:
            raise RuleError(f"{rule.way} carries no HTTP: it has only refuse and half_open")
        await self._remove(name)
        await way.put(rule)
        return web.json_response(rule.told())

    async def remove(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if not await self._remove(name):
            return _error(404, f"no rule {name!r}")
        return web.Response(status=204)

    async def rules(self, _request: web.Request) -> web.Response:
        every = [rule for way in self._ways.values() for rule in way.rules.values()]
        return web.json_response({rule.name: rule.told() for rule in every})

    async def ways(self, _request: web.Request) -> web.Response:
        return web.json_response({name: way.told() for name, way in self._ways.items()})

    async def version(self, _request: web.Request) -> web.Response:
        return web.json_response({"version": version("flashdrill")})

    async def _remove(self, name: str) -> bool:
        return any([await way.remove(name) for way in self._ways.values()])


async def _document(request: web.Request) -> object:
    try:
        return json.loads(await request.read())
    except (ValueError, RecursionError) as error:
        raise RuleError(f"that is no JSON: {error}") from error


@web.middleware
async def _errors(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    try:
        return await handler(request)
    except RuleError as error:
        return _error(400, str(error))
    except OSError as error:
        return _error(500, str(error))


def _error(status: int, message: str) -> web.Response:
    return web.json_response({"error": message}, status=status)
