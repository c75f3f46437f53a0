"""Who an order is: the same channel, user and idempotency key are the same order in every tier."""

from __future__ import annotations

import hashlib
import re

UID_BYTES = 16
ORDER_ID = re.compile(r"[0-9a-f]{34}\Z")


def order_uid(channel: str, user_id: str, key: str, salt: bytes = b"") -> bytes:
    """The first 16 bytes of SHA-256 over channel, user and key, NUL between them."""
    text = "\0".join((channel, user_id, key)).encode()
    return hashlib.sha256(text + salt).digest()[:UID_BYTES]


def bucket_of(user_id: str) -> int:
    """Which of the 256 fixed buckets a user is in."""
    return hashlib.sha256(user_id.encode()).digest()[0]


def order_id(uid: bytes, bucket: int) -> str:
    """The public id: the uid and the bucket in hex, so that an id alone leads to its shard."""
    return f"{uid.hex()}{bucket:02x}"


def parse_order_id(text: str) -> tuple[bytes, int] | None:
    """uid and bucket, or None for what is no order id."""
    if not ORDER_ID.match(text):
        return None
    raw = bytes.fromhex(text)
    return raw[:UID_BYTES], raw[UID_BYTES]
