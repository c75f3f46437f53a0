"""What a scenario says so that its load hits nobody else, and can be told apart: `hosts` and `marking`."""

from __future__ import annotations

import re

from flashdrill.model.marking import HEADER, Marking
from flashdrill.plan.shapes import Flag, Text, scalar_of
from flashdrill.plan.source import Node
from flashdrill.plan.table import Entry, Field, Table

_HOST = r"^([A-Za-z0-9_]([A-Za-z0-9_.-]{0,252})|[0-9A-Fa-f]*:[0-9A-Fa-f:.]+)$"
_OURS = frozenset({"host", "content-length", "transfer-encoding", "connection"})


class HostShape:
    """A host as `hosts` lists it: a name or an address, each by itself."""

    def read(self, node: Node) -> str:
        """The host. Raises ConfigError for a pattern, a URL or a port."""
        text = scalar_of(node, "a host").text
        if "*" in text or ("/" in text and re.fullmatch(r"[0-9A-Fa-f.:]+/[0-9]+", text)):
            raise node.fail(
                f"{text!r} stands for many hosts", remedy="list each host that a run may send to"
            )
        if not re.fullmatch(_HOST, text):
            raise node.fail(
                f"{text!r} is not a host",
                remedy="a name or an address without scheme and port, such as shop.example.com or 10.0.0.7",
            )
        return text

    def schema(self) -> dict[str, object]:
        """A string of that form."""
        return {"type": "string", "pattern": _HOST}


MARKING = Table(
    "the marking",
    {
        "enabled": Field(Flag(), "false: requests carry no header of ours", default=True),
        "header": Field(
            Text(r"^[A-Za-z][A-Za-z0-9-]{0,63}$", "the name of a header"),
            "the header that every request carries; its value is the run's id",
            default=HEADER,
        ),
    },
)


def build_hosts(entry: Entry) -> tuple[str, ...]:
    """The hosts of a scenario. Raises ConfigError for those of `--set`."""
    node = entry.at("hosts")
    if node.origin.argument:
        raise node.fail(
            "a host that a run may hit is not allowed in passing",
            remedy="list it in the scenario's file",
        )
    hosts: tuple[str, ...] = entry["hosts"]
    return hosts


def build_marking(entry: Entry | None) -> Marking:
    """How requests are marked. Raises ConfigError for a header that HTTP itself needs."""
    if entry is None:
        return Marking()
    if entry["header"].lower() in _OURS:
        raise entry.at("header").fail(f"{entry['header']} has a meaning of its own in HTTP")
    return Marking(entry["header"] if entry["enabled"] else "")
