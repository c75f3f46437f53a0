"""A file of requests (plan/templates.py) from those that a recording knows, to be read and edited by people.

What was not recorded stands there as a sentence that `flashdrill validate` refuses, with its line.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from flashdrill.errors import ConfigError
from flashdrill.model.recorded_requests import RecordedRequest, RecordedRequests
from flashdrill.model.templates import Step
from flashdrill.plan.quantities import format_duration

_HEAD = """\
# Requests as they were recorded, one of each label: a start, to be edited. What each key means: docs/requests.md
# Cookies, credentials and what looks like a secret are not here; answers were never read.
"""
_SECRETS = "# Fill these in: a secret is named by its place, {env: NAME} or {file: PATH}.\n"
_BODY_KEYS = {"json": "json", "form": "form", "text": "body"}
_BREAKS = frozenset("\x85\u2028\u2029\ufeff")


def write_requests(recorded: RecordedRequests, path: Path) -> None:
    """Write the file, whole or not at all. Raises ConfigError when that cannot be."""
    half = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        half.write_text("".join(_parts(recorded)), encoding="utf-8", errors="replace")
        half.replace(path)
    except OSError as error:
        raise ConfigError(f"cannot be written: {error.strerror}", path=path) from error
    finally:
        half.unlink(missing_ok=True)


def _parts(recorded: RecordedRequests) -> Iterator[str]:
    yield _HEAD
    if recorded.secrets:
        yield _SECRETS
        yield _yaml({"secrets": {n: _Flow({"env": env}) for n, env in recorded.secrets.items()}})
    yield "requests:\n"
    for request in recorded.requests:
        yield from (f"  # {_one_line(note)}\n" for note in (request.label, *request.notes))
        yield _indented(_yaml({request.name: _written(request)}))
    if recorded.journeys:
        journeys = {name: list(map(_step, steps)) for name, steps in recorded.journeys.items()}
        yield _yaml({"journeys": journeys})


def _written(request: RecordedRequest) -> dict[str, Any]:
    lacking = " and ".join(
        what
        for what, known in (("a method", request.method), ("a path", request.path))
        if not known
    )
    to_do = f"the label {request.label!r} needs {lacking}"
    return {
        "method": request.method or to_do,
        "path": request.path or to_do,
        **({"headers": dict(request.headers)} if request.headers else {}),
        **({_BODY_KEYS[request.body_kind]: request.body} if request.body_kind else {}),
        **({"ok": _FlowList(request.ok)} if request.ok else {}),
    }


def _step(step: Step) -> Any:
    if step.request:
        return step.request
    low, high = format_duration(step.think_from_s), format_duration(step.think_to_s)
    return _Flow({"think": low if low == high else f"{low}..{high}"})


def _yaml(document: Any) -> str:
    return yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)


def _indented(text: str) -> str:
    """One level deeper. No text of ours has a line of its own in block style, so no value is changed by it."""
    return "".join(f"  {line}" for line in text.splitlines(keepends=True))


def _one_line(text: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


class _Flow(dict[str, str]):
    """A mapping in one line."""

    __slots__ = ()


class _FlowList(list[int]):
    """A list in one line."""

    __slots__ = ()


class _Dumper(yaml.SafeDumper):
    """Writes `_Flow` and `_FlowList` in brackets, and texts of several lines in quotes that escape their ends."""

    def ignore_aliases(self, data: Any) -> bool:
        """No anchors: people read this file."""
        return True

    def represent_data(self, data: Any) -> yaml.Node:
        """The node of a value."""
        if isinstance(data, _Flow):
            return self.represent_mapping("tag:yaml.org,2002:map", data, flow_style=True)
        if isinstance(data, _FlowList):
            return self.represent_sequence("tag:yaml.org,2002:seq", data, flow_style=True)
        if isinstance(data, str) and (not data.isprintable() or _BREAKS & set(data)):
            return self.represent_scalar("tag:yaml.org,2002:str", data, style='"')
        return super().represent_data(data)
