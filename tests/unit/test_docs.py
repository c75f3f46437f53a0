"""What the pages say exists: links, headings, commands with their options, paths."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from flashdrill.cli.main import main
from tests.documents import Page, Shown, broken_link, slug_of, uses
from tests.tutorial import File, steps_of

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("README*.md"), *(ROOT / "docs").rglob("*.md")])
MADE = ("reports/runs", "reports/latest", ".venv", ".flashdrill")
"""Made by running, not kept in the repository."""
PACKAGE = ROOT / "src" / "flashdrill"


def wrong(shown: Shown) -> str:
    """What is wrong with a use of the command line, or nothing."""
    command: click.Command = main
    words = list(shown.words)
    context = click.Context(main)
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        found = command.get_command(context, words[0])
        if found is None:
            is_placeholder = words[0].isupper() and not shown.is_example
            return "" if is_placeholder else f"no command {words[0]!r}"
        command = found
        words.pop(0)
    known = {name for parameter in command.get_params(context) for name in parameter.opts}
    for word in words:
        if re.match(r"--?[a-z]", word) and word.partition("=")[0] not in known | {"-h", "--help"}:
            return f"{command.name} has no option {word!r}"
    return _refused(command, words) if shown.is_example else ""


def _refused(command: click.Command, words: list[str]) -> str:
    if isinstance(command, click.Group) and not words:
        return f"{command.name} needs a command"
    try:
        command.make_context(command.name, words)
    except click.UsageError as error:
        return error.format_message()
    except click.exceptions.Exit:  # --help and the like
        return ""
    return ""


def missing(span: str, written: frozenset[str] = frozenset()) -> bool:
    """Whether something in backticks is a path of the repository that is not there."""
    match = re.fullmatch(r"(\.?[\w-]+)/([\w./*-]*)(?::\d+)?", span)
    if match is None or span.startswith(MADE) or span in written:
        return False
    path = span.partition(":")[0].rstrip("/")
    roots = [root for root in (ROOT, PACKAGE) if (root / match[1]).is_dir()]
    return bool(roots) and not any(any(root.glob(path)) for root in roots)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    links = list(Page(page.read_text(encoding="utf-8")).links)
    assert [why for link in links if (why := broken_link(page, link))] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_can_be_typed(page: Path) -> None:
    commands = list(Page(page.read_text(encoding="utf-8")).commands)
    assert [f"{shown.words}: {why}" for shown in commands if (why := wrong(shown))] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_paths_exist(page: Path) -> None:
    written = frozenset(
        step.path
        for step in steps_of((ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8"))
        if isinstance(step, File)
    )
    assert [
        span for span in Page(page.read_text(encoding="utf-8")).code if missing(span, written)
    ] == []


def test_the_pages_have_commands_links_and_paths_at_all() -> None:
    pages = [Page(path.read_text(encoding="utf-8")) for path in PAGES]
    assert sum(shown.is_example for page in pages for shown in page.commands) > 10
    assert sum(1 for page in pages for link in page.links if "#" in link) > 3
    assert any("/" in span for page in pages for span in page.code)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("flashdrill run scenarios/smoke.yaml --seed 3 # again", ""),
        ("flashdrill up; flashdrill status; flashdrill down", ""),
        ("FLASHDRILL_TOXIPROXY=real flashdrill run a.yaml > log 2>&1 || true", ""),
        ("flashdrill run SCENARIO [--chaos PLAN]... [--seed N]", ""),
        ("flashdrill import jtl FILE -o traffic.yaml", ""),
        (".venv/bin/flashdrill schema scenario | python -m json.tool", ""),
        ("flashdrill --version", ""),
        ("flashdrill COMMAND --help", ""),
        ("flashdrill rum a.yaml", "no command 'rum'"),
        ("flashdrill import nothing a.jtl", "no command 'nothing'"),
        ("flashdrill run a.yaml --sed 3", "run has no option '--sed'"),
        ("flashdrill run SCENARIO [--sed N]", "run has no option '--sed'"),
        ("flashdrill run a.yaml --seed three", "'three' is not a valid integer"),
        ("flashdrill run", "Missing argument"),
        ("flashdrill schema nothing", "'nothing' is not one of"),
        ("flashdrill validate a.yaml && flashdrill rum", "no command 'rum'"),
    ],
)
def test_a_wrong_command_is_noticed(line: str, reason: str) -> None:
    found = [wrong(shown) for shown in uses(line, is_example=True)]
    assert found
    assert reason in " ".join(found) if reason else not any(found)


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("README.md", ""),
        ("README.md#here-it-is", ""),
        ("#here-it-is", ""),
        ("https://example.org/x#y", ""),
        ("other.md", "no file"),
        ("README.md#nowhere", "no heading"),
    ],
)
def test_a_broken_link_is_noticed(tmp_path: Path, target: str, reason: str) -> None:
    page = tmp_path / "README.md"
    page.write_text("# Here, it is\n", encoding="utf-8")
    found = broken_link(page, target)
    assert reason in found if reason else not found


@pytest.mark.parametrize(
    ("span", "is_missing"),
    [
        ("src/flashdrill/errors.py", False),
        ("analysis/recovery.py", False),
        ("docs/", False),
        ("scenarios/*.yaml", False),
        ("reports/runs/", False),
        ("text/html", False),
        ("src/flashdrill/nothing.py", True),
        ("analysis/nothing.py", True),
        ("scenarios/nothing.yaml", True),
        ("scenarios/*.nothing", True),
    ],
)
def test_a_path_that_is_not_there_is_noticed(span: str, is_missing: bool) -> None:
    assert missing(span) is is_missing


def test_headings_become_anchors_as_on_github() -> None:
    page = Page("# What `ok` means\n\n## Gates, and more\n\n## Gates, and more\n\n## 运行一次\n")
    assert page.anchors == {"what-ok-means", "gates-and-more", "gates-and-more-1", "运行一次"}
    assert slug_of("9. In CI") == "9-in-ci"


def test_commands_are_found_in_text_and_in_blocks_but_not_in_output() -> None:
    page = Page(
        "Use `flashdrill run`.\n\n```console\n$ flashdrill list\nflashdrill: no such thing\n```\n\n"
        "```sh\nflashdrill report \\\n  --help\n```\n"
    )
    assert list(page.commands) == [
        Shown(("run",), False),
        Shown(("list",), True),
        Shown(("report", "--help"), True),
    ]
