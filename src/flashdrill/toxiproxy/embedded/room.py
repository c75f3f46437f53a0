"""The memory that the toxics of one proxy may take together."""

from __future__ import annotations

BUFFER_BYTES = 64 * 1024
"""What a link may always hold, and what a destination's buffer takes before it is full."""
ROOM_BYTES = 64 * 1024 * 1024


class Room:
    """`held`: the bytes that the links' toxics hold at the moment, in sum."""

    def __init__(self) -> None:
        self.held = 0

    def allowance(self, wanted: int) -> int:
        """How much of what it wants a link may hold: all of it while there is room, then a buffer's worth."""
        return wanted if self.held <= ROOM_BYTES else min(wanted, BUFFER_BYTES)
