"""The live screen on a terminal: a log of events that grows above, and below it what is drawn again and again."""

from __future__ import annotations

from collections import deque

from rich.console import Console, Group
from rich.control import Control
from rich.live import Live
from rich.text import Text

from flashdrill.cli.live.screen import screen
from flashdrill.cli.live.story import Story
from flashdrill.cli.progress import fault_line, stamped
from flashdrill.rehearsal.watcher import LiveSecond

KEPT_LINES = 20
"""Of the log, to be shown again when the window's size has changed."""


class LiveView:
    """A `View`. Nothing of the screen stays when it is closed; the log does."""

    def __init__(self, console: Console, story: Story) -> None:
        self._console = console
        self._story = story
        self._size = console.size
        self._log: deque[Text] = deque(maxlen=KEPT_LINES)
        self._live = Live(console=console, auto_refresh=False, transient=True)
        self._live.start()

    def note(self, at_s: float, text: str) -> None:
        """Something about the view itself."""
        self._print(at_s, Text(text, "yellow"))

    def phase(self, at_s: float, text: str) -> None:
        """A new part of the run has begun: a line of the log, and the screen's head."""
        self._story.begin(at_s, text)
        self._print(at_s, Text(text))
        self.draw(at_s)

    def server_ready(self, at_s: float, name: str, seconds: float) -> None:
        """One server of the stack answers."""
        self._story.servers.append((name, seconds))

    def second(self, at_s: float, live: LiveSecond) -> None:
        """One second of load is over; drawn with the next drawing."""
        self._story.hear(at_s, live)

    def fault(self, at_s: float, event: dict[str, object]) -> None:
        """A fault changed its phase: a line of the log, and its place on the screen."""
        self._story.mark(event)
        self._print(at_s, fault_line(event))

    def waiting(self, at_s: float, records: int | None) -> None:
        """So many records wait in the durable queues."""
        self._story.waiting = records

    def draw(self, at_s: float) -> None:
        """Draw everything again."""
        width, height = size = self._console.size
        if size != self._size:
            self._size = size
            self._wipe()
        self._live.update(Group(*screen(self._story, at_s, width, height)), refresh=True)

    def close(self, at_s: float) -> None:
        """Remove the screen and give the cursor back."""
        self._live.stop()

    def _print(self, at_s: float, text: Text) -> None:
        self._log.append(stamped(at_s, text))
        self._console.print(self._log[-1], soft_wrap=True)

    def _wipe(self) -> None:
        """Lines of the old width have wrapped, and nobody knows how far up the screen begins: start afresh."""
        self._live.update(Group())
        self._console.control(Control.clear(), Control.home())
        self._console.print(Group(*self._log), soft_wrap=True)
