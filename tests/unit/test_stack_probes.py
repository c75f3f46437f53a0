from __future__ import annotations

import errno
from pathlib import Path

import pytest

from flashdrill.errors import StackError
from flashdrill.stack.control import refusal
from flashdrill.stack.probes import died, probe_of, remedy, tail, wait_until_ready


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('could not bind IPv4 address "127.0.0.1": Address already in use', "taken its port"),
        ("could not write file: No space left on device", "disk is full"),
        ("ModuleNotFoundError: No module named 'uvloop'", "flashdrill[reference]"),
        ("something else", "log"),
    ],
)
def test_the_end_of_a_log_suggests_a_remedy(line: str, expected: str) -> None:
    assert expected in remedy(line)


def test_the_tail_is_short_and_a_missing_log_is_no_error(tmp_path: Path) -> None:
    log = tmp_path / "server.log"
    assert "no log" in tail(log)
    log.write_text("\n".join(f"line {n}" for n in range(5_000)))
    assert tail(log).splitlines()[-1].strip() == "line 4999"
    assert len(tail(log).splitlines()) == 6


async def test_a_server_that_dies_is_told_with_its_last_words(tmp_path: Path) -> None:
    log = tmp_path / "redis.log"
    log.write_text("bind: Address already in use\n")

    async def never() -> bool:
        return False

    with pytest.raises(StackError, match="ended by itself") as caught:
        await wait_until_ready("redis", never, is_running=lambda: False, log=log, timeout_s=5)
    assert "Address already in use" in caught.value.message
    assert caught.value.remedy == died("redis", log).remedy
    with pytest.raises(StackError, match="did not answer within 0 s"):
        await wait_until_ready("redis", never, is_running=lambda: True, log=log, timeout_s=0)


async def test_a_server_that_answers_is_ready(tmp_path: Path) -> None:
    answers = iter([False, False, True])

    async def probe() -> bool:
        return next(answers)

    await wait_until_ready(
        "redis", probe, is_running=lambda: True, log=tmp_path / "x", timeout_s=10
    )


def test_nobody_can_ask_an_unknown_server() -> None:
    with pytest.raises(StackError, match="crowd"):
        probe_of("crowd", {})


def test_a_missing_program_is_refused_with_the_command_that_installs_it() -> None:
    error = refusal("shard0", {"error": "No such file: postgres", "errno": errno.ENOENT})
    assert "pip install 'flashdrill[reference]'" in error.remedy
    assert "free" in refusal("shard0", {"error": "full", "errno": errno.ENOSPC}).remedy
