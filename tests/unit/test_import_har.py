"""HAR files as browsers and proxies write them: what is taken, what is counted, and what is refused."""

from __future__ import annotations

import codecs
import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from flashdrill.errors import ConfigError
from flashdrill.load.importing import har_file
from flashdrill.load.importing.har import HarForm, import_har
from tests.unit.har_files import as_json, entry, har


def damaged(path: Path, **form: Any) -> str:
    """What is said of a file that is refused."""
    with pytest.raises(ConfigError) as refused:
        import_har(path, form=HarForm(**form))
    return str(refused.value)


def test_each_request_is_an_arrival_under_its_method_and_route(tmp_path: Path) -> None:
    path = har(
        tmp_path / "shop.har",
        entry(url="/items/17?page=2", at_s=1, pageref="page_1"),
        entry(url="/items/18", at_s=2.5, pageref="page_1"),
        entry("POST", "/orders", 4, status=201, post=as_json({"sku": "lamp"}), pageref="page_2"),
    )
    model = import_har(path)
    assert {label: list(ms) for label, ms in model.offsets_ms.items()} == {
        "GET /items/*": [0, 1500],
        "POST /orders": [3000],
    }
    assert model.first_at == "2026-11-27T12:00:01.000Z"
    assert model.sessions is not None
    assert dict(model.sessions.lengths) == {1: 1, 2: 1}
    assert model.operations == {"GET /items/*": "browse", "POST /orders": "order"}
    shallow = import_har(path, ["GET*=look"], form=HarForm(depth=1))
    assert shallow.mix == {"GET /items": 2, "POST /orders": 1}
    assert shallow.operations["GET /items"] == "look"


def stored_by_a_worker() -> dict[str, Any]:
    found = entry()
    found["response"] |= {
        "_fetchedViaServiceWorker": True,
        "_serviceWorkerResponseSource": "cache-storage",
    }
    return found


def test_a_half_of_a_character_spoils_nothing(tmp_path: Path) -> None:
    first, second, third = entry(url="/a"), entry(url="/b"), entry(url="/c?x=%F0", at_s=5)
    path = har(tmp_path / "shop.har", first, second, third)
    text = path.read_text()
    half, whole = r"\ud83d", r"\ud83d\ude00 \\ud83d"
    text = (
        text.replace('"/a"', '"/a"')
        .replace("/b", f"/b?{half}", 1)
        .replace("/c?x", f"/c?{whole}", 1)
    )
    path.write_text(text)
    model = import_har(path)
    assert model.mix == {"GET /a": 1, "GET /b": 1, "GET /c": 1}


NOT_OF_THE_SERVICE = {
    "static assets": [
        entry(url="/a.png", answer="image/png"),
        entry(url="/app.js?v=1", answer=""),
        entry(url="/x", answer="text/html", _resourceType="font"),
    ],
    "answers from a cache": [
        entry(_fromCache="disk"),
        entry(fromDiskCache=True),
        entry(_fetchType="Memory Cache"),
        stored_by_a_worker(),
    ],
    "aborted requests": [entry(status=0)],
    "websockets": [entry(url="wss://shop.example/live"), entry(_resourceType="websocket")],
    "data: and blob: URLs": [
        entry(url="data:text/plain,x"),
        entry(url="blob:https://shop.example/1"),
    ],
    "URLs that are not of the web": [entry(url="chrome-extension://abc/x")],
    "tunnels of a proxy": [entry("CONNECT", "https://shop.example:443")],
    "requests to other hosts": [entry(url="https://ads.example/a"), entry(url="http://b.example")],
}


def test_what_is_no_request_of_the_service_is_counted_by_its_reason(tmp_path: Path) -> None:
    entries = [each for group in NOT_OF_THE_SERVICE.values() for each in group]
    path = har(tmp_path / "shop.har", *entries, *(entry(at_s=s) for s in range(5)))
    model = import_har(path)
    assert model.rows == 5
    assert model.skipped == {reason: len(group) for reason, group in NOT_OF_THE_SERVICE.items()}
    with_assets = import_har(path, form=HarForm(keeps_static=True))
    assert with_assets.rows == 8
    assert "static assets" not in with_assets.skipped


def test_an_xhr_is_kept_whatever_it_is_answered_with(tmp_path: Path) -> None:
    path = har(
        tmp_path / "a.har", entry(url="/avatar.png", answer="image/png", _resourceType="xhr")
    )
    assert import_har(path).rows == 1


