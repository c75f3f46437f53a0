"""The HTTP API, route by route as Toxiproxy 2.12 has it.

GET POST            /proxies                          200, 201 | 400 409 500
GET POST PATCH DELETE  /proxies/{proxy}               200, 204 | 400 404 500
GET POST            /proxies/{proxy}/toxics           200 | 400 404 409
GET POST PATCH DELETE  /proxies/{proxy}/toxics/{toxic}  200, 204 | 400 404
POST                /populate                         201 | 400 500
POST                /reset                            204 | 500
GET                 /version                          200
any method          /metrics                          200 when switched on
any other path 404, method 405, a browser 403
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from aiohttp import web

from flashdrill.toxiproxy.embedded import bodies, gojson
from flashdrill.toxiproxy.embedded.address import AddressError
from flashdrill.toxiproxy.embedded.bodies import ApiError
from flashdrill.toxiproxy.embedded.metrics import CONTENT_TYPE
from flashdrill.toxiproxy.embedded.proxy import Proxy
from flashdrill.toxiproxy.embedded.registry import PopulateError, Registry
from flashdrill.toxiproxy.embedded.toxic import Toxic

VERSION = "2.12.0"
REGISTRY = web.AppKey("registry", Registry)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def application(registry: Registry) -> web.Application:
    """The API over these proxies."""
    app = web.Application(middlewares=[_conform])
    app[REGISTRY] = registry
    one, toxics = "/proxies/{proxy}", "/proxies/{proxy}/toxics"
    app.add_routes(
        [
            web.get("/proxies", proxy_index, allow_head=False),
            web.post("/proxies", proxy_create),
            web.get(one, proxy_show, allow_head=False),
            web.post(one, proxy_update),
            web.patch(one, proxy_update),
            web.delete(one, proxy_delete),
            web.get(toxics, toxic_index, allow_head=False),
            web.post(toxics, toxic_create),
            web.get(toxics + "/{toxic}", toxic_show, allow_head=False),
            web.post(toxics + "/{toxic}", toxic_update),
            web.patch(toxics + "/{toxic}", toxic_update),
            web.delete(toxics + "/{toxic}", toxic_delete),
            web.post("/populate", populate),
            web.post("/reset", reset),
            web.get("/version", version, allow_head=False),
        ]
    )
    if registry.metrics.are_on:
        app.router.add_route("*", "/metrics", metrics)
    return app


async def proxy_index(request: web.Request) -> web.Response:
    """Every proxy by name."""
    proxies = request.app[REGISTRY].proxies
    return _json({name: proxies[name].shown() for name in sorted(proxies)})


async def proxy_create(request: web.Request) -> web.Response:
    """A new proxy, started unless it says otherwise."""
    registry = request.app[REGISTRY]
    wanted = bodies.new_proxy(await _body(request))
    async with registry.change:
        if wanted["name"] in registry.proxies:
            raise ApiError("proxy already exists", 409)
        proxy = await registry.add(wanted)
    return _json(proxy.shown(), 201)


async def proxy_show(request: web.Request) -> web.Response:
    """One proxy."""
    return _json(_proxy(request).shown())


async def proxy_update(request: web.Request) -> web.Response:
    """Change its addresses, or enable or disable it; the name stays."""
    proxy = _proxy(request)
    given = bodies.changed_proxy(await _body(request))
    async with request.app[REGISTRY].change:
        await proxy.update(
            given.get("listen", proxy.listen),
            given.get("upstream", proxy.upstream),
            is_enabled=given.get("enabled", proxy.is_enabled),
        )
    return _json(proxy.shown())


async def proxy_delete(request: web.Request) -> web.Response:
    """Close its connections and forget it."""
    registry = request.app[REGISTRY]
    async with registry.change:
        registry.remove(_proxy(request).name)
    return web.Response(status=204)


async def toxic_index(request: web.Request) -> web.Response:
    """A proxy's toxics, upstream ones first."""
    return _json([toxic.shown() for toxic in _proxy(request).toxics])


