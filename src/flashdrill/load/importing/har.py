"""A HAR (HTTP Archive 1.2) into a traffic model: one arrival for each request, under its method and route.

Browsers and proxies write one when a person records what the browser does. What is no request of the service itself
(assets, answers from a cache, other hosts) is counted and left out. Nothing of cookies, credentials or answers' bodies
is taken; see redaction.py.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from flashdrill.errors import ConfigError
from flashdrill.load.importing.found import Found, sound
from flashdrill.load.importing.har_entry import Asked, UselessEntryError, asked, decode, why_skipped
from flashdrill.load.importing.har_file import Part, parts
from flashdrill.load.importing.har_requests import HarRequests
from flashdrill.load.importing.redaction import Redaction
from flashdrill.load.importing.route import label_of
from flashdrill.model.recorded_requests import RecordedRequests
from flashdrill.model.traffic import TrafficModel

DEPTH = 8
MOST_LABELS = 500
_SHOWN_HOSTS = 10


@dataclass(frozen=True, slots=True)
class HarForm:
    """What the user said: the hosts to keep (none: the busiest), how much of a path a label has, and of assets."""

    hosts: tuple[str, ...] = ()
    depth: int = DEPTH
    keeps_static: bool = False


@dataclass(frozen=True, slots=True)
class Har:
    """What is in a HAR: the arrivals, and the requests without their secrets."""

    found: Found
    requests: RecordedRequests


def import_har(
    path: Path, mapping: Sequence[str] = (), *, tolerance: float = 0.0, form: HarForm | None = None
) -> TrafficModel:
    """The traffic model of a HAR; `mapping` has items such as `GET /items*=browse`. Raises ConfigError."""
    return model_of_har(read_har(path, form or HarForm()).found, mapping, tolerance)


def model_of_har(found: Found, mapping: Sequence[str] = (), tolerance: float = 0.0) -> TrafficModel:
    """The traffic model of what was found. Raises ConfigError."""
    return found.model(
        mapping,
        tolerance=tolerance,
        most_labels=MOST_LABELS,
        fewer_labels="keep fewer parts of the path, such as --depth 2",
    )


def read_har(path: Path, form: HarForm) -> Har:
    """What is in a HAR, which may be packed by gzip. Raises ConfigError for a file that is none."""
    encoding, entries = parts(path)
    found = Found(path, "entries")
    found.read_as("HAR", encoding)
    usable = [(part.line, each) for part in entries if (each := _usable(part, found, form))]
    hosts = Counter(each.host for _, each in usable)
    kept = _kept_hosts(path, hosts, form.hosts)
    redaction = Redaction()
    requests = HarRequests(redaction)
    for line, each in usable:
        if each.host not in kept:
            found.skip("requests to other hosts", line)
            continue
        _, route = Redaction().path(each.path)
        label = sound(label_of(each.method, route, form.depth))
        found.arrival(label, each.at_ms, each.page or None)
        requests.take(label, each)
    return Har(found, requests.recorded())


def _usable(part: Part, found: Found, form: HarForm) -> Asked | None:
    """The request of an entry that is one; any other is counted."""
    found.count(part.number)
    try:
        entry = decode(part.raw)
        reason = why_skipped(entry, keeps_static=form.keeps_static)
        if not reason:
            return asked(entry)
        found.skip(reason, part.line)
    except UselessEntryError as error:
        found.damage(part.line, f"{error}: entry {part.number}")
    except (msgspec.DecodeError, RecursionError):
        found.damage(part.line, f"an entry that is not of HAR's form: entry {part.number}")
    return None


def _kept_hosts(path: Path, hosts: Counter[str], wanted: Sequence[str]) -> set[str]:
    """The hosts that were asked for, else the one with the most requests. Raises ConfigError for one without any."""
    kept = {_known(host.lower(), hosts) for host in wanted}
    for host in kept - hosts.keys():
        known = ", ".join(name for name, _ in hosts.most_common(_SHOWN_HOSTS)) or "none"
        raise ConfigError(f"--host {host}: no request went there; there are {known}", path=path)
    return kept or {name for name, _ in hosts.most_common(1)}


def _known(host: str, hosts: Counter[str]) -> str:
    """The host as it is counted: without the usual port."""
    return host if host in hosts else host.removesuffix(":443").removesuffix(":80")
