from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from flashdrill.errors import ConfigError, InconclusiveError, StackError
from flashdrill.load import child
from flashdrill.load.live import tell_refusal
from flashdrill.load.spec import CROWD_ENV, write_spec
from tests.unit.test_load_spec import spec_of


def test_the_command_is_a_headless_locust_that_ends_by_itself(tmp_path: Path) -> None:
    spec = spec_of(tmp_path)
    write_spec(spec, tmp_path / "crowd.json")
    argv = child.command(tmp_path / "crowd.json")
    assert argv[1:4] == ["-P", "-m", "flashdrill.load.launch"]
    assert argv[argv.index("--locustfile") + 1] == spec.locustfile
    assert "--headless" in argv
    ceiling_s = int(argv[argv.index("--run-time") + 1].removesuffix("s"))
    assert ceiling_s > spec.start_timeout_s + spec.duration_s + spec.finish_timeout_s


def test_the_environment_carries_the_specification_and_no_other_locust_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOCUST_USERS", "1000")
    for name in ("HTTP_PROXY", "https_proxy", "ALL_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "http://10.0.0.9:3128")
    environment = child.environment(tmp_path / "crowd.json")
    assert environment[CROWD_ENV] == str(tmp_path / "crowd.json")
    assert "LOCUST_USERS" not in environment
    proxies = {k: v for k, v in environment.items() if k.lower().endswith("_proxy")}
    assert proxies == {"NO_PROXY": "*", "no_proxy": "*"}, "a proxy would lead past the fence"


def test_the_start_is_written_whole(tmp_path: Path) -> None:
    child.start(tmp_path / "start.json", 42)
    assert json.loads((tmp_path / "start.json").read_text()) == {"t0_mono_ns": 42}
    assert [path.name for path in tmp_path.iterdir()] == ["start.json"]


async def test_ready_is_waited_for(tmp_path: Path) -> None:
    live = tmp_path / "live.jsonl"
    waiting = asyncio.create_task(child.wait_ready(live, lambda: True))
    await asyncio.sleep(0)
    live.write_text('{"event": "rea')
    await asyncio.sleep(0)
    live.write_text('{"event": "ready", "pid": 1}\n')
    assert (await waiting)["pid"] == 1


async def test_a_child_that_dies_before_it_is_ready_is_told(tmp_path: Path) -> None:
    with pytest.raises(StackError, match="died before it was ready"):
        await child.wait_ready(tmp_path / "live.jsonl", lambda: False)


async def test_a_refusal_is_told_in_its_own_words(tmp_path: Path) -> None:
    tell_refusal(tmp_path / "live.jsonl", ConfigError("shop.py:3: no such thing", remedy="mend it"))
    with pytest.raises(ConfigError, match=r"^shop\.py:3: no such thing") as refused:
        await child.wait_ready(tmp_path / "live.jsonl", lambda: False)
    assert refused.value.remedy == "mend it"


async def test_a_child_that_is_never_ready_is_told(tmp_path: Path) -> None:
    with pytest.raises(StackError, match="not ready in"):
        await child.wait_ready(tmp_path / "live.jsonl", lambda: True, timeout_s=0.01)


async def test_following_ends_with_the_last_line(tmp_path: Path) -> None:
    live = tmp_path / "live.jsonl"
    live.write_text('{"event": "ready"}\n{"event": "second"}\n{"event": "done"}\n')
    heard = [line["event"] async for line in child.follow(live, lambda: False)]
    assert heard == ["ready", "second", "done"]


@pytest.mark.parametrize(
    ("text", "due"),
    [
        ('{"event": "ready"}\n{"event": "done", "due": 7}\n', 7),
        ('{"event": "ready"}\n{"event": "second", "due": 7}\n', None),
        ('{"event": "ready"}\n{"event": "done", "du', None),
        ("", None),
    ],
)
def test_the_totals_of_a_child_are_read_when_it_has_told_all(
    tmp_path: Path, text: str, due: int | None
) -> None:
    (tmp_path / "live.jsonl").write_text(text)
    assert child.last_words(tmp_path / "live.jsonl").get("due") == due


async def test_a_death_in_mid_run_is_told_after_the_last_words(tmp_path: Path) -> None:
    live = tmp_path / "live.jsonl"
    live.write_text('{"event": "ready"}\n{"event": "second"}\n{"event": "sec')
    heard = []
    with pytest.raises(InconclusiveError, match="died in mid-run"):
        async for line in child.follow(live, lambda: False):
            heard.append(line["event"])  # noqa: PERF401  (kept when the iterator raises)
    assert heard == ["ready", "second"]


async def test_silence_is_told(tmp_path: Path) -> None:
    with pytest.raises(InconclusiveError, match="said nothing"):
        async for _ in child.follow(tmp_path / "live.jsonl", lambda: True, silence_timeout_s=0.01):
            pass
