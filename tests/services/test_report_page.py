"""The page in a real browser: it draws its panels, complains of nothing, and asks nobody for anything."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from flashdrill.report.html import render
from tests.unit.test_report import TEMPLATES, sample

pytestmark = pytest.mark.services
BROWSER = (
    shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
)
QUIET = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-default-apps",
    "--hide-scrollbars",
]


def browse(page: Path, profile: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Open the page in a browser that can reach nobody, and let its scripts run."""
    assert BROWSER
    command = [
        BROWSER,
        *QUIET,
        f"--user-data-dir={profile}",
        "--host-resolver-rules=MAP * ~NOTFOUND",
    ]
    command += ["--enable-logging=stderr", "--virtual-time-budget=8000", *options, page.as_uri()]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)


def complaints(log: str) -> list[str]:
    """What the page said on the console, but for Bokeh's own greetings."""
    return [line for line in log.splitlines() if ":CONSOLE" in line and '"[bokeh' not in line]


@pytest.mark.skipif(BROWSER is None, reason="no Chromium here (Debian: apt-get install chromium)")
def test_the_page_draws_without_a_complaint_and_without_the_network(tmp_path: Path) -> None:
    text = render(sample(), TEMPLATES)
    page = tmp_path / "report.html"
    page.write_text(text)
    seen = browse(page, tmp_path / "profile", "--dump-dom")
    assert 'id="verdict">fail<' in seen.stdout
    assert seen.stdout.count("bk-Figure") >= 5, "five panels were drawn"
    assert not complaints(seen.stderr)

    page.write_text(text.replace("</main>", "</main><script>nobody.knows()</script>"))
    seen = browse(page, tmp_path / "profile", "--dump-dom")
    assert complaints(seen.stderr), "the check can fail"
