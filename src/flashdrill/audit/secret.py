"""Secrets by their place: read when they are needed, and never kept."""

from __future__ import annotations

import os

from flashdrill.errors import ConfigError
from flashdrill.model.service import Secret


def reveal(secret: Secret) -> str:
    """The secret. Raises ConfigError that names its place, when it is not there or empty."""
    if secret.env:
        value = os.environ.get(secret.env, "")
        if not value:
            raise ConfigError(f"{secret.place} is not set", remedy=f"export {secret.env}=...")
        return value
    assert secret.file is not None
    try:
        value = secret.file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not text"
        raise ConfigError(f"cannot be read: {why}", path=secret.file) from None
    if not value:
        raise ConfigError("is empty, and should hold a secret", path=secret.file)
    return value


def reveal_token(secret: Secret) -> str:
    """A secret that goes into a header. Raises ConfigError too when it cannot: its own words would hold it."""
    value = reveal(secret)
    if not (value.isprintable() and value.isascii()):
        raise ConfigError(
            f"{secret.place} cannot be sent in a header: it has a line break or another character that is no ASCII",
            remedy="look at how it was put there; a token has one line",
        )
    return value
