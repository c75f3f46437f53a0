"""Settings: unknown keys and impossible values are refused, secrets are masked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from backend.settings import Settings, SettingsError

NEEDED: dict[str, Any] = {
    "shards": ["postgresql://me:word@127.0.0.1:1/db", "postgresql://127.0.0.1:2/db"],
    "redis_url": "redis://:word@127.0.0.1:3/0",
    "queue_dir": "queue",
    "hmac_secret": "hidden",
}


def test_addresses_are_enough() -> None:
    settings = Settings.from_mapping(NEEDED)
    assert (settings.pool_size, settings.time_scale, settings.defect) == (8, 1.0, "")
    assert [settings.shard_of(bucket) for bucket in (0, 1, 255)] == [0, 1, 1]


@pytest.mark.parametrize(
    "wrong",
    [
        {"pool_sise": 8},
        {"pool_size": 0},
        {"pool_size": "8"},
        {"pool_size": True},
        {"time_scale": 0},
        {"defect": "surprise"},
        {"shards": []},
        {"hmac_secret": ""},
        {"level1_failure_rate": 1.5},
        {"shard_of_bucket": [0, 1]},
        {"shard_of_bucket": [2] * 256},
        {"port": 70_000},
    ],
)
def test_what_cannot_be_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(SettingsError, match=next(iter(wrong))):
        Settings.from_mapping({**NEEDED, **wrong})


@pytest.mark.parametrize("missing", NEEDED)
def test_what_is_missing_is_named(missing: str) -> None:
    with pytest.raises(SettingsError, match=missing):
        Settings.from_mapping({key: value for key, value in NEEDED.items() if key != missing})


def test_secrets_are_masked() -> None:
    settings = Settings.from_mapping(NEEDED)
    for shown in (repr(settings), str(settings), f"{settings}"):
        assert "hidden" not in shown
        assert "word" not in shown
        assert "postgresql://me:***@127.0.0.1:1/db" in shown


def test_a_bucket_can_be_moved() -> None:
    table = [0] * 256
    table[7] = 1
    settings = Settings.from_mapping({**NEEDED, "shard_of_bucket": table})
    assert (settings.shard_of(7), settings.shard_of(8)) == (1, 0)


def test_a_file_that_is_no_object_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    for text in ("[]", "{", ""):
        path.write_text(text)
        with pytest.raises(SettingsError):
            Settings.from_file(path)
    with pytest.raises(SettingsError):
        Settings.from_file(tmp_path / "nowhere.json")
