"""Any CSV with times: found or named, with a zone or refused, and every row accounted for."""

from __future__ import annotations

import csv
import io
import os
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flashdrill.errors import ConfigError
from flashdrill.load.importing import csv_table
from flashdrill.load.importing.csv_table import CsvForm, import_csv, read_csv

T0 = 1_700_000_000_000
WRITERS = {
    "unix": lambda ms: f"{ms / 1000:.3f}",
    "unix-ms": str,
    "unix-us": lambda ms: f"{ms}000",
    "iso": lambda ms: datetime.fromtimestamp(ms / 1000, UTC).isoformat(),
    "local": lambda ms: datetime.fromtimestamp(ms / 1000, ZoneInfo("Asia/Tokyo")).strftime(
        "%Y-%m-%d %H:%M:%S.%f"
    ),
}


def table(folder: Path, text: str) -> Path:
    path = folder / "requests.csv"
    path.write_text(text, encoding="utf-8")
    return path


@given(
    st.lists(st.tuples(st.integers(0, 10**8), st.sampled_from(["a", "b c", 'd,"e"'])), min_size=1),
    st.sampled_from(sorted(WRITERS)),
    st.sampled_from(",;\t|"),
)
@settings(max_examples=60, deadline=None)
def test_every_row_comes_at_its_time(
    tmp_path_factory: pytest.TempPathFactory,
    events: list[tuple[int, str]],
    writer: str,
    separator: str,
) -> None:
    text = io.StringIO(newline="")
    out = csv.writer(text, delimiter=separator)
    out.writerow(["what", "when"])
    out.writerows([label, WRITERS[writer](T0 + ms)] for ms, label in events)
    path = table(tmp_path_factory.mktemp("csv"), text.getvalue())
    model = import_csv(path, form=CsvForm(labels=("what",), time_zone="Asia/Tokyo"))
    first = min(ms for ms, _ in events)
    assert Counter((ms, label) for label, times in model.offsets_ms.items() for ms in times) == (
        Counter((ms - first, label) for ms, label in events)
    )


@given(st.integers(0, 500), st.sampled_from(b'",\n\0x5\xff'), st.booleans())
@settings(max_examples=100, deadline=None)
def test_a_damaged_file_never_ends_in_a_traceback_and_no_row_is_lost_unseen(
    tmp_path_factory: pytest.TempPathFactory, place: int, byte: int, is_cut: bool
) -> None:
    data = b"id,at,x\n" + b"".join(b'%d,%d,"a, b"\n' % (n, T0 + n) for n in range(20))
    place %= len(data)
    path = tmp_path_factory.mktemp("csv") / "x.csv"
    data = data[:place] if is_cut else data[:place] + bytes([byte]) + data[place + 1 :]
    path.write_bytes(data)
    try:
        found = read_csv(path, CsvForm(time="at"))
    except ConfigError as error:
        assert str(path) in str(error)
        return
    lines = len(data.splitlines())
    if byte == ord("\n"):  # within quotes it is a row of two lines
        return
    assert found.arrivals + found.damaged + found.skipped in {
        lines - 1,
        lines,
    }  # with a damaged header


def test_labels_of_several_columns_and_sessions(tmp_path: Path) -> None:
    path = table(
        tmp_path, f"at,method,route,who\n{T0},GET,/a,x\n{T0 + 5},POST,/a,x\n{T0 + 9},GET,/a,y\n"
    )
    model = import_csv(path, ["POST*=buy"], form=CsvForm(labels=("method", "route"), session="who"))
    assert model.mix == {"GET /a": 2, "POST /a": 1}
    assert model.operations["POST /a"] == "buy"
    assert model.sessions is not None
    assert model.sessions.lengths == {1: 1, 2: 1}


def test_a_row_may_stand_for_many(tmp_path: Path) -> None:
    path = table(
        tmp_path,
        "time,hits\n2026-11-11T00:00:00Z,4\n2026-11-11T00:01:00Z,0\n2026-11-11T00:02:00Z,2\n",
    )
    model = import_csv(path, form=CsvForm(count="hits", period_s=60))
    assert list(model.offsets_ms["request"]) == [0, 15_000, 30_000, 45_000, 127_500, 157_500]
    assert model.skipped == {"rows that count nothing": 1}
    with pytest.raises(ConfigError, match="belong together"):
        import_csv(path, form=CsvForm(count="hits"))
    with pytest.raises(ConfigError, match="leave --session out"):
        import_csv(path, form=CsvForm(count="hits", period_s=60, session="time"))


