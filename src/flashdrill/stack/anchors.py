"""YAML in which what several mappings share is written once, under a name: `x: &x {...}`, then `<<: *x`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

_MERGE_TAG = "tag:yaml.org,2002:merge"
WIDTH = 110


class _MergeKey(str):
    """The key `<<`."""

    __slots__ = ()


MERGE = _MergeKey("<<")
"""The key under which a mapping takes over a Part's."""


class Part(dict[str, Any]):
    """A mapping with an anchor; it is written where it stands first, and referred to afterwards."""

    def __init__(self, name: str, content: Mapping[str, Any]) -> None:
        super().__init__(content)
        self.name = name


class _Dumper(yaml.SafeDumper):
    """Block style, sequences indented, anchors for parts alone."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.names: dict[int, str] = {}

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        """Sequences stand under their key, not beside it."""
        super().increase_indent(flow, False)

    def ignore_aliases(self, data: Any) -> bool:
        """Only parts are referred to."""
        return not isinstance(data, Part)

    def generate_anchor(self, node: Any) -> str:
        """The part's own name."""
        return self.names[id(node)]

    def part(self, data: Part) -> yaml.Node:
        """A mapping whose node is known by name."""
        node = self.represent_dict(data)
        self.names[id(node)] = data.name
        return node

    def merge_key(self, data: _MergeKey) -> yaml.Node:
        """`<<` as the merge key, and not as a string."""
        return yaml.ScalarNode(_MERGE_TAG, str(data))

    def sequence(self, data: list[Any]) -> yaml.Node:
        """A short list of words on one line."""
        node = self.represent_list(data)
        is_short = all(isinstance(item, str) for item in data) and len(str(data)) < WIDTH - 20
        node.flow_style = is_short
        return node

    def nothing(self, _data: None) -> yaml.Node:
        """Nothing is written as nothing."""
        return self.represent_scalar("tag:yaml.org,2002:null", "")


_Dumper.add_representer(Part, _Dumper.part)
_Dumper.add_representer(list, _Dumper.sequence)
_Dumper.add_representer(_MergeKey, _Dumper.merge_key)
_Dumper.add_representer(type(None), _Dumper.nothing)


def to_yaml(document: Mapping[str, Any]) -> str:
    """The text, keys in their order."""
    return yaml.dump(
        dict(document), Dumper=_Dumper, sort_keys=False, width=WIDTH, allow_unicode=True
    )
