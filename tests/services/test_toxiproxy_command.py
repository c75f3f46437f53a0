"""`flashdrill toxiproxy`: the embedded server by itself, as a person starts and ends it."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.services.toxiproxy_servers import HOST, READY_TIMEOUT_S, answer

pytestmark = pytest.mark.services

COMMAND = (sys.executable, "-m", "flashdrill.cli.main", "toxiproxy", "--host", HOST)


@contextmanager
def started(*options: str) -> Iterator[tuple[subprocess.Popen[str], int, str]]:
    """The running command, its port, and what it said."""
    process = subprocess.Popen(
        [*COMMAND, "--port", "0", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            assert process.stdout is not None
            said = process.stdout.readline()
            found = re.search(r"http://127\.0\.0\.1:([0-9]+)", said)
            assert found, said
            yield process, int(found.group(1)), said
        finally:
            process.kill()


def failed(*options: str) -> tuple[int, str]:
    """Exit code and words of a command that cannot start."""
    done = subprocess.run(
        [*COMMAND, *options],
        capture_output=True,
        text=True,
        timeout=READY_TIMEOUT_S,
        check=False,
    )
    assert "Traceback" not in done.stderr
    return done.returncode, done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_what_its_file_says_and_ends_when_told(tmp_path: Path, number: int) -> None:
    config = tmp_path / "proxies.json"
    latency = {"type": "latency", "attributes": {"latency": 80}}
    proxy = {"name": "a", "listen": f"{HOST}:0", "upstream": f"{HOST}:9", "toxics": [latency]}
    config.write_text(json.dumps([proxy]))
    with started("--config", str(config), "--seed", "7", "--proxy-metrics") as (
        process,
        port,
        said,
    ):
        assert said.rstrip().endswith("seed 7")
        shown = json.loads(answer(port, "GET", "/proxies/a")[2])
        assert shown["toxics"][0]["attributes"] == {"latency": 80, "jitter": 0}
        assert answer(port, "GET", "/metrics")[0] == 200
        process.send_signal(number)
        assert process.wait(READY_TIMEOUT_S) == 0
        assert process.stderr is not None
        assert process.stderr.read() == ""


def test_a_port_that_is_taken_is_the_stacks_fault() -> None:
    with socket.create_server((HOST, 0)) as taken:
        code, said = failed("--port", str(taken.getsockname()[1]))
    assert code == 4
    assert "address already in use" in said
    assert "remedy" in said


def test_a_wrong_file_is_the_users_fault(tmp_path: Path) -> None:
    config = tmp_path / "proxies.json"
    config.write_text('[\n{"name": "a"}]')
    code, said = failed("--config", str(config))
    assert code == 2
    assert f"{config}:2: missing required field: upstream" in said


def test_a_proxy_that_cannot_listen_is_named_with_its_line(tmp_path: Path) -> None:
    config = tmp_path / "proxies.json"
    with socket.create_server((HOST, 0)) as taken:
        listen = f"{HOST}:{taken.getsockname()[1]}"
        config.write_text(json.dumps([{"name": "a", "listen": listen, "upstream": f"{HOST}:9"}]))
        code, said = failed("--port", "0", "--config", str(config))
    assert code == 2
    assert f"{config}:1: proxy a: listen tcp {listen}: bind: address already in use" in said
