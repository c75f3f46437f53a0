"""What a Markdown page claims: its links and anchors, the commands it shows, the paths it names."""

from __future__ import annotations

import re
import shlex
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

PROGRAM = "flashdrill"
_SEPARATORS = frozenset({";", "&&", "||", "|", "&", "(", ")", "{", "}", "then", "do", "!"})
_NOTATION = re.compile(r"\.\.\.|…|[\[\]<>{}]|(?<=\w)\|(?=\w)|(?<![\w.])[A-Z][A-Z_]*\b(?![\w=.])")
"""What says that a command is a pattern and not an example: `[--seed N]`, `FILE...`, `bash|zsh`."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A use of the program: the words after its name. `is_example`: it can be typed as it stands."""

    words: tuple[str, ...]
    is_example: bool


@dataclass(frozen=True)
class Page:
    """A page by its text."""

    text: str

    @cached_property
    def _tokens(self) -> list[Token]:
        return MarkdownIt("commonmark").enable("table").parse(self.text)

    @property
    def _inline(self) -> Iterator[Token]:
        for token in self._tokens:
            yield from token.children or ()

    @property
    def links(self) -> Iterator[str]:
        """The targets of links and images, as they are written."""
        for token in self._inline:
            target = token.attrGet("href") or token.attrGet("src")
            if target:
                yield str(target)

    @property
    def anchors(self) -> set[str]:
        """What `#...` may name, by GitHub's rule for headings."""
        seen: Counter[str] = Counter()
        found = set(re.findall(r'\bid="([^"]+)"', self.text))
        for before, token in zip(self._tokens, self._tokens[1:], strict=False):
            if before.type == "heading_open":
                slug = slug_of("".join(child.content for child in token.children or ()))
                found.add(f"{slug}-{seen[slug]}" if seen[slug] else slug)
                seen[slug] += 1
        return found

    @property
    def code(self) -> Iterator[str]:
        """What stands in backticks within the text."""
        return (token.content for token in self._inline if token.type == "code_inline")

    @property
    def commands(self) -> Iterator[Shown]:
        """Every use of the program, in the text and in blocks."""
        for span in self.code:
            if span.startswith(f"{PROGRAM} "):
                yield from uses(span, is_example=False)
        for token in self._tokens:
            if token.type == "fence":
                for line in _typed(token):
                    yield from uses(line, is_example=True)


def _typed(token: Token) -> Iterator[str]:
    """The lines of a block that somebody types; in a block of output only what follows a prompt."""
    is_script = token.info.strip() in {"sh", "bash", "yaml", "yml", "dockerfile", "make"}
    for line in token.content.replace("\\\n", " ").splitlines():
        stripped = line.strip()
        if stripped.startswith("$ "):
            yield stripped[2:]
        elif is_script and PROGRAM in stripped and not stripped.startswith("#"):
            yield stripped.removeprefix("- ").removeprefix("run: ")


def uses(line: str, *, is_example: bool) -> Iterator[Shown]:
    """The uses of the program in a line of shell."""
    words: list[str] = []
    for word in [*_words(line), ";"]:
        if word not in _SEPARATORS:
            words.append(word)
            continue
        while words and re.fullmatch(r"[A-Z_]+=.*|if|while|exec|time", words[0]):
            words.pop(0)
        if words and words[0].rpartition("/")[2] == PROGRAM:
            yield _shown(words[1:], is_example)
        words = []


def _shown(words: list[str], is_example: bool) -> Shown:
    is_pattern = any(_NOTATION.search(word) for word in words if "=" not in word)
    bare = [re.sub(r"\.\.\.|…|[\[\]]", "", word) for word in words] if is_pattern else words
    return Shown(tuple(word for word in bare if word), is_example and not is_pattern)


def _words(line: str) -> list[str]:
    """The words and operators of a line; redirections are dropped. A line that is no shell has none."""
    text = re.sub(r"(?<=\w)\|(?=\w)", "/", line) if _NOTATION.search(line) else line
    text = re.sub(r"[0-9&]?>+\s*(?:&[0-9]|\S+)", " ", text)
    lexer = shlex.shlex(text, posix=True, punctuation_chars=";|&()")
    lexer.whitespace_split = True
    try:
        return list(lexer)
    except ValueError:
        return []


def slug_of(heading: str) -> str:
    """The anchor that GitHub gives to a heading."""
    kept = re.sub(r"[^\w\- ]", "", heading.strip().lower())
    return kept.replace(" ", "-")


def broken_link(page: Path, target: str) -> str:
    """Why a relative link of a page leads nowhere, or nothing."""
    if re.match(r"[a-z][a-z0-9+.-]*:", target):
        return ""
    name, _, anchor = target.partition("#")
    aim = (page.parent / name) if name else page
    if not aim.exists():
        return f"no file {target}"
    if anchor and aim.suffix == ".md":
        known = Page(aim.read_text(encoding="utf-8")).anchors
        if anchor not in known:
            return f"no heading #{anchor} in {aim.name}; there are {', '.join(sorted(known))}"
    return ""
