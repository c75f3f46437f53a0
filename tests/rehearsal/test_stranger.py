"""A stranger's shop, rehearsed as it is: requests from a template, a fault in front of its database, its own tables
read by SQL in the end."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.rehearsal.running import Run, run
from tests.rehearsal.stranger.place import HERE, PASSWORD, Place, place


async def rehearsed(where: Place, out: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A whole run on the shop."""
    monkeypatch.setenv("SHOP_DSN", where.dsn)
    return await asyncio.to_thread(run, out, *where.arguments, scenario=where.folder / "rush.yaml")


async def test_a_careful_shop_passes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with place(tmp_path) as where:
        found = await rehearsed(where, tmp_path / "runs", monkeypatch)
    assert found.exit_code == 0, found.output
    assert found.invariants("holds") == {
        "no-acknowledged-order-lost",
        "no-failed-operation-has-an-order",
        "one-order-per-key",
        "ids-unique",
        "sold-within-stock",
        "confirmed-sold-info",
        "no-negative-counts",
    }
    assert len(found.summary["audit"]["not_checked"]) == 6
    assert found.summary["faults"][0]["effect_observed"]
    assert found.folder is not None
    for path in found.folder.rglob("*"):
        assert not path.is_file() or PASSWORD.encode() not in path.read_bytes(), path
    assert PASSWORD not in found.output


async def test_a_careless_shop_is_found_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with place(tmp_path, careless=True) as where:
        found = await rehearsed(where, tmp_path / "runs", monkeypatch)
    assert found.exit_code == 1, found.output
    assert "sold-within-stock" in found.invariants("violated")
    (oversold,) = (
        i for i in found.summary["audit"]["invariants"] if i["name"] == "sold-within-stock"
    )
    assert set(oversold["examples"]) & {"lamp", "mug"}


@pytest.mark.parametrize(
    ("arguments", "exit_code", "words"),
    [
        ((), 4, "the service at http://127.0.0.1:1/ is not ready: no connection"),
        (("--chaos", "chaos/plans/smoke.yaml"), 2, "a service of your own has no targets but"),
        (("--toxiproxy", "real"), 2, "starts no Toxiproxy server"),
    ],
)
def test_what_cannot_be_rehearsed_is_said(
    arguments: tuple[str, ...],
    exit_code: int,
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SHOP_DSN", "postgresql://127.0.0.1:1/none")
    found = run(tmp_path / "runs", *arguments, scenario=HERE / "rush.yaml")
    assert (found.exit_code, words in found.output) == (exit_code, True), found.output
    assert "Traceback" not in found.output
