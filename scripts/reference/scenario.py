"""scenario.md: the keys of a scenario, and how values are written in every file."""

from __future__ import annotations

from collections.abc import Iterator

from flashdrill.plan.guards import MARKING
from flashdrill.plan.quantities import (
    DURATION_EXAMPLES,
    PRICE_EXAMPLE,
    RATE_EXAMPLES,
    SHARE_EXAMPLES,
    SIZE_EXAMPLES,
)
from flashdrill.plan.rates import POINT, RAMP, SPIKE, WAVE
from flashdrill.plan.recording import TRAFFIC_USE
from flashdrill.plan.scenario import LIMITS, SCENARIO
from flashdrill.plan.stages import STAGE, STAIRCASE
from flashdrill.plan.steady_state import STEADY_STATE
from flashdrill.plan.world import PRODUCT, USERS, WORLD
from flashdrill.report.tables import table
from scripts.reference import service
from scripts.reference.keys import Keys, section

SECTIONS: dict[str, Keys] = {
    "keys of a scenario": Keys(
        SCENARIO,
        {
            "name": "name: flash_sale",
            "description": "description: Three hot products sell out",
            "locustfile": "locustfile: flash_sale.py",
            "requests": "requests: shop.requests.yaml",
            "seed": "seed: 7",
            "calibrate": "calibrate: 2s",
            "time_scale": "time_scale: 10",
            "chaos": "chaos: [../chaos/plans/smoke.yaml]",
            "backend": "backend: {pool_size: 8}",
            "service": "",
            "world": "",
            "parameters": "parameters: {double_click_share: 0.03}",
            "stages": "",
            "traffic": "",
            "gates": "gates: [p99(place_order) < 800ms during rush, recovery < 30s]",
            "steady_state": "steady_state: [error_rate < 1%, p99(place_order) < 500ms]",
            "abort": "abort: error_rate(place_order) > 50% for 10s",
            "limits": "limits: {in_flight: 1024}",
            "hosts": "hosts: [shop.example.com, 10.0.0.7]",
            "marking": "marking: {header: X-Load-Test}",
        },
    ),
    "the world": Keys(
        WORLD,
        {
            "users": "users: {count: 5000, prefix: drill-}",
            "products": 'products: [{sku: hot-1, price: "19.99", stock: 60}]',
        },
    ),
    "the users": Keys(USERS, {"count": "count: 5000", "prefix": "prefix: drill-"}),
    "a product": Keys(
        PRODUCT,
        {
            "sku": 'sku: "cold-{n}"',
            "count": "count: 20",
            "price": 'price: "19.99"',
            "stock": "stock: 2000",
            "weight": "weight: 2.5",
        },
    ),
    "a stage": Keys(
        STAGE,
        {
            "name": "name: rush",
            "duration": "duration: 30s",
            "arrivals": "arrivals: {browse: 600/min, buy: {from: 40/s, to: 160/s}}",
            "rate": "rate: {from: 40/s, to: 160/s}",
            "staircase": "staircase: {from: 1000/s, to: 5000/s, step: 1000/s, hold: 20s}",
            "mix": "mix: {browse: 3, buy: 1}",
            "spacing": "spacing: even",
        },
    ),
    "a ramp": Keys(RAMP, {"from": "from: 40/s", "to": "to: 160/s"}),
    "a spike": Keys(
        SPIKE,
        {
            "base": "base: 40/s",
            "peak": "peak: 400/s",
            "at": "at: 5s",
            "for": "for: 2s",
            "rise": "rise: 500ms",
        },
    ),
    "a wave": Keys(WAVE, {"mean": "mean: 100/s", "swing": "swing: 50/s", "period": "period: 20s"}),
    "a point": Keys(POINT, {"at": "at: 5s", "rate": "rate: 90/s"}),
    "a staircase": Keys(
        STAIRCASE,
        {
            "from": "from: 1000/s",
            "to": "to: 5000/s",
            "step": "step: 1000/s",
            "hold": "hold: 20s",
            "warm_up": "warm_up: 5s",
            "stop_at_knee": "stop_at_knee: true",
            "bisect": "bisect: 3",
        },
    ),
    "traffic": Keys(
        TRAFFIC_USE,
        {
            "file": "file: traffic.yaml",
            "speed": "speed: 5",
            "scale": "scale: 2.5",
            "from": "from: 11h",
            "until": "until: 13.5h",
            "map": 'map: {"Fetch*": browse}',
            "tail": "tail: 2s",
        },
    ),
    "a steady state": Keys(
        STEADY_STATE,
        {
            "conditions": "conditions: [error_rate < 1%, p99(place_order) < 500ms]",
            "back_within": "back_within: 10s",
        },
    ),
    **service.SECTIONS,
    "limits": Keys(
        LIMITS,
        {
            "in_flight": "in_flight: 1024",
            "request_timeout": "request_timeout: 5s",
            "max_attempts": "max_attempts: 6",
            "drain_timeout": "drain_timeout: 2m",
            "rate_max": "rate_max: 2000/s",
            "workers": "workers: 2",
        },
    ),
    "the marking": Keys(MARKING, {"enabled": "enabled: false", "header": "header: X-Load-Test"}),
}
QUANTITIES = (
    ("duration", "a number and `ms`, `s`, `m` or `h`", DURATION_EXAMPLES),
    ("rate", "a number and `/s`, `/min` or `/h`", RATE_EXAMPLES),
    ("share", "a percentage, or a number from 0 to 1", SHARE_EXAMPLES),
    ("size", "a number and `B`, `KB` or `MB` (powers of 1024)", SIZE_EXAMPLES),
    ("price", "a decimal in quotes, without decimals or with two", PRICE_EXAMPLE),
    ("name", "a letter, then up to 63 letters, digits, `-` and `_`", "shard-timeout"),
)


def lines() -> Iterator[str]:
    """The page."""
    yield "# Scenario"
    yield ""
    yield (
        "What the crowd does, for how long, and what must hold: a YAML file in `scenarios/`. Unknown keys and values "
        "out of range are refused with file and line: `flashdrill validate FILE`. `flashdrill schema scenario` prints "
        "the same as JSON Schema. Keys can be set for one run: `--set limits.in_flight=100`."
    )
    yield ""
    yield (
        "A scenario has either `stages` or `traffic`, and either a `locustfile` (with a `world`) or "
        "[requests](requests.md)."
    )
    yield ""
    for noun, keys in SECTIONS.items():
        yield from section(noun, keys)
    yield "## How values are written"
    yield ""
    yield "The same in every file. A number without its unit is refused where a unit is expected."
    yield ""
    yield from table(("value", "form", "examples"), QUANTITIES)
