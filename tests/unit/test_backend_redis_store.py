"""What Redis does to the service comes out as one error; what is our own fault does not."""

from __future__ import annotations

from contextlib import aclosing
from typing import Any

import pytest

from backend.breakers import Breaker
from backend.clock import ManualClock
from backend.deadline import Deadline
from backend.errors import GateUnavailableError
from backend.redis_store import RedisStore
from backend.settings import Settings
from tests.unit.test_backend_settings import NEEDED

LOST = "unable to perform operation on <TCPTransport closed=True>; the handler is closed"


async def outcome(error: Exception) -> None:
    async def operation(_redis: Any) -> None:
        raise error

    settings = Settings.from_mapping(NEEDED)
    async with aclosing(RedisStore(settings, Breaker("redis", ManualClock()))) as store:
        await store.run(operation, Deadline.after(1.0))


async def test_a_connection_lost_under_uvloop_is_a_redis_that_does_not_answer() -> None:
    with pytest.raises(GateUnavailableError, match="handler is closed"):
        await outcome(RuntimeError(LOST))


async def test_any_other_runtime_error_is_a_defect() -> None:
    with pytest.raises(RuntimeError, match="no such thing"):
        await outcome(RuntimeError("no such thing"))
