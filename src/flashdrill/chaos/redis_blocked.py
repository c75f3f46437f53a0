"""A Redis that is busy with one slow command."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, ClassVar

from flashdrill.chaos.canary import Seen, converse
from flashdrill.chaos.fault import Evidence, Fault, FaultContext, Parameter
from flashdrill.chaos.redis_session import RedisRefusedError, redis_session, undoing
from flashdrill.chaos.wire import Wire, connect
from flashdrill.errors import ConfigError, StackError

THRESHOLD = "busy-reply-threshold"
LONGEST_SILENCE_S = 8.0
"""A script cannot be killed before the server answers BUSY: healing would have to wait longer than that."""
MARGIN_S = 4.0
"""How much longer than the fault the script goes on by itself when nobody can kill it any more."""
TIMES_AS_LONG = 10
SHORTEST_WAIT_S = 0.2
BASELINE_PINGS = 3
KILL_TIMEOUT_S = 1.0
POLL_S = 0.05

# It reads only (else SCRIPT KILL is refused), and ends by itself: os.clock() is the server's own processor time.
SCRIPT = """
local stop = os.clock() + tonumber(ARGV[1])
redis.call('EXISTS', 'flashdrill')
while os.clock() < stop do end
return 1
"""


class RedisBlocked(Fault):
    """Keeps a Redis busy with one slow Lua script: it accepts connections and answers nothing, as under KEYS.

    After `busy_after` it answers every command with the error BUSY, as it does by itself after 5 s. Seen when PINGs
    get no answer, or BUSY, for ten times as long as they usually take, while connections are accepted. Healed by
    SCRIPT KILL: PING is answered as quickly as before, and the server's own threshold is set again.
    """

    kind = "redis_blocked"
    slows = True
    target_kinds = frozenset({"redis"})
    parameters: ClassVar[Mapping[str, Parameter]] = {
        "busy_after": Parameter(
            "duration", 0.5, "how long it is silent before it answers BUSY; at most 8 s", "s"
        ),
    }

    def __init__(self) -> None:
        self._threshold = ""
        self._usual_s = 0.0
        self._is_injected = False

    async def baseline(self, ctx: FaultContext) -> float:
        """The quickest of a few PINGs, in seconds. Raises StackError."""
        async with redis_session(ctx) as redis:
            self._threshold = await redis.setting(THRESHOLD)
        pings = [await _ping(ctx, 1.0) for _ in range(BASELINE_PINGS)]
        times = [waited_s for answer, waited_s in pings if answer == "PONG"]
        if not times:
            raise StackError(f"no PING was answered before the fault ({pings[-1][0]})")
        self._usual_s = min(times)
        return self._usual_s

    def undo(self, ctx: FaultContext) -> dict[str, Any]:
        """Kill the script, set the threshold. Raises ConfigError, and StackError when the threshold is not known."""
        if ctx.parameters["busy_after"] > LONGEST_SILENCE_S:
            raise ConfigError(
                f"fault {ctx.planned.id!r}: busy_after is at most {LONGEST_SILENCE_S:g} s"
            )
        if not self._threshold:
            raise StackError("it is not known how the server was before, so it is left alone")
        commands = [["SCRIPT", "KILL"], ["CONFIG", "SET", THRESHOLD, self._threshold]]
        return undoing(ctx, commands, tolerates=["NOTBUSY"])

    async def inject(self, ctx: FaultContext) -> None:
        """Send the script, and do not wait for its answer. Raises StackError, OSError."""
        silence_ms = max(1, round(ctx.parameters["busy_after"] * 1000))
        async with redis_session(ctx) as redis:
            await redis.set(THRESHOLD, str(silence_ms))
        seconds = f"{ctx.planned.duration_s + MARGIN_S:.3f}"
        async with connect(ctx.target.upstream) as wire:
            await wire.send(_command("EVAL", SCRIPT, "0", seconds))
        self._is_injected = True

    async def observe(self, ctx: FaultContext, baseline: float) -> Evidence:
        """PINGs on connections of their own until none was answered for long enough."""
        now = asyncio.get_running_loop().time
        began = blocked_since = now()
        wanted_s = max(SHORTEST_WAIT_S, TIMES_AS_LONG * baseline)
        heard: dict[str, int] = {}
        while now() - blocked_since < wanted_s and now() - began < ctx.observe_s:
            answer, _ = await _ping(ctx, wanted_s)
            heard[answer] = heard.get(answer, 0) + 1
            if answer not in {"silent", "BUSY"}:
                await asyncio.sleep(POLL_S)
                blocked_since = now()
        blocked_s = now() - blocked_since
        return Evidence(
            blocked_s >= wanted_s,
            {
                "usual_ms": round(baseline * 1000, 3),
                "blocked_ms": round(blocked_s * 1000, 3),
                "pings": heard,
                "observed_after_s": round(now() - began, 3),
            },
        )

    async def heal(self, ctx: FaultContext) -> None:
        """Kill the script, set the threshold as it was. Raises StackError while the server is silent still."""
        if not self._threshold:
            return
        is_first, self._is_injected = self._is_injected, False
        async with redis_session(ctx, KILL_TIMEOUT_S) as redis:
            try:
                await redis.ask("SCRIPT", "KILL")
            except RedisRefusedError as refusal:
                if refusal.code != "NOTBUSY":
                    raise
                if is_first:  # later it may have been killed by a command whose answer did not come
                    self.has_ended_early = True
            await redis.set(THRESHOLD, self._threshold)

    async def verify_healed(self, ctx: FaultContext) -> Evidence:
        """PING is answered as quickly as before, and the threshold is the server's own."""
        limit_s = max(SHORTEST_WAIT_S, TIMES_AS_LONG * self._usual_s)
        answer, waited_s = await _ping(ctx, limit_s)
        found = {"after": answer, "after_ms": round(waited_s * 1000, 3)}
        if answer != "PONG":
            others = list(ctx.others_in_force())
            if not others or answer == "BUSY":
                return Evidence(False, {"reason": f"PING: {answer}", **found})
            return Evidence(True, {**found, "others_in_force": others})
        async with redis_session(ctx) as redis:
            threshold = await redis.setting(THRESHOLD)
        if self._threshold and threshold != self._threshold:
            return Evidence(False, {"reason": f"{THRESHOLD} is still {threshold}", **found})
        return Evidence(True, found)


async def _ping(ctx: FaultContext, timeout_s: float) -> tuple[str, float]:
    """PONG, BUSY, another error's first word, or what became of the connection; and the seconds until then."""
    heard = b""

    async def talk(wire: Wire) -> bool:
        nonlocal heard
        await wire.send(b"PING\r\n")
        while not heard.endswith(b"\r\n"):
            data = await wire.receive()
            if not data:
                return False
            heard += data
        return True

    reading = await converse(ctx.target.upstream, talk, timeout_s)
    if reading.seen is not Seen.ANSWERED:
        return str(reading.seen), reading.waited_s
    return heard[1:].decode(errors="replace").split()[0], reading.waited_s


def _command(*words: str) -> bytes:
    """A command in the server's protocol."""
    parts = [f"${len(word.encode())}\r\n{word}\r\n" for word in words]
    return f"*{len(words)}\r\n{''.join(parts)}".encode()
