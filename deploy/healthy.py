#!/usr/bin/env python3
"""Whether this container does its work; the image has neither curl nor wget.

healthy                  its program runs: it is neither stopped nor a zombie
healthy http://...       the address answers with 200
healthy connected:PORT   there is an open connection to that port, as a Locust worker has one to its master
healthy listening:PORT   somebody here waits for connections to that port
"""

from __future__ import annotations

import os
import sys
import urllib.request
from pathlib import Path

ANSWER_TIMEOUT_S = 3.0
ESTABLISHED, LISTEN = "01", "0A"  # as in /proc/net/tcp
_TCP_TABLES = ("net/tcp", "net/tcp6")


def is_answered(url: str) -> bool:
    """Whether a GET is answered with 200, proxies of the environment left aside."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=ANSWER_TIMEOUT_S) as answer:
            return bool(answer.status == 200)
    except (OSError, ValueError):
        return False


def is_connected(port: int, proc: Path = Path("/proc/self")) -> bool:
    """Whether a connection to that port, wherever it is, is open."""
    return any(
        _port(remote) == port and state == ESTABLISHED for _, remote, state in _sockets(proc)
    )


def is_listening(port: int, proc: Path = Path("/proc/self")) -> bool:
    """Whether connections to that port of this container are waited for."""
    return any(_port(local) == port and state == LISTEN for local, _, state in _sockets(proc))


def _port(address: str) -> int:
    return int(address.rpartition(":")[2], 16)


def _sockets(proc: Path) -> list[tuple[str, str, str]]:
    """(own address, the other's, state) of every TCP socket here."""
    lines = []
    for table in _TCP_TABLES:
        try:
            lines += (proc / table).read_text().splitlines()[1:]
        except OSError:
            continue
    rows = (line.split() for line in lines)
    return [(row[1], row[2], row[3]) for row in rows if len(row) > 3]


def runs(proc: Path = Path("/proc")) -> bool:
    """Whether the program below process 1 (tini) runs; process 1 itself counts where it has no children."""
    processes = dict(_processes(proc))
    children = [pid for pid, (parent, _) in processes.items() if parent == 1 and pid != os.getpid()]
    main = min(children, default=1)
    return main in processes and processes[main][1] not in {"T", "t", "Z", "X"}


def _processes(proc: Path) -> list[tuple[int, tuple[int, str]]]:
    """(pid, (parent, state)) of every process here."""
    found = []
    for folder in proc.iterdir():
        if folder.name.isdigit():
            try:  # the name, in parentheses, may hold anything
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            found.append((int(folder.name), (int(fields[1]), fields[0])))
    return found


PORT_TESTS = {"connected": is_connected, "listening": is_listening}


def main(arguments: list[str]) -> int:
    """0 healthy, 1 not, 2 for arguments that are not understood."""
    if not arguments:
        return 0 if runs() else 1
    what = arguments[0]
    if what.startswith("http://"):
        return 0 if is_answered(what) else 1
    test, _, port = what.partition(":")
    if test in PORT_TESTS and port.isdigit():
        return 0 if PORT_TESTS[test](int(port)) else 1
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
