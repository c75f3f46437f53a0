"""YAML that remembers where every value came from.

    text ──compose──> yaml nodes (line marks) ──> Node: scalar, list or mapping, with origin and line

A Node's `fail()` makes the ConfigError, so that no message lacks its place. Aliases are resolved
(and shared, so that a nest of them cannot explode); an alias to its own parent is refused.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from flashdrill.errors import ConfigError

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
DEEPEST = 50
_MERGE = "tag:yaml.org,2002:merge"
_PARSERS_LIMIT = "maximum nesting depth"
"""libyaml has had a limit of its own since 0.2.6, far beyond ours."""
_TOO_DEEP = f"nested more than {DEEPEST} levels deep"
_KINDS = {"int": "int", "float": "float", "bool": "bool", "null": "null"}


@dataclass(frozen=True, slots=True)
class Origin:
    """A file, or an argument of the command line; `folder` is what relative paths start from."""

    path: Path | None
    folder: Path
    argument: str = ""


@dataclass(frozen=True, slots=True)
class Scalar:
    """A single value as it was written; `kind` is text, int, float, bool or null."""

    text: str
    kind: str


@dataclass(frozen=True, slots=True)
class Node:
    """A value with its place. `name` says where it is in the document: `stages[1].duration`."""

    origin: Origin
    line: int
    name: str
    content: Scalar | list[Node] | dict[str, Node]
    key_lines: dict[str, int]

    def fail(self, message: str, *, remedy: str = "", key: str = "") -> ConfigError:
        """The error to raise about this value, or about one of its keys."""
        subject = f"{self.name}: " if self.name and not key else ""
        if self.origin.argument:
            return ConfigError(f"--set {self.origin.argument}: {message}", remedy=remedy)
        line = self.key_lines.get(key, self.line)
        return ConfigError(f"{subject}{message}", path=self.origin.path, line=line, remedy=remedy)

    @property
    def described(self) -> str:
        """What it is, for messages: `'9'`, `a list`, `a mapping`, `nothing`."""
        if isinstance(self.content, Scalar):
            return "nothing" if self.content.kind == "null" else repr(self.content.text)
        return "a list" if isinstance(self.content, list) else "a mapping"

    def with_entry(self, key: str, value: Node) -> Node:
        """A copy of this mapping with one entry replaced or added."""
        assert isinstance(self.content, dict)
        return replace(self, content={**self.content, key: value})


def read_source(path: Path) -> Node:
    """The document in a file. Raises ConfigError when it cannot be read or is no YAML mapping."""
    origin = Origin(path, path.parent)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise ConfigError("no such file", path=path, remedy="check the path") from error
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", path=path) from error
    except UnicodeDecodeError as error:
        line = path.read_bytes()[: error.start].count(b"\n") + 1
        raise ConfigError(
            "not UTF-8 text", path=path, line=line, remedy="save the file as UTF-8"
        ) from error
    node = compose(text, origin)
    if not isinstance(node.content, dict):
        raise node.fail(f"expected a mapping of keys, found {node.described}")
    return node


def compose(text: str, origin: Origin) -> Node:
    """The document in a text; an empty one is an empty mapping."""
    try:
        _refuse_depth(text, origin)
        root = yaml.compose(text, Loader=_LOADER)
    except yaml.YAMLError as error:
        raise _broken(error, origin, text) from error
    if root is None:
        return Node(origin, 1, "", {}, {})
    return _Converter(origin).convert(root, "")


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`; did you mean 'seed'?` or nothing."""
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"; did you mean {close[0]!r}?" if close else ""


def _refuse_depth(text: str, origin: Origin) -> None:
    """Refuse what would overflow the composer's stack; a text with few openers cannot."""
    if sum(map(text.count, "[{-?:")) < DEEPEST * 20:
        return
    depth = 0
    for event in yaml.parse(text, Loader=_LOADER):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > DEEPEST:
            mark = event.start_mark
            line = mark.line + 1 if mark else None
            raise ConfigError(_TOO_DEEP, path=origin.path, line=line)


def _broken(error: yaml.YAMLError, origin: Origin, text: str) -> ConfigError:
    if origin.argument:
        return ConfigError(f"--set {origin.argument}: not a YAML value")
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or getattr(error, "reason", None) or str(error)
    if _PARSERS_LIMIT in problem:
        return ConfigError(_TOO_DEEP, path=origin.path, line=mark.line + 1 if mark else None)
    if mark is None:
        return ConfigError(f"not valid YAML: {problem}", path=origin.path)
    written = "".join(text.split("\n")[mark.line : mark.line + 1]).strip()[:80]
    quoted = f", in: {written}" if written else ""
    return ConfigError(f"not valid YAML: {problem}{quoted}", path=origin.path, line=mark.line + 1)


class _Converter:
    """Turns yaml's nodes into ours, each of them once."""

    def __init__(self, origin: Origin) -> None:
        self._origin = origin
        self._open: set[int] = set()
        self._done: dict[int, Node] = {}

    def convert(self, node: yaml.Node, name: str) -> Node:
        """The Node of a yaml node, and of everything below it."""
        if isinstance(node, yaml.ScalarNode):
            return self._node(node, name, _scalar(node))
        if id(node) in self._done:
            return self._done[id(node)]
        if id(node) in self._open:
            raise self._node(node, name, {}).fail("an alias must not contain itself")
        if len(self._open) >= DEEPEST:
            raise self._node(node, "", {}).fail(_TOO_DEEP)
        self._open.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            items = [self.convert(n, f"{name}[{i}]") for i, n in enumerate(node.value)]
            converted = self._node(node, name, items)
        else:
            assert isinstance(node, yaml.MappingNode)
            converted = self._mapping(node, name)
        self._open.discard(id(node))
        self._done[id(node)] = converted
        return converted

    def _mapping(self, node: yaml.MappingNode, name: str) -> Node:
        entries: dict[str, Node] = {}
        lines: dict[str, int] = {}
        for key_node, value_node in node.value:
            here = self._node(key_node, name, {})
            if not isinstance(key_node, yaml.ScalarNode):
                raise here.fail("a key must be plain text")
            key = key_node.value
            if key_node.tag == _MERGE:
                raise here.fail(
                    "a mapping cannot be merged into another with `<<`",
                    remedy="write its keys out; a single value can be an alias",
                )
            if key in entries:
                first = f"first given in line {lines[key]}"
                raise here.fail(f"duplicate key {key!r} ({first})", remedy="remove one of the two")
            lines[key] = here.line
            entries[key] = self.convert(value_node, f"{name}.{key}" if name else key)
        return self._node(node, name, entries, lines)

    def _node(
        self,
        node: yaml.Node,
        name: str,
        content: Scalar | list[Node] | dict[str, Node],
        lines: dict[str, int] | None = None,
    ) -> Node:
        return Node(self._origin, node.start_mark.line + 1, name, content, lines or {})


def _scalar(node: yaml.ScalarNode) -> Scalar:
    return Scalar(node.value, _KINDS.get(node.tag.rpartition(":")[2], "text"))
