"""A clock of its own for one process, by libfaketime. Standard library only.

The library is preloaded and reads the step from a file at every look at the wall clock (about 5 µs); `time.monotonic()`
and the timers of an event loop are left alone. Under Debian's 0.9.10 `time.sleep()` fails with EINVAL (CPython sleeps
until a monotonic moment): what runs under it must not sleep in a thread. The wheel's library has no such fault.
"""

from __future__ import annotations

import importlib.util
import platform
from contextlib import suppress
from pathlib import Path

_FOLDERS = ("/usr/lib", "/usr/lib64", "/usr/local/lib")
_NAMES = ("libfaketimeMT.so.1", "libfaketime.so.1")
"""The first is for programs with threads."""
_IN_WHEEL = "vendor/libfaketime/src/libfaketime.so.1"
_SHARED = Path("/dev/shm")  # noqa: S108  (where the library itself puts it)


def faketime_library() -> Path | None:
    """Where libfaketime is: in its wheel, or in a folder `faketime` of a library folder; None: it is not installed."""
    if (wheel := _in_wheel()) is not None:
        return wheel
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


def release_memory(pid: int) -> None:
    """Remove the two small pieces of shared memory that the library leaves behind when its process is killed."""
    for name in (f"faketime_shm_{pid}", f"sem.faketime_sem_{pid}"):
        with suppress(OSError):  # it never had any, or it is somebody else's
            (_SHARED / name).unlink()


def _in_wheel() -> Path | None:
    """The library of `pip install libfaketime`, which is made for one processor only."""
    spec = importlib.util.find_spec("libfaketime")
    if spec is None or spec.origin is None or platform.machine() != "x86_64":
        return None
    library = Path(spec.origin).parent / _IN_WHEEL
    return library if library.is_file() else None
