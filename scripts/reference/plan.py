"""plan.md: the keys of a fault plan, and every kind of fault."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from pathlib import Path

import yaml

from flashdrill.chaos.catalogue import catalogue, load_own
from flashdrill.chaos.fault import Fault, Parameter
from flashdrill.plan.fault_kinds import COMMON, shape_of
from flashdrill.plan.faults import plan_table
from flashdrill.plan.limits import BLAST_RADIUS
from flashdrill.plan.table import Table
from flashdrill.rehearsal.topology import target_names
from flashdrill.report.tables import table
from scripts.reference.keys import HEAD, Keys, default_of, form_of, section

MOMENTS = (
    ("12s", "12 seconds after the run's start"),
    ("rush + 4s", "4 seconds after the start of the stage `rush`"),
    ("rush.end - 2s", "2 seconds before its end"),
    ("recorded + 10%", "when a tenth of the stage `recorded` is over"),
    ("shard-timeout + 5s", "5 seconds after the start of another fault"),
    ("shard-timeout.end", "when another fault is healed"),
)
PLAN_EXAMPLES = {
    "name": "name: promotion_night",
    "description": "description: A shard times out, Redis is slow",
    "seed": "seed: 7",
    "blast_radius": "blast_radius: {shards: 1}",
    "steady_state": "steady_state: error_rate < 1%",
    "abort": "abort: error_rate(place_order) > 50% for 10s",
    "faults": "",
}
COMMON_EXAMPLES = {
    "id": "id: shard-timeout",
    "kind": "kind: timeout",
    "target": "target: shard2",
    "at": "at: rush + 4s",
    "for": "for: 8s",
    "choose": "choose: 1",
    "when": "when: rate(place_order) > 300/s for 3s",
    "after": "after: rush",
    "until": "until: rush.end",
    "optional": "optional: true",
    "repeat": "repeat: 3",
    "every": "every: 20s",
}
BLAST_EXAMPLES = {
    "connections": "connections: 50%",
    "users": "users: 25%",
    "shards": "shards: 1",
    "at_once": "at_once: 2",
}
EXAMPLES: Mapping[str, str] = {
    "latency": "1200ms",
    "jitter": "50ms",
    "timeout": "500ms",
    "rate_kb": "20",
    "average_size": "64",
    "size_variation": "16",
    "delay": "10ms",
    "bytes": "4096",
    "stream": "upstream",
    "toxicity": "50%",
    "sku": "hot-1",
    "step": "-30s",
    "workers": "4",
    "grace": "2s",
    "busy_after": "200ms",
    "is_rebuilt": "false",
    "rebuilt_key": "fd:0:epoch",
    "leave": "2",
    "disk_full.leave": "64KB",
    "at_most": "100MB",
    "cores": "2",
    "core": "'1'",
    "status": "503",
    "definite": "false",
    "route": "/orders*",
    "method": "POST",
    "share": "50%",
    "users": "25%",
    "user_key": "header:X-User",
    "canary": "/orders/canary",
    "keep": "50%",
    "rate": "200/s",
    "first": "5",
    "table": "stock",
    "where": "available < 5",
    "mode": "exclusive",
    "index": "orders_by_user",
    "sessions": "4",
    "query_time": "500ms",
    "limit": "2",
}
"""A value for each parameter, of all kinds or of one; a team's own faults have those that are called the same."""


def lines(own: Path) -> Iterator[str]:
    """The page; `own` is the folder of the repository's own faults."""
    yield "# Fault plan"
    yield ""
    yield (
        "What breaks, and when: a YAML file in `chaos/plans/`, named by a scenario's `chaos` or by `--chaos`. "
        "`flashdrill validate FILE` checks it, `flashdrill schema plan` prints it as JSON Schema, "
        "`flashdrill list faults` lists the kinds."
    )
    yield ""
    yield "## Keys of a plan"
    yield ""
    yield from Keys(plan_table({}), PLAN_EXAMPLES).lines()
    yield from section(BLAST_RADIUS.noun, Keys(BLAST_RADIUS, BLAST_EXAMPLES))
    yield "## Keys of every fault"
    yield ""
    yield from Keys(Table("a fault", COMMON), COMMON_EXAMPLES).lines()
    yield from _moments()
    yield from _targets()
    yield "## Kinds"
    yield ""
    for kind in catalogue().values():
        yield from _kind(kind)
    yield from _own(own)


def _moments() -> Iterator[str]:
    yield "## When it happens"
    yield ""
    yield (
        "`at` is a time since the run's start, or a stage or another fault with an offset. Around a minus stand "
        "blanks, since names may have hyphens. A percentage is a share of the length of what is named."
    )
    yield ""
    yield from table(("`at`", "meaning"), ((f"`{at}`", meaning) for at, meaning in MOMENTS))


def _targets() -> Iterator[str]:
    yield "## Targets"
    yield ""
    rows = ((f"`{name}`", ", ".join(sorted(kinds))) for name, kinds in target_names().items())
    yield from table(("target of the reference stack", "kinds"), rows)


def _own(folder: Path) -> Iterator[str]:
    yield "## This repository's own"
    yield ""
    yield (
        "Faults of this order system, in `chaos/faults/`: Python files with a class that derives from "
        "`flashdrill.Fault`, as a team writes its own."
    )
    yield ""
    for kind in load_own(folder).values():
        yield from _kind(kind)


def _kind(kind: type[Fault]) -> Iterator[str]:
    yield f"### `{kind.kind}`"
    yield ""
    yield from inspect.cleandoc(kind.__doc__ or "").splitlines()
    yield ""
    yield f"Done to: {', '.join(sorted(kind.target_kinds))}."
    yield ""
    if kind.parameters:
        yield from table(HEAD, (_row(kind.kind, name, p) for name, p in kind.parameters.items()))
    yield "```yaml"
    yield example(kind).rstrip()
    yield "```"
    yield ""


def _row(kind: str, name: str, parameter: Parameter) -> tuple[str, ...]:
    shape = shape_of(parameter)
    default = "**required**" if parameter.is_required else default_of(shape, parameter.default)
    return f"`{name}`", _form(parameter), default, parameter.description, _example(kind, name)


def _form(parameter: Parameter) -> str:
    form = form_of(shape_of(parameter))
    is_number = parameter.type == "int" and parameter.unit
    return f"{form}, in {parameter.unit}" if is_number else form


def _example(kind: str, name: str) -> str:
    value = value_for(kind, name)
    return f"`{name}: {value}`" if value else "–"


def value_for(kind: str, name: str) -> str:
    """An example of a parameter, as YAML; empty when there is none."""
    return EXAMPLES.get(f"{kind}.{name}") or EXAMPLES.get(name, "")


def example(kind: type[Fault]) -> str:
    """A fault of this kind as a plan has it, with what is required."""
    fitting = [name for name, kinds in target_names().items() if kinds & kind.target_kinds]
    document = {
        "id": f"some-{kind.kind.replace('_', '-')}",
        "kind": kind.kind,
        "target": fitting[0],
        "at": "rush + 4s",
        "for": "8s",
        **{
            name: yaml.safe_load(value_for(kind.kind, name) or "something")
            for name, parameter in kind.parameters.items()
            if parameter.is_required
        },
    }
    return yaml.safe_dump([document], sort_keys=False)
