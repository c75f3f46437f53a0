"""`junit.xml`: the run as a CI server shows it, one test case per invariant, gate, fault and stage."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

from flashdrill.model.result import InvariantStatus, RunResult
from flashdrill.report.steady_state import aborted, sentence, tone


@dataclass(frozen=True, slots=True)
class Case:
    """One line of the CI server's list: `bad` is empty, `failure` or `error` (nobody can tell)."""

    group: str
    name: str
    bad: str = ""
    message: str = ""


def cases(result: RunResult) -> Iterator[Case]:
    """Everything that was judged. What could not be judged is an error, never a pass."""
    for invariant in result.invariants:
        bad = {InvariantStatus.VIOLATED: "failure", InvariantStatus.UNKNOWN: "error"}.get(
            invariant.status, ""
        )
        message = f"expected: {invariant.expected}; found: {invariant.found}"
        if invariant.examples:
            message += "; for example " + ", ".join(invariant.examples)
        yield Case("invariants", invariant.name, bad, message)
    for gate in result.gates:
        bad = {"fail": "failure", "unknown": "error"}.get(gate.status, "")
        value = (
            "nothing measured" if gate.value is None else f"measured {gate.value:.4g} {gate.unit}"
        )
        yield Case("gates", gate.text, bad, f"{value}; {gate.reason}".rstrip("; "))
    for fault in result.faults:
        what = fault.error or ("effect not observed" if not fault.effect_observed else "not healed")
        yield Case("faults", fault.id, *(("", "") if fault.is_sound else ("error", what)))
    for state in result.steady_state:
        bad = {"violated": "failure", "unknown": "error"}.get(tone(state), "")
        yield Case(
            "steady state", state.text, bad, f"{sentence(state)}; {state.reason}".rstrip("; ")
        )
    if result.aborted is not None:
        bad = "error" if result.aborted.doubt else "failure"
        yield Case("abort", result.aborted.text, bad, aborted(result.aborted))
    for stage in result.validity:
        yield Case(
            "validity", stage.stage, "" if stage.is_valid else "error", "; ".join(stage.reasons)
        )
    verdict = result.verdict
    bad = {0: "", 1: "failure"}.get(verdict.exit_code, "error")
    yield Case("verdict", verdict.conclusion.value, bad, "; ".join(verdict.reasons))


def write_junit(result: RunResult, path: Path) -> None:
    """Write the suites, one per group, in the order in which they were judged."""
    groups: dict[str, list[Case]] = {}
    for case in cases(result):
        groups.setdefault(case.group, []).append(case)
    root = ET.Element("testsuites", name=f"flashdrill {result.scenario.get('name', '')}")
    for group, members in groups.items():
        suite = ET.SubElement(
            root,
            "testsuite",
            name=group,
            tests=str(len(members)),
            failures=str(sum(case.bad == "failure" for case in members)),
            errors=str(sum(case.bad == "error" for case in members)),
            timestamp=result.started_at.removesuffix("Z"),
        )
        for case in members:
            element = ET.SubElement(
                suite, "testcase", classname=f"flashdrill.{group}", name=case.name
            )
            if case.bad:
                ET.SubElement(element, case.bad, message=case.message)
    ET.indent(root)
    ET.ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)
