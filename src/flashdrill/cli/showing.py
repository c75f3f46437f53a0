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
    product, a transaction, a customer, a fault or a server. Times are seconds since the run's start.
    """
    from pyarrow import ArrowInvalid  # noqa: PLC0415  (a quick --help)

    from flashdrill.analysis.mentions import mentions  # noqa: PLC0415
    from flashdrill.model.history import read_ops  # noqa: PLC0415
    from flashdrill.report.runs import find_run  # noqa: PLC0415
    from flashdrill.report.wording import printable  # noqa: PLC0415

    folder = Path(run) if (Path(run) / OPS).is_file() else find_run(run)
    path = folder / OPS
    if not path.is_file():
        raise ConfigError(f"{folder} has no {OPS}", remedy="see flashdrill list runs")
    try:
        ops = read_ops(path)
    except (ArrowInvalid, OSError) as error:
        raise ConfigError(
            f"damaged: {error}", path=path, remedy="restore it from a copy"
        ) from error
    found = mentions(ops, wanted)
    every = list(_events(folder / EVENTS))
    events = [event for event in every if wanted in (event.get("id"), event.get("target"))]
    if not found.num_rows and not events:
        raise ConfigError(f"nothing in {folder} has the id {wanted!r}")
    start_ns = _start_ns(every) or min(ops["due_ns"].to_pylist(), default=0)
    for op in found.slice(0, most).to_pylist():
        click.echo(printable(_operation(op, start_ns)))
    if found.num_rows > most:
        click.echo(f"... and {found.num_rows - most} more: --most {found.num_rows}")
    for event in events:
        click.echo(printable(_event(event)))
    return 0


def _operation(op: dict[str, Any], start_ns: int) -> str:
    answers = ", ".join(f"{a['status'] or 'no answer'} {a['reason']}" for a in op["attempts"])
    what = " ".join(filter(None, (op["sku"], f"×{op['quantity']}" if op["quantity"] else "")))
    head = (
        f"{(op['due_ns'] - start_ns) / 1e9:8.3f} s  {op['stage']:<9} {op['kind']:<12} "
        f"{op['outcome']:<4} {op['reason']:<12} {(op['done_ns'] - op['due_ns']) / 1e6:7.0f} ms"
    )
    ids = " ".join(
        f"{name} {op[column]}"
        for name, column in (("order", "order_id"), ("key", "key"), ("user", "user_id"))
        if op[column]
    )
    return f"{head}  {what}  {ids}  [{answers}]"


def _start_ns(events: list[dict[str, Any]]) -> int:
    """When the run started, on the operations' clock; 0 when no event tells."""
    return next((e["t_mono_ns"] - round(e["t_s"] * 1e9) for e in events if "t_mono_ns" in e), 0)


def _events(path: Path) -> Iterator[dict[str, Any]]:
    """What happened, in time order; a line that a killed run left half written is left out."""
    text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    for line in text.splitlines():
        try:
            yield json.loads(line)
        except json.JSONDecodeError:
            continue


def _event(event: dict[str, Any]) -> str:
    rest = {k: v for k, v in event.items() if k not in ("t_s", "t_mono_ns", "event") and v != ""}
    return f"{event['t_s']:8.3f} s  {event['event']:<9} " + "  ".join(
        f"{name} {value}" for name, value in rest.items()
    )
