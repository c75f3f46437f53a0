"""What `flashdrill import` prints: figures that are those of the recording, a plot that hides no spike, safe text."""

from __future__ import annotations

import json
import re
from array import array
from collections import Counter
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from flashdrill.cli.import_words import words
from flashdrill.cli.imported import imported, imported_schema
from flashdrill.cli.live.spark import ASCII_BARS, BARS
from flashdrill.cli.main import invoke
from flashdrill.cli.rate_plot import bars_for, columns_of, fitted, rate_plot, shown
from flashdrill.load.importing.found import Found
from flashdrill.model.calibration import Calibration
from flashdrill.model.rate_curve import STRETCHES_S, rate_curve, stretch_for
from flashdrill.model.traffic import TrafficModel
from flashdrill.rehearsal.last_calibration import keep

JTL = "timeStamp,label\n" + "".join(
    f"{1_767_240_000_000 + ms},{label}\n"
    for ms, label in ((0, "GET /product"), (180, "GET /product"), (420, "POST /order"), (3000, "x"))
)
OFFSETS = st.lists(st.integers(0, 400_000), min_size=1, max_size=80).map(sorted)


def recording() -> TrafficModel:
    """Of two visitors, with lines of no use."""
    found = Found(Path("shop.log"))
    found.read_as("combined", "UTF-8")
    for place in range(200):
        found.arrival(f"GET /{place % 2}", 1_767_240_000_000 + place * 50, str(place % 2))
    for line in (3, 5, 8, 9):
        found.skip("empty lines", line)
    found.damage(210, "lines without a time: soon")
    found.count(212)
    return found.model(tolerance=0.01)


def told(model: TrafficModel, *, width: int = 100, bars: str = BARS) -> list[str]:
    curve = rate_curve(model.offsets_ms, 40)
    found = imported(model, curve, kind="access-log", warnings=[], output=["t.yaml"])
    return [text for text, _ in words(found, curve, width=width, bars=bars)]


