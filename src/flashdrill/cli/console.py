"""What the terminal can do, and the view that follows from it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from io import TextIOWrapper
from typing import TextIO

from rich.console import Console

from flashdrill.cli.progress import Lines
from flashdrill.cli.view import View
from flashdrill.model.faults import FaultPlan
from flashdrill.model.scenario import Scenario

LOG_WIDTH = 160
"""Where nobody says how wide the page is (a CI log), tables need not be squeezed."""
LEAST_SIZE = (20, 8)
"""Columns and lines below which a live screen says less than lines do."""
NO_LINKS = ("dumb", "linux", "screen")
"""Terminals that show the escape codes of a link, or lose the text after it."""


def open_console(stream: TextIO | None = None) -> Console:
    """A console on the stream (stdout); what its encoding lacks is shown as a question mark."""
    stream = stream or sys.stdout
    if isinstance(stream, TextIOWrapper):
        with suppress(ValueError, OSError):
            stream.reconfigure(errors="replace")
    width = None if stream.isatty() else LOG_WIDTH
    # Brackets and colons in names and reasons are what they are, no markup.
    return Console(file=stream, highlight=False, markup=False, emoji=False, width=width)


def can_be_live(console: Console, environ: Mapping[str, str] = os.environ) -> bool:
    """Whether a screen can be drawn again and again: a terminal that moves its cursor, in an encoding with bars."""
    if not console.file.isatty() or environ.get("TERM", "") in ("", "dumb"):
        return False
    columns, lines = console.size
    return "utf" in console.encoding and columns >= LEAST_SIZE[0] and lines >= LEAST_SIZE[1]


def can_link(console: Console, environ: Mapping[str, str] = os.environ) -> bool:
    """Whether a path can be a link (OSC 8)."""
    return console.file.isatty() and not environ.get("TERM", "dumb").startswith(NO_LINKS)


def views(
    console: Console,
    scenario: Scenario,
    plan: FaultPlan,
    is_live: bool | None = None,
    environ: Mapping[str, str] = os.environ,
) -> Sequence[Callable[[], View]]:
    """The views to try, in order. `is_live` None: a live screen on a terminal, except in CI, whose logs keep all."""
    wanted = "CI" not in environ if is_live is None else is_live
    if not (wanted and can_be_live(console, environ)):
        return [lambda: Lines(console)]

    def live() -> View:
        from flashdrill.cli.live.story import Story  # noqa: PLC0415  (only where it is used)
        from flashdrill.cli.live.view import LiveView  # noqa: PLC0415

        return LiveView(console, Story(scenario, plan))

    return [live, lambda: Lines(console)]
