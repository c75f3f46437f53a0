from __future__ import annotations

import random
import socket
from pathlib import Path

import pytest

from flashdrill.errors import EXIT_STACK, StackError
from flashdrill.stack.ports import HOST, LOWEST, choose_ports, is_free


def test_ports_are_distinct_and_outside_the_range_of_outgoing_connections() -> None:
    names = [f"server{n}" for n in range(20)]
    ports = choose_ports(names, rng=random.Random(1))
    assert list(ports) == names
    assert len(set(ports.values())) == len(names)
    ephemeral = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    assert all(LOWEST <= port < ephemeral for port in ports.values())


def test_a_fixed_port_is_kept_and_a_taken_one_refused_with_a_remedy() -> None:
    with socket.socket() as server:
        server.bind((HOST, 0))
        server.listen()
        taken = server.getsockname()[1]
        assert not is_free(taken)
        with pytest.raises(StackError, match=f"port {taken} for backend is taken") as caught:
            choose_ports(["backend"], fixed={"backend": taken})
    assert caught.value.exit_code == EXIT_STACK
    assert "remedy" in str(caught.value)
    assert choose_ports(["backend"], fixed={"backend": taken}) == {"backend": taken}
