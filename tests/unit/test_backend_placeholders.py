"""Secrets from files: read where a secret may stand, and nowhere else; what cannot be read is named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from backend.settings import Settings, SettingsError


def read(folder: Path, **settings: Any) -> Settings:
    """The settings of a file that has what is needed, and these."""
    path = folder / "settings.json"
    needed = {
        "shards": ["postgresql://127.0.0.1:1/db"],
        "redis_url": "redis://127.0.0.1:2/0",
        "queue_dir": "queue",
        "hmac_secret": "in the file",
    }
    path.write_text(json.dumps({**needed, **settings}))
    return Settings.from_file(path)


def test_a_secret_is_read_from_its_file_without_the_line_end(tmp_path: Path) -> None:
    secret = tmp_path / "hmac"
    for written, meant in (("s3cret\n", "s3cret"), ("s3cret\r\n", "s3cret"), (" a b ", " a b ")):
        secret.write_bytes(written.encode())
        settings = read(tmp_path, hmac_secret=f"${{file:{secret}}}")
        assert settings.hmac_secret == meant
        assert meant not in repr(settings)


def test_a_password_with_any_character_stays_one_in_an_address(tmp_path: Path) -> None:
    word = "p@ss:/w?rd#%41"
    (tmp_path / "word").write_text(word + "\n")
    place = f"${{file:{tmp_path / 'word'}}}"
    settings = read(
        tmp_path,
        shards=[f"postgresql://me:{place}@host{n}:5432/db" for n in range(2)],
        redis_url=f"redis://:{place}@host:6379/0",
    )
    for address in (*settings.shards, settings.redis_url):
        parts = urlsplit(address)
        assert unquote(parts.password or "") == word
        assert (parts.hostname or "").startswith("host")
    assert "w%3Frd" not in repr(settings)


def test_a_file_that_is_missing_or_says_nothing_is_named(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    with pytest.raises(SettingsError, match=f"hmac_secret: {gone} cannot be read: No such file"):
        read(tmp_path, hmac_secret=f"${{file:{gone}}}")
    gone.write_text("\n")
    with pytest.raises(SettingsError, match=f"shards: {gone} is empty"):
        read(tmp_path, shards=[f"postgresql://me:${{file:{gone}}}@h/d"])
    gone.write_bytes(b"\xff\xfe")
    with pytest.raises(SettingsError, match="not UTF-8"):
        read(tmp_path, hmac_secret=f"${{file:{gone}}}")


def test_what_is_no_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=f"{tmp_path} cannot be read: Is a directory"):
        read(tmp_path, hmac_secret=f"${{file:{tmp_path}}}")


@pytest.mark.parametrize("text", ["${HOME}", "${env:HOME}", "${file:/etc/hostname", "${}"])
def test_another_placeholder_is_refused_and_not_taken_for_a_secret(
    tmp_path: Path, text: str
) -> None:
    with pytest.raises(SettingsError, match="is not understood, use"):
        read(tmp_path, hmac_secret=text)


def test_what_may_be_a_part_of_the_secret_is_not_repeated(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as refused:
        read(tmp_path, redis_url="redis://u:p${ssw0rd-of-ours@host/0")
    assert "ssw0rd" not in str(refused.value)


def test_a_setting_that_holds_no_secret_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "word").write_text("x")
    text = f"${{file:{tmp_path / 'word'}}}"
    assert read(tmp_path, queue_dir=text, hmac_secret="$5 {a}").queue_dir == text
