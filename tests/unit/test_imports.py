"""Imports point one way: the order of the packages is the architecture, and this test keeps it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ENGINE = ROOT / "src" / "flashdrill"

# From the top down; the bottom row may be imported by everyone and imports nobody above it.
ORDER = (
    "cli",
    "rehearsal",
    "plan",
    "stack",
    "load",
    "chaos",
    "toxiproxy",
    "edge",
    "observe",
    "audit",
    "analysis",
    "report",
    "model",
    "errors",
)
# What users import: the public door of a package, and no part of the pile. A locustfile under plain Locust also reads
# its scenario, so that door stands on the floor of `plan`.
DOORS = {"__init__": "chaos", "locust": "plan"}


def imports(path: Path) -> Iterator[str]:
    """The absolute names that a module imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports hide the direction"
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def layer(name: str) -> str:
    """The package of an engine module: `flashdrill.load.child` is in `load`."""
    parts = name.split(".")
    return parts[1] if len(parts) > 1 else ""


def upward(path: Path, names: Iterator[str], order: tuple[str, ...] = ORDER) -> list[str]:
    """The imports of an engine module that go up or sideways."""
    own = path.relative_to(ENGINE).parts[0].removesuffix(".py")
    own = DOORS.get(own, own)
    wrong = []
    for name in names:
        other = layer(name) if name.startswith("flashdrill.") else ""
        if other in order and order.index(other) < order.index(own):
            wrong.append(f"{path.relative_to(ROOT)} ({own}) imports {name}")
    return wrong


def test_the_engine_imports_downwards_only() -> None:
    modules = sorted(ENGINE.rglob("*.py"))
    assert len(modules) > 30
    assert {p.name for p in ENGINE.iterdir() if p.is_dir() and p.name != "__pycache__"} <= set(
        ORDER
    )
    assert not [line for path in modules for line in upward(path, imports(path))]


def test_an_upward_import_is_seen() -> None:
    assert upward(ENGINE / "model" / "op.py", iter(["flashdrill.cli.main"]))
    assert not upward(ENGINE / "cli" / "main.py", iter(["flashdrill.model.op"]))


@pytest.mark.parametrize(
    ("folder", "stranger"), [("backend", "flashdrill"), ("src/flashdrill", "backend")]
)
def test_the_backend_and_the_engine_do_not_know_each_other(folder: str, stranger: str) -> None:
    for path in sorted((ROOT / folder).rglob("*.py")):
        assert not [n for n in imports(path) if n.split(".")[0] == stranger], path


@pytest.mark.parametrize(
    "name",
    [
        "guardian", "healing", "mounts", "processes", "undo/api", "undo/catalogue", "undo/circumstances",
        "undo/file", "undo/process", "undo/resp", "undo/sql",
    ],
)  # fmt: skip
def test_the_guardian_starts_with_the_standard_library_alone(name: str) -> None:
    allowed = (
        "flashdrill.model.faketime",
        "flashdrill.model.journal",
        "flashdrill.model.processes",
        "flashdrill.stack.healing",
        "flashdrill.stack.mounts",
        "flashdrill.stack.processes",
        "flashdrill.stack.undo",
    )
    path = ENGINE / "stack" / f"{name}.py"
    strangers = {n for n in imports(path) if n.startswith("flashdrill.")}
    assert not [n for n in strangers if not n.startswith(allowed)]
