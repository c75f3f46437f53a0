"""CPU and memory of the processes of a run and of the host, from psutil.

| metric                                | labels        |                                                  |
|---------------------------------------|---------------|--------------------------------------------------|
| process_cpu_seconds_total             | process       | with all processes below it, ended ones included |
| process_main_thread_cpu_seconds_total | process       | of its own first thread: an event loop's         |
| process_rss_bytes                     | process       | with all below it (shared pages count again)     |
| process_count                         | process       | itself and all below                             |
| host_cpu_seconds_total                | mode          | over all cores: busy, idle, iowait, steal        |
| host_cpu_count                        |               | cores that this process may use                  |
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator, Mapping

import psutil

from flashdrill.observe.samples import Sample

Pids = Callable[[], Mapping[str, int]]
"""The processes that run now, by name; a restarted one has another pid."""


class ProcessSource:
    """Looks at the processes in a thread: it takes some milliseconds."""

    def __init__(self, pids: Pids) -> None:
        self._pids = pids

    async def read(self) -> list[Sample]:
        """What the kernel says now; a process that has just ended is left out."""
        pids = dict(self._pids())
        return await asyncio.to_thread(lambda: [*_host(), *_processes(pids)])

    async def close(self) -> None:
        """Nothing is held."""


def _host() -> Iterator[Sample]:
    times = psutil.cpu_times()
    modes = {
        "idle": times.idle,
        "iowait": getattr(times, "iowait", 0.0),
        "steal": getattr(times, "steal", 0.0),
    }
    # guest time is part of user time already
    modes["busy"] = sum(
        getattr(times, n, 0.0) for n in ("user", "nice", "system", "irq", "softirq")
    )
    for mode, seconds in modes.items():
        yield Sample("host_cpu_seconds_total", seconds, {"mode": mode})
    yield Sample("host_cpu_count", len(os.sched_getaffinity(0)))


def _processes(pids: Mapping[str, int]) -> Iterator[Sample]:
    below = _children()
    for name, pid in pids.items():
        try:
            yield from _tree(name, pid, below)
        except psutil.Error:
            continue


def _children() -> dict[int, list[int]]:
    """The pids below each pid, from one look at all processes."""
    found: dict[int, list[int]] = {}
    for process in psutil.process_iter(["ppid"]):
        found.setdefault(process.info["ppid"], []).append(process.pid)
    return found


def _tree(name: str, root: int, below: Mapping[int, list[int]]) -> Iterator[Sample]:
    label = {"process": name}
    cpu_s = rss = 0.0
    count = 0
    waiting = [root]
    while waiting:
        pid = waiting.pop()
        waiting += below.get(pid, [])
        try:
            seconds, size = _usage(psutil.Process(pid))
        except psutil.Error:
            if pid == root:
                raise
            continue
        cpu_s, rss, count = cpu_s + seconds, rss + size, count + 1
    yield Sample("process_cpu_seconds_total", cpu_s, label)
    yield Sample("process_main_thread_cpu_seconds_total", _main_thread_s(root), label)
    yield Sample("process_rss_bytes", rss, label)
    yield Sample("process_count", count, label)


def _usage(process: psutil.Process) -> tuple[float, float]:
    """CPU seconds, those of the children that it has waited for included, and resident bytes."""
    with process.oneshot():
        times = process.cpu_times()
        cpu_s = times.user + times.system + times.children_user + times.children_system
        return cpu_s, float(process.memory_info().rss)


def _main_thread_s(pid: int) -> float:
    threads = psutil.Process(pid).threads()
    return next((t.user_time + t.system_time for t in threads if t.id == pid), 0.0)
