"""A toxic as the API knows it, and on which connections it works."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

from flashdrill.toxiproxy.embedded.toxics import KINDS

UPSTREAM, DOWNSTREAM = "upstream", "downstream"
STREAMS = (UPSTREAM, DOWNSTREAM)
MAX_PLAIN = 2**53


@dataclass(slots=True, eq=False)
class Toxic:
    """One toxic of one proxy. `stream` is written as the caller wrote it, in any case."""

    name: str
    type: str
    stream: str
    toxicity: float
    attributes: Mapping[str, int]

    @property
    def direction(self) -> str:
        """`upstream` (client to server) or `downstream`."""
        return self.stream.lower()

    def chooses(self, seed: int, proxy: str, number: int) -> bool:
        """Whether it works on the proxy's connection of this number: the same for the same seed.

        The draw does not depend on the toxicity: a higher one adds connections and takes none away.
        """
        if self.toxicity >= 1:
            return True
        return Random(f"{seed}/{proxy}/{self.name}/{number}").random() < self.toxicity

    def shown(self) -> dict[str, Any]:
        """As the API shows it."""
        return {
            "attributes": {name: self.attributes[name] for name in KINDS[self.type].names},
            "name": self.name,
            "type": self.type,
            "stream": self.stream,
            "toxicity": _shortest(self.toxicity),
        }


def _shortest(number: float) -> float | int:
    """1 for 1.0, as Go writes it."""
    return int(number) if number.is_integer() and abs(number) < MAX_PLAIN else number
