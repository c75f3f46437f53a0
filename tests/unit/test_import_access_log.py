"""Access logs: one arrival for each request, at its second, and what is no request is counted."""

from __future__ import annotations

import gzip
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest

from flashdrill.errors import ConfigError
from flashdrill.load.importing.access_log import import_access_log
from flashdrill.model.traffic import Offsets
from flashdrill.plan.traffic import read_traffic, write_traffic

LINE = '10.0.0.1 - {user} [17/May/2015:10:05:{second:02} +0000] "{request}" 200 512{rest}'
COMBINED = ' "http://shop/" "Mozilla/5.0 (X \\"Y\\" Z) \\\\"'

LETTERS = "abcdefghijklmnopqrstuvwxyz"


def line(
    second: int, request: str = "GET /orders/17?x=1 HTTP/1.1", rest: str = "", user: str = "-"
) -> str:
    return LINE.format(second=second, request=request, rest=rest, user=user)


MANY_ROUTES = tuple(line(1, f"GET /{a}{b} HTTP/1.1") for a in LETTERS[:24] for b in LETTERS[:25])


def plain(offsets_ms: Mapping[str, Offsets]) -> dict[str, tuple[float, ...]]:
    return {label: tuple(times) for label, times in offsets_ms.items()}


def log(folder: Path, *lines: str, name: str = "access.log") -> Path:
    path = folder / name
    text = "".join(f"{each}\n" for each in lines).encode()
    path.write_bytes(gzip.compress(text) if name.endswith(".gz") else text)
    return path


@pytest.mark.parametrize("name", ["access.log", "access.log.gz"])
@pytest.mark.parametrize("rest", ["", COMBINED])
def test_requests_are_arrivals_under_their_routes(tmp_path: Path, name: str, rest: str) -> None:
    lines = (
        line(3, rest=rest),
        line(3, "POST /orders HTTP/1.1", rest, user="a b"),
        line(4, "GET / HTTP/1.0", rest),
        line(1, "GET /orders HTTP/2", rest),
        line(3, rest=rest),
    )
    model = import_access_log(log(tmp_path, *lines, name=name))
    assert model.first_at == "2015-05-17T10:05:01.000Z"
    assert model.rows == 5
    assert plain(model.offsets_ms) == {
        "GET /orders": (0, 2000, 2667),
        "POST /orders": (2333,),
        "GET /": (3000,),
    }
    assert model.operations["POST /orders"] == "order"
    assert not model.skipped


def test_labels_are_cut_and_what_varies_is_a_star(tmp_path: Path) -> None:
    targets = (
        "/a/17/b/c",
        "/a/0f8fad5b-d9cb-469f-a165-70867728950e/b",
        "/a/x/b",
        "http://h/a/5/b?q#f",
        "/a/x/b//http://h/c",
    )
    lines = [line(n, f"GET {target} HTTP/1.1") for n, target in enumerate(targets)]
    labels = [set(import_access_log(log(tmp_path, *lines), depth=d).offsets_ms) for d in range(4)]
    assert labels == [
        {"GET /"},
        {"GET /a"},
        {"GET /a/*", "GET /a/x"},
        {"GET /a/*/b", "GET /a/x/b"},
    ]


def test_a_request_began_before_it_was_logged(tmp_path: Path) -> None:
    lines = (
        line(10, rest=COMBINED + " 0.250"),
        line(12, rest=COMBINED),
        line(14, rest=COMBINED + " 1.000"),
    )
    assert plain(import_access_log(log(tmp_path, *lines)).offsets_ms) == {
        "GET /orders": (0, 2250, 3250)
    }


def test_the_version_of_an_agent_is_no_time(tmp_path: Path) -> None:
    lines = (line(10, rest=' "-" "Tiny Tiny RSS 1.11"'), line(12, rest=' "-" "x=0.9"'))
    assert plain(import_access_log(log(tmp_path, *lines)).offsets_ms) == {"GET /orders": (0, 2000)}


def test_lines_of_json(tmp_path: Path) -> None:
    lines = (
        '{"time": "2015-05-17T10:05:03.250Z", "method": "POST", "path": "/orders"}',
        '{"@timestamp": "2015-05-17T12:05:04+02:00", "request": "GET /orders/7 HTTP/1.1", "request_time": 0.5}',
        '{"msec": "1431857106.125", "request_uri": "/orders?x", "request_method": "GET"}',
        '{"ts": 1431857107000, "url": "http://shop/"}',
        '{"time_local": "17/May/2015:10:05:08 +0000", "uri": "/"}',
    )
    model = import_access_log(log(tmp_path, *lines))
    assert model.first_at == "2015-05-17T10:05:03.250Z"
    assert plain(model.offsets_ms) == {
        "POST /orders": (0,),
        "GET /orders": (250, 2875),
        "GET /": (3750, 4750),
    }


