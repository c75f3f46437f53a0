"""What an importer found: counted, tolerated or refused, and never a smaller load without a word."""

from __future__ import annotations

from array import array
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flashdrill.errors import ConfigError
from flashdrill.load.importing.found import Found
from flashdrill.load.importing.visits import GAP_MS, Visits
from flashdrill.model.reading import Lines

FILE = Path("some.log")
T0 = 1_700_000_000_000


def found(arrivals: int, damaged: int = 0, skipped: int = 0) -> Found:
    """A file with so many lines of each sort, the damaged ones last."""
    made = Found(FILE)
    for place in range(arrivals):
        made.arrival(f"GET /{place % 2}", T0 + place * 10)
    for _ in range(skipped):
        made.skip("empty lines")
    lines = arrivals + skipped
    for place in range(damaged):
        made.damage(lines + place + 1, f"no time: {place}")
    made.count(lines + damaged)
    return made


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 10**9)), min_size=1))
def test_every_arrival_is_in_the_model_at_its_time(arrivals: list[tuple[str, int]]) -> None:
    made = Found(FILE)
    for label, ms in arrivals:
        made.arrival(label, T0 + ms)
    made.count(len(arrivals))
    model = made.model()
    first = min(ms for _, ms in arrivals)
    assert model.rows == len(arrivals)
    assert model.mix == {label: len(times) for label, times in model.offsets_ms.items()}
    assert sorted((ms, label) for label, times in model.offsets_ms.items() for ms in times) == (
        sorted((ms - first, label) for label, ms in arrivals)
    )


def test_damage_is_refused_with_its_lines_unless_so_much_is_tolerated() -> None:
    with pytest.raises(ConfigError) as error:
        found(95, damaged=5).model()
    said = str(error.value)
    assert said.startswith(
        "some.log:96: no time: 0 (5 of 100 lines cannot be used; line 97: no time"
    )
    assert said.endswith("accept the loss: --tolerate 5%")
    model = found(95, damaged=5, skipped=2).model(tolerance=0.05)
    assert (model.rows, model.skipped) == (95, {"empty lines": 2, "no time": 5})
    with pytest.raises(ConfigError):
        found(94, damaged=6).model(tolerance=0.05)


def test_one_damaged_line_is_said_shortly() -> None:
    with pytest.raises(
        ConfigError, match=r"^some.log:2: no time: 0\n  remedy: use an iron; repair"
    ):
        found(1, damaged=1).model(remedy="use an iron")


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (found(0), "the file is empty"),
        (found(0, skipped=3), "the file is empty"),
        (found(0, damaged=2), "is it a file of this kind?"),
    ],
)
def test_a_file_without_arrivals_is_refused(made: Found, said: str) -> None:
    with pytest.raises(ConfigError) as error:
        made.model(tolerance=1.0)
    assert said in str(error.value)


def test_too_many_labels_and_arrivals_too_far_apart_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"2 different labels are more than 1\n.*cut them"):
        found(2).model(most_labels=1, fewer_labels="cut them")
    made = found(2)
    made.arrival("GET /", 0)
    with pytest.raises(ConfigError, match="over a year apart: from 1970-01-01"):
        made.model()


def test_what_was_read_and_the_first_lines_of_each_reason_are_kept() -> None:
    made = Found(FILE)
    made.read_as("CSV with ;", "GB18030")
    made.arrival("GET /a", T0)
    for line in range(2, 9):
        made.count(line)
        made.skip("empty lines")
    made.skip("repeated headers", 10)
    made.damage(11, "no time: soon")
    made.count(11)
    reading = made.model(tolerance=0.2).reading
    assert reading is not None
    assert (reading.form, reading.encoding, reading.lines) == ("CSV with ;", "GB18030", 11)
    assert reading.skipped == {
        "empty lines": Lines(7, [2, 3, 4]),
        "repeated headers": Lines(1, [10]),
    }
    assert reading.damaged == {"no time": Lines(1, [11])}


def test_half_a_surrogate_pair_is_replaced_in_labels_and_in_the_name() -> None:
    made = Found(Path("shop\udcff.log"))
    for label in ("a\ud800", "a\ud800", "a\ufffd", "b"):
        made.arrival(label, T0)
        made.asked(label, "GET", "/a")
    made.count(4)
    assert made.model().mix == {"a\ufffd": 3, "b": 1}
    assert made.model().source == "shop\ufffd.log"
    assert made.requests().keys() == {"a\ufffd", "b"}


def test_the_most_frequent_request_of_a_label_is_kept() -> None:
    made = Found(FILE)
    for target in ("/a?1", "/a", "/a", "/a?2"):
        made.asked("GET /a", "GET", target)
    asked = made.requests()["GET /a"]
    assert (asked.method, asked.target, asked.others) == ("GET", "/a", 2)


def test_visits_end_with_half_an_hour_of_silence() -> None:
    visits = Visits()
    for visitor, ms in (
        ("a", 0),
        ("b", 5),
        ("a", 2000),
        ("a", 2000 + GAP_MS),
        ("a", 2001 + 2 * GAP_MS),
    ):
        visits.take(visitor, T0 + ms)
    sessions = visits.sessions()
    assert sessions is not None
    assert sessions.lengths == {1: 2, 3: 1}
    assert (sessions.count, sessions.length(0.5), sessions.length(0.95)) == (3, 1, 3)
    assert sessions.median_pause_s == pytest.approx(2.0, rel=0.01)


@pytest.mark.parametrize("order", [1, -1])
def test_visits_are_the_same_in_a_file_with_the_newest_first(order: int) -> None:
    told = Found(Path("x.csv"))
    for minute in [0, 5, 40, 41, 43][::order]:
        told.arrival("a", T0 + minute * 60_000, "someone")
    told.count(5)
    sessions = told.model().sessions
    assert sessions is not None
    assert sessions.lengths == {2: 1, 3: 1}
    assert sessions.median_pause_s == pytest.approx(120, rel=0.05)


def test_without_visitors_there_are_no_sessions() -> None:
    assert found(3).model().sessions is None
    visits = Visits()
    visits.take("a", T0)
    only = visits.sessions()
    assert only is not None
    assert only.median_pause_s is None


def test_too_many_visitors_at_a_time_are_not_counted_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flashdrill.load.importing.visits.MOST_OPEN", 3)
    one_by_one, at_once = Visits(), Visits()
    for visitor in range(9):
        one_by_one.take(str(visitor), T0 + visitor * (GAP_MS + 1))
        at_once.take(str(visitor), T0)
    sessions = one_by_one.sessions()
    assert sessions is not None
    assert sessions.lengths == {1: 9}
    assert at_once.sessions() is None


def test_times_take_8_bytes_an_arrival() -> None:
    model = found(1000).model()
    assert {times.itemsize for times in model.offsets_ms.values()} == {8}
    assert all(isinstance(times, array) for times in model.offsets_ms.values())
