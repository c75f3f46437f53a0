"""A stack that is up, as anybody can see it: the file with its addresses, and /proc. Nothing of flashdrill's code."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil


@dataclass(frozen=True, slots=True)
class Shop:
    """Addresses, and the guardian's process."""

    shards: Mapping[str, str]  # dsn by name
    redis: tuple[str, int]
    toxiproxy: str
    edge: str  # empty: there is none
    service: str  # past every proxy
    metrics: str
    settings: Path
    clock: Path | None
    volume: Path | None
    guardian: int


def shop_of(state_dir: Path, guardian: int) -> Shop:
    """What `flashdrill up` wrote down."""
    state: dict[str, Any] = json.loads((state_dir / "state.json").read_text())
    ports = state["ports"]
    return Shop(
        shards={f"shard{number}": dsn for number, dsn in enumerate(state["shards"])},
        redis=("127.0.0.1", ports["redis"]),
        toxiproxy=state["toxiproxy_url"],
        edge=state["edge_url"],
        service=f"http://127.0.0.1:{ports['backend']}",
        metrics=state["metrics_url"],
        settings=Path(state["settings"]),
        clock=Path(state["clock_file"]) if state["clock_file"] else None,
        volume=Path(state["queue_dir"]) if state["has_volume"] else None,
        guardian=guardian,
    )


def servers(shop: Shop) -> list[psutil.Process]:
    """What the guardian started."""
    return psutil.Process(shop.guardian).children()


def family(pid: int) -> list[psutil.Process]:
    """A process and all below it; none when it is gone."""
    try:
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []
