"""JMeter results in every form that JMeter, spreadsheets and scripts write: read exactly, or refused with the line."""

from __future__ import annotations

import csv
import gzip
import io
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flashdrill.errors import ConfigError
from flashdrill.load.importing.jtl import USUAL, JtlForm, import_jtl, read_jtl
from flashdrill.load.importing.transactions import Transactions
from flashdrill.model.traffic import TrafficModel

T0 = 1_532_376_558_104
Event = tuple[int, str]
TEXT = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0\ufffc\ufffd"), max_size=9
)
EVENTS = st.lists(st.tuples(st.integers(0, 10**8), TEXT), min_size=1, max_size=12)


def events(model: TrafficModel) -> list[Event]:
    """Label and time of each arrival, in the order of the times."""
    return sorted((ms, label) for label, times in model.offsets_ms.items() for ms in times)


def since_first(written: list[Event]) -> list[Event]:
    first = min(ms for ms, _ in written)
    return sorted((ms - first, label) for ms, label in written)


def written(folder: Path, data: bytes | str, name: str = "results.jtl") -> Path:
    path = folder / name
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return path


def as_csv(rows: list[list[str]], separator: str = ",", quoting: int = csv.QUOTE_MINIMAL) -> str:
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=separator, quoting=quoting).writerows(rows)  # type: ignore[arg-type]
    return text.getvalue()


@given(
    EVENTS,
    st.sampled_from(",;\t|"),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    st.permutations(["timeStamp", "label", "failureMessage", "threadName"]),
    st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_what_was_written_is_read(
    tmp_path_factory: pytest.TempPathFactory,
    given_events: list[Event],
    separator: str,
    quoting: int,
    encoding: str,
    columns: list[str],
    is_packed: bool,
) -> None:
    cells = [
        {
            "timeStamp": str(T0 + ms),
            "label": label,
            "failureMessage": label + "\nno",
            "threadName": "t 1-1",
        }
        for ms, label in given_events
    ]
    rows = [columns, *([row[name] for name in columns] for row in cells)]
    data = as_csv(rows, separator, quoting).encode(encoding)
    path = written(tmp_path_factory.mktemp("jtl"), gzip.compress(data) if is_packed else data)
    assert events(import_jtl(path)) == since_first(given_events)


@given(EVENTS, st.sampled_from(["utf-8", "utf-16", "iso-8859-1"]), st.integers(0, 3))
@settings(max_examples=40, deadline=None)
def test_xml_that_was_written_is_read(
    tmp_path_factory: pytest.TempPathFactory, given_events: list[Event], encoding: str, inner: int
) -> None:
    allowed = [(ms, "".join(c for c in label if c.isprintable())) for ms, label in given_events]
    root = ElementTree.Element("testResults", version="1.2")
    for ms, label in allowed:
        sample = ElementTree.SubElement(root, "httpSample", ts=str(T0 + ms), lb=label, tn="t 1-1")
        for _ in range(inner):
            ElementTree.SubElement(sample, "httpSample", ts=str(T0 + ms + 1), lb="inner")
        ElementTree.SubElement(sample, "responseData").text = label
    data = ElementTree.tostring(root, encoding=encoding)
    path = written(tmp_path_factory.mktemp("jtl"), data)
    model = import_jtl(path)
    assert events(model) == since_first(allowed)
    assert model.skipped == ({"sub-results of a sample": inner * len(allowed)} if inner else {})
    if inner:
        leaves = import_jtl(path, form=JtlForm(takes_sub_results=True))
        assert leaves.rows == inner * len(allowed)


def damaged(data: bytes, place: int, byte: int, *, is_cut: bool) -> bytes:
    place %= len(data)
    return data[:place] if is_cut else data[:place] + bytes([byte]) + data[place + 1 :]


PLAIN = as_csv(
    [list(USUAL)]
    + [[str(T0 + n * 7), "5", f"Step {n % 3}", "200", 'a "b", c', *["x"] * 12] for n in range(9)]
).encode()


@given(st.integers(0), st.sampled_from(b'",\n\r\0x5\xff\x80'), st.booleans(), st.booleans())
@settings(max_examples=150, deadline=None)
def test_every_line_of_a_damaged_file_is_accounted_for(
    tmp_path_factory: pytest.TempPathFactory, place: int, byte: int, is_cut: bool, is_xml: bool
) -> None:
    data = damaged(XML if is_xml else PLAIN, place, byte, is_cut=is_cut)
    path = written(tmp_path_factory.mktemp("jtl"), data)
    try:
        found = read_jtl(path, JtlForm())
        model = found.model(tolerance=1.0)
    except ConfigError as error:
        assert str(path) in str(error)
        return
    if not is_cut and not is_xml and byte not in b"\n\r":
        assert model.rows + found.damaged + found.skipped in {
            9,
            10,
        }  # the header counts when it is damaged
        assert model.rows >= 7  # one byte never costs more than its own line and a neighbour


XML = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n<testResults version="1.2">\n'
    + b"".join(b'<httpSample t="5" ts="%d" lb="Step" tn="t 1"/>\n' % (T0 + n * 7) for n in range(9))
    + b"</testResults>\n"
)


