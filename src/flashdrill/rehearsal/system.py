"""Where a run takes place: the reference stack, or somebody's own service. The spine knows no more of it than this.

|          | reference stack                             | own service                                  |
|----------|---------------------------------------------|----------------------------------------------|
| host     | servers and service under a guardian        | a guardian with the crowd; the rest is theirs|
| targets  | its proxies and processes, and adopted ones | adopted ones                                 |
| samplers | its metrics, processes, databases, Redis    | the metrics and processes that it names      |
| watch    | whether Toxiproxy and the edge live         | whether Toxiproxy and the service answer     |
| settle   | drained, stopped, every shard read          | quiet or drained, read while it runs         |
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from flashdrill.chaos.target import ProcessControl, Target
from flashdrill.observe.sampler import Samplers
from flashdrill.rehearsal.trace import Trace
from flashdrill.rehearsal.watcher import Watcher


class Host(ProcessControl, Protocol):
    """Addresses, and processes that die with the harness (the crowd, what faults start)."""

    @property
    def backend_url(self) -> str:
        """The service as customers reach it."""
        ...

    @property
    def payment_url(self) -> str:
        """The service as the payment provider reaches it."""
        ...

    @property
    def hmac_secret(self) -> str:
        """What signs payment callbacks; empty when nobody does."""
        ...

    @property
    def toxiproxy_url(self) -> str:
        """Toxiproxy's HTTP API; empty when there is none."""
        ...

    @property
    def edge_url(self) -> str:
        """The edge's control API; empty when there is no edge."""
        ...

    @property
    def log_dir(self) -> Path:
        """Where logs go."""
        ...

    @property
    def process_names(self) -> tuple[str, ...]:
        """Every process that was ever started."""
        ...

    def is_running(self, name: str) -> bool:
        """Whether the process runs."""
        ...

    async def spawn(self, name: str, argv: Sequence[str], env: Mapping[str, str], log: Path) -> int:
        """Start a process, `env` on top of this process's environment; its pid."""
        ...

    def environment(self) -> dict[str, Any]:
        """What ran: versions, the machine, which Toxiproxy."""
        ...

    async def give_back(self) -> tuple[str, ...]:
        """Leave somebody else's Toxiproxy; what is not as it was found, in words. ToxiproxyError."""
        ...


@dataclass(frozen=True, slots=True)
class System:
    """`watch` looks until it is cancelled; `settle` fills in what the run is judged by when the load is over."""

    host: Host
    targets: Mapping[str, Target]
    samplers: Samplers
    watch: Callable[[Trace], Coroutine[Any, Any, None]]
    settle: Callable[[Trace, Watcher], Coroutine[Any, Any, None]]
