"""`reports/resources.yaml`: which metrics speak of resources, what these are called, and what helps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import msgspec

from flashdrill.errors import ConfigError


class Counters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The metric names of the counters; `label` is the label that holds the resource's name."""

    hold: str
    inner_wait: str
    wait: str
    uses: str
    capacity: str
    label: str = "resource"


class Resource(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A kind of resource: `match` is its name or a prefix such as `pool.*`; `{name}` in the title is the rest."""

    match: str
    title: str
    remedy: str


class _Document(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    counters: Counters
    resources: tuple[Resource, ...]


@dataclass(frozen=True, slots=True)
class Catalogue:
    """What is known of resources, and the text of each remedy by file name."""

    counters: Counters
    resources: tuple[Resource, ...]
    remedies: Mapping[str, str]

    def title(self, name: str) -> str:
        """What a resource is called in a sentence; its name when nothing matches."""
        kind = self._kind(name)
        return name if kind is None else kind.title.format(name=name.partition(".")[2] or name)

    def remedy(self, name: str) -> str:
        """What to do about it, or empty."""
        kind = self._kind(name)
        return "" if kind is None else self.remedies.get(kind.remedy, "")

    def _kind(self, name: str) -> Resource | None:
        return next((kind for kind in self.resources if fnmatchcase(name, kind.match)), None)


def load_catalogue(reports: Path) -> Catalogue:
    """Read `resources.yaml` and `remedies/` of the reports folder. Raises ConfigError with file and remedy."""
    path = reports / "resources.yaml"
    try:
        document = msgspec.yaml.decode(path.read_bytes(), type=_Document)
        remedies = {
            kind.remedy: (reports / "remedies" / kind.remedy).read_text(encoding="utf-8")
            for kind in document.resources
        }
    except (OSError, msgspec.MsgspecError) as error:
        raise ConfigError(
            f"the catalogue of resources cannot be read: {error}",
            path=path,
            remedy="compare it with the reference's, in reports/ of the repository or of the wheel",
        ) from error
    return Catalogue(document.counters, document.resources, remedies)
