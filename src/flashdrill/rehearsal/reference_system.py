"""The reference stack as the place of a run: brought up for it, and taken down."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from flashdrill.model.journal import Journal
from flashdrill.observe.sampler import Samplers
from flashdrill.rehearsal import rig
from flashdrill.rehearsal.folder import RunFolder
from flashdrill.rehearsal.prepare import Prepared
from flashdrill.rehearsal.settle import settle
from flashdrill.rehearsal.system import System
from flashdrill.rehearsal.topology import SHARDS, targets
from flashdrill.rehearsal.watcher import Watcher
from flashdrill.stack.embedded import Stack, StackSpec, open_stack


@asynccontextmanager
async def reference_system(
    prepared: Prepared, folder: RunFolder, journal: Journal, watcher: Watcher
) -> AsyncIterator[System]:
    """The stack, ready for orders. Raises StackError, ConfigError."""
    watcher.phase("bringing the stack up")
    async with open_stack(_specification(prepared, folder, journal), watcher.server_ready) as stack:
        yield System(
            host=stack,
            targets={**targets(stack), **prepared.adopted},
            samplers=_samplers(stack),
            watch=partial(rig.watch, stack),
            settle=partial(settle, prepared, stack),
        )
        watcher.phase("taking the stack down")


def _specification(prepared: Prepared, folder: RunFolder, journal: Journal) -> StackSpec:
    scenario = prepared.scenario
    return StackSpec(
        state_dir=folder.path / "stack",
        log_dir=folder.logs,
        journal=journal.path,
        backend_settings={"time_scale": scenario.time_scale, **scenario.backend},
        world={
            "users": scenario.world.users,
            "products": [
                {"sku": p.sku, "price_cents": p.price_cents, "stock": p.stock}
                for p in scenario.world.products
            ],
        },
        toxiproxy=prepared.order.toxiproxy,
        provisions=prepared.provisions,
    )


def _samplers(stack: Stack) -> Samplers:
    return Samplers(
        urls={"backend": stack.metrics_url},
        pids=lambda: {
            name: stack.pid(name) for name in stack.process_names if stack.is_running(name)
        },
        dsns={f"shard{number}": stack.dsn(number) for number in range(SHARDS)},
        redis=stack.direct["redis"],
    )
