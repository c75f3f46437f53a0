"""Values of options that are more than one of a few words."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import click

from flashdrill.plan.service import ADDRESS

SERVERS = ("auto", "real", "embedded")
LOOPBACK = {"127.0.0.1", "localhost", "::1"}


def target_choice(_ctx: click.Context, _option: click.Parameter, value: str) -> str:
    """The address of a service, or nothing. Raises BadParameter, which does not repeat it: it may hold a password."""
    try:
        is_address = bool(re.fullmatch(ADDRESS.pattern, value) and urlsplit(value).hostname)
    except ValueError:
        is_address = False
    if value and not is_address:
        raise click.BadParameter(f"not {ADDRESS.hint}")
    scheme, mark, rest = value.partition("://")
    return f"{scheme.lower()}{mark}{rest}"


def toxiproxy_choice(_ctx: click.Context, _option: click.Parameter, value: str) -> str:
    """auto, real, embedded, or the URL of a server on this machine. Raises BadParameter."""
    if value in SERVERS:
        return value
    try:
        parts = urlsplit(value)
        is_url = parts.scheme == "http" and bool(parts.port)
    except ValueError:
        is_url = False
    if not is_url:
        words = ", ".join(SERVERS)
        raise click.BadParameter(f"{value!r} is none of {words}, and no http://HOST:PORT")
    if parts.hostname not in LOOPBACK:
        raise click.BadParameter(
            f"{value} is not on this machine: its proxies could not reach the stack's servers"
        )
    return value


def address_choice(
    context: click.Context, parameter: click.Parameter, value: str | None
) -> tuple[str, int] | None:
    """HOST:PORT as both."""
    if value is None:
        return None
    host, _, port = value.rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise click.BadParameter(f"{value!r} is not HOST:PORT, such as 10.0.0.5:5557")
    return host.removeprefix("[").removesuffix("]"), int(port)
