"""docs/faults.md: every fault with what was seen when it was injected last (`make bench-faults`).

`python -m scripts.faults.page` writes it anew from the evidence that was kept; `make reference` does that too.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from flashdrill.chaos.fault import Fault, Parameter
from flashdrill.plan.known import known_faults
from flashdrill.report.evidence import main_figures
from flashdrill.report.tables import table
from scripts.faults.catalogue import PLAN, ROOT

PAGE = ROOT / "docs" / "faults.md"
EVIDENCE = ROOT / "docs" / "faults-evidence.json"

GROUPS: Mapping[str, tuple[str, ...]] = {
    "Network, by Toxiproxy": (
        "latency", "jitter", "bandwidth", "timeout", "reset_peer", "slow_close", "slicer", "limit_data", "down",
    ),
    "Connections, by the edge": ("connection_refused", "half_open"),
    "HTTP, by the edge": (
        "http_status", "http_delay", "http_truncate", "http_malform", "http_slow_body", "http_drop_first",
        "gateway_timeout",
    ),
    "Database": (
        "connections_taken", "row_lock", "table_lock", "dropped_index", "slow_queries", "read_only",
    ),
    "Redis": ("redis_emptied", "redis_blocked", "redis_oom", "redis_readonly"),
    "Processes": ("pause", "kill", "restart"),
    "Host": ("disk_full", "busy_core", "clock_step"),
}  # fmt: skip
OWN = "This order system's own"

INTRO = """\
<!-- Made by `make bench-faults`: every fault was injected for real, one at a time; the figures are of that run. -->

# Faults

Every kind of fault that a plan can use. Each was injected on the reference stack, one at a time, without a crowd; its
effect was looked for, it was healed, and the healing was checked; the figures are what was seen. The plan is
[`chaos/plans/every_fault.yaml`](../chaos/plans/every_fault.yaml), the keys of each kind are in
[the reference](reference/plan.md#kinds), and how a plan says when is in [timetable](concepts/timetable.md).

`make bench-faults` does it again and writes this page. `tests/services/test_every_fault.py` does it with each
injection sabotaged (it must come out as not seen: a run with such a fault is inconclusive) and with each healing
sabotaged (that must be said).
"""


def page() -> str:
    """The page, from the classes, the plan and the evidence that was kept."""
    return "\n".join(_lines(json.loads(EVIDENCE.read_text()))) + "\n"


def grouped(kinds: Mapping[str, type[Fault]]) -> Iterator[tuple[str, list[str]]]:
    """The groups with their kinds; a kind that no group names is this system's own."""
    for group, names in GROUPS.items():
        yield group, [name for name in names if name in kinds]
    known = {name for names in GROUPS.values() for name in names}
    yield OWN, [name for name in kinds if name not in known]


def _lines(evidence: Mapping[str, Any]) -> Iterator[str]:
    kinds = known_faults()
    entries = yaml.safe_load(PLAN.read_text())["faults"]
    yield INTRO
    yield from _table(evidence, entries)
    for group, names in grouped(kinds):
        yield f"## {group}"
        yield ""
        for name in names:
            yield from _fault(kinds[name], evidence, [e for e in entries if e["kind"] == name])


def _table(evidence: Mapping[str, Any], entries: list[dict[str, Any]]) -> Iterator[str]:
    rows = [_row(entry, evidence) for entry in entries]
    yield from table(("fault", "target", "took effect", "healed", "evidence"), rows)


def _row(entry: Mapping[str, Any], evidence: Mapping[str, Any]) -> tuple[str, ...]:
    kind = entry["kind"]
    link = f"[`{kind}`](#{kind})"
    if kind in evidence["unavailable"]:
        return link, f"`{entry['target']}`", "unavailable", "", evidence["unavailable"][kind]
    proof = evidence["proofs"].get(entry["id"], {})
    return (
        link,
        f"`{entry['target']}`",
        "yes" if proof.get("observed") else "**no**",
        "yes" if proof.get("healed") else "**no**",
        main_figures(proof.get("evidence", {})),
    )


def _plain(value: Any) -> str:
    if isinstance(value, list):
        return "/".join(map(str, dict.fromkeys(map(str, value))))
    if isinstance(value, dict):
        return " ".join(f"{key} {_plain(item)}" for key, item in value.items())
    return str(value).lower() if isinstance(value, bool) else str(value)


def _fault(
    fault: type[Fault], evidence: Mapping[str, Any], entries: list[dict[str, Any]]
) -> Iterator[str]:
    yield f"### {fault.kind}"
    yield ""
    yield inspect.cleandoc(fault.__doc__ or "")
    yield ""
    yield from _parameters(fault)
    if fault.needs:
        yield f"Needs of the stack: {', '.join(sorted(fault.needs))}."
        yield ""
    for entry in entries:
        yield "```yaml"
        yield yaml.safe_dump([entry], sort_keys=False).rstrip()
        yield "```"
        yield ""
        proof = evidence["proofs"].get(entry["id"])
        if proof is not None:
            yield f"In force for {proof['in_force_s']} s. Seen:"
            yield ""
            yield from _figures(proof["evidence"])
            yield ""


def _parameters(fault: type[Fault]) -> Iterator[str]:
    rows = [
        (f"`{name}`", p.unit or p.type.replace("_", " "), _default(p), p.description)
        for name, p in fault.parameters.items()
    ]
    if rows:
        yield from table(("key", "takes", "default", "what it is"), rows)


def _default(parameter: Parameter) -> str:
    if parameter.is_required:
        return "required"
    return "" if parameter.default in {None, ""} else _plain(parameter.default)


def _figures(evidence: Mapping[str, Any]) -> Iterator[str]:
    for key, value in evidence.items():
        yield f"- {'after healing' if key == 'healing' else key}: {_plain(value)}"


if __name__ == "__main__":
    PAGE.write_text(page())
