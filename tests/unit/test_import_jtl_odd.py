"""JMeter results that are odd or hostile: read as what they are, or refused with their line, without a traceback."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from flashdrill.errors import ConfigError
from flashdrill.load.importing import jtl_xml
from flashdrill.load.importing.jtl import JtlForm, model_of_jtl, read_jtl
from flashdrill.load.importing.transactions import UNKNOWN_XML, Transactions
from flashdrill.model.traffic import TrafficModel

T0 = 1_532_376_558_104
HEADER = "timeStamp,elapsed,label,responseMessage\n"
ROW = f"{T0},1,a,OK\n"
SUM = "Number of samples in transaction : 2, number of failing samples : 0"
SAMPLE = f'<httpSample ts="{T0}" lb="a" rm="OK"/>\n'


def imported(
    folder: Path, data: str | bytes, form: JtlForm | None = None, tolerance: float = 0.0
) -> TrafficModel:
    path = folder / "results.jtl"
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return model_of_jtl(read_jtl(path, form or JtlForm()), tolerance=tolerance)


def refused(folder: Path, data: str | bytes, form: JtlForm | None = None) -> str:
    with pytest.raises(ConfigError) as error:
        imported(folder, data, form)
    return str(error.value)


def xml(content: str, encoding: str = "UTF-8") -> str:
    return f'<?xml version="1.0" encoding="{encoding}"?>\n<testResults version="1.2">\n{content}</testResults>\n'


@pytest.mark.parametrize("place", [14, 30, -6, None])
def test_a_packed_file_that_is_damaged_anywhere(tmp_path: Path, place: int | None) -> None:
    packed = bytearray(gzip.compress((HEADER + ROW * 1000).encode()))
    assert imported(tmp_path, bytes(packed)).rows == 1000
    if place is None:
        del packed[-9:]
    else:
        packed[place] ^= 0x55
    assert "not a whole gzip file" in refused(tmp_path, bytes(packed))


@pytest.mark.parametrize("name", ["rot13", "base64", "idna", "punycode", "undefined", "nonsense"])
@pytest.mark.parametrize("data", [HEADER + ROW, xml(SAMPLE)])
def test_what_is_no_encoding_of_texts(tmp_path: Path, name: str, data: str) -> None:
    assert "there is no such encoding" in refused(tmp_path, data, JtlForm(encoding=name))


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("utf-8", b"\xff\x80"),
        ("utf-16", b"\x00\xd8a\x00"),
        ("utf-32", b"\x01\x01\xff\x7f"),
        ("gb18030", b"\x81 "),
        ("iso2022_jp", b"\x1b$B\x7f\x7f\x1b(B"),
    ],
)
def test_wrong_bytes_of_any_encoding_cost_their_own_line(
    tmp_path: Path, name: str, wrong: bytes
) -> None:
    mark = "".encode(name)
    before, after = (part.encode(name)[len(mark) :] for part in (f"{T0},1,", f",OK\n{ROW}{ROW}"))
    data = (HEADER + ROW).encode(name) + before + wrong + after
    assert ":3: bytes that are not of its encoding" in refused(
        tmp_path, data, JtlForm(encoding=name)
    )
    model = imported(tmp_path, data, JtlForm(encoding=name), 0.2)
    assert model.offsets_ms["a"].tolist() == [0, 0, 0]
    assert model.skipped == {"bytes that are not of its encoding": 1}


def test_an_encoding_without_its_mark(tmp_path: Path) -> None:
    said = refused(tmp_path, HEADER + ROW, JtlForm(encoding="utf-32"))
    assert "cannot be read in this encoding" in said


@pytest.mark.parametrize("name", ["utf-8", "utf-16-le", "utf-16-be"])
def test_a_mark_that_the_named_encoding_keeps_is_no_part_of_a_name(
    tmp_path: Path, name: str
) -> None:
    data = f"\ufeff{HEADER}{ROW}".encode(name)
    assert imported(tmp_path, data, JtlForm(encoding=name)).rows == 1


def test_a_character_that_somebody_else_could_not_read_is_a_character(tmp_path: Path) -> None:
    assert imported(tmp_path, HEADER + f"{T0},1,a\ufffd,OK\n").mix == {"a\ufffd": 1}


@pytest.mark.parametrize("text", ["0001-01-01 00:00:00", "9999-12-31T23:59:59-05:00"])
def test_times_at_the_ends_of_all_time(tmp_path: Path, text: str) -> None:
    form = JtlForm(time_zone="Asia/Tokyo")
    said = refused(tmp_path, f"{HEADER}{text},1,a,OK\n", form)
    assert ":2: a timeStamp that is none" in said


def test_a_first_time_that_is_damaged_does_not_say_how_the_others_are_written(
    tmp_path: Path,
) -> None:
    model = imported(tmp_path, HEADER + "15323x5581,1,a,OK\n" + ROW * 9, tolerance=0.1)
    assert (model.rows, model.skipped) == (9, {"a timeStamp that is none": 1})


def test_a_message_over_lines_of_as_many_fields_is_one_row(tmp_path: Path) -> None:
    row = f'{T0},1,a,"one\ntwo, and, a, comma\nthree"\n'
    assert imported(tmp_path, HEADER + row * 3).rows == 3


def test_a_quote_that_is_never_closed_ends_where_the_next_row_begins(tmp_path: Path) -> None:
    data = HEADER + ROW + f'{T0},1,a,"open\n' + ROW * 500
    assert ":3: a quote that is never closed" in refused(tmp_path, data)
    assert imported(tmp_path, data, tolerance=0.01).rows == 501


def test_a_row_over_lines_with_a_wrong_time_is_one_damaged_line(tmp_path: Path) -> None:
    data = HEADER + ROW * 5 + 'x,1,a,"m1\nm2\nm3"\n' + ROW * 5
    model = imported(tmp_path, data, tolerance=0.1)
    assert (model.rows, model.skipped) == (10, {"a timeStamp that is none": 1})


def test_a_field_of_two_hundred_thousand_characters(tmp_path: Path) -> None:
    assert imported(tmp_path, HEADER + f'{T0},1,a,"{"x" * 200_000}"\n').rows == 1


def test_other_columns_of_the_same_number(tmp_path: Path) -> None:
    data = HEADER + ROW + f"label,timeStamp,elapsed,bytes\nb,{T0},1,2\n"
    assert imported(tmp_path, data).mix == {"a": 1, "b": 1}


@pytest.mark.parametrize("other", [",", "|"])
def test_the_separator_of_a_first_row_is_what_comes_after_its_time(
    tmp_path: Path, other: str
) -> None:
    fields = f"{T0};1;a;200;OK;t 1-1;text;true;;9;9;1;1;http://x/{other * 30};1;0;0\n"
    assert imported(tmp_path, fields).rows == 1


def test_columns_that_are_said_beside_a_header_are_told_of(tmp_path: Path) -> None:
    path = tmp_path / "results.jtl"
    path.write_text(HEADER + ROW)
    found = read_jtl(path, JtlForm(columns=("label", "timeStamp")))
    assert (found.arrivals, len(found.notes)) == (1, 1)


@pytest.mark.parametrize(("end", "notes"), [("", 1), ("\n", 0), ("\r\n", 0)])
def test_a_last_line_without_an_end_is_told_of(tmp_path: Path, end: str, notes: int) -> None:
    path = tmp_path / "results.jtl"
    path.write_bytes((HEADER + ROW * 2 + ROW.rstrip() + end).encode())
    found = read_jtl(path, JtlForm())
    assert (found.arrivals, len(found.notes)) == (3, notes)


@pytest.mark.parametrize(
    "data",
    [
        f"timeStamp,label,SampleCount\n{T0},a,1\n{T0},a,5\n",
        xml(f'{SAMPLE}<sample ts="{T0}" lb="a" sc="5"/>\n'),
    ],
)
def test_one_row_of_several_samples_is_no_single_arrival(tmp_path: Path, data: str) -> None:
    said = refused(tmp_path, data)
    assert "what stands for several samples" in said
    assert "mode=Standard" in said


@pytest.mark.parametrize(
    ("content", "rows"),
    [
        (f'{SAMPLE}{SAMPLE}<sample ts="{T0}" lb="T" rm="{SUM}"/>\n', (2, 1, 3)),
        (f'<sample ts="{T0}" lb="T" rm="{SUM}">\n{SAMPLE}{SAMPLE}</sample>\n', (2, 1, 1)),
        (f'<sample ts="{T0}" lb="T" rm="{SUM}"><sample ts="{T0}" lb="U" rm="{SUM}">{SAMPLE}'
         f'<httpSample ts="{T0}" lb="b">{SAMPLE}</httpSample></sample></sample>\n', (2, 1, 1)),
    ],
)  # fmt: skip
def test_transactions_in_xml_beside_and_around_their_samples(
    tmp_path: Path, content: str, rows: tuple[int, int, int]
) -> None:
    for wanted, expected in zip(Transactions, rows, strict=True):
        assert imported(tmp_path, xml(content), JtlForm(transactions=wanted)).rows == expected


@pytest.mark.parametrize(
    ("outer", "form", "is_told"),
    [
        ('sample ts="{}" lb="T"', JtlForm(), True),
        ('sample ts="{}" lb="T" rm=""', JtlForm(), False),
        ('sample ts="{}" lb="T"', JtlForm(takes_sub_results=True), False),
        ('sample ts="{}" lb="T"', JtlForm(transactions=Transactions.BOTH), False),
        ('httpSample ts="{}" lb="a"', JtlForm(), False),  # a redirect
    ],
)
def test_samples_that_may_be_transactions_are_told_of(
    tmp_path: Path, outer: str, form: JtlForm, is_told: bool
) -> None:
    name = outer.partition(" ")[0]
    content = f"<{outer.format(T0)}>{SAMPLE}</{name}>\n" * 2
    reading = imported(tmp_path, xml(content), form).reading
    assert reading is not None
    assert list(reading.notes) == [UNKNOWN_XML] * is_told


def test_a_first_line_that_says_the_separator_is_no_row(tmp_path: Path) -> None:
    header = HEADER.replace(",", ";")
    model = imported(tmp_path, f"sep=;\r\n{header}{T0};1;a,b,c,d,e;OK\n")
    assert model.mix == {"a,b,c,d,e": 1}
    assert model.skipped == {"lines that say the separator": 1}
    said = refused(tmp_path, f"\ufeffsep=;\n{header}x;1;a;OK\n")
    assert ":3: a timeStamp that is none" in said
    assert refused(tmp_path, "sep=;\n").endswith("no arrivals: 1 lines that say the separator")


def test_an_element_that_is_no_sample_is_not_passed_over(tmp_path: Path) -> None:
    said = refused(tmp_path, xml(f'{SAMPLE}<statSample ts="{T0}" lb="z"/>\n'))
    assert ":4: an element that is no sample: <statSample>" in said


def test_xml_in_a_named_encoding(tmp_path: Path) -> None:
    form = JtlForm(encoding="gb18030")
    data = xml(SAMPLE.replace('"a"', '"支付"'), "gb18030")
    assert imported(tmp_path, data.encode("gb18030"), form).mix == {"支付": 1}
    wrong = xml(SAMPLE).encode().replace(b'"a"', b'"\x81 "')
    assert ":3: bytes that are not gb18030" in refused(tmp_path, wrong, form)


BOMB = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 12))


@pytest.mark.parametrize(
    "doctype",
    [f'<!DOCTYPE x [<!ENTITY e0 "x">{BOMB}]>', '<!DOCTYPE x SYSTEM "file:///etc/passwd">'],
)
def test_entities_are_never_looked_at(tmp_path: Path, doctype: str) -> None:
    data = f'<?xml version="1.0"?>\n{doctype}\n<testResults>&e11;</testResults>'
    assert ":2: a document type declaration" in refused(tmp_path, data)


def test_a_tag_without_an_end_and_elements_without_a_bottom(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jtl_xml, "LONGEST_TAG", 1 << 18)
    endless = xml(f'<sample lb="{"x" * (1 << 20)}"/>\n')
    assert ":3: a tag of over eight million bytes" in refused(tmp_path, endless)
    deep = xml("<sample>" * 100_000)
    assert "over 1000 elements within each other" in refused(tmp_path, deep)
