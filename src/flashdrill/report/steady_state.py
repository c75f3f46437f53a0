"""The steady state and what ended a run early, in words, the same in every report."""

from __future__ import annotations

from flashdrill.model.faults import FaultRecord
from flashdrill.model.steady_state import Aborted, SteadyResult
from flashdrill.report.wording import facts, measured, seconds

UNKNOWN_WORD = "unknown"


def before(state: SteadyResult) -> str:
    """Before the first fault: `held (0.10 %)`."""
    if state.before_value is None:
        return UNKNOWN_WORD
    word = "held" if state.before == "holds" else "did NOT hold"
    return f"{word} ({measured(state.before_value, state.unit)})"


def during(state: SteadyResult) -> str:
    """While faults were in force: `broken 4.0–9.0 s (95.20 %)`."""
    if not state.broken:
        return "held" if state.during == "holds" else state.during
    broken = (
        f"{one.from_s:.1f}–{one.to_s:.1f} s ({measured(one.worst, state.unit)})"
        for one in state.broken
    )
    return f"broken {', '.join(broken)}"


def after(state: SteadyResult) -> str:
    """After the last fault: `back within 1.20 s`."""
    if state.after == "back":
        return f"back within {seconds(state.back_s)}" if state.back_s else "back at once"
    if state.after == "not back":
        seen = measured(state.after_value, state.unit)
        return f"NOT back within {state.back_within_s:g} s ({seen})"
    return state.after


def sentence(state: SteadyResult) -> str:
    """All three in a line."""
    parts = [f"{before(state)} before"]
    if state.after != "no fault":
        parts += [f"{during(state)} under faults", f"{after(state)} afterwards"]
    return "; ".join(parts)


def tone(state: SteadyResult) -> str:
    """holds, violated or unknown, as invariants are."""
    if state.after == "not back":
        return "violated"
    return "holds" if state.before == "holds" and state.after in ("back", "no fault") else "unknown"


def aborted(found: Aborted) -> str:
    """What ended the run: `error_rate > 50 % for 2s, seen 95.20 % at 6.0 s`."""
    doubt = f"; the load generator cannot be trusted there: {found.doubt}" if found.doubt else ""
    return f"{found.text}, seen {measured(found.value, found.unit)} at {found.at_s:.1f} s{doubt}"


def moment(fault: FaultRecord) -> str:
    """What decided when a fault began, and what chance gave; empty for one at a time that was planned."""
    drawn = ", ".join(f"{name} {text}" for name, text in facts(fault.drawn))
    condition = f"when {fault.condition}" if fault.condition else ""
    return "; ".join(part for part in (condition, f"drawn: {drawn}" if drawn else "") if part)
