"""One record on disk.

    bytes   0        4        8      16       24    28           32        32+length
            MAGIC    length   seq    synced   crc   header_crc   payload   END

`synced` is the last sequence number that was known to be on disk when this record was framed: it vouches for all
records up to there. `crc` covers the head and the payload, `header_crc` everything before it, so that a
damaged payload does not hide where the next record begins. Neither MAGIC nor END is zero: zeros after
a record are room that was never written.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from zlib import crc32

MAGIC = b"FDR1"
END = b"\xa5"
SECTOR = 512  # a disk writes a sector wholly or not at all

_HEAD = struct.Struct("<4sIQQ")
_CRC = struct.Struct("<I")
HEADER_SIZE = _HEAD.size + 2 * _CRC.size
OVERHEAD = HEADER_SIZE + len(END)


@dataclass(frozen=True, slots=True)
class Header:
    """A record's header whose own checksum is right."""

    seq: int
    synced: int
    crc: int
    start: int  # where the payload begins
    length: int

    @property
    def end(self) -> int:
        """Where the next record begins."""
        return self.start + self.length + len(END)


def frame(seq: int, synced: int, payload: bytes) -> bytes:
    """The record as it is written."""
    head = _HEAD.pack(MAGIC, len(payload), seq, synced)
    crc = _CRC.pack(crc32(payload, crc32(head)))
    return b"".join((head, crc, _CRC.pack(crc32(crc, crc32(head))), payload, END))


def read_header(data: bytes, offset: int) -> Header | None:
    """The header at `offset`, or None when what is there is not one."""
    head = data[offset : offset + _HEAD.size]
    sums = data[offset + _HEAD.size : offset + HEADER_SIZE]
    if len(head) + len(sums) < HEADER_SIZE or not head.startswith(MAGIC):
        return None
    if crc32(sums[: _CRC.size], crc32(head)) != _CRC.unpack_from(sums, _CRC.size)[0]:
        return None
    _, length, seq, synced = _HEAD.unpack(head)
    return Header(seq, synced, _CRC.unpack_from(sums)[0], offset + HEADER_SIZE, length)


def payload_of(data: bytes, header: Header) -> bytes | None:
    """The payload, or None when it or the END mark is not what was written."""
    payload = data[header.start : header.start + header.length]
    head = _HEAD.pack(MAGIC, header.length, header.seq, header.synced)
    is_intact = crc32(payload, crc32(head)) == header.crc
    return payload if is_intact and data[header.end - 1 : header.end] == END else None


def looks_torn(data: bytes, offset: int, written: int) -> bool:
    """Whether the damaged record at `offset` was never written to its end, rather than changed afterwards.

    `written` is where the last byte of the segment that is not zero ends. What a crash leaves out of a record in
    a preallocated file stays zero: everything from some byte on, or whole sectors.
    """
    header = read_header(data, offset)
    if header is None:
        if written <= offset + HEADER_SIZE:
            return True
        end = written
    else:
        end = header.end
        if data[end - 1 : end] in {b"", b"\0"}:
            return True
    return any(
        not data[max(offset, sector) : min(end, sector + SECTOR)].strip(b"\0")
        for sector in range(offset - offset % SECTOR, end, SECTOR)
    )


def vouched_after(data: bytes, offset: int) -> int:
    """The highest `synced` that any header after `offset` claims; 0 without one."""
    highest = 0
    while (offset := data.find(MAGIC, offset + 1)) >= 0:
        header = read_header(data, offset)
        if header is not None:
            highest = max(highest, header.synced)
    return highest
