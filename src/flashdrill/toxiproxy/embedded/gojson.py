"""Request bodies read as Go's encoding/json reads them into a struct, with its words for what is wrong.

Names match in any case, unknown ones and null are ignored, what follows the first value is ignored.
"""

from __future__ import annotations

import contextlib
import json
import math
import struct
from collections.abc import Mapping
from typing import Any, NoReturn

INT64_MAX = 2**63 - 1
WHITESPACE = " \t\r\n"


class BodyError(Exception):
    """The body is not what was expected; says it as Go does."""


class _Number(float):
    """A number that was not written as an integer; `text` is how it was."""

    def __new__(cls, text: str) -> _Number:
        number = super().__new__(cls, text)
        number.text = text
        return number

    text: str


def decode(body: str) -> Any:
    """The first JSON value of the body. Raises BodyError."""
    text = body.lstrip(WHITESPACE)
    if not text:
        raise BodyError("EOF")
    decoder = json.JSONDecoder(parse_float=_Number, parse_constant=_no_constant)
    try:
        return decoder.raw_decode(text)[0]
    except json.JSONDecodeError as error:
        if error.pos >= len(text.rstrip(WHITESPACE)) or "Unterminated" in error.msg:
            raise BodyError("unexpected EOF") from None
        raise BodyError(f"invalid character {text[error.pos]!r}: {error.msg}") from None


def fields(
    value: Any,
    types: Mapping[str, str],
    *,
    whole: str,
    where: str,
    elsewhere: Mapping[str, str],
) -> dict[str, Any]:
    """The known fields of an object, those that were given; null as a whole gives none. Raises BodyError.

    `types` maps a name to a Go type (string, bool, int64, float32, or `object`, which is not looked into);
    messages call the whole thing `whole`, and a field `where` or `elsewhere[name]` and its name.
    """
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise unfit(value, whole)
    found = {}
    for key, given in value.items():
        name = key.lower()
        if name in types and given is not None:
            place = f"struct field {elsewhere.get(name, where)}{name}"
            found[name] = _typed(given, types[name], place)
    return found


def unfit(value: Any, place: str) -> BodyError:
    """The error for a value of the wrong kind."""
    return BodyError(f"json: cannot unmarshal {_kind(value)} into Go {place}")


def float32(number: float) -> float:
    """The nearest 32-bit float, with as few digits as tell it apart. Raises OverflowError."""
    if math.isinf(number):
        raise OverflowError("no 32-bit float is as large")
    packed = struct.pack("<f", number)
    (nearest,) = struct.unpack("<f", packed)
    written = (float(f"{nearest:.{digits}g}") for digits in range(1, 10))
    return next(short for short in written if struct.pack("<f", short) == packed)


def encode(value: Any) -> str:
    """Compact JSON with <, > and & escaped, as Go writes it."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _typed(given: Any, go_type: str, place: str) -> Any:
    kind = _kind(given)
    wanted = "number" if go_type in {"int64", "float32"} else go_type
    if go_type == "object":
        return given
    if kind != wanted:
        raise unfit(given, f"{place} of type {go_type}")
    return _number(given, go_type, place) if wanted == "number" else given


def _number(given: Any, go_type: str, place: str) -> Any:
    if go_type == "float32":
        with contextlib.suppress(OverflowError):
            return float32(float(given))
    elif isinstance(given, int) and -INT64_MAX - 1 <= given <= INT64_MAX:
        return given
    literal = getattr(given, "text", str(given))
    message = f"json: cannot unmarshal number {literal} into Go {place} of type {go_type}"
    raise BodyError(message)


def _kind(value: Any) -> str:
    return next((kind for kind, types in _KINDS if isinstance(value, types)), "null")


# In this order: a bool is an int here.
_KINDS: tuple[tuple[str, type | tuple[type, ...]], ...] = (
    ("bool", bool),
    ("number", (int, float)),
    ("string", str),
    ("array", list),
    ("object", dict),
)


def _no_constant(name: str) -> NoReturn:
    raise BodyError(f"invalid character {name[0]!r} looking for beginning of value")
