"""Compressed timetables from the plan of every fault: many at once, side by side in lanes, one after another in each.

lane shard0    ──latency───┬──down──┬──slicer──
lane redis     ──oom──┬──kill───┬──emptied──
lane service   ──pause──┬──workers──┬──disk-full──
                                ↑ the harness is killed here
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from scripts.faults.catalogue import PLAN

LENGTH_S = 9.0
FIRST_S = 1.2
"""Not earlier: a baseline needs its time."""
SHORTEST_S, LONGEST_S = 1.0, 2.2
GAPS_S = (0.1, 0.5)
EDGE_S = 0.15
"""How far inside of a fault's time the kill lies at least, when the fault is meant to be in force at it."""
SHELF_SKU = "demo-1"
"""What `flashdrill up` sells, in place of the plan's own product."""


@dataclass(frozen=True, slots=True)
class Round:
    """A timetable, and when the harness is to be killed: seconds after the timetable's start."""

    number: int
    document: Mapping[str, Any]
    kill_s: float


def lanes(possible: Iterable[str]) -> dict[str, list[dict[str, Any]]]:
    """The faults of the plan whose kinds are possible here, by server; the service's at the edge are apart."""
    wanted = set(possible)
    document = yaml.safe_load(PLAN.read_text().replace("hot-1", SHELF_SKU))
    found: dict[str, list[dict[str, Any]]] = {}
    for fault in document["faults"]:
        if fault["kind"] in wanted:
            found.setdefault(_lane(fault), []).append(fault)
    return found


def draw(
    number: int, every: Mapping[str, Sequence[dict[str, Any]]], seen: Counter[str], seed: int
) -> Round:
    """The timetable of a round: in each lane what was in force least often until now is so at the kill, if it can be.

    The moment of the kill is drawn from the whole length; in the first seconds fewer faults have begun.
    """
    rng = random.Random(f"{seed}-{number}")
    kill_s = rng.uniform(FIRST_S, LENGTH_S)
    faults = [fault for lane in every.values() for fault in _filled(lane, kill_s, seen, rng)]
    faults.sort(key=lambda fault: float(fault["at"][:-1]))
    return Round(number, {"name": f"round-{number:02}", "faults": faults}, kill_s)


def write(drawn: Round, folder: Path) -> Path:
    """The plan's file."""
    path = folder / f"{drawn.document['name']}.yaml"
    path.write_text(yaml.safe_dump(drawn.document, sort_keys=False))
    return path


def _lane(fault: Mapping[str, Any]) -> str:
    """Faults in one lane would disturb each other."""
    if fault["target"] not in {"backend", "payment"}:
        return str(fault["target"])
    is_host = fault["kind"] in {
        "pause", "kill", "restart", "clock_step", "disk_full", "workers", "busy_core", "pool_drained"
    }  # fmt: skip
    return "service" if is_host else "edge"


def _filled(
    lane: Sequence[dict[str, Any]], kill_s: float, seen: Counter[str], rng: random.Random
) -> list[dict[str, Any]]:
    """One fault across the kill, others before it as long as there is room."""
    fewest = min(seen[fault["id"]] for fault in lane)
    chosen = rng.choice([fault for fault in lane if seen[fault["id"]] == fewest])
    others = [fault for fault in lane if fault is not chosen]
    rng.shuffle(others)
    length_s = rng.uniform(SHORTEST_S, LONGEST_S)
    start_s = max(FIRST_S, kill_s - rng.uniform(EDGE_S, length_s - EDGE_S))
    placed = [_at(chosen, start_s, length_s)]
    end_s = start_s - rng.uniform(*GAPS_S)
    for fault in others:
        length_s = rng.uniform(SHORTEST_S, LONGEST_S)
        if (start_s := end_s - length_s) < FIRST_S:
            break
        placed.append(_at(fault, start_s, length_s))
        end_s = start_s - rng.uniform(*GAPS_S)
    return placed


def _at(fault: Mapping[str, Any], start_s: float, length_s: float) -> dict[str, Any]:
    return {**fault, "at": f"{start_s:.3f}s", "for": f"{length_s:.3f}s"}
