"""`flashdrill show`: what a run knows about one id."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from flashdrill.cli.completing import complete_run
from flashdrill.errors import ConfigError

OPS, EVENTS = "ops.parquet", "events.jsonl"


@click.command(
    epilog="""
\b
Examples:
  flashdrill show latest hot-1
  flashdrill show latest shard-timeout --most 10
"""
)
@click.argument("run", shell_complete=complete_run)
@click.argument("wanted", metavar="ID")
@click.option("--most", default=40, show_default=True, help="Operations to print.")
def show(run: str, wanted: str, most: int) -> int:
    """Print every operation and event of RUN that has ID.

    RUN is `latest`, `previous`, the beginning of a run's name, or its folder. ID is an order, an idempotency key, a
    product, a transaction, a customer, a fault or a server. Times are seconds since the run's first operation was due.
    """
    from flashdrill.analysis.mentions import mentions  # noqa: PLC0415  (a quick --help)
    from flashdrill.model.history import read_ops  # noqa: PLC0415
    from flashdrill.report.runs import find_run  # noqa: PLC0415

    folder = Path(run) if (Path(run) / OPS).is_file() else find_run(run)
    path = folder / OPS
    if not path.is_file():
        raise ConfigError(f"{folder} has no {OPS}", remedy="see flashdrill list runs")
    ops = read_ops(path)
    found = mentions(ops, wanted)
    events = list(_events(folder / EVENTS, wanted))
    if not found.num_rows and not events:
        raise ConfigError(f"nothing in {folder} has the id {wanted!r}")
    first_ns = min(ops["due_ns"].to_pylist(), default=0)
    for op in found.slice(0, most).to_pylist():
        click.echo(_operation(op, first_ns))
    if found.num_rows > most:
        click.echo(f"... and {found.num_rows - most} more: --most {found.num_rows}")
    for event in events:
        click.echo(_event(event))
    return 0


def _operation(op: dict[str, Any], first_ns: int) -> str:
    answers = ", ".join(f"{a['status'] or 'no answer'} {a['reason']}" for a in op["attempts"])
    what = " ".join(filter(None, (op["sku"], f"×{op['quantity']}" if op["quantity"] else "")))
    head = (
        f"{(op['due_ns'] - first_ns) / 1e9:8.3f} s  {op['stage']:<9} {op['kind']:<12} "
        f"{op['outcome']:<4} {op['reason']:<12} {(op['done_ns'] - op['due_ns']) / 1e6:7.0f} ms"
    )
    ids = " ".join(
        f"{name} {op[column]}"
        for name, column in (("order", "order_id"), ("key", "key"), ("user", "user_id"))
        if op[column]
    )
    return f"{head}  {what}  {ids}  [{answers}]"


def _events(path: Path, wanted: str) -> Iterator[dict[str, Any]]:
    """The events of a fault or a server."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    for event in map(json.loads, lines):
        if wanted in (event.get("id"), event.get("target")):
            yield event


def _event(event: dict[str, Any]) -> str:
    rest = {k: v for k, v in event.items() if k not in ("t_s", "t_mono_ns", "event") and v != ""}
    return f"{event['t_s']:8.3f} s  {event['event']:<9} " + "  ".join(
        f"{name} {value}" for name, value in rest.items()
    )
