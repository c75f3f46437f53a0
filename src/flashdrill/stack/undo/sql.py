"""Undoing what was done to a PostgreSQL server. The guardian starts without asyncpg: it is loaded here when needed."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from flashdrill.stack.undo.circumstances import Circumstances, NotUndoneError

if TYPE_CHECKING:
    import asyncpg

CONNECT_TIMEOUT_S = 1.5
LOCK_TIMEOUT_S = 0.5
STATEMENT_TIMEOUT_S = 3.0

_PAUSE_S = 0.1


def sql(undo: dict[str, Any], now: Circumstances) -> None:
    """Carry out every statement, again until all succeed or the time is over: all of them can be done twice."""
    asyncio.run(_sql(undo["dsn"], undo["statements"], now))


async def _sql(dsn: str, statements: list[str], now: Circumstances) -> None:
    import asyncpg  # noqa: PLC0415  (the guardian starts without it)

    while True:
        needed_s = LOCK_TIMEOUT_S  # less would end in another error than the real one
        try:
            failures = await _carry_out(dsn, statements, now)
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError) as error:
            if now.is_stack_gone:
                return
            failures, needed_s = [f"cannot be reached: {_words(error)}"], 2 * _PAUSE_S
        if not failures:
            return
        if now.left_s(needed_s) < needed_s:
            raise NotUndoneError(without_password(f"{dsn}: {'; '.join(failures)}", dsn))
        await asyncio.sleep(_PAUSE_S)


async def _carry_out(dsn: str, statements: list[str], now: Circumstances) -> list[str]:
    """What failed, in words."""
    import asyncpg  # noqa: PLC0415

    failures = []
    session = await _session(dsn, now)
    try:
        for statement in statements:
            try:
                await session.execute(statement, timeout=now.left_s(STATEMENT_TIMEOUT_S) + 0.5)
            except (asyncpg.PostgresError, TimeoutError) as error:
                failures.append(_words(error))
    finally:
        session.terminate()
    return failures


async def _session(dsn: str, now: Circumstances) -> asyncpg.Connection[Any]:
    """One that waits for nothing long, and may write on a server that is read-only by default."""
    import asyncpg  # noqa: PLC0415

    statement_ms = int(now.left_s(STATEMENT_TIMEOUT_S) * 1000)
    return await asyncpg.connect(
        dsn,
        timeout=now.left_s(CONNECT_TIMEOUT_S),
        server_settings={
            "application_name": "flashdrill heal",
            "lock_timeout": f"{int(LOCK_TIMEOUT_S * 1000)}ms",
            "statement_timeout": f"{statement_ms + 1}ms",
            "default_transaction_read_only": "off",
        },
    )


def without_password(text: str, dsn: str) -> str:
    """The text with the password of a DSN (URL) struck out, wherever it stands in it and in the text."""
    try:
        parts = urlsplit(dsn)
    except ValueError:
        return text.replace(dsn, "the server")
    options = (option.partition("=") for option in parts.query.split("&"))
    secrets = [parts.password, *(value for key, _, value in options if key == "password")]
    for secret in filter(None, secrets):
        text = text.replace(secret, "***")
    return text


def _words(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
