"""`report.html`: one file that opens offline, verdict first."""

from __future__ import annotations

from pathlib import Path

from bokeh.embed import components
from bokeh.resources import Resources
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markdown_it import MarkdownIt

from flashdrill.model.result import RunResult
from flashdrill.report import headline, steady_state, wording
from flashdrill.report.capacity import generator_limit
from flashdrill.report.closed_loop import beside_the_crowd, closed_loop
from flashdrill.report.knee_chart import knee_chart
from flashdrill.report.lanes import STATE_COLORS
from flashdrill.report.next_steps import next_steps
from flashdrill.report.panels import panels

TEMPLATE = "report.html.j2"


def render(result: RunResult, templates: Path) -> str:
    """The page's text; `templates` is the folder that holds `report.html.j2` and what it includes."""
    drawn = panels(result)
    figures = {name: panel.figure for name, panel in drawn.items() if panel.figure is not None}
    if (chart := knee_chart(result.capacity.knee)) is not None:
        figures["knee"] = chart  # last: the page takes the time axis from the first
    script, divisions = components(figures) if figures else ("", {})
    return (
        _environment(templates)
        .get_template(TEMPLATE)
        .render(
            result=result,
            verdict=result.verdict.conclusion.value,
            mark=headline.mark(result),
            meaning=headline.meaning(result),
            tiles=headline.tiles(result),
            planned_faults=headline.planned(result),
            next_steps=next_steps(result),
            closed_loop=closed_loop(result),
            beside_the_crowd=beside_the_crowd(result),
            generator_limit=generator_limit(result.capacity),
            knee=result.capacity.knee,
            states=STATE_COLORS,
            panels=drawn,
            divisions=divisions,
            script=script,
            # The core alone draws these panels: widgets, tables and WebGL would double the file.
            bokeh=Resources(mode="inline", components=["bokeh"]).render_js(),
        )
    )


def _environment(templates: Path) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(templates),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for name in ("seconds", "share", "count", "rate", "measured", "yes", "facts", "impact"):
        environment.filters[name] = getattr(wording, name)
    for name in ("before", "during", "after", "tone", "aborted", "moment"):
        environment.filters[name] = getattr(steady_state, name)
    markdown = MarkdownIt("commonmark", {"html": False}).disable("image")  # nothing is fetched
    environment.filters["markdown"] = markdown.render
    return environment


def write_html(result: RunResult, templates: Path, path: Path) -> None:
    """Write the page."""
    path.write_text(render(result, templates), encoding="utf-8")
