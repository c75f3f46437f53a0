"""The faults that a plan may use: the engine's, and the repository's own."""

from __future__ import annotations

from pathlib import Path

from flashdrill.chaos.catalogue import catalogue, load_own
from flashdrill.chaos.fault import Fault
from flashdrill.stack.reference import reference_root

OWN_FAULTS = Path("chaos/faults")


def known_faults() -> dict[str, type[Fault]]:
    """Every kind by name: with those of chaos/faults here, or of the reference where there is no such folder.

    Raises ConfigError for a file of faults that cannot be used.
    """
    here = Path.cwd() / OWN_FAULTS
    return {**catalogue(), **load_own(here if here.is_dir() else reference_root() / OWN_FAULTS)}
