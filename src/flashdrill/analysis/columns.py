"""The history as numpy columns: one entry per operation, in the order of the due times."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from flashdrill.model.op import NOT_SENT, Outcome

Floats: TypeAlias = npt.NDArray[np.float64]
Integers: TypeAlias = npt.NDArray[np.int64]
Mask: TypeAlias = npt.NDArray[np.bool_]
Names: TypeAlias = npt.NDArray[np.object_]


@dataclass(frozen=True, slots=True)
class Columns:
    """What the analysis needs of the operations. Times are CLOCK_MONOTONIC nanoseconds."""

    kind: Names
    stage: Names
    outcome: Names
    reason: Names
    is_arrival: Mask
    is_refusal: Mask
    due_ns: Integers
    sent_ns: Integers
    done_ns: Integers
    connection_wait_ns: Integers

    def __len__(self) -> int:
        return len(self.due_ns)

    def where(self, mask: Mask) -> Columns:
        """The operations that the mask selects."""
        return Columns(**{f.name: getattr(self, f.name)[mask] for f in fields(self)})

    def of(self, *, kind: str = "", stage: str = "") -> Columns:
        """The operations of a kind and a stage; empty means every one."""
        mask = np.ones(len(self), dtype=np.bool_)
        if kind:
            mask &= equals(self.kind, kind)
        if stage:
            mask &= equals(self.stage, stage)
        return self.where(mask)

    @property
    def is_sent(self) -> Mask:
        """Whether it left at all."""
        return np.asarray(self.sent_ns != NOT_SENT, dtype=np.bool_)

    @property
    def is_ok(self) -> Mask:
        """Whether it was acknowledged, placed and queued alike."""
        return equals(self.outcome, Outcome.OK.value)

    @property
    def is_queued(self) -> Mask:
        """Whether it was acknowledged as queued (202)."""
        return self.is_ok & equals(self.reason, "queued")

    @property
    def is_info(self) -> Mask:
        """Whether nobody can say."""
        return equals(self.outcome, Outcome.INFO.value)

    @property
    def is_refused(self) -> Mask:
        """Whether it was refused for a reason of business."""
        return ~self.is_ok & ~self.is_info & self.is_refusal

    @property
    def is_failed(self) -> Mask:
        """Whether it certainly did not happen, for a technical reason."""
        return ~self.is_ok & ~self.is_info & ~self.is_refusal

    @property
    def is_bad(self) -> Mask:
        """Whether it counts as an error: unknown, or a technical failure."""
        return self.is_info | self.is_failed

    @property
    def response_s(self) -> Floats:
        """done − due: what a customer feels."""
        return (self.done_ns - self.due_ns) / 1e9

    @property
    def service_s(self) -> Floats:
        """done − sent (of those that were sent)."""
        return (self.done_ns - self.sent_ns) / 1e9

    @property
    def lateness_s(self) -> Floats:
        """sent − due (of those that were sent): the generator's own delay."""
        return (self.sent_ns - self.due_ns) / 1e9


def equals(names: Names, name: str) -> Mask:
    """Where the name is this one."""
    return np.asarray(names == name, dtype=np.bool_)


JUDGED = tuple(field.name for field in fields(Columns))
"""The columns of an operations table that `columns` takes."""


def columns(ops: pa.Table) -> Columns:
    """The columns of an operations table (`model.history.OPS_SCHEMA`), sorted by due time."""
    order = np.argsort(ops.column("due_ns").to_numpy(), kind="stable")
    return Columns(**{name: values(ops.column(name))[order] for name in JUDGED})


def values(column: pa.ChunkedArray) -> npt.NDArray[Any]:
    """A column; of equal texts there is one object, however many rows have it."""
    if not pa.types.is_string(column.type):
        return np.asarray(column.to_numpy())
    encoded = column.combine_chunks().dictionary_encode(null_encoding="encode")
    texts = encoded.dictionary.to_numpy(zero_copy_only=False)
    return np.asarray(texts[encoded.indices.to_numpy()])
