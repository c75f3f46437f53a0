"""The Grafana dashboard: a short description here, built by Grafana's own library of types.

Every expression uses what the backend exports (backend/app.py, backend/meters.py); tests/services/test_dashboard.py
asks a backend that serves orders for every one of them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from grafana_foundation_sdk.builders import dashboard as built
from grafana_foundation_sdk.builders import prometheus, statetimeline, timeseries
from grafana_foundation_sdk.builders.common import VizLegendOptions, VizTooltipOptions
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models.common import (
    LegendDisplayMode,
    LegendPlacement,
    SortOrder,
    TooltipDisplayMode,
)

from flashdrill.stack.deployment import DATASOURCE_UID

UID = "flashdrill"
DATASOURCE = model.DataSourceRef(type_val="prometheus", uid=DATASOURCE_UID)
WIDTH, HEIGHT = 12, 8
BY_RESOURCE = "{{resource}}"


@dataclass(frozen=True, slots=True)
class Series:
    """An expression, and what its lines are called."""

    expr: str
    legend: str


@dataclass(frozen=True, slots=True)
class Chart:
    """One panel. `states` name the values of a state timeline; without them it is a chart of lines over time."""

    title: str
    about: str
    unit: str
    series: tuple[Series, ...]
    states: dict[str, tuple[str, str]] = field(default_factory=dict)


def _rate(metric: str, resource: str = "") -> str:
    chosen = f'{{resource=~"{resource}"}}' if resource else ""
    return f"rate(flashdrill_resource_{metric}{chosen}[$__rate_interval])"


def _mean_s(resource: str) -> str:
    return f"{_rate('hold_seconds_total', resource)} / {_rate('uses_total', resource)}"


def _orders(result: str) -> str:
    return f'sum(rate(flashdrill_orders_total{{result=~"{result}"}}[$__rate_interval]))'


GREEN, YELLOW, RED = "green", "yellow", "red"

ROWS: tuple[tuple[str, tuple[Chart, ...]], ...] = (
    (
        "Load",
        (
            Chart(
                "Requests",
                "Requests that were answered, probes left out, and orders among them.",
                "reqps",
                (
                    Series(f"sum({_rate('uses_total', 'requests')})", "all requests"),
                    Series("sum(rate(flashdrill_orders_total[$__rate_interval]))", "POST /orders"),
                ),
            ),
            Chart(
                "Mean time in the service",
                "Time that requests were in the service over the requests that left it. It starts when a request has "
                "come in: what a customer waits for, from when the request was due, is in Locust's page and in the "
                "report of a run.",
                "s",
                (Series(_mean_s("requests"), "mean"),),
            ),
            Chart(
                "Requests in flight",
                "Requests being handled, and their limit.",
                "short",
                (
                    Series("flashdrill_inflight", "in flight"),
                    Series('flashdrill_resource_capacity{resource="requests"}', "limit"),
                ),
            ),
            Chart(
                "Waiting",
                "How many wait for each resource, on average.",
                "short",
                (Series(_rate("wait_seconds_total", "pool.*|redis|requests"), BY_RESOURCE),),
            ),
        ),
    ),
    (
        "Outcomes",
        (
            Chart(
                "Orders by outcome",
                "Answers to POST /orders.",
                "reqps",
                (
                    Series(
                        "sum by (result) (rate(flashdrill_orders_total[$__rate_interval]))",
                        "{{result}}",
                    ),
                ),
            ),
            Chart(
                "Share acknowledged",
                "Orders that were placed or queued, over all answers. Refusals such as sold out lower it too.",
                "percentunit",
                (
                    Series(f"{_orders('placed|queued')} / {_orders('.+')}", "placed or queued"),
                    Series(f"{_orders('placed')} / {_orders('.+')}", "placed"),
                ),
            ),
        ),
    ),
    (
        "Breakers, degradation, queue",
        (
            Chart(
                "Breakers",
                "One for each dependency.",
                "short",
                (Series("flashdrill_breaker_state", "{{target}}"),),
                {"0": ("closed", GREEN), "1": ("half-open", YELLOW), "2": ("open", RED)},
            ),
            Chart(
                "Degradation levels",
                "From level 1 on, a shard's orders go to the durable file queue.",
                "short",
                (Series("flashdrill_level", "{{shard}}"),),
                {"0": ("direct", GREEN), "1": ("level 1", YELLOW), "2": ("level 2", RED)},
            ),
            Chart(
                "Queue depth",
                "Acknowledged orders that wait on disk to be placed.",
                "short",
                (Series("flashdrill_queue_depth", "{{shard}}"),),
            ),
            Chart(
                "Queue in use",
                "Share of the time in which somebody holds a shard's queue.",
                "percentunit",
                (Series(_rate("hold_seconds_total", "filequeue.*"), BY_RESOURCE),),
            ),
        ),
    ),
    (
        "Resources",
        (
            Chart(
                "Effective utilisation",
                "Time held, less the time that holders waited for another resource, over capacity: the highest one is "
                "the suspect, as in the report of a run.",
                "percentunit",
                (
                    Series(
                        f"({_rate('hold_seconds_total')} - {_rate('inner_wait_seconds_total')})"
                        " / flashdrill_resource_capacity",
                        BY_RESOURCE,
                    ),
                ),
            ),
            Chart(
                "Connection pools",
                "Connections in use, on average, of each shard's pool.",
                "short",
                (
                    Series(_rate("hold_seconds_total", "pool.*"), BY_RESOURCE),
                    Series(
                        'max(flashdrill_resource_capacity{resource=~"pool.*"})', "size of a pool"
                    ),
                ),
            ),
            Chart(
                "Event loop",
                "CPU of the loop's thread (1 is a whole core), and by how much a timer woke too late.",
                "percentunit",
                (
                    Series(_rate("hold_seconds_total", "loop"), "CPU of the loop"),
                    Series(
                        "rate(flashdrill_loop_lag_seconds_total[$__rate_interval])",
                        "lag, seconds a second",
                    ),
                ),
            ),
        ),
    ),
    (
        "Stores",
        (
            Chart(
                "Redis: mean time of a call",
                "Time that connections were held over the calls that ended.",
                "s",
                (Series(_mean_s("redis"), BY_RESOURCE),),
            ),
            Chart(
                "PostgreSQL: mean time of a statement",
                "The same for the statements of each shard.",
                "s",
                (Series(_mean_s("postgres.*"), BY_RESOURCE),),
            ),
            Chart(
                "Calls",
                "Calls to Redis and statements of each shard.",
                "ops",
                (Series(_rate("uses_total", "redis|postgres.*"), BY_RESOURCE),),
            ),
        ),
    ),
)


def expressions() -> list[str]:
    """Every PromQL expression of the dashboard."""
    return [s.expr for _, charts in ROWS for chart in charts for s in chart.series]


def dashboard() -> str:
    """The dashboard as the JSON that Grafana reads."""
    board = (
        built.Dashboard("flashdrill")
        .uid(UID)
        .description("The reference order service under load and faults")
        .tags(["flashdrill"])
        .timezone("utc")
        .refresh("5s")
        .time("now-15m", "now")
        .tooltip(model.DashboardCursorSync.CROSSHAIR)
    )
    for title, charts in ROWS:
        board.with_row(built.Row(title))
        for chart in charts:
            board.with_panel(_panel(chart))
    content = json.loads(JSONEncoder(sort_keys=True).encode(board.build()))
    for number, panel in enumerate(content["panels"], start=1):
        panel["id"] = number
    return json.dumps(content, indent=2) + "\n"


def _panel(chart: Chart) -> Any:
    panel: Any = statetimeline.Panel() if chart.states else timeseries.Panel()
    panel.title(chart.title).description(chart.about).unit(chart.unit).datasource(DATASOURCE)
    panel.span(WIDTH).height(HEIGHT)
    legend = VizLegendOptions().show_legend(True).placement(LegendPlacement.BOTTOM)
    panel.legend(legend.display_mode(LegendDisplayMode.LIST))
    tooltip = VizTooltipOptions().mode(TooltipDisplayMode.MULTI).sort(SortOrder.DESCENDING)
    panel.tooltip(tooltip)
    for letter, series in zip("ABCDEF", chart.series, strict=False):
        query = prometheus.Dataquery().expr(series.expr).legend_format(series.legend)
        panel.with_target(query.ref_id(letter).range())
    if chart.states:
        panel.mappings([_mapping(chart.states)])
    else:
        panel.min(0).fill_opacity(10)
    return panel


def _mapping(states: dict[str, tuple[str, str]]) -> model.ValueMap:
    results = {
        value: model.ValueMappingResult(text=text, color=color, index=number)
        for number, (value, (text, color)) in enumerate(states.items())
    }
    return model.ValueMap(options=results)
