"""Work that must be finished once begun, whoever waits for it.

The tasks belong to the service's task group. Whoever waits does so until the deadline and a little longer; the work
itself is bounded by the timeouts of what it calls, and goes on when the waiting is over or cancelled.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, Generic, TypeVar

from backend.deadline import Deadline
from backend.errors import UnknownCommitError

T = TypeVar("T")
GRACE_S = 0.2


class _Outcome(Generic[T]):
    """How a task ended. The error is kept as a value: raised inside a task group it would end every task."""

    value: T
    error: Exception | None = None


class Errands:
    """Starts and awaits such work."""

    def __init__(self, group: asyncio.TaskGroup) -> None:
        self._group = group
        self._running: set[asyncio.Task[Any]] = set()

    async def finish(self, work: Coroutine[Any, Any, T], deadline: Deadline) -> T:
        """What the work returns or raises. UnknownCommitError when it has not ended shortly after the deadline."""
        task = self._group.create_task(_kept(work))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        done, _ = await asyncio.wait({task}, timeout=deadline.left_s() + GRACE_S)
        if not done:
            raise UnknownCommitError("the order was handed over, and nobody has answered in time")
        outcome = task.result()
        if outcome.error is not None:
            raise outcome.error
        return outcome.value

    async def idle(self, timeout_s: float) -> None:
        """Wait until nothing runs any more, at most so long."""
        if self._running:
            await asyncio.wait(self._running, timeout=timeout_s)


async def _kept(work: Coroutine[Any, Any, T]) -> _Outcome[T]:
    outcome: _Outcome[T] = _Outcome()
    try:
        outcome.value = await work
    except Exception as error:
        outcome.error = error
    return outcome
