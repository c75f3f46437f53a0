"""Users of plain Locust in the crowd's locustfile, with a harness and without one."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from flashdrill.errors import ConfigError
from flashdrill.load import child
from flashdrill.load.schedule import arrivals
from flashdrill.model.scenario import Stage
from tests.services.load_shop import Shop
from tests.services.test_load_child import crowd, rush
from tests.services.test_load_locust import LIMIT_S, gathered, last_words

pytestmark = pytest.mark.services

CROWD = """
import json
from locust import FastHttpUser, HttpUser, LoadTestShape, constant, task
from flashdrill.locust import Call, OpenCrowd, Session, journey

class Shoppers(OpenCrowd):
    @journey
    def order(self, session: Session) -> None:
        look = Call(kind="look", method="GET", path="/products/cold-1", acknowledged={200: "ok"})
        session.operation(look)
        session.think(0.25)
        session.operation(look)
"""
WAITING = """
class Waiting(FastHttpUser):
    fixed_count = 2
    wait_time = constant(0.05)

    @task
    def look_up(self) -> None:
        self.client.get("/orders/none", name="theirs")
"""
IDLE = """
class Idle(HttpUser):
    @task
    def look_up(self) -> None:
        raise AssertionError
"""
PLAIN = """
from locust import FastHttpUser, HttpUser, constant, task
"""
TRESPASSING = """
import socket
from pathlib import Path

def trespass():
    with socket.socket() as sock:
        sock.settimeout(0.2)
        sock.connect(("0.0.0.0", 1))

try:
    trespass()
except OSError as error:
    Path(__file__).with_name("at_import").write_text(type(error).__name__)

class Trespassing(HttpUser):
    fixed_count = 1
    wait_time = constant(0.2)

    @task
    def leave(self) -> None:
        trespass()
"""
SHAPE = """
class Few(LoadTestShape):
    def tick(self):
        return (3, 100) if self.get_run_time() < 0.9 else None
