"""Users of plain Locust in a crowd's locustfile: they keep working beside it, as a closed loop of their own.

Such a user waits for its answer before it comes again. So it slows down with the service, its response times count from
when it sent, and its requests are in no history: no gate, figure or invariant knows of them.

The crowd is then none of the users that Locust counts: numbers of users, weights and shapes are about the others. Under
`flashdrill run` nobody is at Locust's controls: a LoadTestShape of the locustfile says how many there are, and without
one each class has its `fixed_count`. They begin with the load and end with it.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from locust import LoadTestShape, User
from locust.env import Environment

from flashdrill.errors import ConfigError
from flashdrill.model.hosts import Addresses, addresses_of, host_of

logger = logging.getLogger(__name__)

CLOSED = "they wait for their answers (a closed loop), and are in no history, gate or invariant"


class Beside:
    """The users of other classes than the crowd's; counts the requests that they have made."""

    def __init__(self, environment: Environment, kinds: Sequence[type[User]]) -> None:
        self.names = tuple(kind.__name__ for kind in kinds)
        self._told = self._crowds = 0
        self._environment, self._kinds = environment, kinds
        self._start: Delayed | None = None
        events: Any = environment.events
        events.request.add_listener(self._heard)

    @classmethod
    def of(cls, environment: Environment, crowd: type[User]) -> Beside | None:
        """Those of a locustfile, told apart from its crowd; None when there are no others."""
        kinds = [kind for kind in environment.user_classes if kind is not crowd]
        if not kinds:
            return None
        environment.user_classes[:] = kinds
        return cls(environment, kinds)

    def await_load(self, base_url: str, hosts: Addresses, *, is_nobody: bool = False) -> None:
        """Let them come when `begin` is called, as many as a shape or their `fixed_count` says.

        Those without a host of their own go to `base_url`. Raises ConfigError for a host that the run may not hit, and
        when nobody would come at all: the crowd `is_nobody`.
        """
        shape = self._environment.shape_class
        if shape is None:
            if is_nobody and not any(kind.fixed_count for kind in self._kinds):
                raise ConfigError(
                    f"nobody of {', '.join(self.names)} would come: the locustfile has no OpenCrowd, and its users of "
                    "plain Locust have no number",
                    remedy="give a class a fixed_count or the file a LoadTestShape; or subclass "
                    "flashdrill.locust.OpenCrowd, or say what customers do in a file of requests (`requests:`)",
                )
            idle = ", ".join(kind.__name__ for kind in self._kinds if not kind.fixed_count)
            if idle:
                logger.warning("nobody of %s comes: give the class a fixed_count", idle)
            self.names = tuple(kind.__name__ for kind in self._kinds if kind.fixed_count)
        for kind in self._kinds:
            kind.host = kind.host or base_url
            addresses_of(host_of(kind.host), hosts)
        count = sum(int(kind.fixed_count) for kind in self._kinds)
        self._start = Delayed(shape or Constant(count))
        self._environment.shape_class = self._start

    def begin(self) -> None:
        """The load begins."""
        if self._start is not None:
            self._start.begin()

    def tell(self) -> None:
        """Say in the log who they are, and what they are not."""
        if self.names:
            logger.warning("beside the crowd: %s; %s", ", ".join(self.names), CLOSED)

    def told_of_crowd(self) -> None:
        """Locust hears of an operation of the crowd: that is no request of theirs."""
        self._crowds += 1

    def facts(self) -> dict[str, object]:
        """What the load's last line says of them."""
        return {"closed_users": list(self.names), "closed_requests": self._told - self._crowds}

    def _heard(self, **_: object) -> None:
        self._told += 1


class Lasting(LoadTestShape):
    """A locustfile's shape of the other users, which does not end the crowd's test when it is over."""

    def __init__(self, shape: LoadTestShape) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._shape = shape

    @classmethod
    def around(cls, shape: LoadTestShape) -> LoadTestShape:
        """It, under its own name: Locust's pages show that."""
        named: type[Lasting] = type(type(shape).__name__, (cls,), {})
        return named(shape)

    def reset_time(self) -> None:
        """A test begins."""
        self._shape.reset_time()  # type: ignore[no-untyped-call]

    def tick(self) -> Any:
        """(users, a second), in Locust's form; nobody after its end."""
        return self._shape.tick() or (0, 100)


class Constant(LoadTestShape):
    """Always so many users."""

    def __init__(self, count: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._count = count

    def tick(self) -> Any:
        """(users, a second), in Locust's form."""
        return self._count, max(self._count, 1)


class Delayed(LoadTestShape):
    """Nobody before the load begins, then another shape from its beginning."""

    def __init__(self, shape: LoadTestShape) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._shape = shape
        self._has_begun = self._is_on = False

    def begin(self) -> None:
        """The load begins; Locust asks once a second."""
        self._has_begun = True

    def tick(self) -> Any:
        """(users, a second), in Locust's form."""
        if not self._has_begun:
            return 0, 1
        if not self._is_on:
            self._is_on = True
            self._shape.reset_time()  # type: ignore[no-untyped-call]
        return self._shape.tick()
