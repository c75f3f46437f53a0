"""Addresses as they may be shown."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from flashdrill.model.addresses import shown
from flashdrill.model.service import HttpRead, Service, SqlRead
from flashdrill.observe.prometheus import scrape
from flashdrill.rehearsal.folder import RunFolder
from flashdrill.rehearsal.records import write_resolved
from tests.unit.test_judgement import prepared


@pytest.mark.parametrize(
    ("url", "as_shown"),
    [
        ("http://127.0.0.1:8000/metrics", "http://127.0.0.1:8000/metrics"),
        ("http://h/m?token=sesame&format=text", "http://h/m?token=***&format=***"),
        ("/health?sesame", "/health?***"),
        ("/m?a=b=c", "/m?a=***"),
        ("/m?token=sesame#x", "/m?token=***#x"),
    ],
)
def test_no_value_of_a_query_is_shown(url: str, as_shown: str) -> None:
    assert shown(url) == as_shown


def test_what_is_kept_of_a_run_holds_no_token_of_an_address(tmp_path: Path) -> None:
    service = Service(
        "http://127.0.0.1:1",
        health="/health?token=sesame1",
        metrics={"shop": "http://127.0.0.1:1/metrics?token=sesame2"},
        reads={
            "orders": HttpRead("http://127.0.0.1:1/orders?token=sesame3"),
            "stock": SqlRead("select '?' as sku, 1 as initial", sqlite=Path("shop.db")),
        },
    )
    run = prepared()
    write_resolved(
        RunFolder(tmp_path), replace(run, scenario=replace(run.scenario, service=service))
    )
    text = (tmp_path / "scenario.yaml").read_text()
    assert "sesame" not in text
    assert "/metrics?token=***" in text
    assert "select '?' as sku, 1 as initial" in text.replace("''", "'")


async def test_a_page_that_cannot_be_read_is_told_without_its_token() -> None:
    with pytest.raises(OSError, match="metrics") as refused:
        await scrape("http://127.0.0.1:1/metrics?token=sesame")
    assert "sesame" not in str(refused.value)
