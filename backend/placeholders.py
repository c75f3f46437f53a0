"""`${file:PATH}` in a setting stands for what the file says: no secret has to be in the settings file.

    "hmac_secret": "${file:/run/secrets/hmac_secret}"
    "shards": ["postgresql://user:${file:/run/secrets/postgres_password}@shard0:5432/orders"]

Only these settings and `redis_url` can hold a secret. A file's last line end does not count; in an address its text is
percent-encoded, so that it may hold any character.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

_PLACEHOLDER = re.compile(r"\$\{([^}]*)\}?")
_FILE = "file:"


class PlaceholderError(ValueError):
    """A placeholder cannot be filled; the message names the setting, or the file."""


def filled(mapping: Mapping[str, Any]) -> dict[str, Any]:
    """The settings with every placeholder replaced. Raises PlaceholderError."""
    settings = dict(mapping)
    for name, is_address in (("hmac_secret", False), ("redis_url", True), ("shards", True)):
        value = settings.get(name)
        if isinstance(value, str):
            settings[name] = _text(value, name, is_address=is_address)
        elif isinstance(value, list):
            settings[name] = [
                _text(v, name, is_address=is_address) if isinstance(v, str) else v for v in value
            ]
    return settings


def _text(value: str, name: str, *, is_address: bool) -> str:
    def read(match: re.Match[str]) -> str:
        what = match[1]
        if not what.startswith(_FILE) or not match[0].endswith("}"):
            # What stands there may be a part of the secret: it is not repeated.
            raise PlaceholderError(f"{name}: a placeholder is not understood, use ${{file:PATH}}")
        secret = _secret(Path(what.removeprefix(_FILE)), name)
        return quote(secret, safe="") if is_address else secret

    return _PLACEHOLDER.sub(read, value)


def _secret(path: Path, name: str) -> str:
    try:
        secret = path.read_text(encoding="utf-8").removesuffix("\n").removesuffix("\r")
    except OSError as error:
        raise PlaceholderError(f"{name}: {path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise PlaceholderError(f"{name}: {path} is not UTF-8 text") from error
    if not secret.strip():
        raise PlaceholderError(f"{name}: {path} is empty")
    return secret
