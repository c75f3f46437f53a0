"""flashdrill: rehearse a flash sale under faults and end in a verdict that can be trusted."""

from __future__ import annotations

from typing import TYPE_CHECKING

__version__ = "0.1.0"
__all__ = ["Fault", "__version__"]

if TYPE_CHECKING:
    from flashdrill.chaos.fault import Fault


def __getattr__(name: str) -> object:
    """Load the public names on first use, so that the guardian starts with the standard library alone."""
    if name == "Fault":
        from flashdrill.chaos.fault import Fault  # noqa: PLC0415  (lazy on purpose, see above)

        return Fault
    raise AttributeError(f"module 'flashdrill' has no attribute {name!r}")
