"""Ctrl-C and SIGTERM as a cancellation, so that what is in force is healed in order."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def interruptible(note: Callable[[], None]) -> Iterator[None]:
    """Each of the two cancels this task once, after `note`; a second one is left to the guardian."""
    loop = asyncio.get_running_loop()
    task = asyncio.current_task()
    assert task is not None

    def interrupt(signum: int) -> None:
        note()
        loop.remove_signal_handler(signum)
        task.cancel()

    for signum in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(signum, interrupt, signum)
    try:
        yield
    finally:
        for signum in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(signum)
