"""What people give to an import by mistake: one clear message with the file, exit code 2, and nothing written."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import zipfile
from pathlib import Path

import pytest

from flashdrill.cli.main import invoke

JTL = "timeStamp,label\n" + "".join(f"{1_767_240_000_000 + n},L{n % 7}\n" for n in range(3000))
PACKED = gzip.compress(JTL.encode())
KINDS = ("jtl", "access-log", "csv")


def zipped() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("results.jtl", JTL)
    return file.getvalue()


ODD = {
    "empty": (b"", "the file is empty"),
    "nothing, packed": (gzip.compress(b""), "the file is empty"),
    "blank": (b"\n \n\n", "no arrivals|no access log|is empty"),
    "binary": (bytes(range(256)) * 40, "cannot be used|no access log"),
    "zeros": (bytes(5000), "NUL bytes|no access log"),
    "a mark alone": (b"\xff\xfe", "is empty|no access log"),
    "a packing cut off": (PACKED[:-500], "not a whole gzip file"),
    "a packing torn": (PACKED[:300] + b"\xff" * 40 + PACKED[340:], "not a whole gzip file"),
    "a packing with more": (PACKED + b"more", "not a whole gzip file"),
    "bzip2": (bz2.compress(JTL.encode()), "packed as bzip2"),
    "xz": (lzma.compress(JTL.encode()), "packed as xz"),
    "zip": (zipped(), "packed as zip"),
    "zstd": (b"\x28\xb5\x2f\xfd" + bytes(40), "packed as zstd"),
}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("what", ODD)
@pytest.mark.parametrize("kind", KINDS)
def test_a_file_of_no_use(
    here: Path, capsys: pytest.CaptureFixture[str], kind: str, what: str
) -> None:
    content, says = ODD[what]
    (here / "given").write_bytes(content)
    assert invoke(["import", kind, "given", "-o", "t.yaml", "--json"]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    first, *more = said.err.splitlines()
    assert first.startswith("flashdrill: given:")
    assert any(words in first for words in says.split("|")), first
    assert all(line.startswith("  remedy: ") for line in more)
    assert sorted(path.name for path in here.iterdir()) == ["given"]


@pytest.mark.parametrize("kind", KINDS)
def test_no_file_at_all(here: Path, capsys: pytest.CaptureFixture[str], kind: str) -> None:
    (here / "folder").mkdir()
    assert invoke(["import", kind, "none", "-o", "t.yaml"]) == 2
    assert "flashdrill: none: no such file\n  remedy: check the path" in capsys.readouterr().err
    assert invoke(["import", kind, "folder", "-o", "t.yaml"]) == 2
    assert "File 'folder' is a directory" in capsys.readouterr().err


@pytest.mark.parametrize("kind", KINDS)
def test_a_pipe_is_refused_and_not_read_in_part(
    here: Path, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    os.mkfifo("pipe")
    assert invoke(["import", kind, "pipe", "-o", "t.yaml"]) == 2
    assert "flashdrill: pipe: not a file: what comes from a pipe" in capsys.readouterr().err


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("output", "says"),
    [
        ("none/t.yaml", "there is no folder none"),
        ("given", "that is the recording itself"),
        ("link", "that is the recording itself"),
        ("folder", "is a directory"),
        ("pipe", "pipe is no file that could be replaced"),
        ("/dev/null", "/dev/null is no file that could be replaced"),
    ],
)
def test_an_output_that_cannot_be_is_refused_before_anything_is_read(
    here: Path, capsys: pytest.CaptureFixture[str], kind: str, output: str, says: str
) -> None:
    (here / "given").write_text(JTL)
    (here / "link").symlink_to("given")
    (here / "folder").mkdir()
    os.mkfifo("pipe")
    assert invoke(["import", kind, "given", "-o", output]) == 2
    assert says in capsys.readouterr().err
    assert (here / "given").read_text() == JTL


@pytest.mark.parametrize(
    ("lacking", "says"),
    [
        (os.R_OK, "File 'given' is not readable"),
        (os.W_OK, "nothing may be written in the folder ."),
    ],
)
def test_what_may_not_be_read_or_written(
    here: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    lacking: int,
    says: str,
) -> None:
    (here / "given").write_text(JTL)
    monkeypatch.setattr(os, "access", lambda _, mode: mode != lacking)  # root may do everything
    assert invoke(["import", "jtl", "given", "-o", "t.yaml"]) == 2
    assert says in capsys.readouterr().err
