"""Somebody's own service, which runs already: a guardian for the crowd, and nothing of theirs is ours.

harness ── guardian ── crowd, helpers of faults
   └── Toxiproxy of theirs (when there is one): its proxies are adopted, and compared at the end
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flashdrill.errors import StackError
from flashdrill.model.journal import Journal
from flashdrill.model.processes import identity
from flashdrill.stack.control import Guardian
from flashdrill.stack.machine import libraries, machine
from flashdrill.stack.toxiproxy import foreign
from flashdrill.stack.wards import Wards
from flashdrill.toxiproxy.guest import Guest


@dataclass(slots=True, kw_only=True)
class OwnService(Wards):
    """Opened by `open_own_service`. `guest` is our stay at their Toxiproxy server; None: there is none."""

    url: str
    guest: Guest | None = None
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def backend_url(self) -> str:
        """The service as customers reach it."""
        return self.url

    @property
    def payment_url(self) -> str:
        """The same."""
        return self.url

    @property
    def hmac_secret(self) -> str:
        """None of ours: what signs requests is in their own files."""
        return ""

    @property
    def toxiproxy_url(self) -> str:
        """Their Toxiproxy server; empty without one."""
        return "" if self.guest is None else self.guest.server.url

    @property
    def edge_url(self) -> str:
        """There is no edge."""
        return ""

    def environment(self) -> dict[str, Any]:
        """What ran, as far as we know."""
        return dict(self.facts)

    async def wait_ready(self, name: str, timeout_s: float) -> None:
        """Raise StackError: no process of theirs is started by us."""
        raise StackError(f"{name} is not ours to start")

    async def give_back(self) -> tuple[str, ...]:
        """What is not as it was found at their Toxiproxy server, in words. ToxiproxyError."""
        guest, self.guest = self.guest, None
        return () if guest is None else await guest.leave()

    async def close(self) -> None:
        """End what we started."""
        await self.guardian.shutdown()


@asynccontextmanager
async def open_own_service(
    url: str, *, log_dir: Path, journal: Path, toxiproxy: str = ""
) -> AsyncIterator[OwnService]:
    """A guardian beside a service that runs; what it started is gone at the end. Raises StackError."""
    guardian = await Guardian.start(_absolute(journal), log=log_dir / "guardian.log")
    service = OwnService(
        guardian=guardian,
        log_dir=log_dir,
        url=url,
        facts={**machine(), "service": url, "libraries": libraries()},
    )
    try:
        _note_guardian(journal, guardian)
        if toxiproxy:
            await _visit(service, toxiproxy, journal)
        yield service
    finally:
        await service.close()


def _absolute(path: Path) -> Path:
    return path.absolute()


async def _visit(service: OwnService, toxiproxy: str, journal: Path) -> None:
    guest = Guest(toxiproxy, journal)
    await guest.arrive()
    version = await guest.server.version()
    service.facts["toxiproxy"] = {**foreign(guest.server.url), "version": version}
    service.guest = guest


def _note_guardian(path: Path, guardian: Guardian) -> None:
    """Whoever reads the journal can tell whether somebody still heals from it."""
    journal = Journal(path)
    journal.on_stack(identity(guardian.own_pid))
    journal.close()
