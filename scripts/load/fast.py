"""Locust's contender: a FastHttpUser that orders without a pause, and says at the end what it used.

Its last line is one JSON object: requests, and the CPU and wall seconds between the first and the last of them.
"""

from __future__ import annotations

import json
import random
import time

from locust import FastHttpUser, events, task

from scripts.load.order import BODY, HEADERS, PATH, REQUIRED, STATUS

USED = {"requests": 0, "cpu_s": 0.0, "wall_s": 0.0}


class Fast(FastHttpUser):
    """Orders again and again."""

    @task
    def order(self) -> None:
        """One order, with a key of its own; the answer is parsed."""
        headers = {**HEADERS, "Idempotency-Key": f"{random.getrandbits(128):032x}"}
        with self.client.post(PATH, data=BODY, headers=headers, catch_response=True) as answer:
            if answer.status_code != STATUS or REQUIRED not in answer.json():
                answer.failure("not placed")
        USED["requests"] += 1


@events.test_start.add_listener
def _begin(**_: object) -> None:
    USED.update(cpu_s=-time.process_time(), wall_s=-time.monotonic())


@events.test_stop.add_listener
def _end(**_: object) -> None:
    USED["cpu_s"] += time.process_time()
    USED["wall_s"] += time.monotonic()
    print(json.dumps(USED), flush=True)
