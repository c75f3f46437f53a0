"""A tutorial as the steps of a reader who does what it says: files to write, commands to type.

    ```yaml                      the first line names the file: `# file: scenarios/mine.yaml`
    ```console                   `$ ` is typed, `> ` continues it, the rest is what is then printed
    ```text                      something to look at; nothing in it is typed

In what is printed, `…` stands for any text within a line, and alone on a line for any lines. A command must end
with exit code 0, unless the next one is `echo $?`: then that says what it must be.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from markdown_it import MarkdownIt
from markdown_it.token import Token

ANY = "…"
SHOWN = "text"
WRITTEN = frozenset({"yaml", "sql", "sh", "python"})
ASKS_EXIT_CODE = "echo $?"
_TITLE = re.compile(r"(?:#|--) file: (\S+)")


class TutorialError(Exception):
    """The tutorial is not written in a way that it could be followed; says the line."""


@dataclass(frozen=True, slots=True)
class File:
    """A file that the reader writes. `line` is where the tutorial says so."""

    path: str
    text: str
    line: int


@dataclass(frozen=True, slots=True)
class Command:
    """What the reader types (several lines when it goes on), and what is then printed."""

    text: str
    expected: tuple[str, ...]
    line: int


Step = File | Command


def steps_of(text: str) -> list[Step]:
    """Every step, in order. Raises TutorialError for anything that a reader, but not a test, might do."""
    steps: list[Step] = []
    tokens = MarkdownIt().parse(text)
    _refuse_loose_commands(text, tokens)
    for token in tokens:
        if token.type == "code_block":
            raise TutorialError(f"line {_line(token)}: a block without a fence")
        if token.type == "fence":
            steps += _steps_in(token)
    return steps


def mismatch(expected: Sequence[str], found: Sequence[str]) -> str:
    """What is wrong with what was printed, or nothing."""
    reached = {0}  # how many lines of `found` the expected ones so far may have covered
    for line in expected:
        before = reached
        reached = _covered(line, before, found)
        if not reached:
            return f"expected {line!r}, found {_at(found, max(before))}"
    return (
        "" if len(found) in reached else f"nothing more expected, found {_at(found, max(reached))}"
    )


def _covered(line: str, before: set[int], found: Sequence[str]) -> set[int]:
    if line == ANY:
        return set(range(min(before), len(found) + 1))
    pattern = re.compile(".*".join(map(re.escape, line.split(ANY))))
    return {at + 1 for at in before if at < len(found) and pattern.fullmatch(found[at])}


def _at(found: Sequence[str], index: int) -> str:
    return repr(found[index]) if index < len(found) else "the end of the output"


def _steps_in(token: Token) -> Iterator[Step]:
    language = token.info.strip()
    if language == "console":
        yield from _commands(token)
    elif language in WRITTEN:
        yield _file(token)
    elif language != SHOWN:
        known = ", ".join(sorted({"console", SHOWN, *WRITTEN}))
        raise TutorialError(f"line {_line(token)}: a block of {language!r}; there are {known}")


def _file(token: Token) -> File:
    title = _TITLE.fullmatch(token.content.partition("\n")[0])
    if title is None:
        raise TutorialError(f"line {_line(token)}: the first line must be `# file: PATH`")
    path = PurePosixPath(title[1])
    if path.is_absolute() or ".." in path.parts:
        raise TutorialError(f"line {_line(token)}: {path} is outside the repository")
    return File(str(path), token.content, _line(token))


def _commands(token: Token) -> Iterator[Command]:
    """Each `$ ` line, with the lines that continue it and those that it prints."""
    typed: list[str] = []
    printed: list[str] = []
    begun = _line(token)
    for number, line in enumerate(token.content.splitlines(), _line(token) + 1):
        if line.startswith("$ "):
            if typed:
                yield Command("\n".join(typed), tuple(printed), begun)
            typed, printed, begun = [line[2:]], [], number
        elif not typed:
            raise TutorialError(f"line {number}: a block of commands must begin with `$ `")
        elif line.startswith("> ") and not printed:
            typed.append(line[2:])
        else:
            printed.append(line)
    if not typed:
        raise TutorialError(f"line {begun}: no command in this block")
    yield Command("\n".join(typed), tuple(printed), begun)


def _refuse_loose_commands(text: str, tokens: Sequence[Token]) -> None:
    """A `$ ` in the text, or in a block that is only looked at, would not be followed."""
    consoles = [
        t.map for t in tokens if t.type == "fence" and t.info.strip() == "console" and t.map
    ]
    for number, line in enumerate(text.splitlines()):
        is_followed = any(begin <= number < end for begin, end in consoles)
        if not is_followed and re.match(r"\s*\$ ", line):
            raise TutorialError(f"line {number + 1}: a command outside a block of commands")


def _line(token: Token) -> int:
    return token.map[0] + 1 if token.map else 0
