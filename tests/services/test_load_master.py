"""What a master makes of its workers' words, and of their silence; the channel is a list."""

from __future__ import annotations

import errno
import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

import flashdrill
from flashdrill.load import hall
from flashdrill.load.mirror import Inbox
from flashdrill.load.spec import write_spec
from tests.services.unpatched import STATE_MISSING, STATE_RUNNING, master
from tests.unit.test_load_spec import spec_of

pytestmark = pytest.mark.services
WORKER = "one"


class Channel:
    """Locust's runner as a master uses it, with one worker at the other end."""

    def __init__(self) -> None:
        self.client = SimpleNamespace(state=STATE_RUNNING)
        self.clients = {WORKER: self.client}
        self.heard: dict[str, Any] = {}
        self.sent: list[str] = []

    def create_master_runner(self, _host: str, _port: int) -> Channel:
        return self

    def register_message(self, kind: str, heard: Any) -> None:
        self.heard[kind] = heard

    def send_message(self, kind: str, _data: object, client_id: str) -> None:
        assert client_id == WORKER
        self.sent.append(kind)

    def say(self, kind: str, **data: object) -> None:
        self.heard[kind](SimpleNamespace(node_id=WORKER, data=data))


class Scene:
    """A master that a worker has come to, and what it tells the harness."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.channel = Channel()
        monkeypatch.setattr(master, "Environment", lambda: self.channel)
        (folder / "code.py").write_text("")
        spec = msgspec.structs.replace(spec_of(folder), locustfile=str(folder / "code.py"))
        write_spec(spec, folder / "crowd.json")
        self.events = folder / "master.jsonl"
        files = (str(folder / "crowd.json"),)
        orders = hall.Orders("", 0, files, str(self.events), spec.start_path)
        self.master = master.Master(orders)
        self.channel.say(master.HELLO, name="host", version=flashdrill.__version__)
        for _ in range(master.RECENT):
            self.channel.say(master.HERE, asked_ns=0, told_ns=0)

    def look_after(self) -> None:
        (guest,) = self.master._guests.values()
        self.master._look_after(guest)

    def begin(self) -> None:
        self.master._begin(0)

    @property
    def told(self) -> list[str]:
        return [json.loads(line)["event"] for line in self.events.read_text().splitlines()]


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    found = Scene(tmp_path, monkeypatch)
    yield found
    found.master.close()


def test_a_clock_is_told_before_a_last_line_can_be_read(scene: Scene) -> None:
    scene.begin()
    before = scene.told.count("clock")
    scene.channel.say(master.CHUNK, file="live", offset=0, data=b"{}\n")
    assert scene.channel.sent[-2:] == [master.BEGIN, master.ACK]
    assert scene.told.count("clock") == before + 1


def test_a_worker_whose_record_the_disk_refuses_is_lost_and_not_acknowledged(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    def take(_inbox: Inbox, _offset: int, _data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    scene.begin()
    monkeypatch.setattr(Inbox, "take", take)
    for _ in range(2):
        scene.channel.say(master.CHUNK, file="ops", offset=0, data=b"op")
    assert master.ACK not in scene.channel.sent
    assert scene.told.count("lost") == 1
    assert "No space left" in hall.lost(scene.events)[0]


@pytest.mark.parametrize(("why", "told"), [("", "stopped before the start"), ("no", "no")])
def test_a_worker_that_ends_before_the_start_is_lost(scene: Scene, why: str, told: str) -> None:
    scene.channel.say(master.END, why=why)
    assert told in hall.lost(scene.events)[0]


def test_a_worker_that_ends_after_the_start_or_is_told_to_stop_is_not_lost(scene: Scene) -> None:
    scene.begin()
    scene.channel.say(master.END, why="")
    assert not hall.lost(scene.events)


def test_until_the_start_a_worker_may_be_missed_for_a_while(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.channel.client.state = STATE_MISSING
    scene.look_after()
    assert not hall.lost(scene.events)
    monkeypatch.setattr(master, "READY_TIMEOUT_S", 0.0)
    scene.channel.client.state = STATE_RUNNING
    scene.look_after()
    assert not hall.lost(scene.events)
    scene.channel.client.state = STATE_MISSING
    scene.look_after()
    assert hall.lost(scene.events) == {0: ""}


def test_after_the_start_a_worker_that_is_missed_is_lost(scene: Scene) -> None:
    scene.begin()
    scene.channel.client.state = STATE_MISSING
    scene.look_after()
    assert hall.lost(scene.events) == {0: ""}
