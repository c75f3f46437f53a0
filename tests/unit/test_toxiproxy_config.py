"""The file that the embedded server starts with: what it says, and what is said about a wrong one."""

from __future__ import annotations

from pathlib import Path

import pytest

from flashdrill.errors import ConfigError
from flashdrill.toxiproxy.embedded.config import read

GOOD = """
[
  {"name": "a", "listen": "127.0.0.1:0", "upstream": "127.0.0.1:9",
   "toxics": [{"type": "latency", "attributes": {"latency": 80}},
              {"name": "cut", "type": "timeout", "stream": "upstream", "toxicity": 0.5}]},
  {"name": "b", "upstream": "127.0.0.1:9", "enabled": false, "toxics": null}
]
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "proxies.json"
    path.write_text(text)
    return path


def test_proxies_come_with_their_toxics_and_lines(tmp_path: Path) -> None:
    first, second = read(written(tmp_path, GOOD))
    assert first.fields == {"name": "a", "listen": "127.0.0.1:0", "upstream": "127.0.0.1:9"}
    assert [toxic.shown() for toxic in first.toxics] == [
        {
            "attributes": {"latency": 80, "jitter": 0},
            "name": "latency_downstream",
            "type": "latency",
            "stream": "downstream",
            "toxicity": 1,
        },
        {
            "attributes": {"timeout": 0},
            "name": "cut",
            "type": "timeout",
            "stream": "upstream",
            "toxicity": 0.5,
        },
    ]
    assert second.fields == {"name": "b", "upstream": "127.0.0.1:9", "enabled": False}
    assert (second.toxics, first.line, second.line) == ([], 3, 6)


@pytest.mark.parametrize("text", ["[]", " [ ]\n", "\ufeff[]"])
def test_a_list_may_be_empty(tmp_path: Path, text: str) -> None:
    assert read(written(tmp_path, text)) == []


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("", 1, "Expecting '['"),
        ("{}", 1, "Expecting '['"),
        ('[\n\n{"name": "a"}]', 3, "missing required field: upstream"),
        ("[\n 7]", 2, "a proxy is an object"),
        ("[\n{]", 2, "Expecting property name"),
        ('[{"name": "a", "upstream": "u:1"}\n{}]', 2, "Expecting ','"),
        ('[{"name": "a", "upstream": "u:1"}', 1, "Expecting ','"),
        ("[]\nmore", 2, "Extra data"),
        (
            '[{"name": "a", "upstream": "u:1"},\n {"name": "a", "upstream": "u:2"}]',
            2,
            "the proxy of line 1 has the same name",
        ),
        ('[{"name": "a", "upstream": "u:1", "toxics": {}}]', 1, "toxics is a list"),
        ('[{"name": "a", "upstream": "u:1", "toxics": [7]}]', 1, "toxic 1: bad request body"),
        (
            '[{"name": "a", "upstream": "u:1", "toxics": [{"type": "latency"}, {"type": "slow"}]}]',
            1,
            "toxic 2: invalid toxic type",
        ),
        (
            '[{"name": "a", "upstream": "u:1", "toxics": [{"type": "noop"}, {"type": "noop"}]}]',
            1,
            "toxic 2: there is one called noop_downstream already",
        ),
    ],
)
def test_a_wrong_file_says_where(tmp_path: Path, text: str, line: int, message: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        read(path)
    assert f"{path}:{line}: " in str(caught.value)
    assert message in str(caught.value)


def test_a_file_that_is_not_there_or_not_text_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        read(tmp_path / "none.json")
    path = tmp_path / "binary.json"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="UTF-8"):
        read(path)
