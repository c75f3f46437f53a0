"""The fence around a load process. It stays for as long as a process lives, so each test has one of its own.

Nothing could leave this machine: all goes to closed ports of loopback, or to 0.0.0.0, which the kernel takes for it.
"""

from __future__ import annotations

import subprocess
import sys

TRY = """\
import asyncio, socket, sys, urllib.request
from flashdrill.load.fence import fence_in, fenced
fence_in({"shop.example.com": ("127.0.0.9",), "10.0.0.7": ("10.0.0.7",)})

def outcome(act):
    try:
        act()
    except PermissionError as error:
        return f"refused: {error.strerror.split()[0]}"
    except OSError as error:
        return type(error).__name__
    return "connected"

def connect(host, how="connect"):
    def act():
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as sock:
            code = getattr(sock, how)((host, 1))
            if code:
                raise OSError(code, "")
    return act

def by_udp():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.sendto(b"x", ("0.0.0.0", 9))

def by_udp_message():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.sendmsg([b"x"], [], 0, ("0.0.0.0", 9))

def by_urllib():
    try:
        urllib.request.urlopen("http://0.0.0.0:1/", timeout=1)
    except urllib.error.URLError as error:
        raise error.reason

def by_asyncio():
    asyncio.run(asyncio.wait_for(asyncio.open_connection("0.0.0.0", 1), 1))

for act in (
    connect("127.0.0.1"), connect("127.0.0.9"), connect("0.0.0.0"), connect("0.0.0.0", "connect_ex"),
connect("::"), by_udp, by_udp_message, by_urllib, by_asyncio,
):
    print(outcome(act))
print(fenced())
"""


def test_whatever_opens_a_connection_keeps_within_the_fence() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", TRY], capture_output=True, text=True, timeout=60, check=True
    )
    away = "refused: 0.0.0.0"
    assert ended.stdout.splitlines() == [
        "ConnectionRefusedError",
        "ConnectionRefusedError",
        away,
        away,
        "refused: ::",
        away,
        away,
        away,
        away,
        "{'fenced': {'0.0.0.0': 6, '::': 1}}",
    ], ended.stdout + ended.stderr
