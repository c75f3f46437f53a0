"""Somebody's own service as the place of a run: it runs already, and goes on when the run is over.

answers? ── reads work? ── crowd ∥ faults on adopted proxies ∥ samplers ── quiet or drained ── final reads
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

from flashdrill.audit.declared import Declared, read_declared, read_number
from flashdrill.audit.fetching import UnreadableError
from flashdrill.errors import StackError
from flashdrill.model.addresses import shown
from flashdrill.model.journal import Journal
from flashdrill.model.reads import FinalReads
from flashdrill.model.service import Service
from flashdrill.observe import presence
from flashdrill.observe.prometheus import scrape
from flashdrill.observe.sampler import Samplers
from flashdrill.rehearsal import own_settle, rig
from flashdrill.rehearsal.folder import RunFolder
from flashdrill.rehearsal.prepare import Prepared
from flashdrill.rehearsal.system import Host, System
from flashdrill.rehearsal.trace import Trace
from flashdrill.rehearsal.watcher import Watcher
from flashdrill.stack.own_service import open_own_service
from flashdrill.stack.toxiproxy import is_address

ANSWER_TIMEOUT_S = 5.0
"""For each question before the load: to the service, and to its metrics."""
EVERY_METRIC = ""


@asynccontextmanager
async def own_system(
    prepared: Prepared,
    service: Service,
    folder: RunFolder,
    journal: Journal,
    watcher: Watcher,
) -> AsyncIterator[System]:
    """The service, which answers, and whose reads work. Raises StackError with what does not."""
    watcher.phase(f"asking {service.url} whether it is there")
    await _answers(service)
    before = await first_reads(service, prepared.scenario.path)
    toxiproxy = prepared.order.toxiproxy
    async with open_own_service(
        service.url,
        log_dir=folder.logs,
        journal=journal.path,
        toxiproxy=toxiproxy if is_address(toxiproxy) else "",
    ) as host:
        yield System(
            host=host,
            targets=prepared.adopted,
            samplers=Samplers(
                urls=service.metrics,
                pids=lambda: _pids(service.processes),
                prefix=EVERY_METRIC,
            ),
            watch=partial(_watch, service, host),
            settle=partial(own_settle.settle, prepared, service, before),
        )


async def _answers(service: Service) -> None:
    """Raise StackError when the service, a metrics page or a process is not there."""
    remedy = "start it, or give its address with --target URL"
    try:
        url = service.url + (service.health or "/")
        await presence.ask(url, wants_2xx=bool(service.health), timeout_s=ANSWER_TIMEOUT_S)
    except presence.AbsentError as error:
        raise StackError(
            f"the service at {shown(url)} is not ready: {error}", remedy=remedy
        ) from None
    except TimeoutError:
        raise StackError(
            f"the service at {shown(url)} did not answer within {ANSWER_TIMEOUT_S:g} s",
            remedy=remedy,
        ) from None
    for name, page in service.metrics.items():
        try:
            await scrape(page, timeout_s=ANSWER_TIMEOUT_S, prefix=EVERY_METRIC)
        except (OSError, TimeoutError, ValueError) as error:
            why = str(error) or f"no answer within {ANSWER_TIMEOUT_S:g} s"
            raise StackError(
                f"service.metrics.{name} cannot be read: {why}",
                remedy="mend its address, or leave it out",
            ) from None
    for name, path in service.processes.items():
        if _pid(path) is None:
            raise StackError(
                f"service.processes.{name}: {path} names no process that runs",
                remedy="write the service's process id there, or leave it out",
            )


async def first_reads(service: Service, path: Path) -> FinalReads:
    """What was there before the run. Raises StackError, with its line in the scenario, for a read that does not work:
    not after the load. What `drained` says matters in the end only."""
    found: Declared = await read_declared(service, own_settle.READ_TIMEOUT_S)
    for name, why in found.failures.items():
        raise StackError(
            f"{path}:{service.reads[name].line}: the final read of {name} does not work, so its invariants could not "
            f"be judged: {why}",
            remedy=f"mend service.reads.{name} (docs/reference/reads.md has the columns), or leave it out",
        )
    if service.drained is not None:
        try:
            await read_number(service.drained, own_settle.NUMBER_TIMEOUT_S)
        except UnreadableError as error:
            raise StackError(
                f"{path}:{service.drained.line}: `drained` does not work, so nobody could tell when to read: {error}",
                remedy="mend service.reads.drained, or say how long to wait with settle",
            ) from None
    return replace(
        found.reads,
        earlier_orders=frozenset(row.order_id for row in found.reads.orders),
        earlier_payments=frozenset(row.transaction_id for row in found.reads.payments),
    )


async def _watch(service: Service, host: Host, trace: Trace) -> None:
    """The rig's health, and whether the service is there."""
    url = service.url + (service.health or "/")
    async with asyncio.TaskGroup() as group:
        group.create_task(presence.watch(url, trace.absences, timeout_s=ANSWER_TIMEOUT_S))
        if host.toxiproxy_url:
            group.create_task(rig.watch(host, trace))


def _pids(files: Mapping[str, Path]) -> dict[str, int]:
    """The processes that run now: a file is read each time, since a service may be started again."""
    return dict(_running(files))


def _running(files: Mapping[str, Path]) -> Iterator[tuple[str, int]]:
    for name, path in files.items():
        if (pid := _pid(path)) is not None:
            yield name, pid


def _pid(path: Path) -> int | None:
    try:
        pid = int(path.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return None
    return pid if Path(f"/proc/{pid}").is_dir() else None
