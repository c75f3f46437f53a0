"""What the reports say of a climb; nothing of a run without one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from flashdrill.analysis.knee import knee_of
from flashdrill.model.calibration import Calibration
from flashdrill.model.capacity import Capacity, Ended
from flashdrill.model.result import RunResult
from flashdrill.report.capacity import generator_limit
from flashdrill.report.headline import tiles
from flashdrill.report.html import render
from flashdrill.report.knee_chart import knee_chart
from flashdrill.report.markdown import lines
from flashdrill.report.store import read_result, write_result
from tests.unit.climbs import KEPT_UP, PAST, step
from tests.unit.test_report import TEMPLATES, sample

STEPS = [
    step(100, 100, KEPT_UP),
    step(200, 198, KEPT_UP),
    step(300, 240, PAST),
    step(400, 240, PAST),
]
KNEE = knee_of([*STEPS, step(250, 238, PAST, is_extra=True)], Ended.KNEE, 10)
TOP = knee_of(STEPS[:2], Ended.TOP, 2)


def climbed(capacity: Capacity) -> RunResult:
    return replace(sample(), capacity=capacity)


def test_the_page_has_the_sentence_the_chart_and_every_step() -> None:
    page = render(climbed(Capacity(knee=KNEE)), TEMPLATES)
    assert KNEE.sentence.replace("'", "&#39;") in page
    assert 'id="panel-knee"' in page
    assert all(f"<td>{s.stage}" in page for s in KNEE.steps)
    assert "at-250 (bisection)" in page
    assert page.index('id="knee"') < page.index('id="bottleneck"')


def test_summary_md_and_the_tiles_have_the_knee_with_its_bounds() -> None:
    result = climbed(Capacity(knee=KNEE))
    text = "\n".join(lines(result))
    assert f"**Knee:** {KNEE.sentence}" in text
    assert "past the knee" in text
    (tile,) = [t for t in tiles(result) if t.label == "knee"]
    assert (tile.value, tile.note) == ("239/s", "between 198 and 250")


def test_a_small_knee_has_decimals() -> None:
    steps = [step(5.25, 5.25, KEPT_UP), step(15.5, 11.75, PAST), step(25.25, 12.0, PAST)]
    result = climbed(Capacity(knee=knee_of(steps, Ended.KNEE, 3)))
    (tile,) = [t for t in tiles(result) if t.label == "knee"]
    assert (tile.value, tile.note) == ("11.9/s", "between 5.2 and 15.5")
    assert "It is not below 5.2/s" in render(result, TEMPLATES)


def test_without_a_knee_there_is_a_section_without_bounds_and_without_a_climb_none() -> None:
    page = render(climbed(Capacity(knee=TOP)), TEMPLATES)
    assert "No bottleneck reached" in page
    assert "the orange band" not in page
    assert "knee" not in {t.label for t in tiles(climbed(Capacity(knee=TOP)))}
    plain = render(sample(), TEMPLATES)
    assert 'id="knee"' not in plain
    assert "**Knee:**" not in "\n".join(lines(sample()))
    assert knee_chart(None) is None


def test_it_is_kept_with_the_run(tmp_path: Path) -> None:
    result = climbed(Capacity(Calibration(5000, 60, 0.9, 7500, 1.5), 400, KNEE))
    write_result(result, tmp_path)
    assert read_result(tmp_path).capacity == result.capacity


def test_the_generators_limit_is_said_with_whether_the_schedule_is_beyond_it() -> None:
    found = Calibration(5000, 60, 0.9, 7500, 1.5)
    assert generator_limit(Capacity(found, 400)).endswith("peak is 400 arrivals a second.")
    assert generator_limit(Capacity(found, 6000)).endswith("a second: beyond that.")
    assert generator_limit(Capacity(None, 6000)) == ""
