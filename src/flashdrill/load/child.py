"""The load process seen from the harness: how it is started, told to begin, and listened to.

Nothing here imports gevent or Locust: they patch the sockets of whoever imports them.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

from flashdrill.errors import ConfigError, InconclusiveError, StackError
from flashdrill.load.spec import CROWD_ENV, read_spec

POLL_S = 0.05
READY_TIMEOUT_S = 30.0
SILENCE_TIMEOUT_S = 20.0
"""A crowd that says nothing for so long is stuck: it says something every second."""

RUN_MARGIN_S = 60.0

ALONE = "the load process"


def command(spec_path: Path) -> list[str]:
    """The arguments of a headless Locust that runs the specification's locustfile and ends by itself.

    Its `--run-time` is only a ceiling. `-P` keeps the current directory from shadowing Locust.
    """
    spec = read_spec(spec_path)
    ceiling_s = spec.calibrate_s + spec.start_timeout_s + spec.duration_s + spec.ordered_s
    ceiling_s += spec.finish_timeout_s
    options = ["--headless", "--users", "1", "--spawn-rate", "1", "--only-summary"]
    options += [
        "--loglevel",
        "WARNING",
        "--run-time",
        f"{round(ceiling_s + RUN_MARGIN_S)}s",
        "--stop-timeout",
        "0",
    ]
    launch = [sys.executable, "-P", "-m", "flashdrill.load.launch"]
    return [*launch, "--locustfile", spec.locustfile, *options]


def environment(spec_path: Path) -> dict[str, str]:
    """This process' environment with the specification's path, and without settings meant for another Locust."""
    return {**cleared(os.environ), CROWD_ENV: str(spec_path.resolve())}


def cleared(surroundings: Mapping[str, str]) -> dict[str, str]:
    """An environment without settings for another Locust, and without proxies, which lead past the fence."""
    kept = {
        name: value
        for name, value in surroundings.items()
        if not name.startswith("LOCUST_") and not name.lower().endswith("_proxy")
    }
    return {**kept, "NO_PROXY": "*", "no_proxy": "*"}


def start(start_path: Path, t0_ns: int) -> None:
    """Tell every worker when the run starts (CLOCK_MONOTONIC ns); the file appears as a whole."""
    draft = start_path.with_suffix(".tmp")
    draft.write_text(json.dumps({"t0_mono_ns": t0_ns}))
    draft.replace(start_path)


async def wait_ready(
    live_path: Path,
    is_alive: Callable[[], bool],
    *,
    timeout_s: float = READY_TIMEOUT_S,
    who: str = ALONE,
) -> dict[str, Any]:
    """The child's first line. Raises ConfigError with the reason when it refuses what it is to play, and StackError
    when it dies before, or takes too long."""
    tail = _Tail(live_path)
    deadline = time.monotonic() + timeout_s
    while True:
        was_alive = is_alive()
        for line in tail.lines():
            if line.get("event") == "ready":
                return line
            if line.get("event") == "refused":
                raise ConfigError(line["why"], remedy=line["remedy"])
        if not was_alive:
            raise StackError(f"{who} died before it was ready", remedy=_SEE_LOG)
        if time.monotonic() > deadline:
            raise StackError(f"{who} was not ready in {timeout_s:g} s", remedy=_SEE_LOG)
        await asyncio.sleep(POLL_S)


async def follow(
    live_path: Path,
    is_alive: Callable[[], bool],
    *,
    silence_timeout_s: float = SILENCE_TIMEOUT_S,
    who: str = ALONE,
) -> AsyncIterator[dict[str, Any]]:
    """Every line from the first on, as it comes; `done` is the last.

    Raises InconclusiveError when the child dies before that, or says nothing for `silence_timeout_s`.
    While the start has not come yet it has nothing to say: start it first.
    """
    tail = _Tail(live_path)
    heard = time.monotonic()
    while True:
        was_alive = is_alive()  # asked before reading, so that last words are not missed
        for line in tail.lines():
            heard = time.monotonic()
            yield line
            if line.get("event") == "done":
                return
        if not was_alive:
            raise InconclusiveError(f"{who} died in mid-run", remedy=_SEE_LOG)
        if time.monotonic() - heard > silence_timeout_s:
            raise InconclusiveError(
                f"{who} has said nothing for {silence_timeout_s:g} s", remedy=_SEE_LOG
            )
        await asyncio.sleep(POLL_S)


def last_words(live_path: Path) -> dict[str, Any]:
    """The last line of a child that has told all; empty when it has not."""
    lines = _Tail(live_path).lines()
    return lines[-1] if lines and lines[-1].get("event") == "done" else {}


_SEE_LOG = "see the crowd's log in the run's folder"


class _Tail:
    """New whole lines of a file that another process appends to."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self._rest = b""

    def lines(self) -> list[dict[str, Any]]:
        """The JSON objects since the last call; none while the file does not exist."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._offset)
                fresh = file.read()
        except FileNotFoundError:
            return []
        self._offset += len(fresh)
        *whole, self._rest = (self._rest + fresh).split(b"\n")
        return [json.loads(line) for line in whole if line.strip()]
