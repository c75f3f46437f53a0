"""Quantities as people write them, and back: durations, rates, shares, sizes and prices.

Every `parse_` function raises ValueError with what was expected; whoever calls it knows the line.
Numbers go through `Decimal`, so that `0.1ms` is exactly the float nearest to 0.0001.
"""

from __future__ import annotations

import re
from decimal import Decimal

NUMBER = r"[0-9]{1,12}(\.[0-9]{1,12})?"

DURATION_UNITS = {"ms": Decimal("0.001"), "s": Decimal(1), "m": Decimal(60), "h": Decimal(3600)}
DURATION_EXAMPLES = "800ms, 30s, 2m or 1.5h"
LONGEST_S = 7 * 24 * 3600.0
LONGEST_RECORDING_S = 366 * 24 * 3600.0

SIGNED_EXAMPLES = "-30s, 30s or +1.5h"

RATE_UNITS = {"s": Decimal(1), "min": Decimal(60), "h": Decimal(3600)}
RATE_EXAMPLES = "40/s or 2400/min"
FASTEST_PER_S = 1e6

SIZE_UNITS = {"B": Decimal(1), "KB": Decimal(1024), "MB": Decimal(1024**2)}
SIZE_EXAMPLES = "512B, 50KB or 2MB"

SHARE_EXAMPLES = "25% or 0.25"
PRICE_EXAMPLE = '"19.99", in quotes'

PATTERNS = {
    "duration": rf"^{NUMBER}(ms|s|m|h)$",
    "signed_duration": rf"^[+-]?{NUMBER}(ms|s|m|h)$",
    "rate": rf"^{NUMBER}/(s|min|h)$",
    "size": rf"^{NUMBER}(B|KB|MB)$",
    "percentage": rf"^{NUMBER}%$",
    "price": r"^[0-9]{1,9}(\.[0-9]{2})?$",
}
"""What each of them looks like: the parsers below and the JSON Schemas share these."""

_BARE = re.compile(rf"{NUMBER}")


def parse_duration(text: str) -> float:
    """Seconds."""
    seconds = parse_recorded_duration(text)
    if seconds > LONGEST_S:
        raise ValueError(f"{text!r} is longer than seven days")
    return seconds


def parse_recorded_duration(text: str) -> float:
    """Seconds of a recording, up to a year."""
    number, unit = _split("duration", text, "", DURATION_EXAMPLES)
    seconds = float(number * DURATION_UNITS[unit])
    if seconds > LONGEST_RECORDING_S:
        raise ValueError(f"{text!r} is longer than a year")
    return seconds


def parse_signed_duration(text: str) -> float:
    """Seconds, below zero with a minus in front."""
    if not re.fullmatch(PATTERNS["signed_duration"], text):
        raise ValueError(
            f"{text!r} is not a duration with or without a sign; expected something like {SIGNED_EXAMPLES}"
        )
    seconds = parse_duration(text.lstrip("+-"))
    return -seconds if text.startswith("-") else seconds


def parse_rate(text: str) -> float:
    """Per second."""
    number, unit = _split("rate", text, "/", RATE_EXAMPLES)
    per_s = float(number / RATE_UNITS[unit])
    if per_s > FASTEST_PER_S:
        raise ValueError(f"{text!r} is over {FASTEST_PER_S:,.0f} a second")
    return per_s


def parse_size(text: str) -> int:
    """Bytes; KB and MB are the powers of 1024."""
    number, unit = _split("size", text, "", SIZE_EXAMPLES)
    return int(number * SIZE_UNITS[unit])


def parse_share(text: str) -> float:
    """A share from 0 to 1."""
    if re.fullmatch(PATTERNS["percentage"], text):
        share = float(Decimal(text[:-1]) / 100)
    elif _BARE.fullmatch(text):
        share = float(Decimal(text))
    else:
        raise ValueError(f"{text!r} is not a share; expected something like {SHARE_EXAMPLES}")
    if share > 1:
        hint = "" if text.endswith("%") else f"; did you mean {text}%?"
        raise ValueError(f"{text!r} is more than all of it (100%){hint}")
    return share


def parse_price(text: str) -> int:
    """Cents; a price has no decimals, or two."""
    if not re.fullmatch(PATTERNS["price"], text):
        raise ValueError(f"{text!r} is not a price; expected something like {PRICE_EXAMPLE}")
    return int(Decimal(text) * 100)


def format_duration(seconds: float) -> str:
    """A duration that `parse_duration` reads back to the same float (to 12 decimals)."""
    milliseconds = round(seconds * 1000, 9)
    if 0 < seconds < 1 and milliseconds == int(milliseconds):
        return f"{int(milliseconds)}ms"
    return f"{_plain(seconds)}s"


def format_rate(per_s: float) -> str:
    """A rate that `parse_rate` reads back."""
    return f"{_plain(per_s)}/s"


def format_size(size: float) -> str:
    """A size that `parse_size` reads back, in the largest unit that gives a whole number."""
    units = (
        [unit for unit, bytes_ in SIZE_UNITS.items() if not int(size) % bytes_] if size else ["B"]
    )
    return f"{int(size) // int(SIZE_UNITS[units[-1]])}{units[-1]}"


def format_share(share: float) -> str:
    """A percentage that `parse_share` reads back."""
    return f"{_plain(Decimal(repr(share)) * 100)}%"


def _split(what: str, text: str, joint: str, examples: str) -> tuple[Decimal, str]:
    """The number and the unit of a quantity, or a ValueError that explains."""
    if not re.fullmatch(PATTERNS[what], text):
        raise ValueError(_explain(what, text, examples))
    number = re.match(NUMBER, text)
    assert number is not None
    return Decimal(number[0]), text[number.end() :].removeprefix(joint)


def _explain(what: str, text: str, examples: str) -> str:
    if _BARE.fullmatch(text):
        unit = "/s" if what == "rate" else "KB"
        instead = f"{text}ms or {text}s" if what == "duration" else f"{text}{unit}"
        return f"{text!r} has no unit; did you mean {instead}?"
    return f"{text!r} is not a {what}; expected something like {examples}"


def _plain(value: float | Decimal) -> str:
    """A number without an exponent and without a useless `.0`."""
    text = f"{Decimal(repr(value)) if isinstance(value, float) else Decimal(value):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
