"""Every type of undo, with what it is done to: each is carried out, and each says when it could not be."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from flashdrill.model import journal as contract
from flashdrill.model.journal import Journal, unhealed
from flashdrill.model.processes import identity
from flashdrill.stack.healing import heal, why_left
from flashdrill.stack.processes import poll, stat_of
from flashdrill.stack.undo.catalogue import TYPES
from flashdrill.stack.undo.circumstances import Circumstances
from flashdrill.stack.undo.words import in_words
from tests.services import servers
from tests.services.fake_api import fake_api
from tests.services.stack_pieces import url

pytestmark = pytest.mark.services

HOST = "127.0.0.1"
LIMIT_S = 5.0


def left(undo: dict[str, Any], limit_s: float = LIMIT_S, *, is_stack_gone: bool = False) -> str:
    """Why something is left; nothing when all is undone."""
    return why_left([undo], Circumstances(time.monotonic() + limit_s, is_stack_gone))


def nobody() -> int:
    """A port where connections are refused."""
    return servers.free_port()


# -- what the journal may say --------------------------------------------------------------------


def test_every_type_of_the_journal_is_known_and_has_words() -> None:
    documented = {
        line.split('"type": "')[1].split('"')[0]
        for line in (contract.__doc__ or "").splitlines()
        if '"type": "' in line
    }
    assert documented == set(TYPES)
    assert "does not know" in in_words({"type": "magic"})


@pytest.mark.parametrize(
    ("undo", "words"),
    [
        ({"type": "magic"}, "does not know how to undo 'magic'"),
        ({}, "does not know how to undo 'None'"),
        ({"type": "all", "steps": None}, "makes no sense"),
        ({"type": "all", "steps": [7]}, "makes no sense"),
        ({"type": "sql", "dsn": 7, "statements": ["SELECT 1"]}, "makes no sense"),
        ({"type": "toxic"}, "makes no sense"),
        ({"type": "sigcont", "pid": 1}, "makes no sense"),
        ({"type": "redis", "host": HOST, "port": "x", "commands": [["PING"]]}, "makes no sense"),
    ],
)
def test_what_it_cannot_do_is_left_and_said(undo: dict[str, Any], words: str) -> None:
    assert words in left(undo)
    assert in_words(undo)


def test_what_makes_no_sense_keeps_nothing_else_from_being_undone(tmp_path: Path) -> None:
    path, ballast = tmp_path / "j.jsonl", tmp_path / "ballast"
    ballast.write_text("x")
    journal = Journal(path)
    journal.injecting("file", {"type": "file_gone", "path": str(ballast)})
    journal.injecting("odd", {"type": "all", "steps": None})
    journal.close()
    results = heal(path)
    assert not results["file"]
    assert "makes no sense" in results["odd"]
    assert not ballast.exists()
    assert [fault for fault, _ in unhealed(path)] == ["odd"]


def test_every_step_is_tried_even_when_one_before_it_failed(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).write_text("")
    steps = [
        {"type": "file_gone", "path": str(tmp_path / "a")},
        {"type": "magic"},
        {"type": "file_gone", "path": str(tmp_path / "b")},
    ]
    assert "magic" in left({"type": "all", "steps": steps})
    assert not list(tmp_path.iterdir())
    assert not left({"type": "none"})


# -- HTTP ----------------------------------------------------------------------------------------

_AT = {"proxy": "a/b", "toxic": "t", "rule": "r"}


@pytest.mark.parametrize(
    ("kind", "asked"),
    [
        ("toxic", "DELETE /proxies/a%2Fb/toxics/t"),
        ("proxy_enabled", 'POST /proxies/a%2Fb {"enabled": true}'),
        ("proxy_gone", "DELETE /proxies/a%2Fb"),
        ("edge_rule", "DELETE /rules/r"),
    ],
)
def test_over_http(kind: str, asked: str) -> None:
    for status, words in ((200, ""), (404, ""), (500, "status 500")):
        with fake_api(status) as (api, heard):
            said = left({"type": kind, "api": api, **_AT})
            assert said.endswith(words)
            assert bool(said) is bool(words)
        assert heard == [asked]
    assert not left({"type": kind, "api": url(nobody()), **_AT})
    with socket.create_server((HOST, 0)) as deaf:
        api = url(deaf.getsockname()[1])
        assert "timed out" in left({"type": kind, "api": api, **_AT}, 0.2)


# -- processes -----------------------------------------------------------------------------------


@contextmanager
def sleeper(script: str = "import time; time.sleep(60)") -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-I", "-S", "-c", script], stdout=-1) as process:
        try:
            yield process
        finally:
            process.kill()


def test_a_stopped_process_goes_on() -> None:
    with sleeper() as process:
        process.send_signal(signal.SIGSTOP)
        poll(lambda: stat_of(process.pid)[0] != "T", LIMIT_S)
        undo = {"type": "sigcont", **identity(process.pid)}
        assert not left({**undo, "started": undo["started"] + 1})  # another one under its pid
        assert stat_of(process.pid)[0] == "T"
        assert not left(undo)
        assert stat_of(process.pid)[0] != "T"
    assert not left(undo)


def test_a_helper_is_killed_and_another_process_under_its_pid_is_not() -> None:
    with sleeper() as process:
        undo = {"type": "kill", **identity(process.pid)}
        assert not left({**undo, "boot": "another"})
        assert process.poll() is None
        assert not left(undo)
        assert process.wait(LIMIT_S) == -signal.SIGKILL


HANGS_UP = """
import os, signal, time
signal.signal(1, lambda *_: os.write(1, b'hup\\n'))
os.write(1, b'up\\n')
time.sleep(60)
"""


def test_a_signal_arrives() -> None:
    with sleeper(HANGS_UP) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert not left({"type": "signal", **identity(process.pid), "signum": int(signal.SIGHUP)})
        assert process.stdout.readline() == b"hup\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="root may signal everybody; the others may not")
def test_somebody_elses_process_is_left_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: int) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "kill", refused)
    assert "somebody else" in left({"type": "sigcont", **identity(os.getpid())})


@contextmanager
def fake_guardian(folder: Path, *replies: dict[str, Any]) -> Iterator[tuple[Path, list[Any]]]:
    """Gives each client one reply, after an exit that nobody asked for."""
    path, heard = folder / "guardian.sock", []
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()

        def serve() -> None:
            for reply in replies:
                client, _ = listener.accept()
                with client:
                    heard.append(json.loads(client.makefile().readline()))
                    client.sendall(b'{"event": "exit", "name": "x", "pid": 1, "status": 0}\n')
                    client.sendall(json.dumps(reply).encode() + b"\n")

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield path, heard
        thread.join(LIMIT_S)


def test_a_guardian_is_asked_until_the_process_has_ended(tmp_path: Path) -> None:
    busy = {"id": 1, "ok": False, "errno": 11, "error": "is about to end"}
    with fake_guardian(tmp_path, busy, {"id": 1, "ok": True, "pid": 7}) as (path, heard):
        assert not left({"type": "respawn", "socket": str(path), "name": "shard0"})
    assert heard == [{"id": 1, "cmd": "respawn", "name": "shard0"}] * 2
    assert not left({"type": "respawn", "socket": str(path), "name": "x"})  # nobody listens
    assert not left({"type": "respawn", "socket": str(tmp_path / "no" / "s"), "name": "x"})


def test_a_guardian_that_cannot_start_it_is_told_of(tmp_path: Path) -> None:
    refusal = {"id": 1, "ok": False, "errno": 2, "error": "no such program"}
    with fake_guardian(tmp_path, refusal) as (path, _):
        undo = {"type": "respawn", "socket": str(path), "name": "shard0"}
        assert "shard0 could not be started: no such program" in left(undo)


HUP = {"type": "signal_named", "name": "service", "signum": int(signal.SIGHUP)}


def listing(pid: int) -> dict[str, Any]:
    return {"id": 1, "ok": True, "processes": [{"name": "service", "pid": pid}]}


def test_whoever_runs_under_a_name_is_signalled_by_the_guardian(tmp_path: Path) -> None:
    with sleeper() as one_that_ended, sleeper(HANGS_UP) as process:
        one_that_ended.kill()
        one_that_ended.wait()
        assert process.stdout is not None
        process.stdout.readline()
        replies = listing(one_that_ended.pid), listing(process.pid), {"id": 1, "ok": True}
        with fake_guardian(tmp_path, *replies) as (path, heard):
            assert not left({**HUP, "socket": str(path)})
    assert [request["cmd"] for request in heard] == ["status", "status", "signal"]
    assert (heard[2]["name"], heard[2]["signum"]) == ("service", 1)


def test_one_that_a_signal_would_end_does_not_get_it(tmp_path: Path) -> None:
    with sleeper() as process, fake_guardian(tmp_path, listing(process.pid)) as (path, heard):
        assert "does not listen to signal 1" in left({**HUP, "socket": str(path)}, limit_s=0.0)
    assert [request["cmd"] for request in heard] == ["status"]


def test_one_that_does_not_run_needs_no_signal(tmp_path: Path) -> None:
    with fake_guardian(tmp_path, {"id": 1, "ok": True, "processes": []}) as (path, heard):
        assert not left({**HUP, "socket": str(path)})
    assert len(heard) == 1
    assert not left({**HUP, "socket": str(path)}, is_stack_gone=True)
    assert not left({**HUP, "socket": str(path)})  # nobody listens


# -- files ---------------------------------------------------------------------------------------


def test_files_are_as_they_were(tmp_path: Path) -> None:
    ballast, clock, settings = (tmp_path / name for name in ("ballast", "clock", "settings"))
    ballast.write_text("x")
    clock.write_text("+30")
    settings.write_text('{"workers": 1, "secret": "s"}')
    settings.chmod(0o640)
    undos: list[dict[str, Any]] = [
        {"type": "file_gone", "path": str(ballast)},
        {"type": "file_text", "path": str(clock), "text": "+0"},
        {"type": "json_value", "path": str(settings), "key": "workers", "value": 8},
    ]
    for _ in range(2):
        assert [left(undo) for undo in undos] == ["", "", ""]
    assert {path.name for path in tmp_path.iterdir()} == {"clock", "settings"}
    assert clock.read_text() == "+0"
    assert json.loads(settings.read_text()) == {"workers": 8, "secret": "s"}
    assert settings.stat().st_mode & 0o777 == 0o640


def test_a_folder_that_went_with_its_stack_has_nothing_left(tmp_path: Path) -> None:
    gone = str(tmp_path / "gone" / "file")
    assert not left({"type": "file_gone", "path": gone})
    assert not left({"type": "file_text", "path": gone, "text": ""})
    assert not left({"type": "json_value", "path": gone, "key": "k", "value": 1})


def test_files_that_cannot_be_written_are_left_and_said(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (tmp_path / "list").write_text("[1]")
    assert "cannot be removed" in left({"type": "file_gone", "path": str(folder)})
    assert "cannot be written" in left({"type": "file_text", "path": str(folder), "text": ""})
    undo = {"type": "json_value", "path": str(tmp_path / "list"), "key": "k", "value": 1}
    assert "no JSON object" in left(undo)
    missing = {**undo, "path": str(tmp_path / "none")}
    assert "cannot be written" in left(missing)
    assert not left(missing, is_stack_gone=True)
    assert len(list(tmp_path.iterdir())) == 2


# -- Redis ---------------------------------------------------------------------------------------


def redis_undo(port: int, *commands: list[str], **more: Any) -> dict[str, Any]:
    return {"type": "redis", "host": HOST, "port": port, "commands": list(commands), **more}


def test_a_redis_server_gets_its_commands(tmp_path: Path) -> None:
    with servers.valkey(tmp_path) as address:
        port = int(address.rsplit(":", 1)[1].split("/")[0])
        undo = redis_undo(
            port,
            ["SCRIPT", "KILL"],
            ["CONFIG", "SET", "maxmemory", "123mb"],
            ["LRANGE", "nothing", "0", "-1"],
            tolerates=["NOTBUSY"],
        )
        assert not left(undo)
        with socket.create_connection((HOST, port)) as server:
            server.sendall(b"CONFIG GET maxmemory\r\n")
            assert b"128974848" in server.recv(1000)
        assert "NOTBUSY" in left({**undo, "tolerates": []}, 0.5)
        assert "-ERR" in left(redis_undo(port, ["CONFIG", "SET", "no-such-thing", "1"]))
    refused = redis_undo(port, ["PING"])
    assert "refused" in left(refused, 0.3)
    assert not left(refused, is_stack_gone=True)


def test_a_redis_server_that_is_busy_or_deaf_is_asked_again() -> None:
    heard = []
    with socket.create_server((HOST, 0)) as listener:

        def serve() -> None:
            for answer in (b"-BUSY wait\r\n", b"+OK\r\n"):
                client, _ = listener.accept()
                with client:
                    heard.append(client.recv(1000))
                    client.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        assert not left(redis_undo(listener.getsockname()[1], ["PING"]))
        thread.join(LIMIT_S)
        assert heard == [b"*1\r\n$4\r\nPING\r\n"] * 2
        began = time.monotonic()
        assert "timed out" in left(redis_undo(listener.getsockname()[1], ["PING"]), 0.3)
        assert time.monotonic() - began < LIMIT_S


# -- PostgreSQL ----------------------------------------------------------------------------------


async def test_a_postgres_server_gets_its_statements(tmp_path: Path) -> None:
    with servers.postgres(tmp_path) as dsn:
        await servers.create_database(dsn)
        session = await asyncpg.connect(dsn)
        await session.execute("CREATE TABLE t (id int)")
        await session.execute("ALTER SYSTEM SET default_transaction_read_only = on")
        await session.execute("SELECT pg_reload_conf()")
        statements = [
            "ALTER SYSTEM RESET default_transaction_read_only",
            "SELECT pg_reload_conf()",
            "CREATE INDEX IF NOT EXISTS i ON t (id)",
        ]
        undo = {"type": "sql", "dsn": dsn, "statements": statements}
        for _ in range(2):
            assert not await in_thread(undo)
        assert await session.fetchval("SELECT count(*) FROM pg_indexes WHERE indexname = 'i'") == 1
        assert await session.fetchval(_KEPT) == 0

        wrong = {**undo, "statements": ["SELECT nothing", "CREATE TABLE made (id int)"]}
        assert 'column "nothing" does not exist' in await in_thread(wrong, 1.0)
        assert await session.fetchval(
            "SELECT to_regclass('made') IS NOT NULL"
        )  # tried all the same

        held = await asyncpg.connect(dsn)
        await held.execute("BEGIN; LOCK TABLE t")
        began = time.monotonic()
        blocked = {**undo, "statements": ["DROP INDEX IF EXISTS i"]}
        assert "lock timeout" in await in_thread(blocked, 1.0)
        assert time.monotonic() - began < LIMIT_S
        held.terminate()
        assert not await in_thread(blocked)
        session.terminate()
    assert "cannot be reached" in await in_thread(undo, 0.3)
    assert not await in_thread(undo, is_stack_gone=True)


_KEPT = "SELECT count(*) FROM pg_file_settings WHERE name = 'default_transaction_read_only'"


async def in_thread(undo: dict[str, Any], limit_s: float = LIMIT_S, **more: Any) -> str:
    return await asyncio.to_thread(left, undo, limit_s, **more)


def test_a_password_is_never_said() -> None:
    dsn = f"postgresql://me:s3cret@{HOST}:{nobody()}/x"
    undo = {"type": "sql", "dsn": dsn, "statements": ["SELECT 's3cret'"]}
    for words in (left(undo, 0.2), in_words(undo)):
        assert "me:***@" in words
        assert "s3cret" not in words


def test_a_password_among_the_options_of_a_dsn_is_not_said_either() -> None:
    dsn = "postgresql://me@127.0.0.1:1/shop?sslmode=disable&password=s3cret"
    words = in_words({"type": "sql", "dsn": dsn, "statements": ["SELECT 1"]})
    assert "password=***" in words
    assert "s3cret" not in words


# -- a whole journal -----------------------------------------------------------------------------


def test_what_changed_the_same_thing_is_undone_newest_first(tmp_path: Path) -> None:
    path, file = tmp_path / "j.jsonl", tmp_path / "clock"
    journal = Journal(path)
    for number in range(20):
        undo = {"type": "file_text", "path": str(file), "text": str(number)}
        journal.injecting(f"f{number}", undo if number % 2 else {"type": "all", "steps": [undo]})
    journal.close()
    assert not any(heal(path).values())
    assert file.read_text() == "0"  # what it was before the first
    assert not unhealed(path)


def test_a_journal_that_cannot_be_told_says_so_and_is_healed_from_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, ballast = tmp_path / "j.jsonl", tmp_path / "ballast"
    ballast.write_text("x")
    journal = Journal(path)
    journal.injecting("file", {"type": "file_gone", "path": str(ballast)})
    journal.close()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Journal, "healed", full)
        assert "it is undone, but" in heal(path)["file"]
    assert not ballast.exists()
    assert not heal(path)["file"]
    assert not unhealed(path)


def test_faults_that_have_nothing_in_common_do_not_wait_for_each_other(tmp_path: Path) -> None:
    path, ballast = tmp_path / "j.jsonl", tmp_path / "ballast"
    ballast.write_text("x")
    with socket.create_server((HOST, 0)) as deaf:
        journal = Journal(path)
        journal.injecting("file", {"type": "file_gone", "path": str(ballast)})
        for number in range(5):
            journal.injecting(f"deaf{number}", redis_undo(deaf.getsockname()[1], ["PING"]))
        journal.close()
        began = time.monotonic()
        results = heal(path, limit_s=0.5)
        assert time.monotonic() - began < LIMIT_S
    assert results.pop("file") == ""
    assert all(results.values())
    assert not ballast.exists()
    assert {fault for fault, _ in unhealed(path)} == set(results)
