"""Requests that a recording knows, as far as it knows them, and the journeys that were made of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from flashdrill.model.templates import Step


@dataclass(frozen=True, slots=True)
class RecordedRequest:
    """The request of a label. An empty `method` or `path` was not recorded. `notes` are for whoever edits the file."""

    name: str
    label: str
    method: str = ""
    path: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body_kind: str = ""
    body: Any = None
    ok: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RecordedRequests:
    """Requests without their secrets.

    `secrets` maps a placeholder's name to the environment variable that is to hold it. `dropped` counts what was left
    out, by name.
    """

    requests: tuple[RecordedRequest, ...] = ()
    journeys: Mapping[str, tuple[Step, ...]] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)
    dropped: Mapping[str, int] = field(default_factory=dict)

    def operations(self) -> dict[str, str]:
        """The name of each label's request."""
        return {request.label: request.name for request in self.requests}

    def told(self) -> tuple[str, ...]:
        """What the user should know of them, in sentences; never a value."""
        sentences = []
        if self.dropped:
            counts = ", ".join(
                f"{what} ({number})" for what, number in sorted(self.dropped.items())
            )
            sentences.append(f"dropped from the requests: {counts}")
        if self.secrets:
            names = ", ".join(self.secrets.values())
            sentences.append(f"secrets to fill in, from the environment or a file: {names}")
        lacking = sum(not (request.method and request.path) for request in self.requests)
        if lacking:
            sentences.append(f"requests that need a method or a path: {lacking}")
        return tuple(sentences)
