"""An index as it is now, the statements that make it again, and what the planner does with it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from flashdrill.chaos.session import Sessions

_DESCRIBED = """
SELECT format('%I.%I', n.nspname, i.relname) AS name, i.relname AS bare_name,
       format('%I.%I', tn.nspname, t.relname) AS on_table,
       pg_get_indexdef(x.indexrelid) AS definition,
       pg_get_indexdef(x.indexrelid, 1, true) AS leading,
       pg_get_expr(x.indpred, x.indrelid) AS predicate,
       format('COMMENT ON INDEX %I.%I IS %L', n.nspname, i.relname, obj_description(i.oid, 'pg_class')) AS comment,
       obj_description(i.oid, 'pg_class') IS NOT NULL AS has_comment,
       x.indisvalid AND x.indisready AS is_valid,
       CASE
           WHEN con.conname IS NOT NULL THEN format('it backs the constraint %I', con.conname)
           WHEN x.indisunique THEN 'it keeps rows unique, and might not be built again after duplicates got in'
           WHEN i.relkind <> 'i' OR i.relispartition THEN 'it belongs to a partitioned table'
           WHEN x.indisreplident THEN 'it is the replica identity of its table'
           WHEN x.indisclustered THEN 'its table is clustered on it'
           WHEN i.reltablespace <> 0 THEN 'it is in a tablespace of its own'
           WHEN NOT (x.indisvalid AND x.indisready) THEN 'it is not valid'
           ELSE ''
       END AS why_not
FROM pg_index AS x
JOIN pg_class AS i ON i.oid = x.indexrelid
JOIN pg_namespace AS n ON n.oid = i.relnamespace
JOIN pg_class AS t ON t.oid = x.indrelid
JOIN pg_namespace AS tn ON tn.oid = t.relnamespace
LEFT JOIN pg_constraint AS con ON con.conindid = x.indexrelid AND con.contype IN ('p', 'u', 'x')
WHERE x.indexrelid = coalesce(to_regclass(quote_ident($1)), to_regclass($1))
"""
_COUNTED = "SELECT count(*) FROM pg_stat_all_indexes WHERE indexrelid = to_regclass($1)"
_LOOKUP = (
    "EXPLAIN (FORMAT JSON) SELECT FROM {table} "
    "WHERE {leading} = (SELECT {leading} FROM {table} LIMIT 1) {predicate}"
)
_FORGET_HALF = (
    "DO $half$ BEGIN "
    "IF EXISTS (SELECT FROM pg_index WHERE indexrelid = to_regclass('{literal}') AND NOT indisvalid) "
    "THEN DROP INDEX {name}; END IF; END $half$"
)
"""A build that was broken off leaves an index that is kept up to date and never used."""


@dataclass(frozen=True, slots=True)
class Index:
    """`name` and `table` are quoted and have their schema; `definition` is the server's own statement."""

    name: str
    bare_name: str  # as plans call it
    table: str
    definition: str
    leading: str
    predicate: str
    comment: str  # the statement that makes it; empty: there is none
    is_valid: bool
    why_not: str
    """Why it must not be dropped; empty: it may."""

    @property
    def drop(self) -> str:
        """The statement that drops it, valid or not."""
        return f"DROP INDEX IF EXISTS {self.name}"

    @property
    def forget_half(self) -> str:
        """The statement that drops what a broken build left, and nothing else."""
        literal = self.name.replace("'", "''")
        return _FORGET_HALF.format(literal=literal, name=self.name)

    def create(self, how: str = "") -> str:
        """The statement that makes it, unless it is there; `how` may be CONCURRENTLY."""
        kind, _, rest = self.definition.partition("INDEX ")
        return " ".join(filter(None, (kind + "INDEX", how, "IF NOT EXISTS", rest)))

    def restoring(self) -> list[str]:
        """Statements after which it is as it was; each by itself, all can be done twice."""
        return [self.forget_half, self.create(), *filter(None, [self.comment])]


async def described(sessions: Sessions, name: str) -> Index | None:
    """The index of that name: bare, or as SQL would call it; None when there is none."""
    rows = await sessions.look(_DESCRIBED, name)
    if not rows:
        return None
    row = rows[0]
    return Index(
        name=row["name"],
        bare_name=row["bare_name"],
        table=row["on_table"],
        definition=row["definition"],
        leading=row["leading"],
        predicate=row["predicate"] or "",
        comment=row["comment"] if row["has_comment"] else "",
        is_valid=row["is_valid"],
        why_not=row["why_not"],
    )


async def scan_counters(sessions: Sessions, index: Index) -> int:
    """How many counters of scans the server keeps for it: 1, or 0 when it is gone."""
    return int(await sessions.value(_COUNTED, index.name))


async def plan_of_lookup(sessions: Sessions, index: Index) -> list[str]:
    """How the planner would look up a value of the leading column, such as ["Index Scan using by_user"]."""
    query = _LOOKUP.format(
        table=index.table,
        leading=index.leading,
        predicate=f"AND ({index.predicate})" if index.predicate else "",
    )
    document = json.loads(await sessions.value(query))
    return list(_scans(document[0]["Plan"]))


def _scans(node: dict[str, Any]) -> Iterator[str]:
    """The scans of a plan, without those of its sub-selects."""
    if "Scan" in node["Node Type"]:
        name = node.get("Index Name", "")
        yield f"{node['Node Type']} using {name}" if name else node["Node Type"]
    for inner in node.get("Plans", ()):
        if inner.get("Parent Relationship") != "InitPlan":
            yield from _scans(inner)
