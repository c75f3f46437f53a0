"""The hosts that a run may send to: this machine's loopback, and what its scenario lists and somebody confirmed.

    URLs of a run ──admit──> Admission: a name is looked up here, once ──of──> the addresses that the load connects to

The load process gets the addresses and looks nothing up, so a name that later means another server is not followed.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from flashdrill.errors import ConfigError

LOCALHOST = ("127.0.0.1", "::1")
"""What `localhost` means, whatever a resolver says (RFC 6761)."""

Addresses = Mapping[str, tuple[str, ...]]
Resolve = Callable[[str], tuple[str, ...]]


def host_of(url: str) -> str:
    """The host of a URL, in lower case. Raises ConfigError when it has none."""
    try:
        host = urlsplit(url).hostname
    except ValueError:
        host = None
    if not host:
        raise ConfigError("an address without a host", remedy="use http://HOST:PORT")
    return host.rstrip(".")


def loopback(host: str) -> tuple[str, ...]:
    """The addresses of a host that is this machine's loopback by what it is called; of any other none."""
    if host == "localhost":
        return LOCALHOST
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return ()
    return (host,) if address.is_loopback else ()


def addresses_of(host: str, admitted: Addresses) -> tuple[str, ...]:
    """What may be connected to for a host. Raises ConfigError for one that this run may not hit."""
    found = loopback(host) or admitted.get(host, ())
    if not found:
        raise ConfigError(
            f"{host} is not among the hosts of this run, so nothing is sent to it",
            remedy=f"list it in the scenario: hosts: [{host}]",
        )
    return found


@dataclass(frozen=True, slots=True)
class Admission:
    """The hosts of a run beyond loopback with their addresses. Until they are `confirmed` none may be hit."""

    addresses: Addresses = field(default_factory=dict)
    is_confirmed: bool = False

    def confirmed(self) -> Self:
        """The same, said yes to."""
        return replace(self, is_confirmed=True)

    @property
    def awaits(self) -> tuple[str, ...]:
        """The hosts that somebody has to say yes to."""
        return () if self.is_confirmed else tuple(self.addresses)

    def check(self) -> None:
        """Raise ConfigError while somebody has to say yes."""
        if self.awaits:
            raise ConfigError(
                f"nobody has confirmed that this run may hit {', '.join(self.awaits)}",
                remedy="--yes says so for every host that the scenario lists",
            )

    def of(self, url: str) -> dict[str, tuple[str, ...]]:
        """The host of a URL with its addresses. Raises ConfigError for one that is not listed, or not confirmed."""
        self.check()
        host = host_of(url)
        return {host: addresses_of(host, self.addresses)}


LOOPBACK_ONLY = Admission()


def look_up(host: str) -> tuple[str, ...]:
    """Every address of a host, as the system's resolver gives them. Raises ConfigError when it gives none."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise ConfigError(
            f"{host} has no address: {error}", remedy="check the name, and that its DNS answers"
        ) from None
    return tuple(dict.fromkeys(str(address[0]) for *_, address in found))


def hosts_beyond(
    urls: Mapping[str, str], listed: Sequence[str], *, path: Path | None = None
) -> tuple[str, ...]:
    """The hosts of the URLs (by what each is for) that are not loopback. Raises ConfigError for one not `listed`."""
    allowed = {host.lower().rstrip(".") for host in listed}
    found: list[str] = []
    for what, url in urls.items():
        host = host_of(url)
        if loopback(host) or host in found:
            continue
        if host not in allowed:
            line = ", ".join([*listed, host])
            raise ConfigError(
                f"{what} is on {host}, which is not this machine and which the scenario does not list",
                path=path,
                remedy=f"if the run may hit it, give the scenario the line: hosts: [{line}]",
            )
        found.append(host)
    return tuple(found)


def admit(
    urls: Mapping[str, str],
    listed: Sequence[str],
    *,
    path: Path | None = None,
    resolve: Resolve = look_up,
) -> Admission:
    """Every host of the URLs beyond loopback, looked up. Raises ConfigError for one that is not `listed`."""
    return Admission({host: resolve(host) for host in hosts_beyond(urls, listed, path=path)})
