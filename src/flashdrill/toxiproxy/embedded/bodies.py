"""What the API's request bodies say, and the real server's words for what is wrong with them.

Functions take the body's text. They raise ApiError (400) before anything was changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flashdrill.toxiproxy.embedded import gojson
from flashdrill.toxiproxy.embedded.gojson import BodyError
from flashdrill.toxiproxy.embedded.toxic import DOWNSTREAM, STREAMS, Toxic
from flashdrill.toxiproxy.embedded.toxics import KINDS

_PROXY = {"name": "string", "listen": "string", "upstream": "string", "enabled": "bool"}
_TOXIC = {
    "name": "string",
    "type": "string",
    "stream": "string",
    "toxicity": "float32",
    "attributes": "object",
}
_LISTED = 'struct { toxiproxy.Proxy; Enabled *bool "json:\\"enabled\\"" }'
_CHANGE = (
    'struct { Attributes interface {} "json:\\"attributes\\""; '
    'Toxicity float32 "json:\\"toxicity\\"" }'
)


class ApiError(Exception):
    """An answer other than success."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


def new_proxy(text: str) -> dict[str, Any]:
    """The fields of a proxy to create: name and upstream at least."""
    wanted = changed_proxy(text)
    _require(wanted)
    return wanted


def changed_proxy(text: str) -> dict[str, Any]:
    """The fields of a proxy to change, those that were given."""
    return _fields(_value(text), _PROXY, "value of type toxiproxy.Proxy", "Proxy.")


def listed_proxies(text: str) -> list[dict[str, Any]]:
    """The proxies to populate with, all of them checked."""
    value = _value(text)
    if value is not None and not isinstance(value, list):
        raise _unfit(value, f"value of type []{_LISTED}")
    wanted = [
        _fields(one, _PROXY, f"value of type {_LISTED}", ".Proxy.", {"enabled": "."})
        for one in value or []
    ]
    for number, one in enumerate(wanted, start=1):
        _require(one, f" at proxy {number}")
    return wanted


def new_toxic(text: str) -> Toxic:
    """A toxic with the defaults: downstream, toxicity 1, named `<type>_<stream>`, attributes 0."""
    given = _fields(_value(text), _TOXIC, "value of type toxics.ToxicWrapper", "ToxicWrapper.")
    attributes = given.get("attributes")
    if attributes is not None and not isinstance(attributes, dict):
        raise _unfit(attributes, "struct field ToxicWrapper.attributes of type toxics.NoopToxic")
    stream, kind = given.get("stream", DOWNSTREAM), given.get("type", "")
    if stream.lower() not in STREAMS:
        raise ApiError("stream was invalid, can be either upstream or downstream", 400)
    if kind not in KINDS:
        raise ApiError("invalid toxic type", 400)
    return Toxic(
        name=given.get("name") or f"{kind}_{stream}",
        type=kind,
        stream=stream,
        toxicity=given.get("toxicity", 1.0),
        attributes={**dict.fromkeys(KINDS[kind].names, 0), **_attributes(attributes, kind)},
    )


def change_toxic(toxic: Toxic, text: str) -> None:
    """Merge attributes and toxicity into the toxic; all that was given or, on an error, nothing.

    (The real server keeps the attributes that it read before the wrong one.)
    """
    types = {"attributes": "object", "toxicity": "float32"}
    given = _fields(_value(text), types, f"value of type {_CHANGE}", ".")
    attributes = given.get("attributes")
    if attributes is not None and not isinstance(attributes, dict):
        raise _unfit(attributes, f"struct field .attributes of type toxics.{_go_name(toxic.type)}")
    toxic.attributes = {**toxic.attributes, **_attributes(attributes, toxic.type)}
    toxic.toxicity = given.get("toxicity", toxic.toxicity)


def _attributes(value: Any, kind: str) -> dict[str, Any]:
    types = dict.fromkeys(KINDS[kind].names, "int64")
    return _fields(value, types, "", f"{_go_name(kind)}.attributes.")


def _go_name(kind: str) -> str:
    """The real server's name for a kind: it shows in its error messages."""
    if kind == "reset_peer":
        return "ResetToxic"
    return "".join(word.capitalize() for word in kind.split("_")) + "Toxic"


def _value(text: str) -> Any:
    try:
        return gojson.decode(text)
    except BodyError as error:
        raise _bad(error) from error


def _fields(
    value: Any,
    types: Mapping[str, str],
    whole: str,
    where: str,
    elsewhere: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    try:
        return gojson.fields(value, types, whole=whole, where=where, elsewhere=elsewhere or {})
    except BodyError as error:
        raise _bad(error) from error


def _unfit(value: Any, whole: str) -> ApiError:
    return _bad(gojson.unfit(value, whole))


def _bad(error: BodyError) -> ApiError:
    return ApiError(f"bad request body: {error}", 400)


def _require(wanted: Mapping[str, Any], where: str = "") -> None:
    for name in ("name", "upstream"):
        if not wanted.get(name):
            raise ApiError(f"missing required field: {name}{where}", 400)
