"""Times as recordings write them, in milliseconds since 1970; a time without a zone is nobody's until one is given."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from flashdrill.errors import ConfigError
from flashdrill.load.importing.found import EARLIEST_MS, LATEST_MS

UNITS_PER_MS = {"unix": 0.001, "unix-ms": 1.0, "unix-us": 1000.0}
ISO = "iso"
_NUMBER = re.compile(r"[0-9]{1,17}(?:[.,][0-9]{1,9})?")
_SLASHED = re.compile(r"^(\d{4})/(\d{2})/(\d{2})")


class NoTimeError(ValueError):
    """A text that is no time of the form; the words say why."""


class NoZoneError(NoTimeError):
    """A time that may be anywhere: it names no zone, and none was given."""


class Clock:
    """Reads times of one form: `unix`, `unix-ms`, `unix-us`, `iso`, or as `datetime.strptime` has it.

    `zone` is the zone of times that name none. `ambiguous` counts those that came twice, when clocks were put back:
    they are read as the first of the two. Raises ConfigError for a zone or a form that there is not.
    """

    def __init__(self, form: str, zone: str = "") -> None:
        self.ambiguous = 0
        self._form = form
        self._zone = _zone(zone) if zone else None
        if form not in {*UNITS_PER_MS, ISO} and "%" not in form:
            known = ", ".join([*UNITS_PER_MS, ISO])
            raise ConfigError(
                f"--time-format {form}: there are {known}, and patterns such as '%d/%m/%Y %H:%M:%S'"
            )

    def ms(self, text: str) -> int:
        """Milliseconds since 1970. Raises NoTimeError."""
        per_ms = UNITS_PER_MS.get(self._form)
        found = self._counted(text, per_ms) if per_ms else self._written(text)
        if not EARLIEST_MS <= found <= LATEST_MS:
            raise NoTimeError(f"{text[:40]!r} is not between the years 2000 and 2100")
        return found

    def _counted(self, text: str, per_ms: float) -> int:
        if not _NUMBER.fullmatch(text):
            raise NoTimeError(f"{text[:40]!r} is no number of time")
        if text.isdigit() and per_ms == 1.0:
            return int(text)
        return round(float(text.replace(",", ".")) / per_ms)

    def _written(self, text: str) -> int:
        moment = self._parsed(text)
        if moment.tzinfo is None:
            if self._zone is None:
                raise NoZoneError(f"{text[:40]!r} names no time zone")
            moment = moment.replace(tzinfo=self._zone)
            self.ambiguous += moment.utcoffset() != moment.replace(fold=1).utcoffset()
        return (moment.astimezone(UTC) - _EPOCH) // _MILLISECOND

    def _parsed(self, text: str) -> datetime:
        try:
            if self._form == ISO:
                return datetime.fromisoformat(_SLASHED.sub(r"\1-\2-\3", text))
            return datetime.strptime(text, self._form)
        except (ValueError, OverflowError) as error:
            raise NoTimeError(f"{text[:40]!r} is no time of the form {self._form}") from error


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def form_of(text: str) -> str:
    """The form of a time, by itself: a number is taken for the unit in which it lies between 2000 and 2100."""
    if not _NUMBER.fullmatch(text):
        return ISO
    number = float(text.replace(",", "."))
    for form, per_ms in UNITS_PER_MS.items():
        if EARLIEST_MS <= number / per_ms <= LATEST_MS:
            return form
    return "unix-ms"


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise ConfigError(
            f"--time-zone {name}: there is no such zone", remedy="such as UTC or Europe/Berlin"
        ) from error
