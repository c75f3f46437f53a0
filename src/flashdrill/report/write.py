"""Every report of one run."""

from __future__ import annotations

from pathlib import Path

from flashdrill.model.result import RunResult
from flashdrill.report.html import write_html
from flashdrill.report.junit import write_junit
from flashdrill.report.markdown import write_markdown
from flashdrill.report.store import write_result
from flashdrill.report.summary import write_summary


def write_reports(result: RunResult, folder: Path, templates: Path) -> Path:
    """Write `summary.json`, `result.json.gz` and everything of `rebuild`; returns the path of the page.

    The summary goes first, then the result: should the page fail, what CI reads is there, and the page can be
    made again.
    """
    write_summary(result, folder / "summary.json")
    write_result(result, folder)
    return rebuild(result, folder, templates)


def rebuild(result: RunResult, folder: Path, templates: Path) -> Path:
    """Write `junit.xml`, `summary.md` and `report.html`; returns the path of the page."""
    write_junit(result, folder / "junit.xml")
    write_markdown(result, folder / "summary.md")
    page = folder / "report.html"
    write_html(result, templates, page)
    return page
