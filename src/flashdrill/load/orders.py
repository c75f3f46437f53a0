"""Stages that are ordered while the load runs: a file to which the harness appends and every load process listens.

One JSON object a line: {"stage": {...}}, or {"end": true} when no more will come.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from flashdrill.errors import StackError
from flashdrill.model.scenario import Stage

POLL_S = 0.01
PATIENCE_S = 60.0
"""Without an order for so long, whoever should give it is gone."""


class _Order(msgspec.Struct, frozen=True):
    stage: Stage | None = None
    end: bool = False


def order(path: Path, stages: tuple[Stage, ...]) -> None:
    """Order these stages, to be played after those ordered before; none at all: that was the last."""
    orders = [_Order(stage=stage) for stage in stages] or [_Order(end=True)]
    with path.open("ab") as file:
        file.write(b"".join(msgspec.json.encode(each) + b"\n" for each in orders))


def ordered(
    path: Path, *, sleep: Callable[[float], object], is_stopped: Callable[[], bool]
) -> Iterator[Stage]:
    """Each stage as it is ordered, until the end is, or until stopped.

    Raises StackError when nothing comes for PATIENCE_S.
    """
    offset, waited_s = 0, 0.0
    while not is_stopped():
        lines, offset = _whole_lines(path, offset)
        for line in lines:
            found = msgspec.json.decode(line, type=_Order)
            if found.stage is None:
                return
            yield found.stage
            waited_s = 0.0
        if waited_s > PATIENCE_S:
            raise StackError(f"no further stage was ordered within {PATIENCE_S:g} s")
        sleep(POLL_S)
        waited_s += POLL_S


def _whole_lines(path: Path, offset: int) -> tuple[list[bytes], int]:
    """What was appended since, and how far that is."""
    try:
        with path.open("rb") as file:
            file.seek(offset)
            fresh = file.read()
    except FileNotFoundError:
        return [], offset
    end = fresh.rfind(b"\n") + 1
    return fresh[:end].splitlines(), offset + end
