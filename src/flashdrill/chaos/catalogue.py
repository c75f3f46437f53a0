"""The kinds of faults: those that come with flashdrill, and a repository's own."""

from __future__ import annotations

import importlib.util
import inspect
import sys
import traceback
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from types import ModuleType
from typing import get_args

from flashdrill.chaos.bandwidth import Bandwidth
from flashdrill.chaos.busy_core import BusyCore
from flashdrill.chaos.clock_step import ClockStep
from flashdrill.chaos.connection_refused import ConnectionRefused
from flashdrill.chaos.connections_taken import ConnectionsTaken
from flashdrill.chaos.disk_full import DiskFull
from flashdrill.chaos.down import Down
from flashdrill.chaos.dropped_index import DroppedIndex
from flashdrill.chaos.fault import TARGET_KINDS, Fault, Parameter, ParameterType
from flashdrill.chaos.gateway_timeout import GatewayTimeout
from flashdrill.chaos.half_open import HalfOpen
from flashdrill.chaos.http_delay import HttpDelay
from flashdrill.chaos.http_drop_first import HttpDropFirst
from flashdrill.chaos.http_malform import HttpMalform
from flashdrill.chaos.http_slow_body import HttpSlowBody
from flashdrill.chaos.http_status import HttpStatus
from flashdrill.chaos.http_truncate import HttpTruncate
from flashdrill.chaos.jitter import Jitter
from flashdrill.chaos.kill import Kill
from flashdrill.chaos.latency import Latency
from flashdrill.chaos.limit_data import LimitData
from flashdrill.chaos.pause import Pause
from flashdrill.chaos.read_only import ReadOnly
from flashdrill.chaos.redis_blocked import RedisBlocked
from flashdrill.chaos.redis_emptied import RedisEmptied
from flashdrill.chaos.redis_oom import RedisOom
from flashdrill.chaos.redis_readonly import RedisReadonly
from flashdrill.chaos.reset_peer import ResetPeer
from flashdrill.chaos.restart import Restart
from flashdrill.chaos.row_lock import RowLock
from flashdrill.chaos.slicer import Slicer
from flashdrill.chaos.slow_close import SlowClose
from flashdrill.chaos.slow_queries import SlowQueries
from flashdrill.chaos.table_lock import TableLock
from flashdrill.chaos.timeout import Timeout
from flashdrill.errors import ConfigError

_RESERVED = frozenset({"id", "kind", "target", "at", "for"})


def catalogue() -> dict[str, type[Fault]]:
    """The kinds that come with flashdrill, by the name that plans use."""
    return {
        "latency": Latency,
        "timeout": Timeout,
        "bandwidth": Bandwidth,
        "slow_close": SlowClose,
        "reset_peer": ResetPeer,
        "slicer": Slicer,
        "limit_data": LimitData,
        "down": Down,
        "jitter": Jitter,
        "connection_refused": ConnectionRefused,
        "half_open": HalfOpen,
        "http_status": HttpStatus,
        "http_delay": HttpDelay,
        "http_truncate": HttpTruncate,
        "http_malform": HttpMalform,
        "http_slow_body": HttpSlowBody,
        "http_drop_first": HttpDropFirst,
        "gateway_timeout": GatewayTimeout,
        "kill": Kill,
        "pause": Pause,
        "restart": Restart,
        "disk_full": DiskFull,
        "busy_core": BusyCore,
        "clock_step": ClockStep,
        "redis_emptied": RedisEmptied,
        "redis_blocked": RedisBlocked,
        "redis_oom": RedisOom,
        "redis_readonly": RedisReadonly,
        "connections_taken": ConnectionsTaken,
        "row_lock": RowLock,
        "table_lock": TableLock,
        "dropped_index": DroppedIndex,
        "slow_queries": SlowQueries,
        "read_only": ReadOnly,
    }


def load_own(folder: Path) -> dict[str, type[Fault]]:
    """The kinds in a folder's *.py files, except those that start with `_`; nothing when there is no folder.

    Raises ConfigError with the file when one cannot be imported, has no fault, declares one wrongly, or takes a
    name that is taken.
    """
    kinds: dict[str, type[Fault]] = {}
    places: dict[str, Path | None] = dict.fromkeys(catalogue())
    for path in sorted(folder.glob("[!_]*.py")):
        found = list(_faults_of(_imported(path)))
        if not found:
            raise ConfigError(
                "no fault in this file",
                path=path,
                remedy="define a class that derives from flashdrill.Fault, or let the name start with _",
            )
        for fault in found:
            _check(fault, path)
            if fault.kind in places:
                place = places[fault.kind] or "flashdrill itself"
                raise ConfigError(
                    f"the fault {fault.kind!r} is also in {place}",
                    path=path,
                    line=_line(fault),
                    remedy="give it another kind",
                )
            kinds[fault.kind], places[fault.kind] = fault, path
    return kinds


def _imported(path: Path) -> ModuleType:
    """The file as a module, under a name that nothing else has."""
    digest = sha256(str(path.resolve()).encode()).hexdigest()[:8]
    name = f"flashdrill_own_faults_{path.stem}_{digest}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        message = f"cannot be imported: {type(error).__name__}: {error}"
        raise ConfigError(message, path=path, line=_failed_at(error, path)) from error
    return module


def _failed_at(error: Exception, path: Path) -> int | None:
    """The line of the file that the error came from."""
    if isinstance(error, SyntaxError):
        return error.lineno
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if Path(frame.filename) == path]
    return lines[-1] if lines else None


def _faults_of(module: ModuleType) -> Iterator[type[Fault]]:
    for _, value in inspect.getmembers(module, inspect.isclass):
        is_own = value.__module__ == module.__name__
        if is_own and issubclass(value, Fault) and not inspect.isabstract(value):
            yield value


def _check(fault: type[Fault], path: Path) -> None:
    """Refuse a class whose attributes do not make sense."""
    kind = getattr(fault, "kind", None)
    targets: frozenset[str] = getattr(fault, "target_kinds", frozenset())
    wrong = ""
    if not isinstance(kind, str) or not kind:
        wrong = "`kind` must be a name"
    elif not targets or not frozenset(targets) <= TARGET_KINDS:
        wrong = f"`target_kinds` must be some of {', '.join(sorted(TARGET_KINDS))}"
    elif reserved := _RESERVED & set(fault.parameters):
        wrong = f"a parameter cannot be called {sorted(reserved)[0]!r}: every fault has that key"
    else:
        for name, parameter in fault.parameters.items():
            wrong = wrong or _wrong_parameter(name, parameter)
    if wrong:
        raise ConfigError(f"{fault.__name__}: {wrong}", path=path, line=_line(fault))


def _wrong_parameter(name: str, parameter: object) -> str:
    if not isinstance(parameter, Parameter):
        return f"the parameter {name!r} must be a Parameter"
    types = get_args(ParameterType)
    if parameter.type not in types:
        return f"the parameter {name!r} has type {parameter.type!r}; there are {', '.join(types)}"
    return ""


def _line(fault: type[Fault]) -> int | None:
    try:
        return inspect.getsourcelines(fault)[1]
    except (OSError, TypeError):
        return None
