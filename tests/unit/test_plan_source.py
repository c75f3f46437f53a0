"""YAML with lines: whatever is wrong with a document, its file and line are named."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flashdrill.errors import ConfigError
from flashdrill.plan.source import Origin, compose, read_source

HERE = Origin(Path("x.yaml"), Path())


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("a: 1\nb: 2\na: 3\n", 3, "duplicate key 'a' (first given in line 1)"),
        ("a: 1\nb: [1, 2\nc: 3\n", 3, "not valid YAML"),
        ("a:\n\t- b\n", 2, "not valid YAML"),
        ("a: &x\n  - *x\n", 1, "an alias must not contain itself"),
        ("a: *nothing\n", 1, "not valid YAML"),
        ("a: 1\n? [b]\n: 2\n", 2, "a key must be plain text"),
        ("a: &x {b: 1}\nc:\n  <<: *x\n", 3, "cannot be merged into another with `<<`"),
        ("a: 1\n---\nb: 2\n", 2, "not valid YAML"),
    ],
)
def test_broken_yaml(text: str, line: int, says: str) -> None:
    with pytest.raises(ConfigError) as error:
        compose(text, HERE)
    assert error.value.line == line
    assert f"x.yaml:{line}: " in str(error.value)
    assert says in str(error.value)


@pytest.mark.parametrize(
    ("content", "line", "says"),
    [
        (b"- a\n- b\n", 1, "expected a mapping of keys, found a list"),
        (b"just words", 1, "found 'just words'"),
        ("a: 1\nname: caf\xe9\n".encode("latin-1"), 2, "not UTF-8 text"),
    ],
)
def test_unreadable_files(tmp_path: Path, content: bytes, line: int, says: str) -> None:
    path = tmp_path / "s.yaml"
    path.write_bytes(content)
    with pytest.raises(ConfigError) as error:
        read_source(path)
    assert f"{path}:{line}: " in str(error.value)
    assert says in str(error.value)


def test_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    for path in (tmp_path / "none.yaml", tmp_path):
        with pytest.raises(ConfigError, match=str(path)):
            read_source(path)


def test_aliases_are_shared_and_cannot_explode() -> None:
    lines = ["a0: &a0 [1, 2]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 30)]
    node = compose("\n".join(lines), HERE)
    assert isinstance(node.content, dict)
    assert len(node.content) == 30


@pytest.mark.parametrize("levels", [60, 900, 200_000])
@pytest.mark.parametrize("opener", ["[", "{a: ", "- "])
def test_deep_nesting_is_refused_whatever_the_depth(opener: str, levels: int) -> None:
    closer = {"[": "]", "{a: ": "}"}.get(opener, "")
    with pytest.raises(ConfigError, match="nested more than 50 levels"):
        compose(opener * levels + "1" + closer * levels, HERE)
    compose(opener * 40 + "1" + closer * 40, HERE)


@given(st.text(max_size=60))
def test_any_text_composes_or_is_refused_with_the_path(text: str) -> None:
    try:
        compose(text, HERE)
    except ConfigError as error:
        assert str(error).startswith("x.yaml")