"""
STAGE = Stage("rush", 0, 2.5, rush(2.0, order=30).arrivals)


def locustfile(folder: Path, *parts: str) -> Path:
    path = folder / "together.py"
    path.write_text("".join(parts))
    return path


@pytest.mark.parametrize("parts", [(WAITING, IDLE), (WAITING, SHAPE)], ids=["fixed", "shape"])
async def test_they_come_beside_the_crowd_and_are_in_no_history(
    tmp_path: Path, parts: tuple[str, ...]
) -> None:
    file = locustfile(tmp_path, CROWD, *parts)
    async with Shop().serving() as shop, crowd(shop, tmp_path, STAGE, locustfile=file) as running:
        t0_ns = await running.begin()
        done = await running.finish()
        ops = running.ops()
    due = sorted(op.due_ns - t0_ns for op in ops if op.is_arrival)
    assert due == [round(a.due_s * 1e9) for a in arrivals((STAGE,), 11)]
    assert {op.kind for op in ops} == {"look"}
    assert shop.requests["GET /products"] == len(ops) == done["sent"]
    assert done["closed_users"] == ["Waiting"]
    theirs = shop.requests["GET /orders"]  # a few of them after the crowd's last words
    assert theirs - 20 < done["closed_requests"] <= theirs
    assert theirs > 20
    assert not done["interrupted"]


async def test_a_later_step_is_due_at_the_end_of_the_one_before_plus_its_think_time(
    tmp_path: Path,
) -> None:
    """The service stands still for a second: later steps move with it, arrivals do not. Nobody is beside the crowd."""
    file = locustfile(tmp_path, CROWD, SHAPE)
    async with Shop().serving() as shop, crowd(shop, tmp_path, STAGE, locustfile=file) as running:
        t0_ns = await running.begin()
        await running.follow(seconds=1)
        shop.open_gate.clear()
        await running.follow(seconds=2)
        shop.open_gate.set()
        done = await running.finish()
        ops = running.ops()
    first = {op.process: op for op in ops if op.is_arrival}
    later = [op for op in ops if not op.is_arrival]
    assert len(first) == len(later) == len(list(arrivals((STAGE,), 11)))
    for op in later:
        assert op.due_ns == first[op.process].done_ns + 250_000_000
        assert op.sent_ns >= op.due_ns
    assert sorted(op.due_ns - t0_ns for op in first.values()) == [
        round(a.due_s * 1e9) for a in arrivals((STAGE,), 11)
    ]
    assert max(op.done_ns - op.due_ns for op in first.values()) > 0.5e9
    assert "closed_users" not in done


@pytest.mark.parametrize(
    ("second", "said"),
    [
        ("class Others(Shoppers):\n    pass\n", "the locustfile has 2 crowds: Others, Shoppers"),
        (
            WAITING + '    host = "http://shop.example.com"\n',
            "shop.example.com is not among the hosts of this run",
        ),
    ],
    ids=["crowds", "host"],
)
async def test_two_crowds_are_one_too_many_and_nobody_goes_to_other_hosts(
    tmp_path: Path, second: str, said: str, capfd: pytest.CaptureFixture[str]
) -> None:
    file = locustfile(tmp_path, CROWD, second)
    async with Shop().serving() as shop, crowd(shop, tmp_path, STAGE, locustfile=file) as running:
        with pytest.raises(ConfigError, match=said):
            await child.wait_ready(running.live_path, running.is_alive)
        assert await running.process.wait() == 2
    assert said in capfd.readouterr().err


async def test_a_plain_locustfile_is_a_closed_loop_until_the_last_stage_is_over(
    tmp_path: Path,
) -> None:
    """It has no crowd of ours at all. The fence is around it all the same, also while it is imported."""
    file = locustfile(tmp_path, PLAIN, WAITING, TRESPASSING)
    stage = Stage("all", 0, 2.5, ())
    async with Shop().serving() as shop, crowd(shop, tmp_path, stage, locustfile=file) as running:
        t0_ns = await running.begin()
        done = await running.finish()
        assert time.monotonic_ns() >= t0_ns + 2_500_000_000
    assert done["closed_users"] == ["Waiting", "Trespassing"]
    assert done["due"] == 0
    assert shop.requests["GET /orders"] > 20
    assert (tmp_path / "at_import").read_text() == "PermissionError"
    assert done["fenced"].keys() == {"0.0.0.0"}
    assert done["fenced"]["0.0.0.0"] > 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("import json\nimport nowhere\n", "together.py:2: .*No module named 'nowhere'"),
        ("x = (\n", "together.py:1: .*SyntaxError: '.' was never closed"),
        ("x = 1\n", "together.py: the locustfile has no users"),
        (PLAIN + IDLE, "nobody of Idle would come"),
        (CROWD.replace("order", "visit"), "together.py: the locustfile has no journey order"),
    ],
    ids=["import", "syntax", "empty", "idle", "journey"],
)
async def test_what_cannot_be_played_is_refused_in_words_before_anybody_comes(
    tmp_path: Path, text: str, said: str
) -> None:
    file = locustfile(tmp_path, text)
    async with Shop().serving() as shop, crowd(shop, tmp_path, STAGE, locustfile=file) as running:
        with pytest.raises(ConfigError, match=said):
            await child.wait_ready(running.live_path, running.is_alive)
        assert await running.process.wait() == 2
        assert not shop.requests


@pytest.mark.parametrize("parts", [(WAITING,), (WAITING, SHAPE)], ids=["number", "shape"])
async def test_under_plain_locust_its_numbers_and_shapes_are_about_its_own_users(
    tmp_path: Path, parts: tuple[str, ...]
) -> None:
    file = locustfile(tmp_path, CROWD, *parts)
    async with gathered(tmp_path) as (party, shop):
        options = () if SHAPE in parts else ("--users", "2")
        locust = await party.start("--headless", *options, "--host", shop.url, locustfile=file)
        said = await last_words(locust)
        assert await asyncio.wait_for(locust.wait(), LIMIT_S) in (
            0,
            3,
        )  # 3: late, on a busy machine
        (account,) = party.accounts()
        assert shop.requests["GET /orders"] > 5
    assert "beside the crowd: Waiting; they wait for their answers" in said
    assert account["status"] == "complete"
