"""Every error that flashdrill raises on purpose.

    FlashdrillError            exit code
    ├── ConfigError            2   the user's files or arguments are wrong; says file, line, remedy
    ├── InconclusiveError      3   the run cannot tell
    ├── StackError             4   the stack could not run; says the remedy
    │   ├── ToxiproxyError     4   Toxiproxy refused, or could not be reached
    │   └── EdgeError          4   the edge refused, or could not be reached
    └── InterruptedRunError  130   Ctrl-C or SIGTERM, after healing

`ProxyConflictError` and the like belong to the module that raises them and derive from these.
"""

from __future__ import annotations

from pathlib import Path

EXIT_PASS = 0
EXIT_FAIL = 1
EXIT_USAGE = 2
EXIT_INCONCLUSIVE = 3
EXIT_STACK = 4
EXIT_INTERRUPTED = 130


class FlashdrillError(Exception):
    """The root; `exit_code` is what the command line ends with."""

    exit_code = EXIT_STACK

    def __init__(self, message: str, *, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message}\n  remedy: {self.remedy}" if self.remedy else self.message


class ConfigError(FlashdrillError):
    """A scenario, a plan or an argument is wrong: what, where (file and line), what was expected."""

    exit_code = EXIT_USAGE

    def __init__(
        self, message: str, *, path: Path | None = None, line: int | None = None, remedy: str = ""
    ) -> None:
        where = "" if path is None else f"{path}:{line}: " if line else f"{path}: "
        super().__init__(f"{where}{message}", remedy=remedy)
        self.path = path
        self.line = line


class InconclusiveError(FlashdrillError):
    """The run cannot tell whether the system is good."""

    exit_code = EXIT_INCONCLUSIVE


class StackError(FlashdrillError):
    """A server of the stack did not start, died, or could not be reached."""

    exit_code = EXIT_STACK


class ToxiproxyError(StackError):
    """Toxiproxy refused a request (`status` is its HTTP status) or did not answer (`status` 0)."""

    def __init__(self, message: str, *, status: int = 0, remedy: str = "") -> None:
        super().__init__(message, remedy=remedy)
        self.status = status


class EdgeError(StackError):
    """The edge refused a rule (`status` is its HTTP status) or did not answer (`status` 0)."""

    def __init__(self, message: str, *, status: int = 0, remedy: str = "") -> None:
        super().__init__(message, remedy=remedy)
        self.status = status


class InterruptedRunError(FlashdrillError):
    """The user stopped the run; everything was healed first."""

    exit_code = EXIT_INTERRUPTED
