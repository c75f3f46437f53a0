"""The load process of a run: Locust behind the fence, with whatever locustfile the scenario has.

    surroundings cleared ── fence ── locustfile imported ── its users looked at ── Locust's own way

Run as `python -m flashdrill.load.launch [LOCUST'S OPTIONS]`. What cannot be played is refused before anybody comes:
with exit code 2, a line in the log, and the same in the load's own lines, where the harness reads it.
"""

from __future__ import annotations

import os
import sys
import traceback
from pathlib import Path
from typing import Any

from flashdrill.errors import EXIT_USAGE, ConfigError
from flashdrill.load.child import cleared
from flashdrill.load.fence import fence_in
from flashdrill.load.live import tell_refusal
from flashdrill.load.spec import CROWD_ENV, CrowdSpec, read_spec


class Launch:
    """One start of Locust."""

    def __init__(self, spec: CrowdSpec) -> None:
        self._spec = spec
        self._is_imported = False

    def run(self) -> None:
        """Locust from its beginning to its end, which is that of the process."""
        from locust import events  # noqa: PLC0415  (it patches sockets, and reads the surroundings)
        from locust.main import main as locust  # noqa: PLC0415

        begun: Any = events.init
        begun.add_listener(self._imported)
        try:
            locust()  # type: ignore[no-untyped-call]
        except (Exception, SystemExit) as error:
            if self._is_imported:
                raise
            self._refuse(error)

    def _imported(self, environment: Any, **_: object) -> None:
        """Nobody has come yet. Users of plain Locust without a crowd are beside one of nobody."""
        from flashdrill.locust import OpenCrowd  # noqa: PLC0415

        self._is_imported = True
        if any(issubclass(kind, OpenCrowd) for kind in environment.user_classes):
            return

        class Nobody(OpenCrowd):
            """It has no journeys."""

            abstract = True

        environment.user_classes.append(Nobody)
        Nobody._begin(environment)

    def _refuse(self, error: BaseException) -> None:
        refused = why_not(error, Path(self._spec.locustfile))
        tell_refusal(Path(self._spec.live_path), refused)
        traceback.print_exception(error)
        print(f"flashdrill: {refused}", file=sys.stderr)
        raise SystemExit(EXIT_USAGE) from None


def why_not(error: BaseException, path: Path) -> ConfigError:
    """Why a locustfile cannot be imported, with the line of it that could not go on."""
    if isinstance(error, SystemExit):
        return ConfigError(
            "the locustfile has no users",
            path=path,
            remedy="let it have a subclass of flashdrill.locust.OpenCrowd (docs/own-service.md), or say what "
            "customers do in a file of requests: `requests:` in the place of `locustfile:` (docs/requests.md)",
        )
    frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename == str(path)]
    line = frames[-1].lineno if frames else None
    if isinstance(error, SyntaxError) and error.filename == str(path):
        line = error.lineno
    words = error.msg if isinstance(error, SyntaxError) else str(error)
    what = f"the locustfile cannot be imported: {type(error).__name__}: {words}"
    is_missing = isinstance(error, ImportError)
    return ConfigError(
        what, path=path, line=line, remedy="install what it imports" if is_missing else ""
    )


def main() -> None:
    """The process."""
    kept = cleared(os.environ)
    for name in os.environ.keys() - kept.keys():
        del os.environ[name]
    os.environ.update(kept)
    spec = read_spec(Path(os.environ[CROWD_ENV]))
    fence_in(spec.hosts)
    Launch(spec).run()


if __name__ == "__main__":
    main()