def test_the_usual_port_goes_without_saying(tmp_path: Path) -> None:
    urls = ["https://a.example:443/x", "https://a.example/x", "http://a.example:80/x"]
    others = ["https://a.example:80/x", "http://a.example:443/x"]
    path = har(tmp_path / "shop.har", *(entry(url=url) for url in (*urls, *others)))
    assert import_har(path).rows == 3
    assert import_har(path, form=HarForm(hosts=("A.example",))).rows == 3
    assert import_har(path, form=HarForm(hosts=("a.example:80",))).rows == 1
    path = har(tmp_path / "shop.har", *(entry(url=url) for url in urls))
    assert import_har(path, form=HarForm(hosts=("a.example:443",))).rows == 3


def test_the_hosts_that_are_wanted_are_kept(tmp_path: Path) -> None:
    path = har(
        tmp_path / "a.har",
        *(entry(url=f"https://api.example:8443/{n}") for n in "abc"),
        *(entry(url=f"https://{n}@www.example/home") for n in "ab"),
    )
    assert import_har(path).rows == 3
    assert import_har(path, form=HarForm(hosts=("www.example",))).mix == {"GET /home": 2}
    assert import_har(path, form=HarForm(hosts=("WWW.example", "api.example:8443"))).rows == 5
    said = damaged(path, hosts=("shop.example",))
    assert "--host shop.example: no request went there" in said
    assert "api.example:8443, www.example" in said


@pytest.mark.parametrize("form", ["marked", "packed", "utf-16", "one line"])
def test_any_form_of_the_file_is_read(tmp_path: Path, form: str) -> None:
    path = har(tmp_path / "shop.har", entry(), entry(at_s=1), indent=None)
    text = path.read_text()
    path.write_bytes(
        {
            "marked": codecs.BOM_UTF8 + text.encode(),
            "packed": gzip.compress(codecs.BOM_UTF8 + text.encode()),
            "utf-16": text.encode("utf-16"),
            "one line": text.encode(),
        }[form]
    )
    assert import_har(path).rows == 2


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"request": None}, "an entry without a URL"),
        ({"request": {"method": "GET"}}, "an entry without a URL"),
        ({"request": {"method": "GET", "url": "https://[x/"}}, "an entry whose URL is none"),
        (
            {"request": {"method": "EAT", "url": "http://a/"}},
            "an entry whose method cannot be sent",
        ),
        ({"request": 3}, "an entry that is not of HAR's form"),
        ({"startedDateTime": None}, "an entry without a time"),
        ({"startedDateTime": "yesterday"}, "an entry whose startedDateTime is no time"),
        ({"startedDateTime": "2026-11-27T12:00:00"}, "names no time zone"),
        ({"startedDateTime": "1970-01-01T00:00:00Z"}, "not of the years 2000 to 2100"),
    ],
)
def test_a_damaged_entry_is_named_by_line_and_number(
    tmp_path: Path, change: dict[str, Any], problem: str
) -> None:
    path = har(tmp_path / "shop.har", entry(), entry(), {**entry(), **change}, entry(), indent=None)
    broken = json.dumps({**entry(), **change})
    path.write_text(path.read_text().replace(broken, f"\n\n{broken}"))
    said = damaged(path)
    assert "shop.har:3: " in said
    assert problem in said
    assert "entry 3" in said
    assert "--tolerate 25%" in said
    model = import_har(path, tolerance=0.25)
    assert (model.rows, sum(model.skipped.values())) == (3, 1)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "the file is empty"),
        ("\ufeff \n", "the file is empty"),
        ("GET /items", "not JSON, at byte"),
        ('{"log": {"entries": [\n{"a": 1},\n{"b"', ":3: the file is cut off"),
        ('{"log": {"entries": [\n{"a": 1},\n!]}}', ":3: not JSON, at byte"),
        ('{"log": {"version": "1.2"}}', "without a list `log.entries`"),
        ("[1, 2]", "without a list `log.entries`"),
        ('{"log": {"entries": []}}', "no arrivals"),
        ("[" * 100_000, ""),
    ],
)
def test_what_is_no_har_is_refused_in_one_sentence(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "shop.har"
    path.write_text(text, encoding="utf-8")
    assert problem in damaged(path)


def test_a_file_that_is_too_large_is_refused_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = har(tmp_path / "shop.har", *(entry(at_s=s) for s in range(2000)))
    path.write_bytes(gzip.compress(path.read_bytes()))
    assert import_har(path).rows == 2000
    monkeypatch.setattr(har_file, "LARGEST", 1 << 20)
    said = damaged(path)
    assert "over 1 MiB, which is too large for a HAR" in said
    assert "without the contents of answers" in said
    path.write_bytes(path.read_bytes()[:-20])
    monkeypatch.undo()
    assert "not a whole gzip file" in damaged(path)


def test_text_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "shop.har"
    path.write_bytes(b'{"log": {"entries": [\n{"a": "\xff"}]}}')
    said = damaged(path)
    assert "no arrivals" in said or "UTF-8" in said or "not of HAR's form" in said
