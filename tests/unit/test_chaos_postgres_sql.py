"""Names and statements that go to somebody's database."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from flashdrill.chaos.fault import FaultContext
from flashdrill.chaos.index import Index
from flashdrill.chaos.row_lock import RowLock
from flashdrill.chaos.session import Sessions, dsn_of, session_name
from flashdrill.chaos.table_lock import REFUSES, TableLock
from flashdrill.chaos.target import Target
from flashdrill.errors import StackError
from flashdrill.model.faults import PlannedFault
from flashdrill.toxiproxy.client import Toxiproxy
from tests.services.chaos_rig import Processes

INDEX = Index(
    name='"Shop"."by \'Price\'"',
    bare_name="by 'Price'",
    table='"Shop".lines',
    definition='CREATE INDEX "by \'Price\'" ON "Shop".lines USING btree (price)',
    leading="price",
    predicate="",
    comment="",
    is_valid=True,
    why_not="",
)


def context(kind: str, dsn: str = "", **parameters: Any) -> FaultContext:
    place = ("127.0.0.1", 1)
    return FaultContext(
        PlannedFault("f", kind, "db", 0.0, 1.0, parameters),
        Target("db", frozenset({"postgres"}), None, place, place, dsn=dsn),
        Toxiproxy("http://127.0.0.1:1"),
        Processes(),
        log_dir=Path(),
    )


def test_sessions_are_called_as_their_fault() -> None:
    assert session_name("row-lock_1") == "flashdrill-row-lock_1"


def test_names_that_the_server_would_cut_off_or_change_stay_apart() -> None:
    names = {session_name(f"{'x' * 60}{n}") for n in range(3)} | {session_name("übermut")}
    assert len(names) == 4
    assert all(len(name.encode()) <= 63 and name.isascii() for name in names)


def test_a_name_cannot_break_out_of_the_statement() -> None:
    (statement,) = Sessions("x'; DROP TABLE orders; --", "dsn").undo()["statements"]
    assert "DROP" not in statement
    assert statement.count("'") == 2


def test_a_target_without_a_dsn_is_refused() -> None:
    with pytest.raises(StackError, match="db: it has no DSN"):
        dsn_of(context("row_lock"))


def test_an_index_is_made_again_by_itself_and_twice() -> None:
    half, create = INDEX.restoring()
    assert create == (
        'CREATE INDEX IF NOT EXISTS "by \'Price\'" ON "Shop".lines USING btree (price)'
    )
    assert "to_regclass('\"Shop\".\"by ''Price''\"')" in half
    assert INDEX.create("CONCURRENTLY").startswith("CREATE INDEX CONCURRENTLY IF NOT EXISTS ")
    assert INDEX.drop == 'DROP INDEX IF EXISTS "Shop"."by \'Price\'"'


def test_every_mode_is_tried_with_a_lock_that_it_refuses() -> None:
    for mode, refused in REFUSES.items():
        ctx = context("table_lock", table="stock", mode=mode)
        assert f"IN {refused} MODE NOWAIT" in TableLock().trying(ctx, "public.stock")
        assert TableLock().mode(ctx).lower() == mode.replace("_", "") + "lock"
    assert TableLock.parameters["mode"].unit.split("|") == list(REFUSES)


def test_a_comment_in_the_condition_does_not_swallow_the_lock() -> None:
    statement = RowLock().acquiring(context("row_lock", where="n = 1 -- mine"), "public.stock")
    assert statement.splitlines()[1] == ") FOR UPDATE) AS locked"
