"""The runs that are kept here, and which of them a person means."""

from __future__ import annotations

from pathlib import Path

from flashdrill.errors import ConfigError
from flashdrill.report.store import is_run

RUNS = Path("reports/runs")
NEWEST, BEFORE = "latest", "previous"
MOST_NAMED = 8


def run_folders(root: Path = RUNS) -> list[Path]:
    """Every folder in `root`, newest first: their names begin with the time. Some may not be runs."""
    if not root.is_dir():
        return []
    return sorted((path for path in root.iterdir() if path.is_dir()), reverse=True)


def find_run(word: str, root: Path = RUNS) -> Path:
    """The run's folder that is meant by `latest`, `previous`, a path, or the beginning of a run's name.

    Raises ConfigError when there is none, or when several begin so.
    """
    if word in (NEWEST, BEFORE):
        return _by_age(word, root)
    if is_run(Path(word)):
        return Path(word)
    found = [path for path in run_folders(root) if path.name.startswith(word) and is_run(path)]
    if len(found) == 1:
        return found[0]
    exact = [path for path in found if path.name == word]
    if exact:
        return exact[0]
    if found:
        raise ConfigError(
            f"{len(found)} runs begin with {word!r}: {_named(found)}",
            remedy="type more of the name",
        )
    raise _no_run(word, root)


def _by_age(word: str, root: Path) -> Path:
    ended = [path for path in run_folders(root) if is_run(path)]
    wanted = 0 if word == NEWEST else 1
    if len(ended) <= wanted:
        raise ConfigError(
            f"no {word} run: {root} has {len(ended) or 'none'} that came to an end",
            remedy="flashdrill run scenarios/smoke.yaml makes one, a path names one elsewhere",
        )
    return ended[wanted]


def _no_run(word: str, root: Path) -> ConfigError:
    if Path(word).is_dir():
        return ConfigError(
            f"{word} is not the folder of a run (or the run did not come to its end)",
            remedy="see flashdrill list runs",
        )
    newest = [path for path in run_folders(root) if is_run(path)]
    there = f"there are {_named(newest)}" if newest else f"there are no runs in {root}"
    return ConfigError(
        f"no run {word!r}: neither a folder, nor the beginning of a name in {root}",
        remedy=f"{there}; see flashdrill list runs",
    )


def _named(folders: list[Path]) -> str:
    names = ", ".join(path.name for path in folders[:MOST_NAMED])
    more = len(folders) - MOST_NAMED
    return f"{names} and {more} more" if more > 0 else names
