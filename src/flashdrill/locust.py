"""What a locustfile imports: `from flashdrill.locust import OpenCrowd, Session, journey`.

Importing it patches the sockets of this process (gevent): it is for locustfiles only.
"""

from __future__ import annotations

from flashdrill.load.crowd import OpenCrowd, journey
from flashdrill.load.operations import Answer, Call, Retry
from flashdrill.load.session import Session
from flashdrill.model.op import Outcome
from flashdrill.model.scenario import Product

__all__ = ["Answer", "Call", "OpenCrowd", "Outcome", "Product", "Retry", "Session", "journey"]
