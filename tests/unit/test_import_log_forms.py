"""Access logs as servers write them, or in one's own format: each request in its second, each line accounted for."""

from __future__ import annotations

import gzip
import random
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flashdrill.errors import ConfigError
from flashdrill.load.importing.access_log import LogForm, import_access_log, read_access_log
from flashdrill.load.importing.log_format import reader_of
from flashdrill.load.importing.log_line import Entry, UselessLineError, entry_of
from flashdrill.model.traffic import TrafficModel

T0 = 1_431_857_103  # 2015-05-17 10:05:03 UTC
COMBINED = '1.2.3.4 - - [17/May/2015:10:05:03 +0000] "GET /a?x=1 HTTP/1.1" 200 5 "-" "Agent/1.0"'
ZONES = [UTC, ZoneInfo("Asia/Kathmandu"), ZoneInfo("America/New_York")]

LINES: list[tuple[str, Entry]] = [
    (COMBINED, Entry("GET", "/a?x=1", T0, visitor="1.2.3.4 Agent/1.0")),
    (f"shop:80 {COMBINED}", Entry("GET", "/a?x=1", T0, visitor="1.2.3.4 Agent/1.0")),
    (f"Nov 23 16:40:02 web nginx: {COMBINED}", Entry("GET", "/a?x=1", T0, visitor="1.2.3.4 Agent/1.0")),
    (f"{COMBINED} 0.250", Entry("GET", "/a?x=1", T0, took_s=0.25, visitor="1.2.3.4 Agent/1.0")),
    (f"{COMBINED} 5.000 0.010", Entry("GET", "/a?x=1", T0, took_s=5.0, visitor="1.2.3.4 Agent/1.0")),
    (f"{COMBINED} 5.000 -", Entry("GET", "/a?x=1", T0, took_s=5.0, visitor="1.2.3.4 Agent/1.0")),
    (f"{COMBINED} 5.000 4.900 .", Entry("GET", "/a?x=1", T0, took_s=5.0, visitor="1.2.3.4 Agent/1.0")),
    (f"{COMBINED} 5.000 0.001, - : 4.900 p", Entry("GET", "/a?x=1", T0, took_s=5.0, visitor="1.2.3.4 Agent/1.0")),
    (f'{COMBINED} rt=0.500 urt="0.400"', Entry("GET", "/a?x=1", T0, took_s=0.5, visitor="1.2.3.4 Agent/1.0")),
    (f'{COMBINED} "3.42"', Entry("GET", "/a?x=1", T0, visitor="1.2.3.4 Agent/1.0")),  # nginx's $gzip_ratio
    (f"{COMBINED} 3.42", Entry("GET", "/a?x=1", T0, visitor="1.2.3.4 Agent/1.0")),
    (
        "https 2015-05-17T10:05:33.000000Z app/lb/1 5.6.7.8:2817 10.0.0.1:80 0.000 29.500 0.000 200 200 34 366 "
        '"GET https://shop:443/slow HTTP/1.1" "curl" - - arn "Root=1" "-" "-" 0 2015-05-17T10:05:03.500000Z "forward"',
        Entry("GET", "https://shop:443/slow", T0 + 0.5, is_exact=True, visitor="5.6.7.8"),
    ),
    (f'{COMBINED} 17 "shop@docker" "http://10.0.0.1:80" 12ms', Entry("GET", "/a?x=1", T0, visitor="1.2.3.4 Agent/1.0")),
    (COMBINED.replace("1.2.3.4", "2001:db8::1"), Entry("GET", "/a?x=1", T0, visitor="2001:db8::1 Agent/1.0")),
    (COMBINED.replace("10:05:03", "10:05:60"), Entry("GET", "/a?x=1", T0 + 57, visitor="1.2.3.4 Agent/1.0")),
    (
        "h2 2015-05-17T10:05:03.186641Z app/lb/1 5.6.7.8:2817 10.0.0.1:80 0.0 0.1 0.0 200 200 34 366 "
        '"POST https://shop:443/buy HTTP/2.0" "curl" - -',
        Entry("POST", "https://shop:443/buy", T0 + 0.186641, is_exact=True, took_s=0.1, visitor="5.6.7.8"),
    ),
    (
        '{"level":"info","ts":1431857103.5,"request":{"remote_ip":"9.9.9.9","method":"PUT","uri":"/x"},"duration":0.25}',
        Entry("PUT", "/x", T0 + 0.5, is_exact=True, took_s=0.25, visitor="9.9.9.9"),
    ),
    (
        '{"ts":1431857103.5,"request":{"uri":"/y"},"duration":"1m2.5s"}',
        Entry("GET", "/y", T0 + 0.5, is_exact=True, took_s=62.5),
    ),
    (
        '{"ts":1431857103.5,"request":{"uri":"/q"},"duration":"0.25"}',
        Entry("GET", "/q", T0 + 0.5, is_exact=True, took_s=0.25),
    ),
    (
        '{"ts":1431857103.5,"request":{"uri":"/z"},"duration":"312.5\u00b5s"}',
        Entry("GET", "/z", T0 + 0.5, is_exact=True, took_s=0.0003125),
    ),
    (
        '{"start_time":"2015-05-17T10:05:03.125Z","method":"GET","path":"/e","duration":7}',
        Entry("GET", "/e", T0 + 0.125, is_exact=True),
    ),
]  # fmt: skip


