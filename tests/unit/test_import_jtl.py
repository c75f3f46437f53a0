"""JMeter results: one arrival per row at its recorded time, and nothing is guessed."""

from __future__ import annotations

import csv
import io
from array import array
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flashdrill.errors import ConfigError
from flashdrill.load.importing.jtl import import_jtl
from flashdrill.load.importing.labels import guess
from flashdrill.plan.traffic import read_traffic, write_traffic

T0 = 1_532_376_558_104
HEADER = "timeStamp,elapsed,label,responseMessage\n"
ROWS = (
    f"{T0 + 50},12,FetchParty,OK\n"
    f"{T0},15,AddOrder,OK\n"
    f'{T0 + 1500},9,FetchParty,"two\nlines, and a comma"\n'
    f"{T0 + 50},9,FetchParty,OK\n"
)


def jtl(folder: Path, text: str | bytes) -> Path:
    """A result file with this content."""
    path = folder / "results.jtl"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_one_arrival_per_row(tmp_path: Path) -> None:
    model = import_jtl(jtl(tmp_path, HEADER + ROWS), [])
    assert model.rows == 4
    assert model.first_at == "2018-07-23T20:09:18.104Z"
    assert model.duration_s == 1.5
    assert model.offsets_ms == {
        "FetchParty": array("q", [50, 50, 1500]),
        "AddOrder": array("q", [0]),
    }
    assert model.operations == {"FetchParty": "browse", "AddOrder": "order"}


def test_columns_are_found_by_name_whatever_their_order(tmp_path: Path) -> None:
    for separator in ",;\t|":
        text = separator.join(["label", "x", "timeStamp"]) + f"\r\na{separator}1{separator}{T0}\r\n"
        assert import_jtl(jtl(tmp_path, b"\xef\xbb\xbf" + text.encode()), []).offsets_ms == {
            "a": array("q", [0])
        }


def test_empty_lines_and_repeated_headers_are_counted(tmp_path: Path) -> None:
    model = import_jtl(jtl(tmp_path, HEADER + ROWS + "\n" + HEADER + f"{T0},1,a,OK"), [])
    assert model.rows == 5
    assert model.skipped == {"empty lines": 1, "repeated headers": 1}


BAD = [
    ("", None, "the file is empty"),
    (" \n\n", None, "the file is empty"),
    (HEADER, 1, "no arrivals"),
    (HEADER.replace("timeStamp", "time") + ROWS, 1, "no column 'timeStamp'; the line has: 'time, elapsed"),
    (HEADER.replace("label", "name") + ROWS, 1, "no column 'label'"),
    (HEADER.replace("elapsed", "label") + ROWS, 1, "two columns are called 'label'"),
    (ROWS, 1, "no column 'timeStamp'"),
    (HEADER + ROWS + "2018/07/23 20:09,1,a,OK\n", 7, "a timeStamp that is none: '2018/07/23 20:09' is no number"),
    (HEADER + "12,1,a,OK\n" + ROWS, 2, "'12' is not between the years 2000 and 2100"),
    (HEADER + f"{T0},1,a,OK\n-5,1,a,OK\n" + ROWS, 3, "'-5' is no number of time"),
    (HEADER + ROWS + "15323765", 7, "1 in the place of 4; is the line cut off?"),
    (HEADER + ROWS + f"{T0},1,a,b,c\n", 7, "5 in the place of 4; is a separator unquoted?"),
    (HEADER + ROWS + f'{T0},1,a,"cut off\nin a quoted field\n', 7, "a quote that is never closed (2 of 8 lines"),
    (HEADER + f'{T0},1,a,"x"y\n' + ROWS, 2, "not valid CSV"),
    (HEADER + f"{T0},1,a,\0\n" + ROWS, 2, "NUL bytes"),
    (HEADER + f"{T0},1,a,{'x' * (1 << 20)}\n" + ROWS, 2, "a line of over a million characters"),
    (HEADER + f"{T0},1,a,OK\nx,1,a,OK\n" + ROWS + "y,1,a,OK\n", 3, "(2 of 9 lines cannot be used; line 9: a time"),
    ('<?xml version="1.0"?>\n<testResults/>', None, "the file is empty"),
    (HEADER.encode() + f"{T0},1,支付,OK\n".encode("gb18030"), 2, "such as --encoding gb18030"),
    (HEADER + "2018-07-23 20:09:18.104,1,a,OK\n", 2, "names no time zone\n  remedy: say where JMeter ran"),
    (HEADER + f"{T0},1,a,Number of samples in transaction : 2\n", 2, "--transactions only"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "line", "says"), BAD)
