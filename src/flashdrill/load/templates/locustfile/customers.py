"""The locustfile of every crowd that is made of request templates; the scenario says which (docs/requests.md)."""

from __future__ import annotations

from collections.abc import Callable

from flashdrill.load.spec import CrowdSpec
from flashdrill.load.templates.journeys import journeys
from flashdrill.locust import OpenCrowd, Session


class Customers(OpenCrowd):
    """Customers who do what the templates say."""

    def journeys_for(self, spec: CrowdSpec) -> dict[str, Callable[[Session], object]]:
        """The journeys of the templates. Raises ConfigError for a scenario without any, and for a secret not there."""
        self.spec = spec
        return journeys(spec)
