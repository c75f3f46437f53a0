"""The memory that one proxy's toxics may take, shared out evenly among the links that have toxics."""

from __future__ import annotations

BUFFER_BYTES = 64 * 1024
"""What a link may always hold, and what a destination's buffer takes before it is full."""
TOTAL_BYTES = 128 * 1024 * 1024


class Room:
    """`links`: how many links share it."""

    def __init__(self) -> None:
        self.links = 0

    @property
    def share(self) -> int:
        """Bytes that one link may hold."""
        return max(BUFFER_BYTES, TOTAL_BYTES // max(1, self.links))
