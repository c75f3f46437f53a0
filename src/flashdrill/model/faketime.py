"""A clock of its own for one process, by libfaketime. Standard library only.

The library is preloaded and reads the step from a file at every look at the wall clock; `time.monotonic()` and the
timers of an event loop are left alone.
"""

from __future__ import annotations

from pathlib import Path

_FOLDERS = ("/usr/lib", "/usr/lib64", "/usr/local/lib")
_NAMES = ("libfaketimeMT.so.1", "libfaketime.so.1")
"""The first is for programs with threads."""


def faketime_library() -> Path | None:
    """Where libfaketime is: in a folder `faketime` of a library folder; None when it is not installed."""
    for name in _NAMES:
        for folder in _FOLDERS:
            for pattern in (f"faketime/{name}", f"*/faketime/{name}"):
                found = sorted(Path(folder).glob(pattern))
                if found:
                    return found[0]
    return None


def faketime_environment(library: Path, clock_file: Path) -> dict[str, str]:
    """What a process needs in its environment to take its wall clock from `clock_file` (`+0`, `-30`, ...)."""
    return {
        "LD_PRELOAD": str(library),
        "FAKETIME_TIMESTAMP_FILE": str(clock_file),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "DONT_FAKE_MONOTONIC": "1",
    }
