"""The last word on where the load process connects to: whatever code opens a connection, Python asks here first.

The crowd's own client is given addresses and looks nothing up. A locustfile may open connections of its own, by
`requests`, FastHttpUser or a bare socket; all of them are sockets of Python's, and each `connect` of one is an audit
event (PEP 578). What a library in C does past Python is not seen, nor where a tunnel on loopback leads.
"""

from __future__ import annotations

import errno
import sys
from collections import Counter
from typing import Any

from flashdrill.model.hosts import Addresses, loopback

_WATCHED = frozenset({"socket.connect", "socket.sendto", "socket.sendmsg"})
MOST_TOLD = 20
"""Hosts that are told by their address; the rest are counted together."""

_refused: Counter[str] = Counter()
"""How often each host was refused. Of the process, as the fence is: neither can be taken away."""


def fence_in(hosts: Addresses) -> None:
    """From now on, and for as long as this process lives, it connects to loopback and to these hosts' addresses alone.

    To anything else it raises PermissionError that names it.
    """
    watched, refused = (
        _WATCHED,
        _refused,
    )  # of our own: at the interpreter's end the module's names are gone before this is
    allowed = {address for addresses in hosts.values() for address in addresses}

    def check(event: str, arguments: tuple[Any, ...]) -> None:
        if event not in watched or not isinstance(arguments[1], tuple):
            return  # a path is on this machine
        host = str(arguments[1][0])
        if host not in allowed and not loopback(host):
            refused[host if host in refused or len(refused) < MOST_TOLD else "others"] += 1
            words = "is not among the hosts of this run, see `hosts` in its scenario"
            raise PermissionError(errno.EACCES, f"{host} {words}")

    sys.addaudithook(check)


def fenced() -> dict[str, object]:
    """What the load's last line says of it: how often each host was refused. Nothing when none was."""
    return {"fenced": dict(_refused)} if _refused else {}