def test_what_is_no_request_is_counted_and_the_rest_is_taken(tmp_path: Path) -> None:
    bad = (line(9, "-"), "", "Segmentation fault", line(9).replace("May", "Mai"))
    model = import_access_log(
        log(tmp_path, *(line(n) for n in range(60)), *bad, *(line(n) for n in range(40)))
    )
    assert model.rows == 100
    assert model.skipped == {
        "lines without a request": 1,
        "empty lines": 1,
        "lines that are no access log": 1,
        "lines without a time": 1,
    }


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ((), "the file is empty"),
        (("",), "the file is empty"),
        ((line(1), "x", "y"), ":2: lines that are no access log (2 of 3 lines cannot be used; line 3: lines"),
        (("timeStamp,elapsed,label",) * 9, ":1: lines that are no access log (9 of 9 lines"),
        (("{}",), ":1: lines without a request"),
        (('{"path": "/a"}',), ":1: lines without a time"),
        (('{"path": "/a", "time": "2015-05-17T10:05:03"}',), "whose time has no zone"),
        (("{",), ":1: lines that are no JSON"),
        (('{"request": ' + "[" * 9000,), "lines that are no JSON"),
        (("x" * 70_000,), ":1: lines that are too long"),
        (MANY_ROUTES, "600 different labels are more than 500\n  remedy: keep fewer parts"),
    ],
)  # fmt: skip
def test_what_is_no_access_log_is_refused(
    tmp_path: Path, lines: tuple[str, ...], said: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        import_access_log(log(tmp_path, *lines))
    assert said in str(caught.value)


def test_a_gzip_file_that_was_cut_is_refused(tmp_path: Path) -> None:
    path = log(tmp_path, *(line(n) for n in range(60)), name="a.gz")
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(ConfigError, match="not a whole gzip file"):
        import_access_log(path)
    with pytest.raises(ConfigError, match="no such file"):
        import_access_log(tmp_path / "none")


def test_counts_and_seconds_are_those_of_the_log(tmp_path: Path) -> None:
    lines = [line(n * n % 60, f"GET /{'abc'[n % 3]} HTTP/1.1", COMBINED) for n in range(500)]
    path = tmp_path / "traffic.yaml"
    write_traffic(import_access_log(log(tmp_path, *lines)), path)
    model = read_traffic(path)
    first = datetime.fromisoformat(model.first_at).timestamp()
    replayed = Counter(
        (label, datetime.fromtimestamp(int(first + ms / 1000), UTC).second)
        for label, offsets in model.offsets_ms.items()
        for ms in offsets
    )
    assert replayed == Counter((f"GET /{'abc'[n % 3]}", n * n % 60) for n in range(500))


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_byte_order_mark_takes_no_request_away(tmp_path: Path, encoding: str) -> None:
    text = '{"time": "2015-05-17T10:05:03Z", "request": "GET /a HTTP/1.1"}\n' * 3
    path = tmp_path / "marked.log"
    path.write_bytes(text.encode(encoding))
    model = import_access_log(path)
    assert (model.rows, model.reading.damaged) == (3, {})


@pytest.mark.parametrize(
    ("text", "field"),
    [
        (line(1, rest=COMBINED + " 5.000 0.010"), "5.000 at its end"),
        (line(1, rest=COMBINED + ' rt=0.500 urt="0.400"'), "rt=0.500"),
        ('{"time_local": "17/May/2015:10:05:08 +0000", "uri": "/", "request_time": 2}', "request_time"),
        ('{"ts": 1431857103.5, "request": {"method": "GET", "uri": "/"}, "duration": 0.25}', "duration"),
        (
            "h2 2015-05-17T10:05:03.1Z app/lb/1 5.6.7.8:2817 10.0.0.1:80 0.0 0.1 0.0 200 200 34 366 "
            '"GET https://shop:443/ HTTP/2.0" "curl" - -',
            "its processing times",
        ),
    ],
)  # fmt: skip
def test_what_was_taken_for_a_duration_is_said(tmp_path: Path, text: str, field: str) -> None:
    notes = import_access_log(log(tmp_path, line(0, rest=COMBINED), text, text)).reading.notes
    assert len(notes) == 1
    assert f"line 2 says how long its request took ({field})" in notes[0]
    assert "--format" in notes[0]


def test_no_duration_needs_no_note(tmp_path: Path) -> None:
    assert not import_access_log(log(tmp_path, line(1, rest=COMBINED))).reading.notes
