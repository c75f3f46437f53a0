"""Plain Locust for the stall test: users who wait for their answer, and come again at their pace.

LOCUST_PING_RATE   requests a second of each user
LOCUST_PING_BEGUN  a file that appears when the test has begun
"""

from __future__ import annotations

import os
from pathlib import Path

from locust import FastHttpUser, constant_throughput, events, task


class Waiting(FastHttpUser):
    """One of a fixed number of users."""

    wait_time = constant_throughput(float(os.environ["LOCUST_PING_RATE"]))

    @task
    def ping(self) -> None:
        """One request."""
        self.client.get("/", name="ping")


@events.spawning_complete.add_listener
def _begun(**_: object) -> None:
    Path(os.environ["LOCUST_PING_BEGUN"]).touch()
