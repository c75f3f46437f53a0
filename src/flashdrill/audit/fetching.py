"""Rows from where they are declared to be: PostgreSQL, a SQLite file, HTTP. Read only, bounded in time and number.

Every failure becomes an UnreadableError, in words that hold neither a password nor an address that could.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any
from urllib.parse import quote, urljoin

import aiohttp
import asyncpg
import msgspec

from flashdrill.audit.contract import CONTRACT, Rows
from flashdrill.audit.secret import reveal, reveal_token
from flashdrill.model.service import HttpRead, Read, Secret, SqlRead

MOST_ROWS = 2_000_000
MOST_BYTES = 1 << 28
MOST_PAGES = 100_000
BUSY_TIMEOUT_S = 5.0
"""For a SQLite file that somebody is writing: nothing ends that wait."""
APPLICATION = "flashdrill-reads"
_AT_ONCE = 10_000
_STEPS = 10_000
"""Of SQLite's virtual machine: after so many, a millisecond or less, it is asked whether it may go on."""


class UnreadableError(Exception):
    """Why something could not be read."""


async def fetch_all(
    reads: Mapping[str, Read], timeout_s: float
) -> dict[str, Rows | UnreadableError]:
    """Every read by its name; those on one database or file are of one snapshot. Raises nothing but ConfigError."""
    found: dict[str, Rows | UnreadableError] = {}
    async with asyncio.TaskGroup() as group:
        for secret, queries in _by_database(reads).items():
            group.create_task(_into(found, queries, _postgres(secret, queries, timeout_s)))
        for name, read in reads.items():
            if isinstance(read, HttpRead):
                group.create_task(_into(found, [name], _http(name, read, timeout_s)))
        for path, queries in _by_file(reads).items():
            group.create_task(_into(found, queries, _sqlite(path, queries, timeout_s)))
    return found


async def _into(
    found: dict[str, Rows | UnreadableError], names: Sequence[str] | Mapping[str, str], work: Any
) -> None:
    try:
        found.update(await work)
    except UnreadableError as error:
        found.update(dict.fromkeys(names, error))


def _by_database(reads: Mapping[str, Read]) -> dict[Secret, dict[str, str]]:
    """The queries of each PostgreSQL database."""
    found: dict[Secret, dict[str, str]] = {}
    for name, read in reads.items():
        if isinstance(read, SqlRead) and read.dsn is not None:
            found.setdefault(read.dsn, {})[name] = read.sql
    return found


async def _postgres(
    secret: Secret, queries: Mapping[str, str], timeout_s: float
) -> dict[str, Rows | UnreadableError]:
    found: dict[str, Rows | UnreadableError] = {}
    try:
        async with (
            asyncio.timeout(timeout_s),
            _session(secret, timeout_s) as session,
            session.transaction(isolation="repeatable_read", readonly=True),
        ):
            for name, sql in queries.items():
                try:
                    async with (
                        session.transaction()
                    ):  # a savepoint: one bad query leaves the others
                        found[name] = await _rows(session, sql)
                except (asyncpg.PostgresError, UnreadableError) as error:
                    found[name] = UnreadableError(_said(error))
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
        raise UnreadableError(_said(error, timeout_s)) from None
    return found


@asynccontextmanager
async def _session(secret: Secret, timeout_s: float) -> AsyncIterator[asyncpg.Connection[Any]]:
    try:
        session = await asyncpg.connect(
            reveal(secret),
            timeout=timeout_s,
            command_timeout=timeout_s,
            server_settings={"application_name": APPLICATION},
        )
    except ValueError as error:  # its words would have a part of the address
        raise UnreadableError(
            f"{secret.place} holds no address of PostgreSQL ({type(error).__name__})"
        ) from None
    try:
        yield session
    finally:
        session.terminate()


async def _rows(session: asyncpg.Connection[Any], sql: str) -> Rows:
    statement = await session.prepare(sql)
    columns = tuple(attribute.name for attribute in statement.get_attributes())
    rows: list[Sequence[Any]] = []
    cursor = await statement.cursor()
    while more := await cursor.fetch(_AT_ONCE):
        rows += more
        _refuse_many(rows)
    return Rows(columns, rows)


def _refuse_many(rows: Sequence[object]) -> None:
    if len(rows) > MOST_ROWS:
        raise UnreadableError(f"it gives more than {MOST_ROWS} rows")


def _by_file(reads: Mapping[str, Read]) -> dict[Path, dict[str, str]]:
    """The queries of each SQLite file."""
    found: dict[Path, dict[str, str]] = {}
    for name, read in reads.items():
        if isinstance(read, SqlRead) and read.sqlite is not None:
            found.setdefault(read.sqlite, {})[name] = read.sql
    return found


async def _sqlite(
    path: Path, queries: Mapping[str, str], timeout_s: float
) -> dict[str, Rows | UnreadableError]:
    """Nobody waits longer than `timeout_s` for its thread, and a cancellation ends what the thread does."""
    patience = _Patience(timeout_s)
    try:
        return await asyncio.to_thread(_sqlite_rows, path, queries, patience)
    except sqlite3.Error as error:
        raise UnreadableError(f"{path}: {patience.said(error)}") from None
    finally:
        patience.is_over = True


