"""Plans that the documentation shows can be used as they stand."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from flashdrill.plan.faults import load_plan
from flashdrill.plan.known import known_faults
from flashdrill.plan.scenario import load_scenario
from flashdrill.rehearsal.topology import target_names

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs" / "concepts").glob("*.md"))
PLANS = [
    (page, text)
    for page in PAGES
    for text in re.findall(r"^```yaml\n(name:.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
    if "\nfaults:" in text
]


def test_there_are_some() -> None:
    assert {page.name for page, _ in PLANS} >= {"faults.md", "timetable.md"}


@pytest.mark.parametrize(("page", "text"), PLANS, ids=[page.stem for page, _ in PLANS])
def test_a_plan_of_a_page_can_be_loaded(tmp_path: Path, page: Path, text: str) -> None:
    path = tmp_path / "plan.yaml"
    path.write_text(text)
    scenario = load_scenario(ROOT / "scenarios" / "flash_sale.yaml")
    assert load_plan(path, scenario, known_faults(), target_names()).faults


def test_the_timetables_plan_is_the_one_that_can_be_run() -> None:
    (shown,) = [text for page, text in PLANS if page.stem == "timetable"]
    kept = (ROOT / "chaos" / "plans" / "random_night.yaml").read_text()
    assert kept.partition("\n")[2] == shown
