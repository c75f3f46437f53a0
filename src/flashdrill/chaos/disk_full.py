"""A file system without space."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from flashdrill.chaos.fault import Evidence, Fault, FaultContext, Parameter
from flashdrill.errors import StackError

PROBE_BYTES = 65_536
STEP_BYTES = 4_194_304
SMALLEST_BYTES = 512
POLL_S = 0.05
_CAP_SYS_ADMIN = 21


class DiskFull(Fault):
    """Fills the small file system of a target's folder with a ballast file, until `leave` bytes are free.

    Seen when writing and syncing 64 KiB more than that in the folder ends with "No space left on device". Healed when
    the ballast is gone and such a write is taken. A file system with more than `at_most` free, or the machine's
    own one, is never filled.
    """

    kind = "disk_full"
    target_kinds = frozenset({"process"})
    needs = frozenset({"volume"})
    parameters: ClassVar[Mapping[str, Parameter]] = {
        "leave": Parameter("size", 0, "how much stays free", "B"),
        "at_most": Parameter(
            "size", 1024**3, "refuse to fill a file system with more than this free", "B"
        ),
    }

    def __init__(self) -> None:
        self._is_injected = False

    @classmethod
    def missing(cls) -> str:
        """The right to mount."""
        if _may_mount():
            return ""
        return "the folder gets a file system of its own (tmpfs), which takes root or CAP_SYS_ADMIN to mount"

    async def baseline(self, ctx: FaultContext) -> dict[str, Any]:
        """The numbers of the file system, and whether a write is taken. Raises StackError."""
        folder = _folder(ctx)
        failure = await asyncio.to_thread(_probe, folder / _probe_name(ctx), _probe_bytes(ctx))
        return {"free_bytes": _free(folder), "write": _name(failure)}

    def undo(self, ctx: FaultContext) -> dict[str, Any]:
        """Remove the ballast. Raises StackError when the file system must not be filled."""
        folder = _folder(ctx)
        if (free := _free(folder)) > ctx.parameters["at_most"]:
            limit = ctx.parameters["at_most"]
            raise StackError(f"{folder} has {free} bytes free, and at_most is {limit}: not filled")
        if folder.stat().st_dev == Path("/").stat().st_dev:
            raise StackError(f"{folder} is on the machine's own file system: not filled")
        return {"type": "file_gone", "path": str(_ballast(ctx))}

    async def inject(self, ctx: FaultContext) -> None:
        """Write the ballast."""
        await asyncio.to_thread(_fill, _ballast(ctx), ctx.parameters["leave"])
        self._is_injected = True

    async def observe(self, ctx: FaultContext, baseline: dict[str, Any]) -> Evidence:
        """Until a write is refused for want of space."""
        now = asyncio.get_running_loop().time
        began = now()
        folder = _folder(ctx)
        while True:
            failure = await asyncio.to_thread(_probe, folder / _probe_name(ctx), _probe_bytes(ctx))
            if failure == errno.ENOSPC or now() - began > ctx.observe_s:
                break
            await asyncio.sleep(POLL_S)
        found = {
            "free_before_bytes": baseline["free_bytes"],
            "free_bytes": _free(folder),
            "ballast_bytes": _size(_ballast(ctx)),
            "write_before": baseline["write"],
            "write_during": _name(failure),
            "observed_after_s": round(now() - began, 3),
        }
        return Evidence(failure == errno.ENOSPC and baseline["write"] == "taken", found)

    async def heal(self, ctx: FaultContext) -> None:
        """Remove the ballast; nothing to do where there is no folder."""
        if ctx.target.folder is None:
            return
        if self._is_injected and not _ballast(ctx).exists():
            self.has_ended_early = True
        self._is_injected = False
        await asyncio.to_thread(_ballast(ctx).unlink, missing_ok=True)

    async def verify_healed(self, ctx: FaultContext) -> Evidence:
        """The ballast is gone, and a write is taken."""
        if ctx.target.folder is None:
            return Evidence(True, {"reason": "there is nothing to fill"})
        folder, is_left = ctx.target.folder, _ballast(ctx).exists()
        failure = await asyncio.to_thread(_probe, folder / _probe_name(ctx), _probe_bytes(ctx))
        found = {"free_bytes": _free(folder), "ballast_left": is_left, "write": _name(failure)}
        if is_left or failure:
            reason = (
                "the ballast is still there" if is_left else f"a write ends in {_name(failure)}"
            )
            return Evidence(False, {"reason": reason, **found})
        return Evidence(True, found)


def _folder(ctx: FaultContext) -> Path:
    if ctx.target.folder is None:
        raise StackError(f"{ctx.target.name} has no folder with a file system of its own")
    return ctx.target.folder


def _ballast(ctx: FaultContext) -> Path:
    return _folder(ctx) / f".flashdrill-{ctx.planned.id}-ballast"


def _probe_name(ctx: FaultContext) -> str:
    return f".flashdrill-{ctx.planned.id}-probe"


def _probe_bytes(ctx: FaultContext) -> int:
    """More than is left free."""
    return PROBE_BYTES + int(ctx.parameters["leave"])


def _fill(path: Path, leave: int) -> None:
    """Allocate in steps, smaller and smaller ones, until no more than `leave` bytes are free."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        size, step = 0, STEP_BYTES
        while step >= SMALLEST_BYTES and (spare := _free(path.parent) - leave) > 0:
            wanted = max(SMALLEST_BYTES, min(step, spare))
            try:
                os.posix_fallocate(fd, size, wanted)
                size += wanted
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
                step = wanted // 2
    finally:
        os.close(fd)


def _probe(path: Path, size: int) -> int:
    """Write and sync so many bytes, and remove them: 0, or the errno that it ends with."""
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            left = size
            while left > 0:
                left -= os.write(fd, bytes(min(left, PROBE_BYTES)))
            os.fsync(fd)
        finally:
            os.close(fd)
    except OSError as error:
        return error.errno or errno.EIO
    finally:
        with contextlib.suppress(OSError):
            path.unlink()
    return 0


def _name(code: int) -> str:
    return errno.errorcode.get(code, str(code)) if code else "taken"


def _free(folder: Path) -> int:
    numbers = os.statvfs(folder)
    return numbers.f_bavail * numbers.f_frsize


def _size(path: Path) -> int:
    """The bytes of a file that are allocated; 0 when there is none."""
    try:
        return path.stat().st_blocks * 512
    except FileNotFoundError:
        return 0


def _may_mount() -> bool:
    """Whether this process has CAP_SYS_ADMIN."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return os.geteuid() == 0
    mask = next((line.split()[1] for line in lines if line.startswith("CapEff:")), "0")
    return bool(int(mask, 16) >> _CAP_SYS_ADMIN & 1)
