"""One simulated customer: what a journey holds in its hands."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate
from random import Random
from typing import Any

from gevent import GreenletExit

from flashdrill.errors import ConfigError
from flashdrill.load.dice import dice
from flashdrill.load.operations import Answer, Call, Operations, Place
from flashdrill.model.op import INFO
from flashdrill.model.scenario import Product, Stage, World


class Market:
    """Where customers are drawn from and what they look at: the world, its weights and the stages.

    Times in seconds since the run's start; `t0_ns` is that start.
    """

    def __init__(
        self, world: World, stages: Sequence[Stage], parameters: Mapping[str, Any], t0_ns: int
    ) -> None:
        self.world = world
        self.parameters = parameters
        self.t0_ns = t0_ns
        self._names = [stage.name for stage in stages]
        self._starts_ns = [t0_ns + round(stage.start_s * 1e9) for stage in stages]
        self._weights = list(accumulate(product.weight for product in world.products))

    def add(self, stage: Stage) -> None:
        """A stage that was ordered while the others ran; it comes after them."""
        self._starts_ns.append(self.t0_ns + round(stage.start_s * 1e9))
        self._names.append(stage.name)

    def stage_at(self, due_ns: int) -> str:
        """The stage in which something is due; what is due after the last belongs to the last."""
        return self._names[max(0, bisect_right(self._starts_ns, due_ns) - 1)]

    def draw_user(self, rng: Random) -> str:
        """A user's id; empty in a world without users."""
        if not self.world.users:
            return ""
        return f"{self.world.user_prefix}{rng.randrange(self.world.users)}"

    def draw_product(self, rng: Random) -> Product:
        """A product, by weight."""
        point = rng.random() * self._weights[-1]
        return self.world.products[min(bisect_right(self._weights, point), len(self._weights) - 1)]


class Session:
    """A customer on a journey: one open operation at a time, a new process id after an unknown one.

    The first operation is due when the schedule says; each later one at the end of the one before
    plus the time thought. `rng` belongs to this customer alone, so a journey does not depend on the
    others. Without `has_room` nothing leaves: each operation is recorded as not sent. `number` counts the arrivals of
    the whole schedule, those of all workers, from 0.
    """

    def __init__(
        self,
        market: Market,
        operations: Operations,
        *,
        rng: Random,
        journey: str,
        due_ns: int,
        sleep_until: Callable[[int], object],
        spawn: Callable[[Callable[[], None], str], None],
        is_arrival: bool = True,
        user_id: str = "",
        has_room: bool = True,
        number: int = 0,
    ) -> None:
        self.market = market
        self.rng = rng
        self.journey = journey
        self.user_id = user_id or market.draw_user(rng)
        self.process = operations.new_process()
        self.number = number
        self.operations_done = 0
        self._operations = operations
        self._due_ns = due_ns
        self._sleep_until = sleep_until
        self._spawn = spawn
        self._is_arrival = is_arrival
        self._has_room = has_room

    def parameter(self, name: str, default: float) -> float:
        """A number of the scenario's `parameters`, or the default."""
        return float(self.market.parameters.get(name, default))

    def happens(self, parameter: str, default: float) -> bool:
        """Whether something with this probability happens to this customer."""
        return self.rng.random() < self.parameter(parameter, default)

    def draw_product(self) -> Product:
        """A product that this customer is interested in."""
        return self.market.draw_product(self.rng)

    def draw_key(self) -> str:
        """A fresh identifier, such as an idempotency key: random, and never the same in two runs of a seed."""
        run, mine = self.market.t0_ns & 0xFFFFFFFF, self.number & 0xFFFFFFFF
        return f"{run << 96 | mine << 64 | self.rng.getrandbits(64):032x}"

    def think(self, seconds: float) -> None:
        """Wait: the next operation is due this long after the end of the one before.

        Raises ConfigError before the first operation, and GreenletExit, which ends the customer, when he was turned
        away or the load is stopped meanwhile.
        """
        if self._is_arrival:
            raise ConfigError(
                f"the journey {self.journey!r} thinks before its first operation: when that is due is what the "
                "arrivals say"
            )
        if not self._has_room:
            raise GreenletExit
        self._due_ns += round(seconds * 1e9)
        self._sleep_until(self._due_ns)

    def operation(self, call: Call) -> Answer:
        """Do it, with its attempts, and learn what came of it."""
        answer = self._perform(call)
        self.operations_done += 1
        self._is_arrival = False
        self._due_ns = answer.op.done_ns
        if answer.op.outcome is INFO:
            self.process = self._operations.new_process()
        return answer

    def beside(self, act: Callable[[Session], object]) -> None:
        """Let a twin of this customer act at the same moment, as another process: a double click, a second delivery."""
        twin = Session(
            self.market,
            self._operations,
            rng=dice(self.rng.getrandbits(64), 0),
            journey=self.journey,
            due_ns=self._due_ns,
            sleep_until=self._sleep_until,
            spawn=self._spawn,
            is_arrival=False,
            user_id=self.user_id,
            has_room=self._has_room,
            number=self.number,
        )

        def run() -> None:
            act(twin)

        self._spawn(run, self.journey)

    def _perform(self, call: Call) -> Answer:
        if not self._has_room:
            return self._operations.turn_away(call, self._place())
        return self._operations.perform(call, self._place(), self.rng)

    def _place(self) -> Place:
        return Place(
            stage=self.market.stage_at(self._due_ns),
            journey=self.journey,
            process=self.process,
            due_ns=self._due_ns,
            is_arrival=self._is_arrival,
        )