@given(st.dictionaries(st.sampled_from("abc"), OFFSETS, min_size=1), st.integers(1, 50))
def test_no_spike_is_hidden_on_any_number_of_columns(
    offsets: dict[str, list[int]], columns: int
) -> None:
    curve = rate_curve({label: array("q", ms) for label, ms in offsets.items()}, columns)
    per_second = Counter(ms // 1000 for label in offsets.values() for ms in label)
    assert len(curve.total) <= columns
    for column, height in enumerate(curve.total):
        stretch = range(column * curve.stretch_s, (column + 1) * curve.stretch_s)
        assert height == max(per_second[second] for second in stretch)
    assert curve.peak.arrivals == max(per_second.values()) == per_second[curve.peak.at_s]
    for label, heights in curve.labels.items():
        assert max(heights) == max(Counter(ms // 1000 for ms in offsets[label]).values())


def test_a_spike_of_one_second_in_a_day_is_the_tallest_bar() -> None:
    flat = [second * 1000 for second in range(86_400)]
    spike = sorted(flat + [50_000_500] * 40)
    curve = rate_curve({"buy": array("q", spike)}, 50)
    assert curve.stretch_s == 1800
    *_, row, _ = rate_plot(curve)
    assert row.endswith("up to 41/s")
    bars = row.split()[1]
    assert bars.index("█") == 50_000 // 1800
    assert set(bars) == {"█", "▁"}


def test_silence_of_years_takes_no_memory_and_is_empty() -> None:
    curve = rate_curve({"a": array("q", [0, 0, 10 * 365 * 86_400_000])}, 20)
    assert curve.total[0] == 2
    assert curve.total[-1] == 1
    assert set(curve.total[1:-1]) == {0}
    assert " " * 10 in list(rate_plot(curve))[2]


def test_stretches_are_usual_ones() -> None:
    assert [stretch_for(n, 60) for n in (1, 60, 61, 3600, 86_400)] == [1, 1, 2, 60, 1800]
    assert stretch_for(366 * 86_400, 60) == 7 * 86_400
    assert STRETCHES_S[-1] == 86_400


def test_times_stand_over_their_columns() -> None:
    curve = rate_curve({"a": array("q", range(0, 7_200_000, 500))}, 60)
    _, axis, row, _ = rate_plot(curve)
    start = row.index("█")
    assert axis[start:].split() == ["0s", "30m", "1h", "90m"]
    assert axis.index("30m") == start + 30 * 60 // curve.stretch_s


@given(st.lists(st.text(max_size=60), min_size=1, max_size=5, unique=True), st.integers(60, 130))
def test_any_label_fits_the_page_and_moves_no_cursor(labels: list[str], width: int) -> None:
    offsets = {label: array("q", [place, 90_000]) for place, label in enumerate(labels)}
    curve = rate_curve(offsets, columns_of(width, list(map(shown, labels))))
    for line in list(rate_plot(curve))[1:]:
        assert line.isprintable()
        assert cell_len(line) <= width - 2
    model = TrafficModel("x", 2, "2026-01-01T00:00:00.000Z", 90, offsets, {"*": "browse"})
    for line in told(model, width=width)[5:-1]:
        assert line.isprintable()


def test_a_label_of_10_000_letters_with_an_escape_is_one_short_line() -> None:
    evil = "\x1b[2J\n\u202e" + "a" * 10_000
    offsets = {evil: array("q", [0]), "b": array("q", [0])}
    model = TrafficModel("x", 2, "2026-01-01T00:00:00.000Z", 0, offsets, {"*": "browse"})
    lines = told(model, width=80)
    assert all(len(line) <= 80 and line.isprintable() for line in lines)
    assert any(r"\x1b[2J\n\u202eaaa" in line for line in lines)
    assert fitted("日本語日本語", 7) == "日本.."


def test_what_was_understood_is_said() -> None:
    assert told(recording())[:10] == [
        "shop.log: access-log, combined, UTF-8, 212 lines",
        "  arrivals   200 in 9.95 s",
        "             from 2026-01-01T04:00:00.000Z to 2026-01-01T04:00:09.950Z (UTC)",
        "  rate       20.1/s on average, 20/s in the busiest second, 0s after the first",
        "  sessions   2; requests of one: 100 (median), 100 (p95); 100 ms between two of them (median)",
        "  skipped    4: empty lines (line 3, 5, 8, ...)",
        "  damaged    1: lines without a time (line 210)",
        "  labels     100   50.00 %  browse   <- GET /0",
        "             100   50.00 %  browse   <- GET /1",
        "  journeys   browse 200",
    ]


def test_many_labels_are_cut_with_their_number() -> None:
    offsets = {f"GET /{n:02}": array("q", [n]) for n in range(30)}
    model = TrafficModel("x", 30, "2026-01-01T00:00:00.000Z", 0.029, offsets, {"*": "browse"})
    lines = told(model)
    assert "             and 10 more with 10 arrivals: --json has them all" in lines
    assert len([line for line in lines if "<-" in line]) == 20


def test_a_terminal_without_blocks_gets_ascii() -> None:
    assert (bars_for("utf-8"), bars_for("ascii"), bars_for("none")) == (
        BARS,
        ASCII_BARS,
        ASCII_BARS,
    )
    assert all(line.isascii() for line in told(recording(), bars=ASCII_BARS))


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lunch.jtl").write_text(JTL)
    return tmp_path


def test_json_is_one_object_of_its_schema_and_nothing_else(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert invoke(["import", "jtl", "lunch.jtl", "-o", "t.yaml", "--json"]) == 0
    said = capsys.readouterr()
    assert said.err == ""
    document = json.loads(said.out)
    jsonschema.validate(document, imported_schema())
    assert (document["kind"], document["arrivals"], document["output"]) == ("jtl", 4, ["t.yaml"])
    assert document["rate"] == {"mean_per_s": 4 / 3, "peak_per_s": 3, "peak_at_s": 0}
    assert document["labels"][0] == {
        "label": "GET /product",
        "arrivals": 2,
        "share": 0.5,
        "journey": "browse",
    }
    assert document["plot"]["all"] == [3, 0, 0, 1]
    assert document["last_at"] == "2026-01-01T04:00:03.000Z"


def test_a_peak_beyond_what_this_machine_sent_is_warned_of(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for most, warned in ((2.0, True), (3.0, False)):
        keep(Path(".flashdrill"), Calibration(most, 90.0, 0.95, 150, 1.5))
        assert invoke(["import", "jtl", "lunch.jtl", "-o", "t.yaml"]) == 0
        assert ("warning: its peak of 3 arrivals a second" in capsys.readouterr().err) == warned
        assert invoke(["import", "jtl", "lunch.jtl", "-o", "t.yaml", "--json"]) == 0
        said = capsys.readouterr()
        assert bool(json.loads(said.out)["warnings"]) == warned
        assert said.err == ""


def test_validate_sums_a_traffic_model_up_and_warns_of_it(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert invoke(["import", "jtl", "lunch.jtl", "-o", "t.yaml"]) == 0
    for most, warned in ((2.0, True), (3.0, False)):
        keep(Path(".flashdrill"), Calibration(most, 90.0, 0.95, 150, 1.5))
        capsys.readouterr()
        assert invoke(["validate", "t.yaml"]) == 0
        said = capsys.readouterr()
        assert said.out == (
            "t.yaml: a valid traffic model: 4 arrivals in 3.00 s, 3/s in the busiest second; browse 3, order 1\n"
        )
        assert ("t.yaml: warning: its peak of 3 arrivals" in said.err) == warned


@pytest.mark.parametrize(("labels", "warned"), [(501, True), (500, False)])
def test_labels_made_of_ids_are_warned_of(
    here: Path, capsys: pytest.CaptureFixture[str], labels: int, warned: bool
) -> None:
    rows = "".join(f"1767240000000,GET /p/{n}\n" for n in range(labels))
    (here / "ids.jtl").write_text("timeStamp,label\n" + rows)
    assert invoke(["import", "jtl", "ids.jtl", "-o", "t.yaml"]) == 0
    assert ("different labels: if there are ids in them" in capsys.readouterr().err) == warned


@pytest.mark.parametrize("is_plain", [True, False])
def test_no_color_is_honoured(
    here: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    is_plain: bool,
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("NO_COLOR", "1" if is_plain else "")
    assert invoke(["import", "jtl", "lunch.jtl", "-o", "t.yaml"]) == 0
    colours = re.findall(r"\x1b\[(?:3|4|9)\dm", capsys.readouterr().out)
    assert bool(colours) != is_plain