@pytest.mark.parametrize("encoding", ["xTF-8", "gb18030"])
def test_xml_in_an_encoding_that_its_parser_lacks(tmp_path: Path, encoding: str) -> None:
    path = written(tmp_path, XML.replace(b"UTF-8", encoding.encode()))
    with pytest.raises(ConfigError, match=r"results\.jtl:1: not read: .*encoding") as error:
        read_jtl(path, JtlForm())
    assert "--encoding gb18030" in str(error.value)
    assert read_jtl(path, JtlForm(encoding="gb18030")).arrivals == 9


def test_a_quote_that_is_never_closed_costs_its_own_line(tmp_path: Path) -> None:
    lines = [f"{T0 + n},a{n % 2},ok\n" for n in range(5000)]
    lines[100] = f'{T0},a0,"never closed\n'
    path = written(tmp_path, "timeStamp,label,responseMessage\n" + "".join(lines))
    with pytest.raises(ConfigError, match=":102: a quote that is never closed"):
        import_jtl(path)
    model = import_jtl(path, tolerance=0.001)
    assert (model.rows, model.skipped) == (4999, {"a quote that is never closed": 1})


def test_a_quote_over_many_lines_of_text_is_found_too(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        f'timeStamp,label,m\n{T0},a,"open\n' + "words, but no row\n" * 3000 + f"{T0},b,ok\n",
    )
    found = read_jtl(path, JtlForm())
    assert found.damaged == 3001
    assert found.first_damaged[0] == (2, "a quote that is never closed")


def test_a_second_header_with_other_columns(tmp_path: Path) -> None:
    path = written(tmp_path, f"timeStamp,label\n{T0},a\nlabel,elapsed,timeStamp\nb,5,{T0 + 9}\n")
    found = read_jtl(path, JtlForm())
    assert events(found.model()) == [(0, "a"), (9, "b")]
    assert "from line 3 on there are other columns" in found.notes


def test_without_a_header_jmeters_own_columns_or_those_that_are_given(tmp_path: Path) -> None:
    row = [str(T0), "5", "Pay", "200", "OK", "t 1-1", "text", "true", "", *"12345678"]
    path = written(tmp_path, as_csv([row, row]))
    assert events(import_jtl(path)) == [(0, "Pay"), (0, "Pay")]
    assert any("no header" in note for note in read_jtl(path, JtlForm()).notes)
    other = written(tmp_path, f"Pay|{T0}\n")
    with pytest.raises(ConfigError, match="--columns"):
        import_jtl(other)
    assert import_jtl(other, form=JtlForm(columns=("label", "timeStamp"))).rows == 1


def test_other_encodings_are_named(tmp_path: Path) -> None:
    path = written(tmp_path, f"timeStamp,label\n{T0},支付\n".encode("gb18030"))
    assert list(import_jtl(path, form=JtlForm(encoding="gb18030")).offsets_ms) == ["支付"]
    with pytest.raises(ConfigError, match="there is no such encoding"):
        import_jtl(path, form=JtlForm(encoding="gibberish"))
    sample = f'<sample ts="{T0}" lb="支付"/>'
    xml = f'<?xml version="1.0" encoding="GBK"?><testResults>{sample}</testResults>'
    packed = written(tmp_path, xml.encode("gbk"))
    assert list(import_jtl(packed, form=JtlForm(encoding="gbk")).offsets_ms) == ["支付"]


