"""The spine of one run.

    up → warm → load ∥ faults ∥ samplers → heal → drain → final reads → verdict → down

Whatever happens on the way, faults are healed, the stack goes down, and what was found is reported.
"""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from pathlib import Path

from flashdrill.errors import (
    ConfigError,
    FlashdrillError,
    InconclusiveError,
    StackError,
    ToxiproxyError,
)
from flashdrill.model.journal import Journal
from flashdrill.model.result import RunResult
from flashdrill.rehearsal import folder as folders
from flashdrill.rehearsal.folder import RunFolder
from flashdrill.rehearsal.interruption import all_the_same, interruptible
from flashdrill.rehearsal.journals import journal_of_run
from flashdrill.rehearsal.names import pinned
from flashdrill.rehearsal.own_system import own_system
from flashdrill.rehearsal.prepare import Prepared
from flashdrill.rehearsal.reference_system import reference_system
from flashdrill.rehearsal.storm import storm
from flashdrill.rehearsal.system import Host, System
from flashdrill.rehearsal.trace import Trace
from flashdrill.rehearsal.watcher import Finished, Watcher

DEFECTS = "harness.log"


async def rehearse(prepared: Prepared, watcher: Watcher) -> Finished:
    """One rehearsal from bringing the stack up to the written reports. Never raises for what a run can meet.

    Raises ConfigError when it would hit a host that nobody has confirmed, and for a locustfile that cannot be played.
    """
    prepared.admission.check()
    began = datetime.now(UTC)
    folder = folders.create(prepared.order.out, prepared.scenario.name, began)
    trace = Trace(environment={"run_folder": _shown(folder.path)})
    judges = asyncio.get_running_loop().run_in_executor(None, _judges)
    with journal_of_run(prepared.order.state, folder.journal) as journal:

        def stopping() -> None:
            trace.interrupted()
            journal.stopping()

        with interruptible(stopping) as ending:
            with pinned(prepared.admission.addresses):
                await _run_to_any_end(prepared, folder, journal, trace, watcher)
            ending()
            watcher.phase("judging")
            conclude = await all_the_same(judges)
            result = conclude(prepared, folder, trace, began)
    return Finished(result, folder.path)


def _judges() -> Callable[[Prepared, RunFolder, Trace, datetime], RunResult]:
    """What ends a run. Its libraries take a second to load: that happens while the servers start."""
    from flashdrill.rehearsal.conclude import conclude  # noqa: PLC0415

    return conclude


def _shown(path: Path) -> str:
    """A path as a person here would type it."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


async def _run_to_any_end(
    prepared: Prepared, folder: RunFolder, journal: Journal, trace: Trace, watcher: Watcher
) -> None:
    """Run, and note what went wrong instead of raising it: there is something to report either way."""
    try:
        try:
            await _run(prepared, folder, journal, trace, watcher)
        except* InconclusiveError as group:
            trace.problems += [str(error) for error in _leaves(group)]
        except* StackError as group:
            trace.stack_error = "; ".join(str(error) for error in _leaves(group))
        except* ConfigError as group:  # several load processes may refuse the same
            raise next(_leaves(group)) from None
        except* (FlashdrillError, OSError):
            raise
        except* Exception as group:
            trace.problems += [_defect(error, folder) for error in _leaves(group)]
    except asyncio.CancelledError:
        if not trace.was_interrupted:
            raise


def _defect(error: BaseException, folder: RunFolder) -> str:
    """What nobody foresaw makes the run inconclusive; the traceback is kept beside the other logs."""
    with (folder.logs / DEFECTS).open("a", encoding="utf-8") as log:
        traceback.print_exception(error, file=log)
    what = " ".join(str(error).split())
    return f"a defect of flashdrill itself, {type(error).__name__}: {what} (logs/{DEFECTS})"


async def _run(
    prepared: Prepared, folder: RunFolder, journal: Journal, trace: Trace, watcher: Watcher
) -> None:
    async with _place(prepared, folder, journal, watcher) as system:
        trace.environment = {**trace.environment, **system.host.environment()}
        await storm(prepared, folder, journal, system, trace, watcher)
        await system.settle(trace, watcher)
        await _give_back(system.host, trace)


def _place(
    prepared: Prepared, folder: RunFolder, journal: Journal, watcher: Watcher
) -> AbstractAsyncContextManager[System]:
    """Where the run takes place."""
    service = prepared.scenario.service
    if service is not None:
        return own_system(prepared, service, folder, journal, watcher)
    return reference_system(prepared, folder, journal, watcher)


async def _give_back(host: Host, trace: Trace) -> None:
    """Leave somebody else's Toxiproxy as it was found, or say what is different."""
    try:
        trace.problems += [
            f"Toxiproxy is not as it was found: {what}" for what in await host.give_back()
        ]
    except ToxiproxyError as error:
        trace.problems.append(f"Toxiproxy could not be given back: {error}")


def _leaves(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error
