"""Ctrl-C and SIGTERM as a cancellation, so that what is in force is healed in order."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

LAST = 3
"""Which of the signals is obeyed at once, whatever is still to be healed or written."""

_Result = TypeVar("_Result")


@contextmanager
def interruptible(note: Callable[[], None]) -> Iterator[Callable[[], None]]:
    """The first of them cancels this task, after `note`. Further ones change nothing: whoever asks again still gets the
    report. The third kills the process as if nobody handled it, and the guardian heals.

    After a call of what it gives nothing is cancelled any more: the end is being written.
    """
    loop = asyncio.get_running_loop()
    task = asyncio.current_task()
    assert task is not None
    came, is_ending = 0, False

    def interrupt(signum: int) -> None:
        nonlocal came
        came += 1
        if came == LAST:
            loop.remove_signal_handler(signum)
            signal.raise_signal(signum)
        elif came == 1 and not is_ending:
            note()
            task.cancel()

    def ending() -> None:
        nonlocal is_ending
        is_ending = True

    for signum in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(signum, interrupt, signum)
    try:
        yield ending
    finally:
        for signum in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(signum)


async def all_the_same(awaited: Awaitable[_Result]) -> _Result:
    """What it gives, also when the cancellation only arrives now that nothing is left to cancel."""
    future = asyncio.ensure_future(awaited)
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        return await future
