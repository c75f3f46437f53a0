"""Whether a service answers at all, over plain HTTP."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable

import aiohttp

PERIOD_S = 0.5
PATIENCE = 2
"""So many refusals in a row are an absence; one may be a server that is starting again."""


class AbsentError(Exception):
    """Nobody answers, and why."""


async def ask(url: str, *, wants_2xx: bool, timeout_s: float) -> None:
    """Return when it answers. Raises AbsentError (nobody does), TimeoutError (not in time)."""
    limit = aiohttp.ClientTimeout(total=timeout_s)
    try:
        async with (
            aiohttp.ClientSession(timeout=limit, trust_env=False) as session,
            session.get(url, allow_redirects=False) as answer,
        ):
            if wants_2xx and not 200 <= answer.status < 300:
                raise AbsentError(f"it answers with status {answer.status}")
    except TimeoutError:
        raise TimeoutError from None
    except aiohttp.ClientConnectorError as error:
        raise AbsentError(f"no connection ({_why(error.os_error)})") from None
    except (aiohttp.ClientError, OSError) as error:
        raise AbsentError(" ".join(str(error).split()) or type(error).__name__) from None


def _why(error: OSError) -> str:
    """The system's words; asyncio puts its own in their place."""
    number = error.errno or 0
    return os.strerror(number) if number > 0 else str(error.strerror or error)


async def watch(
    url: str,
    absences: list[tuple[int, int]],
    *,
    timeout_s: float,
    period_s: float = PERIOD_S,
    now_ns: Callable[[], int] = time.monotonic_ns,
) -> None:
    """Until cancelled: note when nobody answers, as (from, to) in CLOCK_MONOTONIC ns; the last may still go on.

    A slow answer is an answer: only a connection that does not come about, or breaks, counts.
    """
    refused, since_ns = 0, 0
    while True:
        asked_ns = now_ns()
        try:
            await ask(url, wants_2xx=False, timeout_s=timeout_s)
            refused = 0
        except TimeoutError:
            refused = 0
        except AbsentError:
            since_ns = since_ns if refused else asked_ns
            refused += 1
            if refused == PATIENCE:
                absences.append((since_ns, now_ns()))
            elif refused > PATIENCE:
                absences[-1] = (since_ns, now_ns())
        await asyncio.sleep(period_s)
