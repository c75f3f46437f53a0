"""Signals to a harness that is already stopping: they change nothing, until the third."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from flashdrill.rehearsal.interruption import all_the_same, interruptible

HARNESS = """\
import asyncio
from flashdrill.rehearsal.interruption import interruptible

async def main():
    with interruptible(lambda: print("noted", flush=True)) as ending:
        print("ready", flush=True)
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            pass
        print("healing", flush=True)
        await asyncio.to_thread(input)
        ending()
        print("reported", flush=True)

asyncio.run(main())
"""


@contextmanager
def healing() -> Iterator[subprocess.Popen[str]]:
    """A harness that was told to stop once, and goes on until it gets a line."""
    with subprocess.Popen(
        [sys.executable, "-c", HARNESS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGTERM)
        assert process.stdout.readline() == "noted\n"
        assert process.stdout.readline() == "healing\n"
        try:
            yield process
        finally:
            process.kill()


def test_a_second_signal_leaves_the_end_alone() -> None:
    with healing() as process:
        process.send_signal(signal.SIGTERM)
        said, _ = process.communicate("\n", timeout=20)
        assert (said, process.returncode) == ("reported\n", 0)


def test_who_insists_is_obeyed_at_once() -> None:
    """Signals that come at the same time count as one, so they are sent again and again."""
    deadline_s = time.monotonic() + 20
    with healing() as process:
        while process.poll() is None and time.monotonic() < deadline_s:
            process.send_signal(signal.SIGTERM)
            time.sleep(0.02)
        assert process.returncode == -signal.SIGTERM


async def test_nothing_is_cancelled_while_the_end_is_written() -> None:
    noted: list[str] = []
    with interruptible(lambda: noted.append("noted")) as ending:
        ending()
        signal.raise_signal(signal.SIGTERM)
        await asyncio.sleep(0.05)
    assert not noted


async def test_what_is_awaited_in_the_end_is_had_also_when_the_cancellation_comes_late() -> None:
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    assert await all_the_same(asyncio.sleep(0.01, "result")) == "result"
    task.uncancel()
