from __future__ import annotations

import errno
import shutil
from collections import namedtuple
from pathlib import Path

import pytest

from flashdrill.errors import StackError
from flashdrill.stack.folders import (
    cache_dir,
    claim,
    discard,
    disk_errors_explained,
    locked,
    require_space,
)
from flashdrill.stack.guardian import MARKER

Usage = namedtuple("Usage", "total used free")


def test_a_folder_of_ours_is_emptied_and_removed(tmp_path: Path) -> None:
    folder = claim(tmp_path / "data")
    (folder / "old").write_text("x")
    assert [p.name for p in claim(folder).iterdir()] == [MARKER]
    discard(folder)
    assert not folder.exists()


def test_a_folder_of_somebody_else_is_refused_and_kept(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("x")
    with pytest.raises(StackError, match="not made by flashdrill"):
        claim(tmp_path)
    discard(tmp_path)
    assert (tmp_path / "precious").exists()


def test_the_cache_follows_the_environment() -> None:
    assert cache_dir({"XDG_CACHE_HOME": "/c", "HOME": "/h"}) == Path("/c/flashdrill")
    assert cache_dir({"HOME": "/h"}) == Path("/h/.cache/flashdrill")


def test_too_little_space_is_seen_before_anything_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(2**40, 2**40, 7 * 2**20))
    with pytest.raises(StackError, match="7 MB are free") as caught:
        require_space(tmp_path / "not" / "there" / "yet")
    assert "free some space" in caught.value.remedy
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(2**40, 0, 2**40))
    require_space(tmp_path)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS])
def test_a_disk_error_gets_a_remedy(number: int) -> None:
    with pytest.raises(StackError) as caught, disk_errors_explained():
        raise OSError(number, "refused", "/somewhere/file")
    assert "/somewhere/file" in caught.value.message
    assert caught.value.remedy


def test_another_error_is_left_alone() -> None:
    with pytest.raises(ConnectionResetError), disk_errors_explained():
        raise ConnectionResetError


def test_a_lock_is_held_by_one_at_a_time(tmp_path: Path) -> None:
    refused = pytest.raises(StackError, match="another process")
    with locked(tmp_path / "lock", 1.0), refused, locked(tmp_path / "lock", 0.0):
        pass
    with locked(tmp_path / "lock", 0.0):
        pass
