"""Listen addresses as Go writes them, and sockets bound to them. Errors read as the real server's."""

from __future__ import annotations

import asyncio
import errno
import os
import socket

BACKLOG = 1024
MAX_PORT = 65535


class AddressError(Exception):
    """An address cannot be parsed, resolved or bound; says why in Go's words."""


def split(address: str) -> tuple[str, str]:
    """`host:port` as (host, port); `[::1]:80` without its brackets; an empty address is `:0`."""
    if not address:
        return "", "0"
    host, colon, port = address.rpartition(":")
    if not colon or address.endswith("]"):
        raise AddressError(f"address {address}: missing port in address")
    if host.startswith("[") and host.endswith("]"):
        return host[1:-1], port
    if ":" in host:
        raise AddressError(f"address {address}: too many colons in address")
    return host, port


def join(host: str, port: int) -> str:
    """`host:port`, IPv6 in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


async def resolve(address: str) -> tuple[str, int]:
    """The numeric (host, port) of an address, IPv4 first; an empty host stays empty."""
    host, service = split(address)
    port = port_number(service)
    if not host:
        return "", port
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError:
        raise AddressError(f"lookup {host}: no such host") from None
    first = sorted(found, key=lambda entry: entry[0] != socket.AF_INET)[0]
    return str(first[4][0]), port


async def canonical(address: str) -> str:
    """The address as a bound proxy would show it, to compare the two."""
    host, port = await resolve(address)
    return join(host, port)


async def bind(address: str) -> socket.socket:
    """A listening socket; without a host, or with 0.0.0.0, on every address of both families."""
    try:
        host, port = await resolve(address)
    except AddressError as error:
        raise AddressError(f"listen tcp: {error}") from None
    is_wildcard = host in {"", "0.0.0.0", "::"}  # noqa: S104 - compared, not bound
    family = socket.AF_INET6 if is_wildcard or ":" in host else socket.AF_INET
    try:
        return _listening(family, "::" if is_wildcard else host, port, is_dual=is_wildcard)
    except OSError as error:
        if is_wildcard and error.errno in {errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL}:
            return _listening(socket.AF_INET, "", port, is_dual=False)
        reason = os.strerror(error.errno or 0).lower()
        raise AddressError(f"listen tcp {join(host, port)}: bind: {reason}") from error


def shown(sock: socket.socket) -> str:
    """The bound address of a socket."""
    host, port = sock.getsockname()[:2]
    return join(host, port)


def port_number(service: str) -> int:
    """A port from its number or its name; empty is 0. Raises AddressError."""
    if not service:
        return 0
    try:
        port = int(service)
    except ValueError:
        return _named_port(service)
    if not 0 <= port <= MAX_PORT:
        raise AddressError(f"address {service}: invalid port")
    return port


def _named_port(service: str) -> int:
    try:
        return socket.getservbyname(service, "tcp")
    except OSError:
        raise AddressError(f"lookup tcp/{service}: unknown port") from None


def _listening(
    family: socket.AddressFamily, host: str, port: int, *, is_dual: bool
) -> socket.socket:
    # With its protocol: asyncio switches Nagle's algorithm off only where it stands.
    sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, not is_dual)
        sock.bind((host, port))
        sock.listen(BACKLOG)
        sock.setblocking(False)
    except BaseException:
        sock.close()
        raise
    return sock
