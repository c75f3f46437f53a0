"""The Chinese README is kept in step with the English one: same parts, same commands, same links, same figures."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAIR = ("README.md", "README.zh-CN.md")
FENCE = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)


def drift(english: str, chinese: str) -> list[str]:
    """In what two pages differ that should not."""
    kinds = {
        "code blocks": FENCE.findall,
        "headings": lambda text: re.findall(r"^(#+) ", prose(text), re.MULTILINE),
        "links": lambda text: re.findall(r"\]\((?!README)([^)]+)\)", prose(text)),
        "names in code": lambda text: sorted(set(re.findall(r"`([^`\n]+)`", prose(text)))),
        "table rows": lambda text: len(re.findall(r"^\|", prose(text), re.MULTILINE)),
        "bullets": lambda text: len(re.findall(r"^- ", prose(text), re.MULTILINE)),
        "figures of the sample": lambda text: sorted(
            set(re.findall(r"\d[\d,.]*\d", sentence(text)))
        ),
    }
    return [name for name, of in kinds.items() if of(english) != of(chinese)]


def prose(text: str) -> str:
    return FENCE.sub("", text)


def sentence(text: str) -> str:
    """What stands under the sample's output."""
    sample = text.split("<!-- sample:begin -->", 1)[1].split("<!-- sample:end -->", 1)[0]
    return prose(sample)


def test_the_two_pages_are_in_step() -> None:
    english, chinese = ((ROOT / name).read_text(encoding="utf-8") for name in PAIR)
    assert not drift(english, chinese)


@pytest.mark.parametrize(
    ("was", "becomes", "seen"),
    [
        ("$ make test", "$ make tests", "code blocks"),
        ("## The tree", "The tree", "headings"),
        ("(docs/tutorial.md)", "(docs/other.md)", "links"),
        ("`deploy/`", "`deployed/`", "names in code"),
        ("| 130 |", "130 |", "table rows"),
    ],
)
def test_a_change_of_one_page_alone_is_seen(was: str, becomes: str, seen: str) -> None:
    english, chinese = ((ROOT / name).read_text(encoding="utf-8") for name in PAIR)
    assert was in english
    assert seen in drift(english.replace(was, becomes), chinese)
