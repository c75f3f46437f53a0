from __future__ import annotations

from pathlib import Path

from flashdrill.stack.up import Server, Standing

READY = Server("shard0", 11, "127.0.0.1:20001", "127.0.0.1:20002", is_ready=True)
DOWN = Server("redis", None, "127.0.0.1:20003", "", is_ready=False)


def test_the_table_says_what_is_where() -> None:
    standing = Standing(Path("/s"), (READY, DOWN), guardian_pid=9, settings="/s/settings.json")
    first, *rows, last = standing.table().splitlines()
    assert first.split()[:2] == ["server", "pid"]
    assert rows[0].split() == ["shard0", "11", "127.0.0.1:20001", "127.0.0.1:20002", "ready"]
    assert rows[1].split() == ["redis", "-", "127.0.0.1:20003", "-", "down"]
    assert "guardian 9" in last


def test_one_server_down_is_not_healthy() -> None:
    assert Standing(Path("/s"), (READY,), 9).is_healthy
    assert not Standing(Path("/s"), (READY, DOWN), 9).is_healthy
    assert not Standing(Path("/s")).is_healthy
    assert "no stack is up" in Standing(Path("/s")).table()
    assert Server("backend", 5, "", "", is_ready=False).health == "not ready"
