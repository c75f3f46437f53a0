"""What is told to the terminal is shown by a thread of its own, and nothing that happens there reaches the run."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from io import StringIO

import pytest
from rich.console import Console

from flashdrill.cli.console import can_be_live, can_link, open_console, views
from flashdrill.cli.live.story import Story
from flashdrill.cli.live.view import LiveView
from flashdrill.cli.progress import Lines, second_line
from flashdrill.cli.terminal import Terminal
from flashdrill.cli.view import Silence
from flashdrill.rehearsal.watcher import LiveSecond, ServiceNow
from tests.unit.live_story import PLAN, SCENARIO, SECOND, second, step


class Screen(StringIO):
    """A terminal that remembers what was written to it."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def log() -> tuple[StringIO, Console]:
    """A file that is no terminal, and its console."""
    file = StringIO()
    return file, Console(file=file, width=200, highlight=False)


def tell(terminal: Terminal) -> None:
    """A short run."""
    terminal.phase("bringing the stack up")
    terminal.server_ready("redis", 0.1)
    terminal.phase("load and faults, 90 s")
    terminal.second(second(t_s=1.0, stage="browse"))
    terminal.fault(step("shard-timeout", "inject"))
    terminal.second(SECOND)
    terminal.phase("waiting until the queues are empty")
    terminal.waiting(3)


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_plain_lines_have_no_control_characters() -> None:
    file, console = log()
    with Terminal([lambda: Lines(console)]) as terminal:
        tell(terminal)
    text = file.getvalue()
    assert "\x1b" not in text
    assert "\r" not in text
    for wanted in (
        "redis ready (0.1 s)",
        "fault shard-timeout: inject",
        "waiting until the queues",
    ):
        assert wanted in text
    assert len(text.splitlines()) == 7


def test_a_line_of_load_says_what_is_not_as_it_should_be() -> None:
    line = second_line(SECOND)
    for wanted in ("rush", "17/90 s", "73 s left", "due  110/s", "sent  123", "unknown   2"):
        assert wanted in line
    assert line.endswith("faults: shard-timeout  breakers: shard1 half-open, shard2 open  queue 47")
    quiet = second_line(
        second(faults=(), service=ServiceNow({"redis": "closed"}, {}, {"a": 0}, 0.1))
    )
    assert quiet.endswith("p99   1504 ms")
    assert second_line(second(service=ServiceNow(age_s=3.2))).endswith("service silent for 3 s")


def test_the_live_screen_draws_again_while_nothing_happens() -> None:
    screen = Screen()
    console = Console(file=screen, width=80, height=24, force_terminal=True, _environ={})
    with Terminal([lambda: LiveView(console, Story(SCENARIO, PLAN))]) as terminal:
        terminal.phase("bringing the stack up")
        wait_until(lambda: screen.getvalue().count("flash_sale") >= 3)
        tell(terminal)
        wait_until(lambda: "waiting until" in screen.getvalue())
    text = screen.getvalue()
    assert "\x1b[?25l" in text, "the cursor is hidden"
    assert text.rindex("\x1b[?25h") > text.rindex("\x1b[?25l"), "and given back"
    assert "\x1b[?1049h" not in text, "the log above stays: no other screen"


class Broken(Silence):
    """A view that cannot draw."""

    def __init__(self) -> None:
        self.is_closed = False

    def second(self, at_s: float, live: LiveSecond) -> None:
        raise ValueError("no room")

    def close(self, at_s: float) -> None:
        self.is_closed = True


def test_an_error_in_drawing_is_said_once_and_plain_lines_go_on() -> None:
    file, console = log()
    broken = Broken()
    with Terminal([lambda: broken, lambda: Lines(console, every_s=0.0)]) as terminal:
        tell(terminal)
    text = file.getvalue()
    assert broken.is_closed
    assert text.count("the view of the run failed (ValueError: no room)") == 1
    assert text.count("due  110/s") == 2, "what could not be drawn is told as a line"
    assert "waiting until the queues" in text


def test_a_view_that_cannot_be_made_is_passed_over() -> None:
    file, console = log()

    def impossible() -> Silence:
        raise OSError

    with Terminal([impossible, lambda: Lines(console)]) as terminal:
        tell(terminal)
    assert "redis ready" in file.getvalue()


@pytest.mark.parametrize("error", [BrokenPipeError(), SystemExit(1)])
def test_a_reader_that_has_gone_is_no_reason_to_end(error: BaseException) -> None:
    tried = []

    class Gone(Silence):
        def phase(self, at_s: float, text: str) -> None:
            tried.append(text)
            raise error

    with Terminal([Gone]) as terminal:
        tell(terminal)
    assert tried == ["bringing the stack up"], "after the first failure there is silence"


def test_a_terminal_that_stands_still_does_not_hold_up_the_run() -> None:
    free = threading.Event()

    class Stopped(Silence):
        def phase(self, at_s: float, text: str) -> None:
            free.wait(30)

    began = time.monotonic()
    with Terminal([Stopped]) as terminal:
        for _ in range(1000):
            terminal.phase("more")
        told_s = time.monotonic() - began
        free.set()
    assert told_s < 5, "telling does not wait for showing"


def test_the_screen_is_for_terminals_that_can_move_their_cursor() -> None:
    console = Console(file=Screen(), width=80, height=24)
    assert can_be_live(console, {"TERM": "xterm-256color"})
    assert not can_be_live(console, {"TERM": "dumb"})
    assert not can_be_live(console, {})
    assert not can_be_live(Console(file=Screen(), width=15, height=24), {"TERM": "xterm"})
    assert not can_be_live(Console(file=StringIO(), width=80, height=24), {"TERM": "xterm"})


def test_what_is_asked_for_and_where_decides_the_view() -> None:
    console, xterm = Console(file=Screen(), width=80, height=24), {"TERM": "xterm"}

    def kinds(is_live: bool | None, environ: dict[str, str]) -> int:
        return len(views(console, SCENARIO, PLAN, is_live, environ))

    assert kinds(None, xterm) == 2
    assert kinds(False, xterm) == 1
    assert kinds(None, {**xterm, "CI": "true"}) == 1
    assert kinds(True, {**xterm, "CI": "true"}) == 2
    assert kinds(True, {"TERM": "dumb"}) == 1


def test_links_are_for_terminals_that_know_them() -> None:
    console = Console(file=Screen())
    assert can_link(console, {"TERM": "xterm-256color"})
    assert not can_link(console, {"TERM": "linux"})
    assert not can_link(Console(file=StringIO()), {"TERM": "xterm"})


def test_a_log_gets_a_wide_page_and_no_escape_codes() -> None:
    console = open_console(StringIO())
    assert console.width == 160
    assert not console.is_terminal
