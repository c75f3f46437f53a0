"""Finds a Toxiproxy server: on the path, built earlier, built now with Go, or our own."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from flashdrill.errors import ToxiproxyError

VERSION = "2.12.0"
BINARY = "toxiproxy-server"
SOURCE = "github.com/Shopify/toxiproxy/v2"
BUILD_TIMEOUT_S = 240.0
LOCK_TIMEOUT_S = BUILD_TIMEOUT_S + 10
LOCK_POLL_S = 0.1

Kind = Literal["path", "built", "embedded"]
Prefer = Literal["auto", "real", "embedded"]


@dataclass(frozen=True, slots=True)
class ServerChoice:
    """A server to run. `note` says why it is not a better one; empty when there is nothing to say."""

    kind: Kind
    command: tuple[str, ...]
    description: str
    note: str = ""

    def argv(self, host: str, port: int) -> list[str]:
        """The command that serves the API there; it ends on SIGTERM."""
        return [*self.command, "-host", host, "-port", str(port)]


def find_server(cache_dir: Path, prefer: str = "auto") -> ServerChoice:
    """The best server to be had: the real one before ours; building it takes up to four minutes, once.

    `prefer` `embedded` asks for ours, `real` for no other than the real one. Raises ToxiproxyError with
    the remedy when a real one was asked for and there is none.
    """
    if prefer not in {"auto", "real", "embedded"}:
        raise ToxiproxyError(f"prefer is auto, real or embedded, not {prefer!r}")
    if prefer == "embedded":
        return _embedded("it was asked for")
    real, why_not = _real(cache_dir)
    if real is not None:
        return real
    if prefer == "real":
        raise ToxiproxyError(
            f"there is no real Toxiproxy server: {why_not}",
            remedy=f"put {BINARY} {VERSION} or go (1.23 or newer) on the PATH, or use the embedded server",
        )
    return _embedded(why_not)


def _real(cache_dir: Path) -> tuple[ServerChoice | None, str]:
    if found := shutil.which(BINARY):
        return ServerChoice("path", (found,), f"{BINARY} from the path: {found}"), ""
    binary = cache_dir / f"{BINARY}-{VERSION}"
    if _is_program(binary):
        return _built(binary), ""
    if shutil.which("go") is None:
        return None, f"neither {BINARY} nor go is on the PATH"
    try:
        with _lock(cache_dir):
            if not _is_program(binary):  # another process may have built it meanwhile
                _build(binary)
    except (OSError, subprocess.SubprocessError, TimeoutError) as error:
        return None, f"building it failed: {_reason(error)}"
    return _built(binary), ""


def _built(binary: Path) -> ServerChoice:
    return ServerChoice(
        "built", (str(binary),), f"{BINARY} {VERSION} built from source: {_shown(binary)}"
    )


def _embedded(note: str) -> ServerChoice:
    # -P: a folder of the user's called like one of our modules must not come first.
    command = (sys.executable, "-P", "-m", "flashdrill.toxiproxy.embedded")
    return ServerChoice("embedded", command, f"embedded server with the API of {VERSION}", note)


def _build(binary: Path) -> None:
    """Build with Go beside the target, then rename: a half-built binary is never seen."""
    with tempfile.TemporaryDirectory(dir=binary.parent, prefix="build-") as place:
        flags = f"-s -w -X {SOURCE}.Version={VERSION}"
        subprocess.run(
            ["go", "install", "-ldflags", flags, f"{SOURCE}/cmd/server@v{VERSION}"],  # noqa: S607
            env={**os.environ, "GOBIN": place, "CGO_ENABLED": "0", "GOFLAGS": ""},
            cwd=place,  # away from any go.mod of the caller's
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=BUILD_TIMEOUT_S,
            check=True,
        )
        (Path(place) / "server").replace(binary)


@contextlib.contextmanager
def _lock(cache_dir: Path) -> Iterator[None]:
    """One builder at a time, over processes. Raises TimeoutError, OSError."""
    cache_dir.mkdir(parents=True, exist_ok=True)
    with (cache_dir / f"{BINARY}.lock").open("w") as file:
        deadline = time.monotonic() + LOCK_TIMEOUT_S
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise TimeoutError("another build holds the lock") from None
                time.sleep(LOCK_POLL_S)
        yield


def _is_program(path: Path) -> bool:
    return path.is_file() and os.access(path, os.X_OK)


def _reason(error: Exception) -> str:
    """One line: Go's last words when there are some."""
    output = getattr(error, "stderr", None) or ""
    text = output if isinstance(output, str) else output.decode("utf-8", "replace")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else str(error)


def _shown(path: Path) -> str:
    """A path without the name of the person whose home it is in: it stands in reports."""
    return f"~/{path.relative_to(Path.home())}" if path.is_relative_to(Path.home()) else str(path)