def test_written_times_need_a_zone_when_they_have_none(tmp_path: Path) -> None:
    path = written(
        tmp_path, "timeStamp,label\n2018/07/23 22:09:18.104,a\n2018/07/23 22:09:19.500,a\n"
    )
    model = import_jtl(path, form=JtlForm(time_zone="Europe/Berlin"))
    assert (model.first_at, model.duration_s) == ("2018-07-23T20:09:18.104Z", 1.396)
    zoned = written(tmp_path, "timeStamp,label\n2018-07-23T22:09:18.104+02:00,a\n")
    assert import_jtl(zoned).first_at == "2018-07-23T20:09:18.104Z"
    other = written(tmp_path, "timeStamp,label\n23.07.18 20:09,a\n")
    form = JtlForm(time_format="%d.%m.%y %H:%M", time_zone="UTC")
    assert import_jtl(other, form=form).first_at == "2018-07-23T20:09:00.000Z"
    with pytest.raises(ConfigError, match="there is no such zone"):
        import_jtl(other, form=JtlForm(time_zone="Mars/Olympus"))
    with pytest.raises(ConfigError, match="--time-format noon: there are unix"):
        import_jtl(other, form=JtlForm(time_format="noon"))


def test_times_that_came_twice_are_said(tmp_path: Path) -> None:
    path = written(tmp_path, "timeStamp,label\n2018-10-28 02:30:00,a\n2018-10-28 03:30:00,a\n")
    found = read_jtl(path, JtlForm(time_zone="Europe/Berlin"))
    assert any(note.startswith("1 times came twice") for note in found.notes)
    assert found.model().duration_s == 7200


def test_transactions_are_not_counted_beside_their_samples(tmp_path: Path) -> None:
    sums = f'{T0},Checkout,"Number of samples in transaction : 2, number of failing samples : 0"\n'
    path = written(tmp_path, f"timeStamp,label,responseMessage\n{T0},a,OK\n{T0 + 5},b,OK\n{sums}")
    labels = {
        wanted: set(import_jtl(path, form=JtlForm(transactions=wanted)).offsets_ms)
        for wanted in Transactions
    }
    assert labels == {
        Transactions.SKIP: {"a", "b"},
        Transactions.ONLY: {"Checkout"},
        Transactions.BOTH: {"a", "b", "Checkout"},
    }


def test_threads_are_sessions(tmp_path: Path) -> None:
    rows = "".join(f"{T0 + n},a,t {n % 3},h\n" for n in range(10))
    model = import_jtl(written(tmp_path, f"timeStamp,label,threadName,Hostname\n{rows}"))
    assert model.sessions is not None
    assert model.sessions.lengths == {3: 2, 4: 1}


@pytest.mark.parametrize(
    ("data", "line", "says"),
    [
        (b"<html><body/></html>", 1, "<html> in the place of <testResults>"),
        (XML[:-30], 11, "a file that was cut off"),
        (XML.replace(b"lb=", b"lb="[:2], 1), 3, "not valid XML"),
        (XML.replace(b'lb="Step"', b"", 1), 3, "a sample without lb"),
        (XML.replace(b'ts="1', b'ts="x', 1), 3, "a ts that is none"),
        (
            b'<!DOCTYPE x [<!ENTITY a "aa">]>\n' + XML[XML.index(b"<test") :],
            1,
            "a document type declaration",
        ),
    ],
)
def test_xml_that_is_none_is_refused(tmp_path: Path, data: bytes, line: int, says: str) -> None:
    path = written(tmp_path, data)
    with pytest.raises(ConfigError) as error:
        import_jtl(path)
    assert str(error.value).startswith(f"{path}:{line}: ")
    assert says in str(error.value)


def test_what_there_is_of_a_cut_file_can_be_taken(tmp_path: Path) -> None:
    model = import_jtl(written(tmp_path, XML[: XML.index(b"</testR")]), tolerance=0.2)
    assert model.rows == 9
    assert Counter(model.skipped) == Counter({"a file that was cut off": 1})


def test_a_packed_file_that_was_cut_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, gzip.compress(XML)[:-12])
    with pytest.raises(ConfigError, match="not a whole gzip file"):
        import_jtl(path, tolerance=1.0)
