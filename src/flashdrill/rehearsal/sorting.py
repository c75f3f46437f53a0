"""The histories of several load processes as one, in memory that does not grow with their length.

    part 0   |--- group ---||--- group ---||- ...        groups of rows, by when the first of each ended
    part 1     |--- group ---||--- group ---||- ...
                          ^ what ended before the next group's first is complete: sorted, written, forgotten

A process writes its operations down about when they end, so that hardly more than one group of each part is held.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from flashdrill.model.history import OPS_SCHEMA, OpsWriter

PART_ROWS = 10_000
"""A good size for the groups of the parts."""

_ENDED = "done_ns"
_ORDER = [(_ENDED, "ascending"), ("worker", "ascending"), ("op_id", "ascending")]
_NEVER = 2**63 - 1


class _Group(NamedTuple):
    first_ns: int
    file: pq.ParquetFile
    number: int


def in_order(parts: Sequence[Path], target: Path) -> None:
    """Write the rows of several `ops.parquet` as one, in the order in which operations ended. Raises OSError."""
    groups = [group for part in parts for group in _groups(part)]
    groups.sort(key=lambda group: group.first_ns)
    complete_ns = [*(group.first_ns for group in groups[1:]), _NEVER]
    held = OPS_SCHEMA.empty_table()
    with OpsWriter(target) as writer:
        for group, until_ns in zip(groups, complete_ns, strict=False):
            held = pa.concat_tables([held, group.file.read_row_group(group.number)])
            is_complete = pc.less(held.column(_ENDED), until_ns)
            for batch in held.filter(is_complete).sort_by(_ORDER).to_batches():
                writer.add(batch)
            held = held.filter(pc.invert(is_complete))


def _groups(part: Path) -> Iterator[_Group]:
    """The groups of rows of a part, with the times of their first ends by the file's own statistics."""
    file = pq.ParquetFile(part)
    for number in range(file.metadata.num_row_groups):
        group = file.metadata.row_group(number)
        columns = (group.column(place) for place in range(group.num_columns))
        ended = next(column for column in columns if column.path_in_schema == _ENDED)
        if group.num_rows:
            yield _Group(ended.statistics.min, file, number)