def test_counts_have_a_most_in_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_table, "MOST_COUNTED", 5)
    path = table(tmp_path, f"at,n\n{T0},3\n{T0},2\n{T0},1\n")
    with pytest.raises(ConfigError, match=":4: over 5 arrivals up to here"):
        import_csv(path, form=CsvForm(count="n", period_s=1))


def test_a_first_line_that_says_the_separator_is_no_row(tmp_path: Path) -> None:
    text = f"sep=;\nat;a,b,c\n{T0};x\n"
    model = import_csv(table(tmp_path, text), form=CsvForm(labels=("a,b,c",)))
    assert (model.mix, model.skipped) == ({"x": 1}, {"lines that say the separator": 1})
    with pytest.raises(ConfigError, match=r":3: .* names no time zone"):
        import_csv(table(tmp_path, "sep=;\nat;b\n2026-11-11 10:00:00;x\n"))


@pytest.mark.parametrize(
    ("text", "form", "says"),
    [
        ("", CsvForm(), "the file is empty"),
        ("at,x\n", CsvForm(), ":1: no arrivals"),
        (f"a,b\n{T0},{T0}\n", CsvForm(), ":1: several columns could be the times: 'a', 'b'\n  remedy: name it"),
        ("a,b\nx,y\n", CsvForm(), "no column of times was found"),
        ("at,b\n2026-11-11 10:00:00,y\n", CsvForm(), ":2: '2026-11-11 10:00:00' names no time zone"),
        (f"at,b\n{T0},y\n", CsvForm(time="when"), "no column 'when'; the header has: at, b"),
        (f"at,at\n{T0},y\n", CsvForm(time="at"), "two columns are called 'at'"),
        (f"at,b\n{T0},1\n{T0},1,2\n", CsvForm(), ":3: another number of columns than the header has: 3"),
        (f"at,b\n{T0},1\nnoon,1\n", CsvForm(time="at"), ":3: a time that is none: 'noon'"),
        (f"at,n\n{T0},1.5\n", CsvForm(time="at", count="n", period_s=1), ":2: a count that is no whole number"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_refused(
    tmp_path: Path, text: str, form: CsvForm, says: str
) -> None:
    with pytest.raises(ConfigError) as error:
        import_csv(table(tmp_path, text), form=form)
    assert says in str(error.value)


@pytest.mark.parametrize(
    ("text", "form", "says"),
    [
        (f"{T0},a\n{T0},b\n", CsvForm(), ":1: the first line has a time in it"),
        ("time,id\n1/2/26,1000000017\n", CsvForm(), "those of 'id' may be something else"),
        ("x,id\n1/2/26,1000000017\n", CsvForm(), "those of 'id' may be something else"),
        ("date,x\n2026-11-11,1\n", CsvForm(time="date"), "'2026-11-11' is a day without a time of day"),
        ("at,x\n11/11/26,1\n", CsvForm(time_format="%d/%m/%y", time_zone="UTC"), "no column of times"),
        ("at,x\n0001-01-01T00:00+23:00,1\n", CsvForm(time="at"), "is not between the years"),
        ("at,x\n9,1\n", CsvForm(time="at", time_format="%Y %Y"), "'9' is no time of the form %Y %Y"),
        (f"at,n\n{T0},{'9' * 5000}\n", CsvForm(count="n", period_s=1), ":2: a count that is no whole number"),
        (f"at,n\n{T0},\"1,000\"\n", CsvForm(count="n", period_s=1), ":2: a count that is no whole number"),
        ("at,x\n2026-03-29 02:30:00,1\n", CsvForm(time="at", time_zone="Europe/Berlin"), "never was in Europe/Berlin"),
    ],
)  # fmt: skip
def test_what_would_be_taken_for_something_else_is_refused(
    tmp_path: Path, text: str, form: CsvForm, says: str
) -> None:
    with pytest.raises(ConfigError) as error:
        import_csv(table(tmp_path, text), form=form)
    assert says in str(error.value)


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("at\n2023-11-14 22:13:20.999 UTC\n", CsvForm()),
        ("at\n2023-11-14 22:13:20.9999 +0000\n", CsvForm()),
        ("at\n1700000000999999999\n", CsvForm()),
        ("at\n1700000000.9999\n", CsvForm()),
        ("at\n1700000000999.9\n", CsvForm()),
        ("id,at\n1000000017,14.11.2023 22:13:20.999\n", CsvForm(time_format="%d.%m.%Y %H:%M:%S.%f", time_zone="UTC")),
        ("date;time\n2023-11-14;22:13:20.999\n", CsvForm(time="date,time", time_zone="UTC")),
        (f"at\n{T0 + 999}\n-\n{T0 + 999}\n{T0 + 999}\n", CsvForm()),
        ('"a,b,c,d";at\nx;1700000000999\n', CsvForm()),
    ],
)  # fmt: skip
def test_a_time_is_cut_to_its_millisecond_however_it_is_written(
    tmp_path: Path, text: str, form: CsvForm
) -> None:
    model = import_csv(table(tmp_path, text), form=form, tolerance=0.3)
    assert model.first_at == "2023-11-14T22:13:20.999Z"
    assert model.duration_s == 0


def test_days_are_periods_and_no_times(tmp_path: Path) -> None:
    path = table(tmp_path, "date,hits\n2026-11-11,1.0\n2026-11-12,1\n")
    model = import_csv(path, form=CsvForm(count="hits", period_s=86_400, time_zone="Asia/Tokyo"))
    assert model.first_at == "2026-11-11T03:00:00.000Z"
    assert list(model.offsets_ms["request"]) == [0, 86_400_000]


def test_rows_that_do_not_fit_their_period_are_said(tmp_path: Path) -> None:
    path = table(tmp_path, f"at,n\n{T0},1\n{T0 + 5000},1\n{T0 + 10_000},1\n")
    said = "rows are 5 s apart, and --period is 60 s: their requests overlap"
    assert said in read_csv(path, CsvForm(count="n", period_s=60)).notes
    assert not any("apart" in note for note in read_csv(path, CsvForm(count="n", period_s=5)).notes)


def test_hours_that_came_twice_are_said(tmp_path: Path) -> None:
    path = table(tmp_path, "at\n2026-10-25 02:30:00\n2026-10-25 03:30:00\n")
    found = read_csv(path, CsvForm(time_zone="Europe/Berlin"))
    assert any(note.startswith("1 times came twice") for note in found.notes)
    assert found.model().first_at == "2026-10-25T00:30:00.000Z"


def test_empty_cells_are_no_label_and_no_visitor(tmp_path: Path) -> None:
    path = table(tmp_path, f"at,a,b,who\n{T0},,,\n{T0},x,,\n{T0},,y,z\n")
    model = import_csv(path, form=CsvForm(labels=("a", "b"), session="who"))
    assert model.mix == {"request": 1, "x": 1, "y": 1}
    assert model.sessions is not None
    assert model.sessions.lengths == {1: 1}


def test_whole_minutes_are_said(tmp_path: Path) -> None:
    path = table(tmp_path, "at\n2026-10-25 02:30:00Z\n2026-10-25 03:31:00Z\n")
    assert any("whole minutes" in note for note in read_csv(path, CsvForm()).notes)


def test_whole_seconds_are_said_and_others_are_not(tmp_path: Path) -> None:
    whole = read_csv(table(tmp_path, f"at,x\n{T0},1\n{T0 + 1000},1\n"), CsvForm())
    assert any("whole seconds" in note for note in whole.notes)
    exact = read_csv(table(tmp_path, f"at,x\n{T0},1\n{T0 + 1},1\n"), CsvForm())
    assert not any("whole seconds" in note for note in exact.notes)
    assert "times are those of the column 'at'" in exact.notes


def test_a_machine_without_time_zones_has_those_of_the_package() -> None:
    program = (
        "from flashdrill.load.importing.clock import Clock;"
        "print(Clock('iso', 'Asia/Tokyo').ms('2026-11-11 09:00'))"
    )
    slim = {**os.environ, "PYTHONTZPATH": ""}
    told = subprocess.run(
        [sys.executable, "-c", program], env=slim, capture_output=True, text=True, check=True
    )
    assert told.stdout.strip() == "1794355200000"
