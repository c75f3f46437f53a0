"""A service that nobody listens for."""

from __future__ import annotations

from typing import Any

from flashdrill.chaos import canary
from flashdrill.chaos.canary import Reading, Seen
from flashdrill.chaos.fault import Evidence, Fault, FaultContext
from flashdrill.chaos.proof import Baseline, Search, measure_baseline
from flashdrill.chaos.target import Address
from flashdrill.chaos.toxic import SERVER_GONE, path_answers, proxy_of, server_is_gone


class Down(Fault):
    """Switches a target's proxy off: open connections end, new ones are refused.

    Seen when canaries are refused.
    """

    kind = "down"
    target_kinds = frozenset({"tcp", "postgres", "redis", "http"})

    def __init__(self) -> None:
        self._is_injected = False
        self._is_server_gone = False

    async def baseline(self, ctx: FaultContext) -> Baseline:
        """The path's and the server's own answers."""
        return await measure_baseline(ctx, _look(ctx), canary.CANARY_TIMEOUT_S)

    def undo(self, ctx: FaultContext) -> dict[str, Any]:
        """Switch the proxy on."""
        return {"type": "proxy_enabled", "api": ctx.toxiproxy.url, "proxy": proxy_of(ctx)}

    async def inject(self, ctx: FaultContext) -> None:
        """Switch it off. Raises ToxiproxyError."""
        await ctx.toxiproxy.set_enabled(proxy_of(ctx), False)
        self._is_injected = True

    async def observe(self, ctx: FaultContext, baseline: Baseline) -> Evidence:
        """Canaries until all of them are refused."""
        search = Search(
            look=_look(ctx),
            shows=lambda seen: seen.reading.seen is Seen.REFUSED,
            patience_s=canary.CANARY_TIMEOUT_S,
            expected_s=0.05,
        )
        return await search.run(ctx, baseline)

    async def heal(self, ctx: FaultContext) -> None:
        """Switch it on. A server that is gone has nothing switched off."""
        self._is_server_gone = await server_is_gone(ctx)
        proxies = {} if self._is_server_gone else await ctx.toxiproxy.proxies()
        proxy = proxies.get(proxy_of(ctx))
        if self._is_injected and (proxy is None or proxy.enabled):
            self.has_ended_early = True
        if proxy is not None:
            await ctx.toxiproxy.set_enabled(proxy_of(ctx), True)
        self._is_injected = False

    async def verify_healed(self, ctx: FaultContext) -> Evidence:
        """It is on, and the path answers again."""
        if self._is_server_gone:
            return Evidence(True, {"reason": SERVER_GONE})
        proxy = (await ctx.toxiproxy.proxies()).get(proxy_of(ctx))
        if proxy is None or not proxy.enabled:
            return Evidence(False, {"reason": "the proxy is still off"})
        return await path_answers(ctx)


def _look(ctx: FaultContext) -> Any:
    async def look(address: Address, timeout_s: float) -> Reading:
        return await canary.ask(ctx.target, address, timeout_s)

    return look