@pytest.mark.parametrize(("line", "entry"), LINES, ids=[line[:20] for line, _ in LINES])
def test_what_servers_write_by_themselves(line: str, entry: Entry) -> None:
    assert entry_of(line.encode()) == entry


FORMATS: list[tuple[str, str, Entry]] = [
    (
        '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" '
        '"$http_user_agent" rt=$request_time uct="$upstream_connect_time"',
        f'{COMBINED} rt=0.500 uct="0.001"',
        Entry("GET", "/a?x=1", T0, took_s=0.5, visitor="1.2.3.4 Agent/1.0"),
    ),
    ("$msec|$request_method|$request_uri", "1431857103.250|GET|/b", Entry("GET", "/b", T0 + 0.25, is_exact=True)),
    ("${time_iso8601} $uri", "2015-05-17T12:05:03+02:00 /c", Entry("GET", "/c", T0)),
    (
        '%h %l %u %t "%r" %>s %b %D',
        f"{COMBINED[:-16]} 1500000",
        Entry("GET", "/a?x=1", T0, visitor="1.2.3.4"),  # the time is that of the request's beginning
    ),
    ("%{msec}t %m %U %{ms}T", "1431857103125 POST /d 20", Entry("POST", "/d", T0 + 0.125, is_exact=True)),
    ("%{begin:msec}t %m %U %{ms}T", "1431857103125 POST /d 20", Entry("POST", "/d", T0 + 0.125, is_exact=True)),
    (
        "%{end:msec}t %m %U %{ms}T",
        "1431857103125 POST /d 20",
        Entry("POST", "/d", T0 + 0.125, is_exact=True, took_s=0.02),
    ),
    (
        '$time_iso8601 "$request_method $scheme://$host$request_uri $server_protocol"',
        '2015-05-17T10:05:03+00:00 "GET https://shop/a?x HTTP/1.1"',
        Entry("GET", "/a?x", T0),
    ),
    (
        '%t "%r" "%{User-Agent}i" %{X-Id}o',
        '[17/May/2015:10:05:03 +0000] "GET / HTTP/2" "A \\"b\\"" 7',
        Entry("GET", "/", T0, visitor='A \\"b\\"'),
    ),
    (
        '$msec $upstream_response_time $request_time "$uri$is_args$args" $gzip_ratio',
        '1431857103.000 0.1, 0.2 : 0.3 0.500 "/u?x" -',
        Entry("GET", "/u?x", T0, is_exact=True, took_s=0.5),
    ),
    (
        "log_format main '$remote_addr [$time_local] '\n  '\"$request\" $status';",
        '1.2.3.4 [17/May/2015:10:05:03 +0000] "GET / HTTP/2" 200',
        Entry("GET", "/", T0, visitor="1.2.3.4"),
    ),
    (
        '%h %t \\"%r\\"',
        '1.2.3.4 [17/May/2015:10:05:03 +0000] "GET / HTTP/2"',
        Entry("GET", "/", T0, visitor="1.2.3.4"),
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("form", "line", "entry"), FORMATS, ids=[form[:20] for form, _, _ in FORMATS]
)
def test_formats_of_ones_own(form: str, line: str, entry: Entry) -> None:
    assert reader_of(form)(line.encode()) == entry
    with pytest.raises(UselessLineError, match="lines of another format"):
        reader_of(form)(b"something else")


@pytest.mark.parametrize(
    ("form", "lacking"),
    [
        ("$remote_addr $request", "it has not a time"),
        ("[$time_local] $status", "it has not a request"),
        ("nothing", "it has not a time .* and not a request"),
    ],
)
def test_a_format_that_lacks_something_is_refused(form: str, lacking: str) -> None:
    with pytest.raises(ConfigError, match=lacking):
        reader_of(form)


def per_second(model: TrafficModel) -> Counter[tuple[str, int]]:
    first_ms = round(datetime.fromisoformat(model.first_at).timestamp() * 1000)
    return Counter(
        (label, int((first_ms + ms) // 1000))
        for label, times in model.offsets_ms.items()
        for ms in times
    )


@given(
    st.lists(st.tuples(st.integers(0, 90_000), st.sampled_from(["a", "b"]), st.sampled_from(ZONES)), min_size=1),
    st.randoms(use_true_random=False),
    st.booleans(),
)  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_in_any_order_and_zone_every_request_is_in_its_second(
    tmp_path_factory: pytest.TempPathFactory,
    requests: list[tuple[int, str, ZoneInfo]],
    rng: random.Random,
    is_packed: bool,
) -> None:
    lines = [
        COMBINED.replace("/a?x=1", f"/{label}").replace(
            "17/May/2015:10:05:03 +0000",
            datetime.fromtimestamp(T0 + second, zone).strftime("%d/%b/%Y:%H:%M:%S %z"),
        )
        for second, label, zone in requests
    ]
    rng.shuffle(lines)
    data = "".join(f"{line}\n" for line in lines).encode()
    path = tmp_path_factory.mktemp("log") / "access.log"
    path.write_bytes(gzip.compress(data) if is_packed else data)
    model = import_access_log(path)
    assert per_second(model) == Counter(
        (f"GET /{label}", T0 + second) for second, label, _ in requests
    )


@given(st.integers(0), st.sampled_from(b'"[] \n\0x\xff\\'), st.booleans())
@settings(max_examples=120, deadline=None)
def test_every_line_of_a_damaged_log_is_accounted_for(
    tmp_path_factory: pytest.TempPathFactory, place: int, byte: int, is_cut: bool
) -> None:
    data = b"".join(COMBINED.encode() + b"\n" for _ in range(8))
    place %= len(data)
    data = data[:place] if is_cut else data[:place] + bytes([byte]) + data[place + 1 :]
    path = tmp_path_factory.mktemp("log") / "access.log"
    path.write_bytes(data)
    found = read_access_log(path, LogForm())
    lines = data.count(b"\n") + (data != b"" and not data.endswith(b"\n"))
    assert found.arrivals + found.damaged + found.skipped == lines


def test_garbage_is_counted_as_no_request(tmp_path: Path) -> None:
    garbage = COMBINED.replace("GET /a?x=1 HTTP/1.1", "\\x16\\x03\\x01")
    path = tmp_path / "access.log"
    path.write_text("\n".join([COMBINED] * 40 + [garbage]))
    assert import_access_log(path).skipped == {"lines without a request": 1}


def test_what_is_excluded_is_counted(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    path.write_text("\n".join([COMBINED, COMBINED.replace("/a?x=1", "/healthz"), COMBINED]))
    found = read_access_log(path, LogForm(exclude=("GET /health*",)))
    model = found.model()
    assert (model.mix, model.skipped) == ({"GET /a": 2}, {"requests that were excluded": 1})
    assert found.requests()["GET /a"].target == "/a"  # without the query


def line_of(start: str) -> str:
    return next(line for line, _ in LINES if line.startswith(start))


@pytest.mark.parametrize(
    ("line", "log_format", "name"),
    [
        (COMBINED, "", "combined"),
        (COMBINED.partition(' "-"')[0], "", "common"),
        (line_of("h2 "), "", "load balancer"),
        (line_of("{"), "", "JSON lines"),
        (COMBINED, '%h %l %u %t "%r" %s %b', "a format of its own"),
    ],
)
def test_the_form_that_was_found_is_told(
    tmp_path: Path, line: str, log_format: str, name: str
) -> None:
    path = tmp_path / "some.log"
    path.write_text(f"no request at all\n\n{line}\n")
    reading = read_access_log(path, LogForm(log_format=log_format)).model(tolerance=0.5).reading
    assert reading is not None
    assert (reading.form, reading.lines) == (name, 3)


def test_visitors_are_counted_and_not_kept(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    path.write_text("\n".join([COMBINED, COMBINED.replace("1.2.3.4", "4.3.2.1"), COMBINED]))
    model = import_access_log(path)
    assert model.sessions is not None
    assert model.sessions.lengths == {1: 1, 2: 1}
    assert "4.3.2.1" not in repr(model)


@pytest.mark.parametrize(
    "line",
    [
        '{"ts": 99999999999, "path": "/a"}',
        '{"time": "0001-01-01T00:00:00Z", "path": "/a"}',
        '{"time": "9999-12-31T00:00:00Z", "path": "/a"}',
        COMBINED.replace("2015", "1960"),
        COMBINED.replace("2015", "9999"),
    ],
)
def test_a_time_that_no_log_has_is_damage(tmp_path: Path, line: str) -> None:
    path = tmp_path / "x.log"
    path.write_text(f"{COMBINED}\n{line}\n")
    model = import_access_log(path, tolerance=0.5)
    assert model.rows == 1
    assert model.skipped == {"lines with a time before 2000 or after 2100": 1}


@pytest.mark.parametrize(
    "duration",
    ["NaN", "Infinity", "1e300", "-5", '"0.5 s"', '"s"', '"9e9s"', '"99h"', "[]"],
)
def test_a_duration_that_is_none_moves_no_arrival(duration: str) -> None:
    line = f'{{"ts": {T0}.5, "request": {{"uri": "/a"}}, "duration": {duration}}}'
    assert entry_of(line.encode()) == Entry("GET", "/a", T0 + 0.5, is_exact=True)


@pytest.mark.parametrize(
    ("time", "is_exact"),
    [
        (f"{T0}.0", True),
        (f"{T0}000", True),
        (f"{T0}", False),
        (f'"{T0}.000"', True),
        ('"2015-05-17T10:05:03.000Z"', True),
        ('"2015-05-17T10:05:03Z"', False),
    ],
)
def test_what_is_written_to_the_millisecond_is_exact(time: str, is_exact: bool) -> None:
    assert entry_of(f'{{"ts": {time}, "path": "/a"}}'.encode()) == Entry(
        "GET", "/a", T0, is_exact=is_exact
    )


def test_half_a_surrogate_pair_in_a_request_is_no_crash() -> None:
    assert entry_of(b'{"ts": 1431857103, "request": "GET /\\ud800 HTTP/1.1"}').target == "/?"


def test_secrets_beside_the_path_are_in_no_label(tmp_path: Path) -> None:
    path = tmp_path / "x.log"
    path.write_text(COMBINED.replace("/a?x=1", "/login;jsessionid=SECRET/b?token=SECRET#SECRET"))
    found = read_access_log(path, LogForm(depth=3))
    assert list(found.requests()) == ["GET /login/b"]
    assert found.requests()["GET /login/b"].target == "/login/b"


def test_a_pattern_that_excludes_nothing_is_said(tmp_path: Path) -> None:
    path = tmp_path / "x.log"
    path.write_text(COMBINED)
    found = read_access_log(path, LogForm(exclude=("GET /a?", "GET /b")))
    assert found.notes == ["no label fits --exclude 'GET /a?'", "no label fits --exclude 'GET /b'"]


def test_a_line_of_another_format_takes_no_longer_than_its_length() -> None:
    read = reader_of('$a $b $c $d $e $f $g $h "$request" $msec "$i" $j')
    for line in (b"x " * 4000, b'" ' * 4000, b'\\" ' * 4000):
        with pytest.raises(UselessLineError, match="another format"):
            read(line)
