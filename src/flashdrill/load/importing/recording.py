"""A traffic model from the times that an importer found."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from flashdrill.errors import ConfigError
from flashdrill.load.importing.labels import choose
from flashdrill.model.traffic import TrafficModel


def model_of(
    path: Path,
    times_ms: Mapping[str, Sequence[int]],
    mapping: Sequence[str],
    skipped: Mapping[str, int],
) -> TrafficModel:
    """The model of arrivals at these times (milliseconds since 1970, by label, in any order).

    `mapping` has items such as `Fetch*=browse`. Raises ConfigError for one that fits nothing.
    """
    first = min(min(times) for times in times_ms.values())
    last = max(max(times) for times in times_ms.values())
    return TrafficModel(
        source=path.name,
        rows=sum(len(times) for times in times_ms.values()),
        first_at=_utc(first),
        duration_s=(last - first) / 1000,
        offsets_ms={
            label: array("q", sorted(time - first for time in times))
            for label, times in times_ms.items()
        },
        operations=choose(times_ms, mapping),
        skipped=skipped,
    )


def no_such_file(path: Path, error: OSError) -> ConfigError:
    """What is said of a file that cannot be opened."""
    if isinstance(error, FileNotFoundError):
        return ConfigError("no such file", path=path, remedy="check the path")
    return ConfigError(f"cannot be read: {error.strerror}", path=path)


def _utc(time_ms: int) -> str:
    moment = datetime.fromtimestamp(time_ms / 1000, tz=UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
