"""The image: its tags, what may enter it, its health check; and the secrets that it never has."""

from __future__ import annotations

import importlib.util
import os
import re
import stat
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from pytest import CaptureFixture, MonkeyPatch

from flashdrill.stack.compose import SECRETS, TOXIPROXY_IMAGE
from scripts import make_secrets
from scripts.containers import ROOT

DOCKERFILE = (ROOT / "Dockerfile").read_text()


@pytest.fixture(scope="module")
def healthy() -> Iterator[ModuleType]:
    spec = importlib.util.spec_from_file_location("healthy", ROOT / "deploy" / "healthy.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module


def test_the_image_takes_the_toxiproxy_of_the_stack_and_the_user_of_compose() -> None:
    document: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    assert f"FROM {TOXIPROXY_IMAGE} AS toxiproxy" in DOCKERFILE
    (user,) = re.findall(r"^USER (\S+)$", DOCKERFILE, re.MULTILINE)
    assert document["services"]["backend"]["user"] == user
    uid, gid = user.split(":")
    assert f"useradd --uid {uid} --gid {gid}" in DOCKERFILE
    tags = re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
    assert all(re.search(r":\d+\.\d+\.\d+", tag) for tag in tags), tags


def test_all_that_the_wheel_is_made_of_may_enter_the_image_and_nothing_else() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    assert lines[1] == "*", "everything is left out but what is named"
    allowed = {line[1:] for line in lines if line.startswith("!")}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    needed = {*wheel["force-include"], "src", "pyproject.toml"}
    needed |= {project["project"]["readme"], *project["project"]["license-files"]}
    assert needed == allowed - {"deploy/healthy.py"}
    assert not [path for path in allowed if not (ROOT / path).exists()]


def test_an_address_is_healthy_when_it_answers_with_200(
    healthy: ModuleType, monkeypatch: MonkeyPatch
) -> None:
    class Opener:
        def open(self, url: str, timeout: float) -> Any:
            if "down" in url:
                raise ConnectionRefusedError

            class Answer:
                status = 204 if "empty" in url else 200

                def __enter__(self) -> Answer:
                    return self

                def __exit__(self, *_: object) -> None: ...

            return Answer()

    monkeypatch.setattr(healthy.urllib.request, "build_opener", lambda *_: Opener())
    assert healthy.main(["http://up/"]) == 0
    assert healthy.main(["http://down/"]) == 1
    assert healthy.main(["http://empty/"]) == 1


def test_a_worker_is_healthy_while_it_is_connected(healthy: ModuleType, tmp_path: Path) -> None:
    head = "  sl  local_address rem_address   st tx_queue rx_queue\n"
    (tmp_path / "net").mkdir()
    table = tmp_path / "net" / "tcp"
    table.write_text(f"{head}   0: 0100007F:9C40 0200000A:15B5 01 00000000:00000000\n")
    assert healthy.is_connected(5557, tmp_path)
    assert not healthy.is_connected(5558, tmp_path)
    table.write_text(f"{head}   0: 0100007F:9C40 0200000A:15B5 06 00000000:00000000\n")
    assert not healthy.is_connected(5557, tmp_path), "a connection that is being closed"
    assert not healthy.is_listening(5557, tmp_path)
    table.write_text(f"{head}   0: 0100007F:15B5 00000000:0000 0A 00000000:00000000\n")
    assert not healthy.is_connected(5557, tmp_path), "a port that is only listened on"
    assert healthy.is_listening(5557, tmp_path)
    assert not healthy.is_listening(5558, tmp_path)
    assert not healthy.is_connected(5557, tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("processes", "is_healthy"),
    [
        ({1: "tini) S 0", 7: "flashdrill (x) S 1", 9: "postgres) S 7"}, True),
        ({1: "tini) S 0", 7: "flashdrill) T 1", 9: "postgres) S 7"}, False),
        ({1: "tini) S 0", 7: "flashdrill) Z 1"}, False),
        ({1: "python) R 0"}, True),
        ({1: "python) T 0"}, False),
        ({}, False),
    ],
)
def test_a_program_is_healthy_unless_it_is_stopped_or_dead(
    healthy: ModuleType, tmp_path: Path, processes: dict[int, str], is_healthy: bool
) -> None:
    (tmp_path / "self").mkdir()
    for pid, text in processes.items():
        (tmp_path / str(pid)).mkdir()
        (tmp_path / str(pid) / "stat").write_text(f"{pid} ({text} 0 0")
    assert healthy.runs(tmp_path) is is_healthy


def test_other_arguments_are_refused(healthy: ModuleType, capsys: CaptureFixture[str]) -> None:
    for wrong in ("ftp://x", "connected:", "connected:x", "listening:", "7"):
        assert healthy.main([wrong]) == 2
    assert "healthy connected:PORT" in capsys.readouterr().err


def test_secrets_are_made_once_and_only_their_owner_gets_at_them(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    before = os.umask(0o077)
    try:
        assert make_secrets.make(folder) == list(SECRETS)
    finally:
        os.umask(before)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    texts = {name: (folder / name).read_text() for name in SECRETS}
    assert len(set(texts.values())) == len(SECRETS)
    for name, text in texts.items():
        assert re.fullmatch("[0-9a-f]{64}", text)
        assert stat.S_IMODE((folder / name).stat().st_mode) == 0o444
    (folder / SECRETS[0]).unlink()
    assert make_secrets.make(folder) == [SECRETS[0]]
    assert (folder / SECRETS[1]).read_text() == texts[SECRETS[1]]


def test_what_a_secret_says_is_never_printed(
    tmp_path: Path, monkeypatch: MonkeyPatch, capsys: CaptureFixture[str]
) -> None:
    monkeypatch.setattr(make_secrets, "ROOT", tmp_path)
    monkeypatch.setattr(sys, "argv", ["make_secrets"])
    assert make_secrets.main() == 0
    said = capsys.readouterr().out
    for path in (tmp_path / make_secrets.SECRETS_FOLDER).iterdir():
        assert path.name in said
        assert path.read_text() not in said
