"""Locust, and what is made of it, in the tests' own process.

It patches the sockets of whoever imports it, unless it is told not to.
"""

from __future__ import annotations

import pytest

with pytest.MonkeyPatch.context() as environment:
    environment.setenv("LOCUST_SKIP_MONKEY_PATCH", "1")
    from locust.env import Environment
    from locust.runners import STATE_MISSING, STATE_RUNNING, WorkerRunner

    from flashdrill.load import master, party
    from flashdrill.load.player import Player

__all__ = [
    "STATE_MISSING",
    "STATE_RUNNING",
    "Environment",
    "Player",
    "WorkerRunner",
    "master",
    "party",
]