def test_a_file_that_is_none_is_refused(
    tmp_path: Path, text: str | bytes, line: int | None, says: str
) -> None:
    path = jtl(tmp_path, text)
    with pytest.raises(ConfigError) as error:
        import_jtl(path, [])
    assert str(error.value).startswith(f"{path}:{line}: " if line else f"{path}: ")
    assert says in str(error.value)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file"):
        import_jtl(tmp_path / "none.jtl", [])


def test_labels_are_mapped_by_name_then_pattern_then_guess(tmp_path: Path) -> None:
    path = jtl(tmp_path, HEADER + ROWS + f"{T0},1,FetchOne,OK\n")
    model = import_jtl(path, ["Fetch*=order", "FetchOne=buy"])
    assert model.operations == {"FetchParty": "order", "AddOrder": "order", "FetchOne": "buy"}


@pytest.mark.parametrize(
    ("item", "says"),
    [
        ("Fetch*", "--map Fetch*: expected LABEL=JOURNEY"),
        ("=browse", "expected LABEL=JOURNEY"),
        ("Fetch*=", "expected LABEL=JOURNEY"),
        ("Fetch*=a journey", "expected LABEL=JOURNEY"),
        ("Fetsch*=browse", "no label fits it; there are AddOrder, FetchParty"),
    ],
)
def test_a_wrong_map_is_refused(tmp_path: Path, item: str, says: str) -> None:
    with pytest.raises(ConfigError) as error:
        import_jtl(jtl(tmp_path, HEADER + ROWS), [item])
    assert says in str(error.value)


@pytest.mark.parametrize(
    ("label", "journey"),
    [
        ("FundTransfer", "order"),
        ("KBO02_P2PCreate", "order"),
        ("KBO09a_ContactpointupdateEmail", "order"),
        ("POST /orders", "order"),
        ("makePayment", "order"),
        ("GET /orders", "browse"),
        ("TransferHistory", "browse"),
        ("PostedTransactionHistory", "browse"),
        ("ShippingAddress", "browse"),
        ("Home", "browse"),
        ("", "browse"),
    ],
)
def test_the_guess(label: str, journey: str) -> None:
    assert guess(label) == journey


LETTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\0\ufffc\ufffd")


@given(
    st.lists(
        st.tuples(
            st.integers(0, 10**7),
            st.text(
                st.characters(exclude_categories=["Cs"], exclude_characters="\0\ufffc\ufffd"),
                max_size=8,
            ),
        ),
        min_size=1,
    )
)
def test_any_labels_and_times_survive_the_way_to_traffic_yaml(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[int, str]]
) -> None:
    folder = tmp_path_factory.mktemp("import")
    text = io.StringIO(newline="")
    writer = csv.writer(text, quoting=csv.QUOTE_ALL)
    writer.writerow(["label", "timeStamp"])
    writer.writerows([label, T0 + offset] for offset, label in rows)
    model = import_jtl(jtl(folder, text.getvalue()), [])
    assert model.rows == len(rows)
    first = min(offset for offset, _ in rows)
    assert sorted(
        (ms, label) for label, times in model.offsets_ms.items() for ms in times
    ) == sorted((offset - first, label) for offset, label in rows)
    write_traffic(model, folder / "traffic.yaml")
    assert read_traffic(folder / "traffic.yaml") == model
