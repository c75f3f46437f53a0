"""Install this checkout into a virtual environment, and say what goes on from the first second.

    python3 scripts/install.py .venv

Standard library only, and readable by an old Python, so that it can say that it is too old. pip's whole output
goes to `<venv>/install.log`. On a terminal one line changes; in a log there is a line every few seconds.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

OLDEST = (3, 11)
LOG = "install.log"
TICK_S = 0.2
LOG_EVERY_S = 5.0
LAST_LINES = 12
PIP = ("-m", "pip", "install", "--disable-pip-version-check", "--progress-bar", "off", "--no-input")

REMEDIES = (
    (
        ("ensurepip is not available", "No module named venv", "No module named ensurepip"),
        "this Python has no venv: on Debian and Ubuntu `apt install python3-venv`",
    ),
    (
        (
            "Temporary failure in name resolution",
            "Failed to establish a new connection",
            "NewConnectionError",
            "Network is unreachable",
            "ConnectTimeout",
            "Read timed out",
            "Could not find a version that satisfies",
        ),
        "the package index could not be reached, or lacks a package: check the network, and pip's index "
        "(`python3 -m pip config list`)",
    ),
    (("No space left on device",), "the disk is full"),
    (("Permission denied",), "the folder may not be written to"),
)


class InstallError(Exception):
    """What went wrong and what to do."""


class Counts:
    """What pip has said so far."""

    def __init__(self) -> None:
        self.collected = 0
        self.downloaded = 0
        self.doing = ""

    def hear(self, line: str) -> None:
        """One line of pip's output."""
        words = line.split()
        if words[:1] == ["Collecting"]:
            self.collected += 1
            self.doing = "collecting " + " ".join(words[1:2])
        elif words[:1] in (["Downloading"], ["Using"]):
            self.downloaded += words[0] == "Downloading"
            self.doing = "downloading" if words[0] == "Downloading" else self.doing
        elif words[:2] == ["Installing", "collected"]:
            self.doing = "unpacking"
        elif words[:1] == ["Building"]:
            self.doing = "building"

    def __str__(self) -> str:
        parts = [self.doing] if self.doing else []
        parts += [f"{self.collected} packages"] if self.collected else []
        parts += [f"{self.downloaded} downloaded"] if self.downloaded else []
        return ", ".join(parts)


class Teller:
    """Says how far it is: by one line that changes on a terminal, by a line now and then in a log."""

    def __init__(
        self, out: TextIO, is_terminal: bool, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._out = out
        self._is_terminal = is_terminal
        self._clock = clock
        self._began = clock()
        self._said = clock()

    def begin(self, text: str) -> None:
        """A new step: told at once."""
        self._said = self._clock()
        if self._is_terminal:
            self._change(text)
        else:
            self._line(text)

    def still(self, text: str) -> None:
        """The step goes on."""
        if self._is_terminal:
            self._change(text)
        elif self._clock() - self._said >= LOG_EVERY_S:
            self._said = self._clock()
            self._line(text)

    def end(self, text: str) -> None:
        """The last line."""
        if self._is_terminal:
            self._out.write("\r\x1b[K")
        self._line(text)

    def _change(self, text: str) -> None:
        columns = _columns()
        line = f"{self._clock() - self._began:6.1f} s  {text}"
        self._out.write("\r\x1b[K" + line[: columns - 1])
        self._out.flush()

    def _line(self, text: str) -> None:
        self._out.write(f"{self._clock() - self._began:6.1f} s  {text}\n")
        self._out.flush()


def _columns() -> int:
    try:
        return os.get_terminal_size().columns or 80
    except OSError:
        return 80


def check_python(version: tuple[int, ...], executable: str) -> None:
    """Raise InstallError for a Python that is too old."""
    if version[:2] < OLDEST:
        raise InstallError(
            f"{executable} is Python {version[0]}.{version[1]}; {OLDEST[0]}.{OLDEST[1]} or newer is needed\n"
            f"  remedy: make PYTHON=/path/to/python{OLDEST[0]}.{OLDEST[1]} ..."
        )


def unpacked(venv: Path) -> int:
    """How many packages are in the environment."""
    return len(list(venv.glob("lib/python*/site-packages/*.dist-info")))


def run_step(
    name: str,
    command: list[str],
    log: TextIO,
    teller: Teller,
    more: Callable[[], str] = str,
) -> None:
    """Run one command, its output into the log. Raises InstallError with its last lines.

    `more` says what else is known of how far it is.
    """
    teller.begin(name)
    log.write(f"$ {' '.join(command)}\n")
    counts = Counts()
    lines: list[str] = []
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        env=dict(os.environ, PYTHONUNBUFFERED="1"),
    )

    def read() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            log.write(line)
            lines.append(line.rstrip())
            counts.hear(line)

    reader = threading.Thread(target=read, daemon=True)
    with process:
        reader.start()
        try:
            while reader.is_alive():
                reader.join(TICK_S)
                facts = ", ".join(filter(None, (str(counts), more())))
                teller.still(f"{name}: {facts}" if facts else name)
        except BaseException:
            process.terminate()
            reader.join()
            raise
    log.flush()
    if process.returncode:
        raise InstallError(explain(name, process.returncode, lines, log.name))


def explain(name: str, code: int, lines: list[str], log: str) -> str:
    """The last lines of a command that failed, and what to do about it."""
    text = "\n".join(lines)
    shown = "\n".join("    " + line for line in lines[-LAST_LINES:])
    known = [remedy for signs, remedy in REMEDIES if any(sign in text for sign in signs)]
    remedy = known[0] if known else f"see the whole output in {log}"
    return f"{name} failed (exit code {code}):\n{shown}\n  log:    {log}\n  remedy: {remedy}, then repeat"


def install(venv: Path, root: Path, teller: Teller) -> None:
    """Make the environment and fill it."""
    venv.mkdir(parents=True, exist_ok=True)
    python = str(venv / "bin" / "python")
    with (venv / LOG).open("w", encoding="utf-8") as log:
        run_step(f"making {venv}", [sys.executable, "-m", "venv", str(venv)], log, teller)
        run_step("updating pip", [python, *PIP, "--upgrade", "pip>=25.1"], log, teller)
        what = [f"{root}[reference]", "--group", f"{root / 'pyproject.toml'}:dev"]
        command = [python, *PIP, "--editable", *what]
        before = unpacked(venv)

        def more() -> str:
            fresh = unpacked(venv) - before
            return f"{fresh} unpacked" if fresh else ""

        run_step("installing", command, log, teller, more)


def main(arguments: list[str]) -> int:
    """Install, and say how it ended; the exit code."""
    venv = Path(arguments[0] if arguments else ".venv")
    root = Path(__file__).resolve().parent.parent
    teller = Teller(sys.stdout, sys.stdout.isatty() and os.environ.get("TERM") != "dumb")
    try:
        check_python(tuple(sys.version_info), sys.executable)
        teller.begin(f"installing into {venv} (once, about a minute)")
        install(venv, root, teller)
    except (InstallError, OSError) as error:
        teller.end("installing failed")
        sys.stderr.write(f"{error}\n")
        return 1
    except KeyboardInterrupt:
        teller.end("interrupted; the next `make` goes on")
        return 130
    teller.end(f"installed into {venv}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
