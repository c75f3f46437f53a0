"""Repeatable chance: what is drawn depends on the seed and on names, and on nothing else that was drawn before."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from random import Random
from typing import TypeVar

T = TypeVar("T")
_BITS = 53
"""Every such number is exact in JSON."""


def derived(seed: int, *names: str) -> int:
    """A seed of its own for what the names stand for; the same in every process and version of Python."""
    digest = hashlib.sha256("\0".join((str(seed), *names)).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> (64 - _BITS)


def place(seed: int, *names: str) -> float:
    """A number from 0 to just under 1. Of `Random` only `random()` is used: its sequence is promised to stay."""
    return Random(derived(seed, *names)).random()


def sample(seed: int, items: Sequence[T], count: int, *names: str) -> list[T]:
    """`count` different ones of the items, in the order in which they were drawn."""
    chance = Random(derived(seed, *names))
    left = list(items)
    return [left.pop(int(chance.random() * len(left))) for _ in range(count)]
