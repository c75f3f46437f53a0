"""Undoing what was done to files. Where the whole folder is gone, nothing is left of a fault."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

from flashdrill.stack.undo.circumstances import Circumstances, NotUndoneError


def file_gone(undo: dict[str, Any], _now: Circumstances) -> None:
    """Remove a file that the fault made."""
    path = Path(undo["path"])
    try:
        path.unlink(missing_ok=True)
    except NotADirectoryError:
        return
    except OSError as error:
        raise NotUndoneError(f"{path} cannot be removed: {error.strerror}") from None


def file_text(undo: dict[str, Any], _now: Circumstances) -> None:
    """Write a small file."""
    path, text = Path(undo["path"]), str(undo["text"])
    if path.parent.is_dir():
        try:
            _write(path, text)
        except OSError as error:
            raise NotUndoneError(f"{path} cannot be written: {error.strerror}") from None


def json_value(undo: dict[str, Any], now: Circumstances) -> None:
    """Set one key of a JSON file; the rest stays."""
    path = Path(undo["path"])
    if not path.parent.is_dir() or (now.is_stack_gone and not path.exists()):
        return
    try:
        content = json.loads(path.read_text())
        content[undo["key"]] = undo["value"]
        _write(path, json.dumps(content, indent=2) + "\n")
    except OSError as error:
        raise NotUndoneError(f"{path} cannot be written: {error.strerror}") from None
    except (ValueError, TypeError):
        raise NotUndoneError(f"{path} holds no JSON object") from None


def _write(path: Path, text: str) -> None:
    """Whole or not at all, with the mode and the owner it had."""
    unfinished = path.with_name(f".{path.name}.healing-{os.getpid()}")
    try:
        unfinished.touch(0o600)
        unfinished.write_text(text)
        if path.exists():
            shutil.copymode(path, unfinished)
            owner = path.stat()
            if os.geteuid() == 0:
                os.chown(unfinished, owner.st_uid, owner.st_gid)
        unfinished.replace(path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
