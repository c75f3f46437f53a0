"""`python spinning.py CORE SECONDS`: keeps one core busy, at most for so long. Standard library only."""

from __future__ import annotations

import os
import sys
import time


def main() -> None:
    """Spin on one core. It ends by itself: nobody's machine is kept busy for ever."""
    core, seconds = int(sys.argv[1]), float(sys.argv[2])
    os.sched_setaffinity(0, {core})
    end_s = time.monotonic() + seconds
    while time.monotonic() < end_s:
        for _ in range(10_000):
            pass


if __name__ == "__main__":
    main()
