"""Greenlets that play one customer after another: a new one for each would cost 10 µs, most of it for its stack.

Each customer has a greenlet of his own from the beginning to the end.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import gevent
from gevent import GreenletExit, getcurrent

from flashdrill.load.exchange import HeldBackError

KILL_TIMEOUT_S = 1.0
POLL_S = 0.01


class Actors:
    """Lets acts run beside each other, each in a greenlet of its own. `failed` hears of an act's exception.

    A greenlet whose act is over waits for the next; there are as many as ever acted at once.
    """

    def __init__(self, failed: Callable[[str], None]) -> None:
        self._failed = failed
        self._hub: Any = gevent.get_hub()
        self._resting: list[Any] = []
        self._acting: set[Any] = set()

    def __len__(self) -> int:
        """How many are acting."""
        return len(self._acting)

    def begin(self, name: str, act: Callable[..., object], *arguments: object) -> None:
        """Let it act, after those that have been told so before; `name` is what `failed` hears."""
        task = (name, act, arguments)
        if self._resting:
            actor = self._resting.pop()
            self._hub.loop.run_callback(actor.switch, task)
        else:
            actor = gevent.spawn_raw(self._live, task)
        self._acting.add(actor)

    def end(self) -> None:
        """End those that are acting, within `KILL_TIMEOUT_S`, and those that rest."""
        for actor in (*self._acting, *self._resting):
            self._hub.loop.run_callback(actor.throw, GreenletExit)
        self._resting.clear()
        deadline_s = time.monotonic() + KILL_TIMEOUT_S
        while self._acting and time.monotonic() < deadline_s:
            gevent.sleep(POLL_S)

    def _live(self, task: tuple[str, Callable[..., object], tuple[object, ...]]) -> None:
        me = getcurrent()
        try:
            while True:
                self._play(*task)
                self._acting.discard(me)
                self._resting.append(me)
                task = self._hub.switch()
        finally:
            self._acting.discard(me)

    def _play(self, name: str, act: Callable[..., object], arguments: tuple[object, ...]) -> None:
        try:
            act(*arguments)
        except HeldBackError:
            return
        except Exception:
            self._failed(name)
