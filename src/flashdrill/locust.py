"""What a locustfile imports: `from flashdrill.locust import OpenCrowd, Session, journey`.

Importing it patches the sockets of this process (gevent): it is for locustfiles only. The same locustfile runs as the
harness' child (`flashdrill run`), and under Locust's own command line, alone or with master and workers
(docs/locust.md).
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import gevent
from locust import events
from locust.env import Environment

from flashdrill.errors import ConfigError, FlashdrillError
from flashdrill.load import party
from flashdrill.load.beside import Beside, Lasting
from flashdrill.load.crowd import OpenCrowd as _HarnessCrowd
from flashdrill.load.crowd import journey
from flashdrill.load.live import tell_refusal
from flashdrill.load.operations import Answer, Call, Retry
from flashdrill.load.player import Player
from flashdrill.load.session import Session
from flashdrill.load.spec import CROWD_ENV, read_spec
from flashdrill.model.op import Outcome
from flashdrill.model.scenario import Product
from flashdrill.plan.crowd import orders_from

__all__ = ["Answer", "Call", "OpenCrowd", "Outcome", "Product", "Retry", "Session", "journey"]


class OpenCrowd(_HarnessCrowd):
    """Customers who come when they are due, not when the server has time for them.

    Subclass it in a locustfile and mark its journeys: methods that take a `Session`. When anybody comes is said by
    the scenario; how many users Locust is told to have does not matter.
    """

    abstract = True

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if not cls.__dict__.get("abstract", False):
            init: Any = events.init
            init.add_listener(cls._begin)

    @classmethod
    def _begin(cls, environment: Environment, **_: object) -> None:
        """With a harness Locust's user is the crowd; without one, or beside other users, it is none of Locust's."""
        if cls not in environment.user_classes:
            return
        try:
            _check_alone(environment)
            if environment.shape_class is not None:
                environment.shape_class = Lasting.around(environment.shape_class)
            cls.beside = Beside.of(environment, cls)
            if os.environ.get(CROWD_ENV):
                cls._under_harness(environment)
            else:
                party.attach(environment, Player(orders_from(os.environ), cls(environment)))
        except FlashdrillError as error:
            if path := os.environ.get(CROWD_ENV):
                tell_refusal(Path(read_spec(Path(path)).live_path), error)
            line = f"{error.message}; {error.remedy}" if error.remedy else error.message
            print(f"flashdrill: {line}", file=sys.stderr)
            raise SystemExit(error.exit_code) from None
        if cls.beside is not None:
            cls.beside.tell()

    @classmethod
    def _under_harness(cls, environment: Environment) -> None:
        spec = read_spec(Path(os.environ[CROWD_ENV]))
        if cls.beside is None:
            environment.shape_class = None  # it is about nobody
            return
        if spec.worker:  # they come once, with the first load process
            cls.beside = environment.shape_class = None
            environment.user_classes[:] = [cls]
            return
        cls.beside.await_load(spec.base_url, spec.hosts, is_nobody=not cls.journeys())
        gevent.spawn(cls(environment).come)


def _check_alone(environment: Environment) -> None:
    kinds = [kind for kind in environment.user_classes if issubclass(kind, OpenCrowd)]
    if len(kinds) > 1:
        names = sorted(kind.__name__ for kind in kinds)
        by_name = f"name one of them behind the options, such as: locust ... {names[0]}"
        raise ConfigError(
            f"the locustfile has {len(names)} crowds: {', '.join(names)}",
            remedy="mark the others: abstract = True" if os.environ.get(CROWD_ENV) else by_name,
        )
