"""Customers who think when the load is stopped: they go home, and nothing of theirs leaves before its time."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import gevent
import pytest
from gevent.server import StreamServer

from flashdrill.load.driver import Driver
from flashdrill.load.operations import Call
from flashdrill.load.session import Session
from flashdrill.load.spec import CrowdSpec
from flashdrill.model.scenario import Product, Stage, World
from tests.unit.crowds import steady

pytestmark = pytest.mark.services

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
LOOK = Call(kind="look", method="GET", path="/look", acknowledged={200: "found"})
PAY = Call(kind="pay", method="POST", path="/pay", acknowledged={200: "paid"})


def thoughtful(session: Session) -> None:
    session.operation(LOOK)
    session.think(30)
    session.operation(PAY)


@pytest.mark.parametrize("duration_s", [0.3, 30.0], ids=["the last has come", "in the middle"])
def test_who_thinks_when_it_is_stopped_goes_home(tmp_path: Path, duration_s: float) -> None:
    heard: list[bytes] = []

    def answer(sock: Any, _address: object) -> None:
        while data := sock.recv(65536):
            heard.append(data.split(b" ")[1])
            sock.sendall(ANSWER)

    server = StreamServer(("127.0.0.1", 0), answer)
    server.start()
    url = f"http://127.0.0.1:{server.server_port}"
    stage = Stage("rush", 0.0, duration_s, (steady("order", 60, duration_s),))
    spec = CrowdSpec(
        name="leaving",
        locustfile="",
        base_url=url,
        payment_url=url,
        hmac_secret="",
        stages=(stage,),
        world=World(5, (Product("hot", 1, 1, 1.0),)),
        seed=3,
        ops_path=str(tmp_path / "ops"),
        live_path=str(tmp_path / "live"),
        start_path="",
    )
    driver = Driver(spec, {"order": thoughtful})
    try:
        running = gevent.spawn(driver.run, time.monotonic_ns())
        began_s = time.monotonic()
        with gevent.Timeout(10):
            while len(heard) < 5 or time.monotonic() < began_s + min(duration_s, 0.6):
                gevent.sleep(0.01)
        driver.stop()
        with gevent.Timeout(2):
            running.get()
    finally:
        driver.close()
        server.stop(timeout=1)
    assert set(heard) == {b"/look"}
