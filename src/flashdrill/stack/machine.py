"""The machine and the libraries of a run, for its report."""

from __future__ import annotations

import os
import platform
from importlib import metadata
from typing import Any

_LIBRARIES = (
    "flashdrill", "aiohttp", "asyncpg", "duckdb", "gevent", "httptools", "locust", "msgspec",
    "pyarrow", "pybreaker", "redis", "toxiproxy-python", "uvloop",
)  # fmt: skip


def machine() -> dict[str, Any]:
    """Python, platform, cores and memory."""
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpus": len(os.sched_getaffinity(0)),
        "memory_mb": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20,
    }


def libraries() -> dict[str, str]:
    """Versions by name; what is not installed is left out."""
    found = {}
    for name in _LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
