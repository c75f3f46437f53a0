"""Seconds of a load as the crowd's process tells them."""

from __future__ import annotations

from typing import Any

from flashdrill.load.buckets import bucket


def operation(
    ok: int = 0, fail: int = 0, info: int = 0, refused: int = 0, took_s: float = 0.01
) -> dict[str, Any]:
    """One kind of operation in a second; all of them took as long."""
    ended = ok + fail + info + refused
    response = {str(bucket(round(took_s * 1e9))): ended} if ended else {}
    return {"ok": ok, "fail": fail, "info": info, "refused": refused, "response": response}


def second(end_s: float, **operations: dict[str, Any]) -> dict[str, Any]:
    """The line of a second that ended then."""
    return {"event": "second", "t_s": end_s, "operations": operations}
