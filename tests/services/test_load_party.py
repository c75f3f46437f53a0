"""What the process of a worker under plain Locust ends with, at any moment."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import gevent
import pytest
from gevent.event import AsyncResult

from flashdrill.errors import EXIT_INCONCLUSIVE, EXIT_PASS
from flashdrill.load.account import Part
from flashdrill.load.shares import Share
from tests.services.unpatched import Environment, Player, WorkerRunner, party

pytestmark = pytest.mark.services


@pytest.mark.parametrize(
    ("part", "code"),
    [(Part(1, {"due": 1}), EXIT_PASS), (Part(doubts=("no",)), EXIT_INCONCLUSIVE)],
)
def test_a_worker_is_inconclusive_until_its_share_is_sent(part: Part, code: int) -> None:
    played: AsyncResult[Part] = AsyncResult()
    heard: dict[str, Any] = {}
    sent: list[str] = []
    runner = SimpleNamespace(
        register_message=heard.__setitem__, send_message=lambda kind, _=None: sent.append(kind)
    )
    player = SimpleNamespace(ticket=lambda: 0, safely=lambda _share, _ticket: played.get())
    environment = Environment()
    party.Worker(environment, cast("WorkerRunner", runner), cast("Player", player)).listen()
    assert environment.process_exit_code == EXIT_PASS, "it has been given nothing"
    heard[party.BEGIN](msg=SimpleNamespace(data={"round": 1, **Share(0).message()}))
    gevent.sleep(0)
    assert environment.process_exit_code == EXIT_INCONCLUSIVE
    played.set(part)
    with gevent.Timeout(5):
        while party.ENDED not in sent:
            gevent.sleep(0.01)
    assert environment.process_exit_code == code
