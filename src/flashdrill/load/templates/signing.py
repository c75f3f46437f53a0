"""A header that proves who sent a request: an HMAC over its body, and whatever else the service signs."""

from __future__ import annotations

import base64
import hmac
import time
from collections.abc import Callable, Mapping

from flashdrill.audit.secret import reveal
from flashdrill.load.templates.placeholders import Placeholder, pieces
from flashdrill.model.templates import Sign

ALGORITHMS = {"hmac-sha256": "sha256", "hmac-sha512": "sha512", "hmac-sha1": "sha1"}
ENCODINGS: Mapping[str, Callable[[bytes], str]] = {
    "hex": bytes.hex,
    "base64": lambda digest: base64.b64encode(digest).decode(),
}
SIGNED = ("body", "timestamp", "method", "path")
"""What `of` may be made of."""


class Signer:
    """Signs requests; the secret is read once. Raises ConfigError when it is not there."""

    def __init__(self, sign: Sign, clock_s: Callable[[], float] = time.time) -> None:
        self._key = reveal(sign.secret).encode()
        self._digest = ALGORITHMS[sign.algorithm]
        self._written = ENCODINGS[sign.encoding]
        self._header, self._prefix = sign.header, sign.prefix
        self._timestamp_header = sign.timestamp_header
        self._parts: list[bytes | str] = [
            part.name if isinstance(part, Placeholder) else part.encode()
            for part in pieces("${body}" if sign.of == "body" else sign.of)
        ]
        self._clock_s = clock_s

    def headers(self, method: str, path: str, body: bytes) -> dict[str, str]:
        """The headers of one attempt."""
        timestamp = str(int(self._clock_s()))
        known = {
            "body": body,
            "timestamp": timestamp.encode(),
            "method": method.encode(),
            "path": path.encode(),
        }
        message = b"".join([p if isinstance(p, bytes) else known[p] for p in self._parts])
        signature = self._prefix + self._written(hmac.digest(self._key, message, self._digest))
        if self._timestamp_header:
            return {self._header: signature, self._timestamp_header: timestamp}
        return {self._header: signature}
