"""A PostgreSQL data directory, initialised once with the schema, kept in the cache and copied."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from flashdrill.errors import StackError
from flashdrill.stack.folders import locked
from flashdrill.stack.identity import Identity, install_for
from flashdrill.stack.services import DATABASE, INITDB_ARGUMENTS, POSTGRES_SETTINGS, USER

COMMAND_TIMEOUT_S = 120.0
LOCK_TIMEOUT_S = 180.0
KEPT_S = 30 * 86_400

_EMBEDDED: Mapping[str, str] = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "dynamic_shared_memory_type": "mmap",  # nothing in /dev/shm that a SIGKILL would leave there
    "huge_pages": "off",
}
SETTINGS = "\n# flashdrill: durable, small, and only on loopback\n" + "".join(
    f"{name} = '{value}'\n" for name, value in {**_EMBEDDED, **POSTGRES_SETTINGS}.items()
)
_INITDB = ("--username", USER, "--auth", "trust", *INITDB_ARGUMENTS)


@dataclass(frozen=True, slots=True)
class Recipe:
    """All that decides what is in a template."""

    install: Path  # with bin/, lib/ and share/
    version: str
    schema: str
    identity: Identity

    @property
    def name(self) -> str:
        """A folder name that changes with the content."""
        content = (self.version, self.schema, SETTINGS, *_INITDB, str(self.identity.uid))
        digest = hashlib.sha256("\0".join(content).encode()).hexdigest()[:16]
        return f"postgres-{self.version}-{digest}"


def template(recipe: Recipe, cache: Path) -> Path:
    """The template's folder, built if it is not in the cache (once, even if many ask). Blocking.

    Raises StackError when PostgreSQL refuses, OSError when the disk does.
    """
    cache.mkdir(parents=True, exist_ok=True)
    ready = cache / recipe.name
    with locked(cache / "postgres.lock", LOCK_TIMEOUT_S):
        if not ready.is_dir():
            _forget_old(cache)
            _build(recipe, cache, ready)
        os.utime(ready)
    return ready


def copy(source: Path, target: Path) -> None:
    """A plain copy, owners and modes kept; `target` must not exist. Blocking."""
    result = subprocess.run(
        ["cp", "-a", "--reflink=auto", str(source), str(target)],  # noqa: S607
        capture_output=True,
        text=True,
        timeout=COMMAND_TIMEOUT_S,
        check=False,
    )
    if result.returncode:
        full = "No space left" in result.stderr
        raise StackError(
            f"copying the database template failed: {result.stderr.strip()[-300:]}",
            remedy="free some space, or point TMPDIR or --state at another disk" if full else "",
        )


def _build(recipe: Recipe, cache: Path, ready: Path) -> None:
    """Initialise in a scratch folder, then put it into its place in one step."""
    owner = recipe.identity.user
    scratch = Path(tempfile.mkdtemp(prefix="building-", dir=None if owner else cache)).resolve()
    try:
        if owner:
            os.chown(scratch, *owner)
        data = _initialise(recipe, scratch)
        staged = scratch / "staged" if not owner else cache / f"{scratch.name}.staged"
        if owner:  # the scratch folder may be on another file system
            copy(data, staged)
        else:
            data.rename(staged)
        staged.rename(ready)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _initialise(recipe: Recipe, scratch: Path) -> Path:
    programs = install_for(recipe.identity, recipe.install, scratch) / "bin"
    data = scratch / "data"
    _run(
        recipe.identity,
        [programs / "initdb", "-D", data, *_INITDB],
    )
    with (data / "postgresql.conf").open("a") as settings:
        settings.write(SETTINGS)
    single = [programs / "postgres", "--single", "-j", "-D", data, "-c", "exit_on_error=on"]
    _run(recipe.identity, [*single, "template1"], f"CREATE DATABASE {DATABASE};\n")
    _run(recipe.identity, [*single, DATABASE], _one_query(recipe.schema))
    _run(recipe.identity, [*single, DATABASE], _FORGET_OTHER_DATABASES)
    return data


# Three quarters of a fresh data directory are databases that nobody connects to.
_FORGET_OTHER_DATABASES = """UPDATE pg_database SET datistemplate = false;

DROP DATABASE postgres;

DROP DATABASE template0;

DROP DATABASE template1;

CHECKPOINT;

"""


def _one_query(sql: str) -> str:
    """A script as the single-user server takes it: it ends a query at a semicolon before an empty line."""
    return re.sub(r"\n\s*\n", "\n", sql.strip()).rstrip(";") + ";\n\n" if sql.strip() else ""


def _run(identity: Identity, argv: Sequence[object], text: str = "") -> None:
    uid, gid = identity.user or (None, None)
    program = Path(str(argv[0])).name
    try:
        result = subprocess.run(
            [*identity.prefix, *map(str, argv)],
            input=text,
            capture_output=True,
            text=True,
            timeout=COMMAND_TIMEOUT_S,
            check=False,
            cwd="/",
            env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"},
            user=uid,
            group=gid,
            extra_groups=None if uid is None else [],
        )
    except subprocess.TimeoutExpired:
        raise StackError(f"{program} did not end within {COMMAND_TIMEOUT_S:g} s") from None
    if result.returncode:
        said = (result.stderr or result.stdout).strip()
        full = "No space left" in said
        raise StackError(
            f"{program} failed (status {result.returncode}): {said[-600:]}",
            remedy="free some space in the cache folder" if full else "",
        )


def _forget_old(cache: Path) -> None:
    for folder in cache.glob("postgres-*-*"):
        if folder.is_dir() and time.time() - folder.stat().st_mtime > KEPT_S:
            shutil.rmtree(folder, ignore_errors=True)
