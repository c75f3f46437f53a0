"""As whom PostgreSQL runs: it refuses root, so root needs a user namespace or another user."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from flashdrill.errors import StackError
from flashdrill.stack.guardian import MARKER

FORCE_VARIABLE = "FLASHDRILL_POSTGRES_AS"
"""Set to direct, namespace or user to choose the way yourself."""

_UNSHARE = ("unshare", "--user", "--map-user=1000", "--map-group=1000")
_NOBODY = 65534
_TRIAL_TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True)
class Identity:
    """A way to run PostgreSQL: `prefix` goes before its arguments, `user` is (uid, gid) to change to."""

    way: str  # direct, namespace or user
    prefix: tuple[str, ...] = ()
    user: tuple[int, int] | None = None

    @property
    def uid(self) -> int | None:
        """The user that owns the files; None: this process's own."""
        return None if self.user is None else self.user[0]


def choose_identity(environ: Mapping[str, str] | None = None) -> Identity:
    """Directly; as root in a user namespace; as root without namespaces as nobody.

    StackError when `FLASHDRILL_POSTGRES_AS` names a way that does not exist or does not work.
    """
    forced = (os.environ if environ is None else environ).get(FORCE_VARIABLE, "")
    if forced not in {"", "direct", "namespace", "user"}:
        raise StackError(f"{FORCE_VARIABLE}={forced}", remedy="use direct, namespace or user")
    if forced == "direct" or (not forced and os.geteuid() != 0):
        return Identity("direct")
    if forced != "user" and _namespaces_work():
        return Identity("namespace", prefix=_UNSHARE)
    if forced == "namespace" or os.geteuid() != 0:
        raise StackError(
            f"{FORCE_VARIABLE}={forced} does not work here", remedy=f"unset {FORCE_VARIABLE}"
        )
    return Identity("user", user=_nobody())


def data_root(state_dir: Path, identity: Identity) -> Path:
    """The folder for data directories: in `state_dir`, or for another user a new marked folder of theirs.

    That user may be unable to enter the parents of `state_dir`, and their modes are not ours to change.
    """
    if identity.user is None:
        folder = state_dir / "postgres"
        folder.mkdir(parents=True, exist_ok=True)
        return folder
    folder = Path(tempfile.mkdtemp(prefix="flashdrill-postgres-")).resolve()
    (folder / MARKER).write_text("flashdrill removes this folder when its stack goes down\n")
    os.chown(folder, *identity.user)
    return folder


def install_for(identity: Identity, install: Path, root: Path) -> Path:
    """The installation of PostgreSQL as that identity can reach it: itself, or a copy in `root`."""
    if identity.user is None:
        return install
    package = install.parent
    copy = root / "programs" / package.name / install.name
    if not copy.exists():
        for part in ("bin", "lib", "share"):
            shutil.copytree(install / part, copy / part, symlinks=True)
        libraries = package.with_name(f"{package.name}.libs")  # the wheel's, found relative to bin/
        if libraries.is_dir():
            shutil.copytree(libraries, root / "programs" / libraries.name)
    return copy


def _namespaces_work() -> bool:
    try:
        trial = subprocess.run(
            [*_UNSHARE, "true"], capture_output=True, timeout=_TRIAL_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return trial.returncode == 0


def _nobody() -> tuple[int, int]:
    try:
        entry = pwd.getpwnam("nobody")
    except KeyError:
        return _NOBODY, _NOBODY
    return entry.pw_uid, entry.pw_gid
