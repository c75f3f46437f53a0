"""What is known while healing: how long it may take, and whether the stack is there at all."""

from __future__ import annotations

import time
from dataclasses import dataclass

_SHORTEST_S = 0.01


class NotUndoneError(Exception):
    """Something of a fault is left; the words say what, without passwords."""


@dataclass(frozen=True, slots=True)
class Circumstances:
    """`deadline` is monotonic. When the stack is gone, its servers took what was done to them along."""

    deadline: float
    is_stack_gone: bool = False

    def left_s(self, at_most: float) -> float:
        """How long a wait may take now: never nothing, so that even a late one ends with its own words."""
        return max(_SHORTEST_S, min(at_most, self.deadline - time.monotonic()))

    @property
    def is_over(self) -> bool:
        """Whether there is no time left."""
        return time.monotonic() >= self.deadline
