"""The page in a real browser: it draws and zooms its panels, complains of nothing, and asks nobody for anything."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.async_api import Page

from flashdrill.model.result import Conclusion, RunResult, Timeline
from flashdrill.report.html import render
from tests.services.browser import Sight, browsing, needs_browser, opened, painted
from tests.unit.test_report import TEMPLATES, sample

pytestmark = [pytest.mark.services, needs_browser]
RANGES = (
    "() => Bokeh.documents.flatMap((d) => d.roots()).map((f) => [f.x_range.start, f.x_range.end])"
)
SECONDS = 60
WINDOWS: list[tuple[int, Literal["light", "dark"]]] = [
    (1280, "light"),
    (1280, "dark"),
    (390, "light"),
]


def eventful() -> RunResult:
    """A minute in which every panel has something to show."""
    t = [float(second) for second in range(SECONDS)]
    flat = [20.0] * SECONDS
    line = Timeline(
        t_s=t,
        due_per_s=flat,
        sent_per_s=flat,
        ok_per_s=flat,
        queued_per_s=flat,
        refused_per_s=flat,
        fail_per_s=flat,
        info_per_s=flat,
        p50_s=[0.01 + 0.001 * (second % 7) for second in range(SECONDS)],
        p99_s=[0.1 + 0.05 * (second % 5) for second in range(SECONDS)],
        series={
            "breaker shard2": [(0.0, 0.0), (10.0, 2.0), (14.0, 1.0), (20.0, 0.0)],
            "level shard2": [(0.0, 0.0), (12.0, 1.0), (18.0, 2.0), (22.0, 0.0)],
            "queue shard2": [(0.0, 0.0), (15.0, 90.0), (25.0, 0.0)],
            "cpu host": [(second, 0.3 + 0.01 * (second % 9)) for second in t],
            "lateness generator": [(second, 0.002 + 0.001 * (second % 3)) for second in t],
        },
    )
    stages = ({"name": "rush", "start_s": 0.0, "duration_s": float(SECONDS)},)
    return dataclasses.replace(sample(), timeline=line, stages=stages, duration_s=float(SECONDS))


def never_began() -> RunResult:
    """The least that a run can leave."""
    nothing = Timeline([], [], [], [], [], [], [], [], [], [], {})
    return dataclasses.replace(
        sample(conclusion=Conclusion.STACK_FAILED, exit_code=4),
        operations=(),
        faults=(),
        stages=(),
        validity=(),
        invariants=(),
        gates=(),
        errors=(),
        slowest=(),
        timeline=nothing,
    )


RUNS = {
    "fail": eventful(),
    "pass": dataclasses.replace(
        eventful(), verdict=sample(conclusion=Conclusion.PASS, exit_code=0).verdict
    ),
    "inconclusive": sample(conclusion=Conclusion.INCONCLUSIVE, exit_code=3),
    "stack_failed": never_began(),
}


def written(result: RunResult, folder: Path, *changes: tuple[str, str]) -> Path:
    page = folder / "report.html"
    text = render(result, TEMPLATES)
    for was, becomes in changes:
        assert was in text
        text = text.replace(was, becomes)
    page.write_text(text, encoding="utf-8")
    return page


async def drawn(page: Page, name: str) -> bytes:
    """A picture of one panel."""
    return await page.locator(f"#panel-{name}").screenshot()


@pytest.mark.parametrize("verdict", RUNS)
async def test_the_page_shows_the_verdict_without_a_complaint_or_a_request(
    verdict: str, tmp_path: Path
) -> None:
    page = written(RUNS[verdict], tmp_path)
    async with browsing() as browser:
        for width, scheme in WINDOWS:
            async with opened(browser, page, width=width, scheme=scheme) as sight:
                assert await sight.page.inner_text("#verdict") == verdict.replace("_", " ").upper()
                panels = await sight.page.evaluate(RANGES)
                assert len(panels) == await sight.page.locator(".panel").count()
                assert len(panels) >= 5 or verdict == "stack_failed"
                sideways = "() => document.documentElement.scrollWidth - innerWidth"
                assert await sight.page.evaluate(sideways) <= 0, "nobody has to scroll sideways"
                assert not sight.complaints
                assert not sight.requests


async def test_a_page_that_errs_or_asks_for_something_is_noticed(tmp_path: Path) -> None:
    stranger = (
        "<script>nobody.knows()</script><img src='http://example.invalid/x.png' alt=''></main>"
    )
    async with browsing() as browser:
        page = written(eventful(), tmp_path, ("</main>", stranger))
        async with opened(browser, page) as sight:
            assert any("nobody" in said for said in sight.complaints)
            assert any("Content Security Policy" in said for said in sight.complaints)
        page = written(
            eventful(),
            tmp_path,
            ("</main>", stranger),
            ("default-src 'none'; ", ""),
            ("img-src", "x-src"),
        )
        async with opened(browser, page) as sight:
            assert sight.requests == ["http://example.invalid/x.png"]


async def test_a_zoom_in_one_panel_moves_all_of_them(tmp_path: Path) -> None:
    async with browsing() as browser, opened(browser, written(eventful(), tmp_path)) as sight:
        page = sight.page
        whole = await page.evaluate(RANGES)
        before = await drawn(page, "response")
        await drag_over(page, "rate", 0.4, 0.7)
        await page.wait_for_function(f"({RANGES})()[0][0] > 1")
        zoomed = await page.evaluate(RANGES)
        assert len({tuple(span) for span in zoomed}) == 1, "one range for all panels"
        assert whole[0][0] < zoomed[0][0] < zoomed[0][1] < whole[0][1]
        await painted(page)
        assert await drawn(page, "response") != before, "another panel shows the same stretch"

        await page.click("#unzoom")
        await page.wait_for_function(f"({RANGES})()[0][0] === 0")
        await painted(page)
        assert await page.evaluate(RANGES) == whole
        assert not sight.complaints


async def drag_over(page: Page, name: str, start: float, stop: float) -> None:
    """Drag from one share of a panel's width to another."""
    panel = page.locator(f"#panel-{name}")
    await panel.scroll_into_view_if_needed()
    box = await panel.bounding_box()
    assert box is not None
    middle = box["y"] + box["height"] / 2
    await page.mouse.move(box["x"] + box["width"] * start, middle)
    await page.mouse.down()
    await page.mouse.move(box["x"] + box["width"] * stop, middle, steps=8)
    await page.mouse.up()


