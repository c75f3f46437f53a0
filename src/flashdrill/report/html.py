"""`report.html`: one file that opens offline, verdict first."""

from __future__ import annotations

from pathlib import Path

from bokeh.embed import components
from bokeh.resources import Resources
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markdown_it import MarkdownIt

from flashdrill.model.result import RunResult
from flashdrill.report import wording
from flashdrill.report.panels import panels

TEMPLATE = "report.html.j2"


def render(result: RunResult, templates: Path) -> str:
    """The page's text; `templates` is the folder that holds `report.html.j2`."""
    environment = Environment(
        loader=FileSystemLoader(templates),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for name in ("seconds", "share", "count", "measured", "yes"):
        environment.filters[name] = getattr(wording, name)
    environment.filters["markdown"] = MarkdownIt("commonmark", {"html": False}).render
    script, divisions = components(panels(result))
    return environment.get_template(TEMPLATE).render(
        result=result,
        script=script,
        panels=divisions,
        # The core alone draws these panels: widgets, tables and WebGL would double the file.
        bokeh=Resources(mode="inline", components=["bokeh"]).render_js(),
    )


def write_html(result: RunResult, templates: Path, path: Path) -> None:
    """Write the page."""
    path.write_text(render(result, templates), encoding="utf-8")
