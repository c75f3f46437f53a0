"""HAR files made of a few words."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

BEGIN = datetime(2026, 11, 27, 12, tzinfo=UTC)
SHOP = "https://shop.example"


def entry(
    method: str = "GET",
    url: str = "/items",
    at_s: float = 0.0,
    *,
    took_ms: float = 50,
    status: int = 200,
    answer: str = "application/json",
    headers: Mapping[str, str] | None = None,
    post: Mapping[str, Any] | None = None,
    **more: Any,
) -> dict[str, Any]:
    """An entry; `more` has what browsers add, such as _resourceType and pageref."""
    request: dict[str, Any] = {
        "method": method,
        "url": SHOP + url if url.startswith("/") else url,
        "httpVersion": "HTTP/2",
        "cookies": [{"name": "sid", "value": "cookie-never-read"}],
        "headers": [{"name": n, "value": v} for n, v in (headers or {}).items()],
        "queryString": [],
        "headersSize": -1,
        "bodySize": -1,
    }
    if post is not None:
        request["postData"] = dict(post)
    moment = (BEGIN + timedelta(seconds=at_s)).isoformat(timespec="milliseconds")
    return {
        "startedDateTime": moment.replace("+00:00", "Z"),
        "time": took_ms,
        "request": request,
        "response": {
            "status": status,
            "statusText": "",
            "headers": [{"name": "Set-Cookie", "value": "sid=answer-never-read"}],
            "content": {"size": 3, "mimeType": answer, "text": "body-never-read"},
            "redirectURL": "",
        },
        "cache": {},
        "timings": {"send": 0, "wait": took_ms, "receive": 0},
        **more,
    }


def as_json(document: Any) -> dict[str, Any]:
    """A JSON body."""
    return {"mimeType": "application/json", "text": json.dumps(document)}


def as_form(text: str) -> dict[str, Any]:
    """A form's body."""
    return {"mimeType": "application/x-www-form-urlencoded", "text": text}


def har(path: Path, *entries: Any, indent: int | None = 1) -> Path:
    """A HAR file of these entries."""
    log = {"version": "1.2", "creator": {"name": "a browser"}, "pages": [], "entries": entries}
    path.write_text(json.dumps({"log": log}, indent=indent), encoding="utf-8")
    return path
