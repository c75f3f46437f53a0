"""Become another program that the kernel ends when the process that started it dies, however it dies.

    python -I -S tied.py PARENT_PID PROGRAM [ARGUMENT...]

Standard library only, and run as a file: it must start fast. The tie survives the exec (prctl(2), PR_SET_PDEATHSIG).
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Sequence

_PR_SET_PDEATHSIG = 1


def tied(argv: Sequence[str]) -> list[str]:
    """The command of a program that dies with this process."""
    return [sys.executable, "-I", "-S", __file__, str(os.getpid()), *argv]


def main() -> None:
    """Tie, look whether it was too late, and become the program."""
    parent, *argv = sys.argv[1:]
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    if os.getppid() == int(parent):
        os.execvp(argv[0], argv)  # noqa: S606  (becoming it is the point)


if __name__ == "__main__":
    main()
