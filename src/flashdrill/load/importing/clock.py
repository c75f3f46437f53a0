"""Times as recordings write them, in milliseconds since 1970; a time without a zone is nobody's until one is given."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from flashdrill.errors import ConfigError
from flashdrill.load.importing.found import EARLIEST_MS, LATEST_MS

DIGITS = {"unix": 3, "unix-ms": 0, "unix-us": -3, "unix-ns": -6}
"""How many digits more the same time has in milliseconds."""
ISO = "iso"
_NUMBER = re.compile(r"[0-9]{1,19}(?:[.,][0-9]{1,9})?")
_SLASHED = re.compile(r"^(\d{4})/(\d{2})/(\d{2})")
_ZONE = re.compile(r" ?(?:(UTC|GMT|Z|z)|(?<= )([+-]\d\d(?::?\d\d)?))$")
_MS_DIGITS = 13
_DAY = 10
"""Characters of a day by itself, at most."""
_HAS_HOURS = re.compile(r"%[HIcXT]")


class NoTimeError(ValueError):
    """A text that is no time of the form; the words say why."""


class NoZoneError(NoTimeError):
    """A time that may be anywhere: it names no zone, and none was given."""


class Clock:
    """Reads times of one form: `unix` (seconds), `unix-ms`, -us, -ns, `iso`, or as `datetime.strptime` has it.

    `zone` is the zone of times that name none. `ambiguous` counts those that came twice, when clocks were put back:
    they are read as the first of the two. A day without a time of day is its midnight if the clock `takes_days`, and
    else no time. Raises ConfigError for a zone or a form that there is not.
    """

    def __init__(self, form: str, zone: str = "", *, takes_days: bool = False) -> None:
        self.ambiguous = 0
        self._form = form
        self._zone = _zone(zone) if zone else None
        self._takes_days = takes_days
        if form not in {*DIGITS, ISO} and "%" not in form:
            known = ", ".join([*DIGITS, ISO])
            raise ConfigError(
                f"--time-format {form}: there are {known}, and patterns such as '%d/%m/%Y %H:%M:%S'"
            )

    def ms(self, text: str) -> int:
        """Milliseconds since 1970; what is finer is cut off. Raises NoTimeError."""
        digits = DIGITS.get(self._form)
        found = self._written(text) if digits is None else _counted(text, digits)
        if not EARLIEST_MS <= found <= LATEST_MS:
            raise _too_far(text)
        return found

    def _written(self, text: str) -> int:
        moment = self._parsed(text)
        if not 1999 <= moment.year <= 2101:
            raise _too_far(text)
        if moment.tzinfo is None:
            moment = self._placed(moment, text)
        return (moment.astimezone(UTC) - _EPOCH) // _MILLISECOND

    def _placed(self, moment: datetime, text: str) -> datetime:
        """A time without a zone, in the clock's."""
        if self._zone is None:
            raise NoZoneError(f"{text[:40]!r} names no time zone")
        moment = moment.replace(tzinfo=self._zone)
        first, second = moment.utcoffset(), moment.replace(fold=1).utcoffset()
        if first != second:
            assert first is not None
            assert second is not None
            if first < second:
                raise NoTimeError(
                    f"{text[:40]!r} never was in {self._zone}: clocks were put forward"
                )
            self.ambiguous += 1
        return moment

    def _parsed(self, text: str) -> datetime:
        try:
            if self._form == ISO:
                is_day, found = len(text) <= _DAY, _iso(text)
            else:
                is_day = not _HAS_HOURS.search(self._form)
                found = datetime.strptime(text, self._form)
        except (ValueError, OverflowError, re.error) as error:
            raise NoTimeError(f"{text[:40]!r} is no time of the form {self._form}") from error
        if is_day and not self._takes_days:
            raise NoTimeError(f"{text[:40]!r} is a day without a time of day")
        return found


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def form_of(text: str) -> str:
    """The form of a time, by itself: a number is taken for the unit in which it lies between 2000 and 2100."""
    if not _NUMBER.fullmatch(text):
        return ISO
    for form, digits in DIGITS.items():
        if EARLIEST_MS <= _counted(text, digits) <= LATEST_MS:
            return form
    return "unix-ms"


def is_time(text: str, form: str = "", *, takes_days: bool = False) -> bool:
    """Whether a text is a time, of this form or of any; perhaps of no zone."""
    try:
        Clock(form or form_of(text), takes_days=takes_days).ms(text)
    except NoZoneError:
        return True
    except NoTimeError:
        return False
    return True


def _counted(text: str, digits: int) -> int:
    if not digits and len(text) == _MS_DIGITS and text.isascii() and text.isdigit():
        return int(text)  # nearly every time there is; the rest is slower
    if not _NUMBER.fullmatch(text):
        raise NoTimeError(f"{text[:40]!r} is no number of time")
    whole, _, part = text.replace(",", ".").partition(".")
    if digits > 0:
        return int(whole + part[:digits].ljust(digits, "0"))
    return int(whole[:digits] or "0") if digits else int(whole)


def _iso(text: str) -> datetime:
    """Also with slashes in the day, and with a space or a name before the zone, as databases write it."""
    zoned = _ZONE.sub(lambda found: "+00:00" if found[1] else found[2], text)
    return datetime.fromisoformat(_SLASHED.sub(r"\1-\2-\3", zoned))


def _too_far(text: str) -> NoTimeError:
    return NoTimeError(f"{text[:40]!r} is not between the years 2000 and 2100")


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise ConfigError(
            f"--time-zone {name}: there is no such zone", remedy="such as UTC or Europe/Berlin"
        ) from error
