"""The health of the rig itself: what stands between the crowd and the system must not be what fails.

Everything that the crowd and the service send goes through Toxiproxy, and some of it through the edge. When one of
them dies, or hangs, the figures from then on tell of the rig and not of the system: the stages concerned are invalid,
and the run is inconclusive.
"""

from __future__ import annotations

import asyncio
import time

from flashdrill.errors import ToxiproxyError
from flashdrill.rehearsal.system import Host
from flashdrill.rehearsal.trace import Trace
from flashdrill.toxiproxy.client import Toxiproxy

PERIOD_S = 0.5
ANSWER_TIMEOUT_S = 2.0
PATIENCE = 2
"""So many silent answers in a row are a failure, one may be a busy machine. A dead process is one at once."""


NAMES = {"toxiproxy": "Toxiproxy", "edge": "the edge"}


async def watch(host: Host, trace: Trace) -> None:
    """Ask until cancelled, or until the rig has failed: then `trace.rig_failed_ns` says since when."""
    server = Toxiproxy(host.toxiproxy_url, timeout_s=ANSWER_TIMEOUT_S)
    silent, well_ns = 0, time.monotonic_ns()
    while True:
        asked_ns = time.monotonic_ns()
        try:
            await server.version()
            silent, well_ns = 0, asked_ns
        except ToxiproxyError:
            silent += 1
        dead = [name for name in _parts(host) if not host.is_running(name)]
        if dead or silent >= PATIENCE:
            trace.rig_failed_ns = well_ns
            trace.rig_failure = f"{NAMES[dead[0]]} died" if dead else "Toxiproxy did not answer"
            return
        await asyncio.sleep(PERIOD_S)


def _parts(host: Host) -> list[str]:
    """The rig's processes that are ours."""
    return [name for name in NAMES if name in host.process_names]
