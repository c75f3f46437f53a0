"""What a stack has only for the faults that need it: nobody else pays for it.

edge    client → edge → Toxiproxy → server   for some of the proxies; a process of ours
clock   the service runs under libfaketime: its wall clock, and nobody else's, can be stepped
volume  the service's queue folder is a small file system of its own (tmpfs), which can be filled
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from flashdrill.errors import StackError
from flashdrill.model.faketime import faketime_environment, faketime_library
from flashdrill.stack import mounts

VOLUME_MB = 64
NORMAL_CLOCK = "+0"


@dataclass(frozen=True, slots=True)
class Provisions:
    """`edges` are names of proxies that get a way through the edge."""

    edges: frozenset[str] = field(default_factory=frozenset)
    has_clock: bool = False
    has_volume: bool = False

    def __or__(self, other: Provisions) -> Provisions:
        """Both."""
        return Provisions(
            self.edges | other.edges,
            self.has_clock or other.has_clock,
            self.has_volume or other.has_volume,
        )

    @property
    def has_edge(self) -> bool:
        """Whether there is an edge at all."""
        return bool(self.edges)


NOTHING = Provisions()


def make_volume(folder: Path) -> None:
    """Give a new folder a file system of its own. StackError without the privilege."""
    try:
        mounts.mount_tmpfs(folder, VOLUME_MB)
    except OSError as error:
        raise StackError(
            f"{folder} cannot be given a file system of its own: {error.strerror}",
            remedy="run as root (CAP_SYS_ADMIN), or leave out the faults that fill a disk",
        ) from error


def make_clock(path: Path) -> Mapping[str, str]:
    """A clock file that says the right time, and the environment of a process that obeys it. StackError."""
    library = faketime_library()
    if library is None:
        raise StackError(
            "no libfaketime on this machine",
            remedy="apt-get install libfaketime, or leave out the faults that step a clock",
        )
    path.write_text(NORMAL_CLOCK + "\n")
    path.chmod(0o600)
    return faketime_environment(library, path)
