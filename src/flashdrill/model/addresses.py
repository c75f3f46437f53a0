"""Addresses as they may be shown: without what their query holds, which may be a token."""

from __future__ import annotations

import re

_VALUE = re.compile(r"(?<==)[^&#;\s]+")
HIDDEN = "***"


def shown(url: str) -> str:
    """The address, or path, with each value of its query hidden; one without a name is hidden whole."""
    place, mark, query = url.partition("?")
    if not mark:
        return url
    return place + mark + (_VALUE.sub(HIDDEN, query) if "=" in query else HIDDEN)
