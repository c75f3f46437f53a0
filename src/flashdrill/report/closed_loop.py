"""Closed loops in words: what plain Locust would have shown, and plain Locust's users who came beside the crowd."""

from __future__ import annotations

from flashdrill.model.result import ClosedLoop, RunResult
from flashdrill.report.wording import count, seconds


def closed_loop(result: RunResult) -> str:
    """A few sentences on the operation that a closed loop is most wrong about, or empty."""
    if not result.closed_loop:
        return ""
    worst, *others = result.closed_loop
    more = f" {_others(others)}" if others else ""
    return f"{_said(worst)} {_why(worst)}{more}"


def closed_loop_briefly(result: RunResult) -> str:
    """Two sentences on that operation, without the reason; or empty."""
    return _said(result.closed_loop[0]) if result.closed_loop else ""


def beside_the_crowd(result: RunResult) -> str:
    """Who else loaded the service, and that no figure knows of it; empty when nobody did."""
    generator = result.load.get("generator") or {}
    names = generator.get("closed_users") or ()
    if not names:
        return ""
    requests = count(generator.get("closed_requests", 0))
    return (
        f"Beside the crowd came users of plain Locust: {', '.join(names)}, {requests} requests. They wait for their "
        "answers (a closed loop), so a slow service slows them down. Their requests loaded the service; they are in no "
        "history, figure, gate or invariant, and orders of theirs would look as if nobody had placed them."
    )


def _said(loop: ClosedLoop) -> str:
    pairs = loop.pairs()
    name = max(pairs, key=lambda share: pairs[share][0] / max(pairs[share][1], 1e-9))
    felt_s, told_s = pairs[name]
    return (
        f"{name} of {loop.operation} in {loop.stage} is {seconds(felt_s)}, from when each was due. "
        f"Plain Locust would have shown about {seconds(told_s)}."
    )


def _why(loop: ClosedLoop) -> str:
    users = f"{count(loop.users)} users"
    skipped = loop.response.count - loop.closed.count
    return (
        f"Its users wait for their answer before they come again: {users} would have kept this rate, and sent "
        f"{count(loop.closed.count)} of {count(loop.response.count)} operations, but not the {count(skipped)} that "
        "were due while all of them waited. The times are measured; which operations they would have sent is a model."
    )


def _others(others: list[ClosedLoop]) -> str:
    names = ", ".join(f"{loop.operation} in {loop.stage}" for loop in others[:3])
    rest = f" and {len(others) - 3} more" if len(others) > 3 else ""
    return f"The same holds for {names}{rest}."
