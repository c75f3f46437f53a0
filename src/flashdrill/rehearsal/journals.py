"""Where journals are while somebody may have to heal from them: `.flashdrill/journals/`, and what is left in them.

opened, locked ── faults ── all healed ── moved to where the run is reported
                    └── killed ── healed by the guardian, or by `flashdrill heal` ── moved when the next one is opened
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flashdrill.errors import StackError
from flashdrill.model.journal import Journal, guardian_of, home_of, is_held, unhealed
from flashdrill.stack.healing import Fault, faults_in, has_lost_its_stack

STATE = Path(".flashdrill")
JOURNALS = "journals"
OF_THE_STACK = "journal.jsonl"
"""What `flashdrill up` itself did to somebody else's server; its guardian heals it, while there is one."""

_NOT_OURS = (errno.EACCES, errno.EPERM, errno.EROFS)
"""What a current directory says in which nothing can be written."""


@dataclass(frozen=True, slots=True)
class Leftover:
    """A journal that nobody writes any more, and its faults that may be in force, newest first."""

    path: Path
    faults: list[Fault]
    has_lost_its_stack: bool


def open_journal(state_dir: Path, name: str, *, by: str, home: Path | None = None) -> Journal:
    """A journal that is ours until it is closed; `home` is where it goes when it is over.

    Raises StackError when a living process has it.
    """
    folder = _folder(state_dir)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    _tidy(folder)
    path = folder / f"{name}.jsonl"
    try:
        journal = Journal(path, holds=True)
    except BlockingIOError:
        raise StackError(
            f"{path} is in use: the same faults are being made already", remedy="wait, or end that"
        ) from None
    if not unhealed(path):
        os.truncate(path, 0)  # an earlier one, all healed
    journal.opened(by, None if home is None else str(home.absolute()))
    return journal


@contextmanager
def journal_of_run(state_dir: Path, home: Path) -> Iterator[Journal]:
    """The journal of one run, moved to `home` at the end if nothing is left to heal."""
    try:
        journal = open_journal(state_dir, home.parent.name, by="flashdrill run", home=home)
    except OSError as error:
        if error.errno not in _NOT_OURS:
            raise
        journal = Journal(home, holds=True)  # where it will be kept
    try:
        yield journal
    finally:
        journal.close()
        _put_away(journal.path)


def refuse_over_leftovers(state_dir: Path, guardian: Mapping[str, Any] | None = None) -> None:
    """Raise StackError while faults of a run that is over may be in force, or are made on the same stack right now."""
    left = leftovers(state_dir)
    if left:
        words = "\n  ".join(f"{each.path}: {', '.join(f for f, _ in each.faults)}" for each in left)
        option = "" if state_dir == STATE else f" --state {state_dir}"
        raise StackError(
            f"faults of a run that did not end well may still be in force\n  {words}",
            remedy=f"flashdrill heal{option}",
        )
    for path in held(state_dir):
        if guardian and guardian_of(path) == guardian:
            raise StackError(
                f"faults are being made on this stack already, see {path}",
                remedy="wait, or end that",
            )


def leftovers(state_dir: Path) -> list[Leftover]:
    """The journals with something to heal, and nobody alive who will do it.

    Raises StackError when one cannot be read: then nobody can tell.
    """
    with _explained(state_dir):
        paths = [path for path in _paths(state_dir) if not is_held(path)]
        stacks = state_dir / OF_THE_STACK
        if stacks.exists() and has_lost_its_stack(stacks):
            paths.append(stacks)
        found = [Leftover(path, faults_in(path), has_lost_its_stack(path)) for path in paths]
    return [each for each in found if each.faults]


def held(state_dir: Path) -> list[Path]:
    """The journals that living processes write. Raises StackError when one cannot be read."""
    with _explained(state_dir):
        return [path for path in _paths(state_dir) if is_held(path)]


@contextmanager
def _explained(state_dir: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        is_somebody_elses = error.errno in _NOT_OURS
        raise StackError(
            f"{error.filename or state_dir} cannot be read ({error.strerror}), so nobody can tell whether faults that "
            "it holds are in force",
            remedy="do this as the user whose run it was"
            if is_somebody_elses
            else "look at what it is, and move it away",
        ) from None


def _paths(state_dir: Path) -> list[Path]:
    """Not by `glob`: it takes a folder that cannot be read for an empty one."""
    try:
        return sorted(path for path in _folder(state_dir).iterdir() if path.suffix == ".jsonl")
    except FileNotFoundError:
        return []


def _folder(state_dir: Path) -> Path:
    return state_dir / JOURNALS


def _tidy(folder: Path) -> None:
    """What was healed after its run was killed goes where it belongs."""
    for path in folder.glob("*.jsonl"):
        with suppress(OSError):  # somebody else's, or somebody else was quicker
            if not is_held(path):
                _put_away(path)


def _put_away(path: Path) -> None:
    home = home_of(path)
    if home and not unhealed(path):
        with suppress(FileNotFoundError):
            if Path(home).parent.is_dir():
                shutil.move(path, home)
            else:
                path.unlink()
