"""What an importer finds in a recording, line by line, in 8 to 12 bytes an arrival; and the traffic model of it.

A line is one of three things: an arrival; one that was never meant to be an arrival, such as an empty line, which is
skipped; or one that should have been an arrival and cannot be used, which is damaged. Damaged lines refuse the file,
unless they are no larger share of it than was asked to be tolerated: a load is never smaller without a word.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from flashdrill.errors import ConfigError
from flashdrill.load.importing.labels import choose
from flashdrill.load.importing.logged import Logged
from flashdrill.load.importing.visits import Visits
from flashdrill.model.reading import Lines, Reading
from flashdrill.model.traffic import TrafficModel

EMPTY = "empty lines"
SHOWN_LINES = 3
EARLIEST_MS = 946_684_800_000  # 2000-01-01
LATEST_MS = 4_102_444_800_000  # 2100-01-01
LONGEST_MS = 366 * 24 * 3600 * 1000
MOST_LABELS = 100_000
"""Beyond that the file is refused at once: its labels are made of ids."""
HOPELESS = 10_000
"""Damaged lines after which a file that has more of them than arrivals is not read on."""
MOST_TARGETS = 100
"""Different targets of one label that are counted."""


@dataclass(frozen=True, slots=True)
class Asked:
    """The request that a label asked for most often. `others` is how many different ones there were besides."""

    method: str
    target: str
    others: int


class Found:
    """Arrivals by label, visits, and the lines of no use. Arrivals may come in any order.

    `unit` is what one part of the recording is called, in the plural. `notes` are sentences on what is odd in the
    file.
    """

    def __init__(self, path: Path, unit: str = "lines") -> None:
        self.notes: list[str] = []
        self._path = path
        self._unit = unit
        self._times_ms: dict[str, array[int]] = {}
        self._logged = Logged()
        self._skipped: dict[str, Lines] = {}
        self._damaged: dict[str, Lines] = {}
        self._form, self._encoding = "", ""
        self._first_damaged: list[tuple[int, str]] = []
        self._visits = Visits()
        self._targets: dict[str, Counter[tuple[str, str]]] = {}
        self._lines = 0

    @property
    def arrivals(self) -> int:
        """How many there are so far."""
        return sum(map(len, self._times_ms.values())) + len(self._logged)

    @property
    def damaged(self) -> int:
        """How many lines could not be used so far."""
        return _total(self._damaged)

    @property
    def skipped(self) -> int:
        """How many lines were never meant to be arrivals."""
        return _total(self._skipped)

    def has(self, reason: str) -> bool:
        """Whether any line was skipped or damaged for this reason."""
        return reason in self._skipped or reason in self._damaged

    @property
    def first_damaged(self) -> tuple[tuple[int, str], ...]:
        """The first few damaged lines with their problems."""
        return tuple(self._first_damaged)

    def arrival(self, label: str, at_ms: int, session: str | None = None) -> None:
        """One request, at milliseconds since 1970. `session` tells one visitor from the others; it is not kept.

        Raises ConfigError for a label too many.
        """
        times = self._times_ms.get(label)
        if times is None:
            times = self._new(label)
        times.append(at_ms)
        if session is not None:
            self._visits.take(session, at_ms)

    def logged(self, label: str, second: int, took_ms: int = 0, session: str | None = None) -> None:
        """One request of which the second since 1970 is known in which it was over, and how long it took."""
        if label not in self._logged.labels:
            self._refuse_more_labels()
        self._logged.take(label, second, took_ms)
        if session is not None:
            self._visits.take(session, second * 1000)

    def asked(self, label: str, method: str, target: str) -> None:
        """What a request of this label asked for, where the source knows."""
        targets = self._targets.get(label)
        if targets is None:
            targets = self._targets.setdefault(sound(label), Counter())
        if len(targets) < MOST_TARGETS or (method, target) in targets:
            targets[method, target] += 1

    def requests(self) -> dict[str, Asked]:
        """What each label asked for most often, where the source knows."""
        found = {}
        for label, targets in self._targets.items():
            method, target = targets.most_common(1)[0][0]
            found[label] = Asked(method, target, len(targets) - 1)
        return found

    def read_as(self, form: str, encoding: str = "") -> None:
        """What the file was taken for, such as `CSV with ;`, and the encoding of its text."""
        self._form, self._encoding = form, encoding

    def skip(self, reason: str, line: int | None = None) -> None:
        """A line that was never meant to be an arrival; `reason` is a plural, such as `empty lines`.

        Without its number it is the one that was counted last.
        """
        self._skipped.setdefault(reason, Lines()).take(self._lines if line is None else line)

    def damage(self, line: int, problem: str) -> None:
        """A line that cannot be used. Lines are counted by what is before the first colon of `problem`.

        Raises ConfigError when there are so many that the file is something else.
        """
        self._damaged.setdefault(problem.partition(":")[0], Lines()).take(line)
        if len(self._first_damaged) < SHOWN_LINES:
            self._first_damaged.append((line, problem))
        if self.damaged >= HOPELESS and self.damaged > self.arrivals:
            self._lines = max(self._lines, line)
            raise self._too_much_damage("")

    def count(self, line: int) -> None:
        """The number of the last line that was read."""
        self._lines = line

    def model(
        self,
        mapping: Sequence[str] = (),
        *,
        tolerance: float = 0.0,
        most_labels: int = MOST_LABELS,
        fewer_labels: str = "",
        remedy: str = "",
    ) -> TrafficModel:
        """The traffic model; `mapping` has items such as `Fetch*=browse`.

        `fewer_labels` and `remedy` are what to do about too many labels and about damage. Raises ConfigError for a
        file that is empty or has no arrivals, for more damage than the `tolerance` share of its lines, and for a
        mapping that fits nothing.
        """
        self._check(tolerance, remedy)
        times_ms = self._all_times()
        if len(times_ms) > most_labels:
            raise ConfigError(
                f"{len(times_ms)} different labels are more than {most_labels}",
                path=self._path,
                remedy=fewer_labels,
            )
        first_ms = min(map(min, times_ms.values()))
        last_ms = max(map(max, times_ms.values()))
        if last_ms - first_ms > LONGEST_MS:
            raise ConfigError(
                f"the arrivals are over a year apart: from {_utc(first_ms)} to {_utc(last_ms)}",
                path=self._path,
                remedy="cut the file, or repair what has a wrong time",
            )
        return TrafficModel(
            source=sound(self._path.name),
            rows=self.arrivals,
            first_at=_utc(first_ms),
            duration_s=(last_ms - first_ms) / 1000,
            offsets_ms={label: _since(first_ms, times) for label, times in times_ms.items()},
            operations=choose(times_ms, mapping),
            skipped=self._of_no_use(),
            sessions=self._visits.sessions(),
            reading=Reading(
                self._form,
                self._encoding,
                self._lines,
                self._skipped,
                self._damaged,
                tuple(self.notes),
                self._unit,
            ),
        )

    def _new(self, label: str) -> array[int]:
        self._refuse_more_labels()
        return self._times_ms.setdefault(sound(label), array("q"))

    def _refuse_more_labels(self) -> None:
        if len(self._times_ms) + len(self._logged.labels) >= MOST_LABELS:
            raise ConfigError(f"over {MOST_LABELS} different labels", path=self._path)

    def _all_times(self) -> Mapping[str, array[int]]:
        """Milliseconds since 1970 of all arrivals, by label, in any order."""
        if not len(self._logged):
            return self._times_ms
        times = {label: exact[:] for label, exact in self._times_ms.items()}
        for label, spread in self._logged.times_ms().items():
            times.setdefault(sound(label), array("q")).extend(spread)
        return times

    def _of_no_use(self) -> dict[str, int]:
        counts = Counter[str]()
        for reason, lines in (*self._skipped.items(), *self._damaged.items()):
            counts[reason] += lines.count
        return dict(counts)

    def _check(self, tolerance: float, remedy: str) -> None:
        if self._skipped.get(EMPTY, Lines()).count >= self._lines:
            raise ConfigError("the file is empty", path=self._path)
        if self.damaged and (not self.arrivals or self.damaged > tolerance * self._lines):
            raise self._too_much_damage(remedy)
        if not self.arrivals:
            reasons = _counts(self._skipped)
            raise ConfigError(
                f"no arrivals{f': {reasons}' if reasons else ''}",
                path=self._path,
                line=self._lines,
                remedy=remedy,
            )

    def _too_much_damage(self, remedy: str) -> ConfigError:
        (line, problem), *others = self._first_damaged
        several = (
            f" ({self.damaged} of {self._lines} {self._unit} cannot be used"
            + "".join(f"; line {number}: {what}" for number, what in others)
            + (", …)" if self.damaged > 1 + len(others) else ")")
        )
        accept = f"repair what is damaged, or accept the loss: --tolerate {self._share()}"
        if not self.arrivals:
            accept = "is it a file of this kind?"
        return ConfigError(
            f"{problem}{several if self.damaged > 1 else ''}",
            path=self._path,
            line=line,
            remedy="; ".join(filter(None, (remedy, accept))),
        )

    def _share(self) -> str:
        """The damaged share of the lines, rounded up to what --tolerate takes."""
        thousandths = -(-self.damaged * 1000 // max(self._lines, self.damaged))
        return f"{thousandths / 10:g}%"


def sound(text: str) -> str:
    """The text without halves of surrogate pairs, which JSON can have and no file of text can."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def no_such_file(path: Path, error: OSError) -> ConfigError:
    """What is said of a file that cannot be opened."""
    if isinstance(error, FileNotFoundError):
        return ConfigError("no such file", path=path, remedy="check the path")
    return ConfigError(f"cannot be read: {error.strerror}", path=path)


def _since(first_ms: int, times_ms: array[int]) -> array[int]:
    import numpy as np  # noqa: PLC0415  (slow to import, and not needed by every command)

    times = np.frombuffer(times_ms, dtype=np.int64) - first_ms
    times.sort()
    return array("q", times.tobytes())


def _total(reasons: Mapping[str, Lines]) -> int:
    return sum(lines.count for lines in reasons.values())


def _counts(reasons: Mapping[str, Lines]) -> str:
    return ", ".join(f"{lines.count} {reason}" for reason, lines in reasons.items())


def _utc(time_ms: int) -> str:
    moment = datetime.fromtimestamp(time_ms / 1000, tz=UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