async def test_a_fault_is_shown_in_the_timeline_by_its_button(tmp_path: Path) -> None:
    async with browsing() as browser, opened(browser, written(eventful(), tmp_path)) as sight:
        await sight.page.click("#faults + p + .card button >> nth=0")
        await sight.page.wait_for_function(f"({RANGES})()[0][1] < 10")
        assert not sight.complaints


async def test_the_panels_follow_the_colours_of_the_page(tmp_path: Path) -> None:
    color = "() => Bokeh.documents[0].roots()[0].below[0].axis_label_text_color"
    page = written(eventful(), tmp_path)
    async with browsing() as browser, opened(browser, page, scheme="dark") as sight:
        dark = await sight.page.evaluate(color)
        assert await background(sight) < 60
        await sight.page.click("#theme")
        assert await sight.page.evaluate(color) != dark
        assert await background(sight) > 200
        await sight.page.pdf(path=tmp_path / "paper.pdf")
        await sight.page.emulate_media(media="print")
        assert not await sight.page.locator("nav").is_visible()
        assert not sight.complaints


async def background(sight: Sight) -> float:
    """How light the page is, 0 to 255."""
    shade: Any = await sight.page.evaluate(
        "() => getComputedStyle(document.body).backgroundColor.match(/[0-9]+/g).slice(0, 3)"
    )
    return sum(map(int, shade)) / 3
