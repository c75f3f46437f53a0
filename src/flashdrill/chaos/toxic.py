"""What the Toxiproxy toxics have in common: a toxic with a name of its own, proven by canaries on its path."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar
from urllib.parse import urlsplit

from flashdrill.chaos import canary
from flashdrill.chaos.canary import Reading
from flashdrill.chaos.fault import Evidence, Fault, FaultContext, Parameter
from flashdrill.chaos.proof import Baseline, Comparison, Search, measure_baseline, until_gone
from flashdrill.chaos.target import Address
from flashdrill.errors import ConfigError, ToxiproxyError

SERVER_GONE = "Toxiproxy is gone, and everything that it did with it"
STREAMS = ("downstream", "upstream")
LONGEST_CANARY_S = 10.0
MARGIN_S = 1.0
"""How much longer than the injected delay a canary waits."""

COMMON: Mapping[str, Parameter] = {
    "stream": Parameter(
        "text", "downstream", "downstream (answers) or upstream (requests)", "downstream|upstream"
    ),
    "toxicity": Parameter("share", 1.0, "the share of connections that it works on", "share"),
}


class ToxicFault(Fault):
    """A toxic on a target's proxy. Subclasses say which one, and how a canary shows it."""

    target_kinds: ClassVar[frozenset[str]] = frozenset({"tcp", "postgres", "redis", "http"})
    toxic: ClassVar[str]
    """The toxic's type in the API."""
    canaries: ClassVar[int] = 3
    """At once in one round."""

    def __init__(self) -> None:
        self._is_injected = False
        self._is_server_gone = False

    @abstractmethod
    def attributes(self, parameters: Mapping[str, Any]) -> dict[str, int]:
        """The toxic's attributes, in the API's units."""

    @abstractmethod
    def delay_s(self, parameters: Mapping[str, Any]) -> float:
        """How long a canary may be held up by it: bounds the canary's patience."""

    @abstractmethod
    def shows(self, ctx: FaultContext, seen: Comparison) -> bool:
        """Whether a canary shows the effect."""

    def is_every(self, parameters: Mapping[str, Any]) -> bool:
        """Whether every connection must show it."""
        return float(parameters["toxicity"]) >= 1.0

    async def look(self, ctx: FaultContext, address: Address, timeout_s: float) -> Reading:
        """One canary."""
        return await canary.ask(ctx.target, address, timeout_s)

    async def baseline(self, ctx: FaultContext) -> Baseline:
        """The path's and the server's own answers."""
        return await measure_baseline(ctx, self._look(ctx), canary.CANARY_TIMEOUT_S)

    def undo(self, ctx: FaultContext) -> dict[str, Any]:
        """The toxic's place. Raises ConfigError when it cannot have one."""
        if ctx.parameters["stream"] not in STREAMS:
            raise ConfigError(
                f"fault {ctx.planned.id!r}: stream is {' or '.join(STREAMS)}, "
                f"not {ctx.parameters['stream']!r}"
            )
        return {
            "type": "toxic",
            "api": ctx.toxiproxy.url,
            "proxy": proxy_of(ctx),
            "toxic": name_of(ctx),
        }

    async def inject(self, ctx: FaultContext) -> None:
        """Add the toxic. Raises ToxiproxyError."""
        await ctx.toxiproxy.add_toxic(
            proxy_of(ctx),
            name=name_of(ctx),
            type=self.toxic,
            attributes=self.attributes(ctx.parameters),
            stream=ctx.parameters["stream"],
            toxicity=ctx.parameters["toxicity"],
        )
        self._is_injected = True

    async def observe(self, ctx: FaultContext, baseline: Baseline) -> Evidence:
        """Canaries until the effect is seen."""
        search = Search(
            look=self._look(ctx),
            shows=lambda seen: self.shows(ctx, seen),
            patience_s=self.patience_s(ctx, baseline),
            expected_s=self.expected_s(ctx, baseline),
            canaries=self.canaries,
            is_every=self.is_every(ctx.parameters),
        )
        return await search.run(ctx, baseline)

    def patience_s(self, ctx: FaultContext, baseline: Baseline) -> float:
        """How long a canary waits for its answer."""
        wanted_s = self.delay_s(ctx.parameters) + baseline.path.waited_s + MARGIN_S
        return min(wanted_s, LONGEST_CANARY_S)

    def expected_s(self, ctx: FaultContext, baseline: Baseline) -> float:
        """How long a canary takes when the effect is there."""
        return self.delay_s(ctx.parameters) + baseline.path.waited_s + 0.05

    async def heal(self, ctx: FaultContext) -> None:
        """Remove the toxic. A server that is gone took its toxics with it."""
        self._is_server_gone = await server_is_gone(ctx)
        was_there = not self._is_server_gone and await ctx.toxiproxy.remove_toxic(
            proxy_of(ctx), name_of(ctx)
        )
        if self._is_injected and not was_there:
            self.has_ended_early = True
        self._is_injected = False

    async def verify_healed(self, ctx: FaultContext) -> Evidence:
        """The toxic is not listed, and the path answers again (unless another fault holds it)."""
        if self._is_server_gone:
            return Evidence(True, {"reason": SERVER_GONE})
        toxics = await ctx.toxiproxy.toxics(proxy_of(ctx))
        if any(toxic.name == name_of(ctx) for toxic in toxics):
            return Evidence(False, {"reason": "the toxic is still there"})
        return await path_answers(ctx)

    def _look(self, ctx: FaultContext) -> Any:
        return lambda address, timeout_s: self.look(ctx, address, timeout_s)


async def path_answers(ctx: FaultContext) -> Evidence:
    """Wait until a small question through the proxy is answered; healing's limit bounds the wait.

    When another fault is in force on the same server, its silence says nothing.
    """

    async def look(address: Address, timeout_s: float) -> Reading:
        return await canary.ask(ctx.target, address, timeout_s)

    reading = await until_gone(ctx, look, lambda r: r.is_answered, canary.CANARY_TIMEOUT_S)
    others = ctx.others_in_force()
    return Evidence(
        reading.is_answered or bool(others),
        {
            "after": str(reading.seen),
            "after_ms": round(reading.waited_s * 1000, 3),
            **({"others_in_force": list(others)} if others else {}),
        },
    )


async def server_is_gone(ctx: FaultContext) -> bool:
    """Whether nothing listens at Toxiproxy's address any more (a silent server is not gone)."""
    place = urlsplit(ctx.toxiproxy.url)
    reading = await canary.converse((place.hostname or "", place.port or 0), canary.accepted, 1.0)
    return reading.seen is canary.Seen.REFUSED


def proxy_of(ctx: FaultContext) -> str:
    """The target's proxy; ToxiproxyError when it has none."""
    if ctx.target.proxy is None:
        raise ToxiproxyError(f"{ctx.target.name} is not behind a proxy")
    return ctx.target.proxy


def name_of(ctx: FaultContext) -> str:
    """The toxic's name: no other fault has it, and it says whose it is."""
    return f"flashdrill-{ctx.planned.id}"


def milliseconds(seconds: float) -> int:
    """The API's unit."""
    return round(seconds * 1000)
