"""Which Toxiproxy server is taken, and how it is built; `go` is a script here."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from flashdrill.errors import ToxiproxyError
from flashdrill.toxiproxy import server
from flashdrill.toxiproxy.server import find_server

BUILDS = """#!/bin/sh
echo "$@" >> {log}
printf '#!/bin/sh\\n' > "$GOBIN/server"
/bin/chmod +x "$GOBIN/server"
"""
FAILS = """#!/bin/sh
echo "go: downloading" >&2
echo "dial tcp: no route to host" >&2
exit 1
"""
HANGS = """#!/bin/sh
exec /bin/sleep 60
"""


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder on the PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "cache"


def program(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)


def test_one_on_the_path_comes_first(path: Path, cache: Path) -> None:
    program(path / "toxiproxy-server", "")
    program(path / "go", BUILDS)
    choice = find_server(cache)
    assert choice.kind == "path"
    assert choice.argv("127.0.0.1", 8474) == [
        str(path / "toxiproxy-server"),
        "-host",
        "127.0.0.1",
        "-port",
        "8474",
    ]
    assert not cache.exists()


def test_without_anything_it_is_ours_and_says_why(path: Path, cache: Path) -> None:
    choice = find_server(cache)
    assert choice.kind == "embedded"
    assert choice.command[0] == sys.executable
    assert "neither toxiproxy-server nor go" in choice.note


def test_go_builds_it_once(path: Path, cache: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"
    program(path / "go", BUILDS.format(log=log))
    for _ in range(2):
        choice = find_server(cache, "real")
        assert choice.kind == "built"
        assert choice.command == (str(cache / "toxiproxy-server-2.12.0"),)
    (line,) = log.read_text().splitlines()
    assert line.endswith("github.com/Shopify/toxiproxy/v2/cmd/server@v2.12.0")
    assert {p.name for p in cache.iterdir()} == {
        "toxiproxy-server-2.12.0",
        "toxiproxy-server.lock",
    }


def test_builders_at_the_same_time_build_once(path: Path, cache: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"
    program(path / "go", BUILDS.format(log=log))
    with ThreadPoolExecutor(4) as pool:
        choices = list(pool.map(lambda _: find_server(cache), range(4)))
    assert {choice.kind for choice in choices} == {"built"}
    assert len(log.read_text().splitlines()) == 1


def test_a_failed_build_falls_back_and_says_why(path: Path, cache: Path) -> None:
    program(path / "go", FAILS)
    choice = find_server(cache)
    assert choice.kind == "embedded"
    assert "no route to host" in choice.note
    assert not list(cache.glob("toxiproxy-server-*"))
    assert not list(cache.glob("build-*"))


def test_a_build_that_hangs_is_given_up(
    path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(path / "go", HANGS)
    monkeypatch.setattr(server, "BUILD_TIMEOUT_S", 0.2)
    choice = find_server(cache)
    assert choice.kind == "embedded"
    assert "timed out" in choice.note


def test_an_unusable_cache_falls_back(path: Path, tmp_path: Path) -> None:
    program(path / "go", BUILDS)
    (tmp_path / "file").write_text("")
    assert find_server(tmp_path / "file" / "cache").kind == "embedded"


def test_the_real_one_can_be_demanded(path: Path, cache: Path) -> None:
    with pytest.raises(ToxiproxyError, match="on the PATH") as caught:
        find_server(cache, "real")
    assert "toxiproxy-server 2.12.0" in caught.value.remedy


def test_ours_can_be_demanded(path: Path, cache: Path) -> None:
    program(path / "toxiproxy-server", "")
    assert find_server(cache, "embedded").kind == "embedded"


def test_another_wish_is_refused(path: Path, cache: Path) -> None:
    with pytest.raises(ToxiproxyError, match="not 'fastest'"):
        find_server(cache, "fastest")
