"""docs/faults.md is what the classes, the plan and the kept evidence make of it, and it does not flatter."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from flashdrill.plan.known import known_faults
from scripts.faults import page as pages
from scripts.faults.catalogue import every_fault


def rows(text: str) -> dict[str, list[str]]:
    """The table's lines by kind and target."""
    found = re.findall(
        r"^\| \[`(\w+)`\]\S+ \| `(\w+)` \| (.*?) \| (.*?) \| (.*) \|$", text, re.MULTILINE
    )
    return {f"{kind} on {target}": rest for kind, target, *rest in found}


def test_the_page_is_in_step() -> None:
    assert pages.PAGE.read_text() == pages.page(), "make reference writes it anew"


def test_every_fault_was_proven_and_healed_and_says_by_what() -> None:
    table = rows(pages.PAGE.read_text())
    assert set(table) == {f"{line.kind} on {line.target}" for line in every_fault()}
    for name, (observed, healed, evidence) in table.items():
        assert (observed, healed) == ("yes", "yes"), name
        assert re.search(r"\d|refused|silent|Seq Scan", evidence), name


def test_every_kind_has_a_section() -> None:
    text = pages.PAGE.read_text()
    assert [kind for kind in known_faults() if f"\n### {kind}\n" not in text] == []


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"observed": False}, ["**no**", "yes"]),
        ({"healed": False}, ["yes", "**no**"]),
        (None, ["**no**", "**no**"]),
    ],
)
def test_what_was_not_proven_is_not_called_so(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    change: dict[str, bool] | None,
    says: list[str],
) -> None:
    kept = json.loads(pages.EVIDENCE.read_text())
    if change is None:
        del kept["proofs"]["latency"]
    else:
        kept["proofs"]["latency"] |= change
    _keep(monkeypatch, tmp_path, kept)
    assert rows(pages.page())["latency on shard0"][:2] == says


def test_what_was_unavailable_says_what_it_lacks(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    kept = json.loads(pages.EVIDENCE.read_text())
    kept["unavailable"]["clock_step"] = "libfaketime is not installed"
    _keep(monkeypatch, tmp_path, kept)
    row = rows(pages.page())["clock_step on backend"]
    assert row == ["unavailable", "", "libfaketime is not installed"]


def _keep(monkeypatch: pytest.MonkeyPatch, folder: Path, kept: object) -> None:
    monkeypatch.setattr(pages, "EVIDENCE", folder / "evidence.json")
    pages.EVIDENCE.write_text(json.dumps(kept))
