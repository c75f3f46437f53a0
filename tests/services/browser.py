"""A real browser for the tests of pages: Debian's Chromium, driven by Playwright, with everything it says kept."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest
from playwright.async_api import Browser, Page, async_playwright

CHROMIUM = (
    shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
)
IS_REQUIRED = os.environ.get("FLASHDRILL_NEEDS_BROWSER") == "1"
"""Set in CI: there a missing browser is a failure and no reason to skip."""

needs_browser = pytest.mark.skipif(
    CHROMIUM is None and not IS_REQUIRED,
    reason="no Chromium here (Debian: apt-get install chromium)",
)
LIMIT_MS = 30_000


@dataclass(slots=True)
class Sight:
    """A page that is open, what it complained of, and whom it asked for something."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


@asynccontextmanager
async def browsing() -> AsyncIterator[Browser]:
    """A browser that can reach nobody."""
    assert CHROMIUM, "CI needs Chromium: apt-get install chromium"
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--host-resolver-rules=MAP * ~NOTFOUND"],
        )
        try:
            yield browser
        finally:
            await browser.close()


@asynccontextmanager
async def opened(
    browser: Browser, path: Path, *, width: int = 1280, scheme: Literal["light", "dark"] = "light"
) -> AsyncIterator[Sight]:
    """The page in a window of its own, once its panels are drawn; under 600 px it is a telephone's."""
    context = await browser.new_context(
        viewport={"width": width, "height": 900},
        color_scheme=scheme,
        is_mobile=width < 600,
        has_touch=width < 600,
        reduced_motion="reduce",
    )
    try:
        sight = Sight(await context.new_page())
        _listen(sight)
        await sight.page.goto(path.as_uri(), timeout=LIMIT_MS)
        await sight.page.wait_for_selector("html[data-ready]", timeout=LIMIT_MS)
        await painted(sight.page)
        yield sight
    finally:
        await context.close()


def _listen(sight: Sight) -> None:
    page = sight.page
    page.on("console", lambda said: _keep(sight.complaints, said.type, said.text))
    page.on("pageerror", lambda error: sight.complaints.append(str(error)))
    page.on("request", lambda asked: _keep(sight.requests, asked.url.split(":")[0], asked.url))


def _keep(kept: list[str], kind: str, text: str) -> None:
    if kind in {"error", "warning", "http", "https", "ws", "wss"}:
        kept.append(text)


async def painted(page: Page) -> None:
    """Wait two frames: what was asked to be painted has been."""
    await page.evaluate(
        "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
    )