async def toxic_create(request: web.Request) -> web.Response:
    """One more toxic (200, not 201)."""
    proxy = _proxy(request)
    toxic = bodies.new_toxic(await _body(request))
    if proxy.toxic(toxic.name) is not None:
        raise ApiError("toxic already exists", 409)
    proxy.add(toxic)
    return _json(toxic.shown())


async def toxic_show(request: web.Request) -> web.Response:
    """One toxic."""
    return _json(_toxic(request)[1].shown())


async def toxic_update(request: web.Request) -> web.Response:
    """Change attributes and toxicity, those that are given; all or, on an error, none."""
    _toxic(request)
    body = await _body(request)
    proxy, toxic = _toxic(request)
    bodies.change_toxic(toxic, body)
    proxy.updated(toxic)
    return _json(toxic.shown())


async def toxic_delete(request: web.Request) -> web.Response:
    """Remove a toxic; what it holds goes on."""
    proxy, toxic = _toxic(request)
    proxy.remove(toxic)
    return web.Response(status=204)


async def populate(request: web.Request) -> web.Response:
    """Many proxies at once; the whole list is checked before the first is made."""
    registry = request.app[REGISTRY]
    try:
        wanted = bodies.listed_proxies(await _body(request))
        async with registry.change:
            done = await registry.populate(wanted)
    except PopulateError as error:
        return _json(_populated(error.done, {"error": str(error), "status": 500}), 500)
    except ApiError as error:
        return _json(_populated([], {"error": str(error), "status": error.status}), error.status)
    return _json(_populated(done, {}), 201)


async def reset(request: web.Request) -> web.Response:
    """Enable every proxy, remove every toxic."""
    registry = request.app[REGISTRY]
    async with registry.change:
        await registry.reset()
    return web.Response(status=204)


async def version(request: web.Request) -> web.Response:
    """The version whose API this is."""
    text = f'{{"version": "{VERSION}"}}\n'
    return web.Response(text=text, content_type="application/json", charset="utf-8")


async def metrics(request: web.Request) -> web.Response:
    """What was switched on, in Prometheus' text format."""
    text = request.app[REGISTRY].metrics.text()
    return web.Response(body=text, headers={"Content-Type": CONTENT_TYPE})


@web.middleware
async def _conform(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answers in the real server's form, whatever happened."""
    if isinstance(request.match_info.http_exception, web.HTTPMethodNotAllowed):
        return web.Response(status=405)
    if request.match_info.http_exception is not None:
        return _text("404 page not found\n", 404)
    response = await _answer(request, handler)
    response.headers["X-Toxiproxy-Request-Id"] = secrets.token_hex(10)
    return response


async def _answer(request: web.Request, handler: Handler) -> web.StreamResponse:
    if request.headers.get("User-Agent", "").startswith("Mozilla/"):
        return _text("User agent not allowed\n", 403)
    try:
        return await handler(request)
    except ApiError as error:
        message, status = str(error), error.status
    except AddressError as error:
        message, status = str(error), 500
    return _text(gojson.encode({"error": message, "status": status}) + "\n", status)


def _json(value: Any, status: int = 200) -> web.Response:
    body = gojson.encode(value).encode()
    return web.Response(body=body, status=status, content_type="application/json")


def _text(text: str, status: int) -> web.Response:
    headers = {"X-Content-Type-Options": "nosniff"}
    return web.Response(text=text, status=status, headers=headers)


async def _body(request: web.Request) -> str:
    return (await request.read()).decode("utf-8", "replace")


def _populated(proxies: list[Proxy], error: Mapping[str, Any]) -> dict[str, Any]:
    return {**error, "proxies": [proxy.shown() for proxy in proxies] or None}


def _proxy(request: web.Request) -> Proxy:
    try:
        return request.app[REGISTRY].proxies[request.match_info["proxy"]]
    except KeyError:
        raise ApiError("proxy not found", 404) from None


def _toxic(request: web.Request) -> tuple[Proxy, Toxic]:
    proxy = _proxy(request)
    toxic = proxy.toxic(request.match_info["toxic"])
    if toxic is None:
        raise ApiError("toxic not found", 404)
    return proxy, toxic
