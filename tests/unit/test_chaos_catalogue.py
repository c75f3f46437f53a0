"""The kinds of faults, and a repository's own: found, or refused with file and line."""

from __future__ import annotations

from pathlib import Path

import pytest

import flashdrill
from flashdrill.chaos.catalogue import catalogue, load_own
from flashdrill.chaos.fault import TARGET_KINDS, Fault, Parameter
from flashdrill.errors import ConfigError
from flashdrill.plan.fault_kinds import shape_of
from flashdrill.plan.known import known_faults
from flashdrill.plan.shapes import mapping_of
from flashdrill.plan.source import Node, read_source

ROOT = Path(__file__).parents[2]

GOOD = """
from flashdrill import Fault
from flashdrill.chaos.fault import Evidence, Parameter

class Flood(Fault):
    kind = "flood"
    target_kinds = frozenset({"http"})
    parameters = {"depth": Parameter("int", 3, "how deep")}
    async def inject(self, ctx): ...
    async def observe(self, ctx, baseline): return Evidence(True)
    async def heal(self, ctx): ...
    async def verify_healed(self, ctx): return Evidence(True)
"""


def write(folder: Path, text: str, name: str = "flood.py") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_every_kind_is_called_what_it_says_it_is() -> None:
    assert set(catalogue()) >= {"latency", "timeout", "kill", "down", "pause", "reset_peer"}
    for kind, fault in catalogue().items():
        assert fault.kind == kind
        assert fault.target_kinds <= TARGET_KINDS
        for parameter in fault.parameters.values():
            assert parameter.description
        fault()


def test_a_parameter_without_default_is_required() -> None:
    assert Parameter("int").is_required
    assert not Parameter("int", None).is_required
    assert catalogue()["latency"].parameters["latency"].is_required
    assert catalogue()["timeout"].parameters["timeout"].default == 0.0


def test_the_repositorys_own_fault() -> None:
    assert "stuck_job" in load_own(ROOT / "chaos" / "faults")


def test_a_users_fault_is_found_and_helpers_are_not_looked_at(tmp_path: Path) -> None:
    write(tmp_path, GOOD)
    write(tmp_path, "raise SystemError", "_helper.py")
    (kind, fault), *others = load_own(tmp_path).items()
    assert kind == "flood"
    assert not others
    assert issubclass(fault, flashdrill.Fault)
    assert issubclass(fault, Fault)


def test_no_folder_no_faults(tmp_path: Path) -> None:
    assert load_own(tmp_path / "none") == {}


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("import nothing_of_the_kind\n", 1, "No module named"),
        ("x = 1\ndef f(:\n", 2, "SyntaxError"),
        ("x = 1\n\ny = 1 / 0\n", 3, "ZeroDivisionError"),
        ("x = 1\n", None, "no fault in this file"),
        (GOOD.replace('"flood"', '"latency"'), 5, "also in flashdrill itself"),
        (GOOD.replace('"flood"', '""'), 5, "`kind` must be a name"),
        (GOOD.replace('"http"', '"ftp"'), 5, "`target_kinds` must be some of"),
        (GOOD.replace('"int"', '"money"'), 5, "has type 'money'"),
        (GOOD.replace('"depth"', '"for"'), 5, "every fault has that key"),
        (GOOD.replace('Parameter("int", 3, "how deep")', "3"), 5, "must be a Parameter"),
    ],
)
def test_a_file_that_is_wrong_is_refused(
    tmp_path: Path, text: str, line: int | None, says: str
) -> None:
    path = write(tmp_path, text)
    with pytest.raises(ConfigError, match=says.replace("`", ".")) as caught:
        load_own(tmp_path)
    assert caught.value.path == path
    assert caught.value.line == line


def test_two_files_with_one_kind(tmp_path: Path) -> None:
    write(tmp_path, GOOD, "a.py")
    write(tmp_path, GOOD, "b.py")
    with pytest.raises(ConfigError, match=r"also in .*a\.py"):
        load_own(tmp_path)


def written(folder: Path, number: int) -> Node:
    """A number as a plan has it."""
    path = folder / "plan.yaml"
    path.write_text(f"number: {number}")
    return mapping_of(read_source(path))["number"]


@pytest.mark.parametrize(
    ("kind", "key", "good", "bad"),
    [
        ("http_status", "status", (400, 599), (99, 399, 600)),
        ("duplicate_callbacks", "copies", (2, 9), (0, 1)),
        ("partner_throttle", "limit", (1,), (0,)),
        ("workers", "workers", (1, 200), (0, 201)),
        ("slow_queries", "sessions", (1,), (0,)),
        ("http_drop_first", "first", (0,), (-1,)),
    ],
)
def test_a_number_that_cannot_be_is_refused_before_anything_is_started(
    tmp_path: Path, kind: str, key: str, good: tuple[int, ...], bad: tuple[int, ...]
) -> None:
    shape = shape_of(known_faults()[kind].parameters[key])
    assert [shape.read(written(tmp_path, value)) for value in good] == list(good)
    for value in bad:
        with pytest.raises(ConfigError, match="out of range"):
            shape.read(written(tmp_path, value))
