"""A run as its folder keeps it: the result, and what was run, every default and `--set` applied."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from flashdrill.errors import ConfigError
from flashdrill.model.result import RunResult
from flashdrill.report.store import read_result

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, slots=True)
class KeptRun:
    """A run by the name of its folder. `scenario` and `plan` are None when the folder has them no more."""

    name: str
    result: RunResult
    scenario: Mapping[str, Any] | None = None
    plan: Mapping[str, Any] | None = None


def read_run(folder: Path) -> KeptRun:
    """The run in a folder. Raises ConfigError when its result cannot be read."""
    return KeptRun(
        name=folder.resolve().name,
        result=read_result(folder),
        scenario=_document(folder / "scenario.yaml"),
        plan=_document(folder / "plan.yaml"),
    )


def _document(path: Path) -> Mapping[str, Any] | None:
    try:
        document = yaml.load(path.read_text(encoding="utf-8"), Loader=_LOADER)  # noqa: S506  (safe)
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"cannot be read: {error}", path=path) from error
    return document if isinstance(document, dict) else None
