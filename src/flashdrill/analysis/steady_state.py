"""What became of the steady state: before the faults, while they were in force, and after the last of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from flashdrill.analysis.gates import unit_of
from flashdrill.model.condition import Condition
from flashdrill.model.faults import FaultRecord
from flashdrill.model.steady_state import Breach, Look, SteadyResult, Watched

JITTER_S = 0.05
"""The crowd's seconds are as long as that, more or less."""


def steady_results(
    watched: Sequence[Watched],
    faults: Sequence[FaultRecord],
    is_aborted: bool = False,
    doubt: str = "",
) -> tuple[SteadyResult, ...]:
    """One for each condition. `doubt` says why the generator cannot be trusted after the faults; empty: it can."""
    made = [fault for fault in faults if fault.was_made]
    return tuple(_result(one, made, is_aborted, doubt) for one in watched)


def recovery_span(
    watched: Sequence[Watched], faults: Sequence[FaultRecord]
) -> tuple[float, float] | None:
    """The time in which the steady state was to come back, seconds since the run's start; None without a fault."""
    ends = [fault.end_s for fault in faults if fault.was_made]
    if not ends or not watched:
        return None
    return max(ends), max(ends) + max(one.back_within_s for one in watched)


def _result(
    one: Watched, made: Sequence[FaultRecord], is_aborted: bool, doubt: str
) -> SteadyResult:
    condition, before = one.condition, one.before
    after, seen, reason = _after(one, made, is_aborted, doubt)
    last_s = max((fault.end_s for fault in made), default=0.0)
    broken = tuple(_breaches(one, made))
    return SteadyResult(
        text=condition.text,
        unit=unit_of(condition.metric),
        limit=condition.limit,
        back_within_s=one.back_within_s,
        before=_before(condition, before),
        before_value=None if before is None else before.value,
        during="broken" if broken else _during(one, made),
        broken=broken,
        after=after,
        after_value=None if seen is None else seen.value,
        back_s=max(0.0, seen.start_s - last_s) if seen and after == "back" else None,
        reason=reason or _unseen(before),
    )


def _before(condition: Condition, before: Look | None) -> str:
    if before is None or before.value is None:
        return "unknown"
    return "holds" if condition.is_met(before.value) else "broken"


def _unseen(before: Look | None) -> str:
    if before is None:
        return "the run ended before it was looked at"
    return "no such operation ended before the first fault" if before.value is None else ""


def _during(one: Watched, made: Sequence[FaultRecord]) -> str:
    """What to say when it was not seen broken."""
    if not made:
        return "no fault"
    seen = (look for look in one.seconds if look.value is not None)
    return "holds" if any(_is_touched(look, made) for look in seen) else "unknown"


def _breaches(one: Watched, made: Sequence[FaultRecord]) -> Iterator[Breach]:
    """Stretches of seconds, each touched by a fault, in which it did not hold."""
    condition = one.condition
    open_breach: Breach | None = None
    for look in one.seconds:
        is_broken = look.value is not None and not condition.is_met(look.value)
        if is_broken and _is_touched(look, made):
            assert look.value is not None
            open_breach = _longer(open_breach, look.start_s, look.end_s, look.value, condition)
        elif open_breach is not None:
            yield open_breach
            open_breach = None
    if open_breach is not None:
        yield open_breach


def _longer(
    breach: Breach | None, start_s: float, end_s: float, value: float, condition: Condition
) -> Breach:
    if breach is None:
        return Breach(start_s, end_s, value)
    furthest = max if condition.comparator.startswith("<") else min
    return Breach(breach.from_s, end_s, furthest(breach.worst, value))


def _is_touched(look: Look, made: Sequence[FaultRecord]) -> bool:
    return any(f.start_s < look.end_s and f.end_s > look.start_s for f in made)


def _after(
    one: Watched, made: Sequence[FaultRecord], is_aborted: bool, doubt: str
) -> tuple[str, Look | None, str]:
    """The answer, the window that it rests on, and why it is unknown."""
    if not made:
        return "no fault", None, ""
    last_s = max(fault.end_s for fault in made)
    later = [look for look in one.windows if look.start_s >= last_s - JITTER_S]
    back = next((look for look in later if one.condition.is_met(look.value)), None)
    if back is not None and back.start_s <= last_s + one.back_within_s + JITTER_S:
        return "back", back, ""
    in_time = [look for look in later if look.start_s <= last_s + one.back_within_s + JITTER_S]
    if is_aborted:
        unknown = "the run was aborted"
    elif not later or later[-1].start_s < last_s + one.back_within_s - 1.0:
        unknown = _too_short(one, last_s)
    elif all(look.value is None for look in in_time):
        unknown = "no such operation ended after the last fault"
    else:
        unknown = doubt
    return "unknown" if unknown else "not back", in_time[-1] if in_time else None, unknown


def _too_short(one: Watched, last_s: float) -> str:
    end_s = one.seconds[-1].end_s if one.seconds else 0.0
    return (
        f"the load ended {max(0.0, end_s - last_s):.1f} s after the last fault, and it may take "
        f"{one.back_within_s:g} s"
    )