class _Patience:
    """Ends a SQLite query that takes too long, or for which nobody waits any more."""

    def __init__(self, timeout_s: float) -> None:
        self.timeout_s = timeout_s
        self.deadline_s = time.monotonic() + timeout_s
        self.is_over = False

    def is_exhausted(self) -> bool:
        """What SQLite asks every now and then."""
        return self.is_over or time.monotonic() > self.deadline_s

    def said(self, error: sqlite3.Error) -> str:
        """An error in words: an exhausted one only says that it was interrupted."""
        return f"it took longer than {self.timeout_s:g} s" if self.is_exhausted() else str(error)


def _sqlite_rows(
    path: Path, queries: Mapping[str, str], patience: _Patience
) -> dict[str, Rows | UnreadableError]:
    """All queries see one snapshot; a bad one leaves the others."""
    found: dict[str, Rows | UnreadableError] = {}
    uri = f"file:{quote(str(path.absolute()))}?mode=ro"
    with closing(
        sqlite3.connect(uri, uri=True, timeout=BUSY_TIMEOUT_S, isolation_level=None)
    ) as connection:
        connection.set_progress_handler(patience.is_exhausted, _STEPS)
        connection.execute("BEGIN")
        for name, sql in queries.items():
            try:
                found[name] = _rows_of(connection.execute(sql))
            except (sqlite3.Error, UnreadableError) as error:
                words = patience.said(error) if isinstance(error, sqlite3.Error) else error
                found[name] = UnreadableError(f"{path}: {words}")
    return found


def _rows_of(cursor: sqlite3.Cursor) -> Rows:
    rows: list[Sequence[Any]] = []
    while more := cursor.fetchmany(_AT_ONCE):
        rows += more
        _refuse_many(rows)
    return Rows(tuple(column[0] for column in cursor.description or ()), rows)


async def _http(name: str, read: HttpRead, timeout_s: float) -> dict[str, Rows]:
    token = {"Authorization": f"Bearer {reveal_token(read.token)}"} if read.token else {}
    limit = aiohttp.ClientTimeout(total=timeout_s)
    try:
        async with aiohttp.ClientSession(timeout=limit, trust_env=False, headers=token) as session:
            return {name: await _pages(session, name, read)}
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        raise UnreadableError(_said(error, timeout_s)) from None


async def _pages(session: aiohttp.ClientSession, name: str, read: HttpRead) -> Rows:
    """All pages: a list, or {"rows": [...], "next": URL or path, or null} as long as there is a next."""
    records: list[dict[str, Any]] = []
    url: str | None = read.url
    for _ in range(MOST_PAGES):
        if url is None:
            return _tabulated(records, name)
        document = await _json(session, read.method, url)
        if isinstance(document, int):
            return Rows(("number",), [(document,)])
        page, following = _page(document)
        records += page
        _refuse_many(records)
        url = urljoin(url, following) if following else None
        if url is not None and urljoin(url, "/") != urljoin(read.url, "/"):
            raise UnreadableError("its next page is on another host")
    raise UnreadableError(f"it has more than {MOST_PAGES} pages")


async def _json(session: aiohttp.ClientSession, method: str, url: str) -> Any:
    async with session.request(method, url, allow_redirects=False) as answer:
        if answer.status != 200:
            raise UnreadableError(f"it was answered with status {answer.status}")
        body = bytearray()
        async for chunk in answer.content.iter_chunked(1 << 16):
            body += chunk
            if len(body) > MOST_BYTES:
                raise UnreadableError(f"an answer has more than {MOST_BYTES >> 20} MB")
    try:
        return msgspec.json.decode(bytes(body))
    except msgspec.DecodeError:
        raise UnreadableError("its answer is no JSON") from None


def _page(document: Any) -> tuple[list[dict[str, Any]], str]:
    rows, following = document, ""
    if isinstance(document, dict):
        rows, following = document.get("rows"), document.get("next") or ""
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise UnreadableError('its answer is neither a list of objects nor {"rows": [...]}')
    if not isinstance(following, str):
        raise UnreadableError("`next` is no text")
    return rows, following


def _tabulated(records: list[dict[str, Any]], read: str) -> Rows:
    """A key that any record has is a column; a record without it has null there. Without records: what must be."""
    columns = tuple(dict.fromkeys(key for record in records for key in record))
    if not records:
        columns = tuple(
            name for name, column in CONTRACT.get(read, {}).items() if column.is_required
        )
    return Rows(columns, [[record.get(column) for column in columns] for record in records])


def _said(error: BaseException, timeout_s: float = 0.0) -> str:
    if isinstance(error, UnreadableError):
        return str(error)
    if isinstance(error, TimeoutError):
        return f"it took longer than {timeout_s:g} s"
    return f"{type(error).__name__}: {' '.join(str(error).split())}"[:300]
