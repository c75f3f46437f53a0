"""Where the reference service, its scenarios, plans and report parts are."""

from __future__ import annotations

from pathlib import Path

from flashdrill.errors import StackError

_PACKAGE = Path(__file__).parents[1]


def reference_root() -> Path:
    """The folder that holds backend/, scenarios/, chaos/ and reports/.

    `<package>/reference` in a wheel, else the root of the checkout. Raises StackError when neither is there.
    """
    for root in (_PACKAGE / "reference", _PACKAGE.parents[1]):
        if (root / "backend" / "__init__.py").is_file():
            return root
    raise StackError(
        "the reference service (backend/) is not in this installation",
        remedy="reinstall flashdrill from its wheel, or run it from a checkout",
    )
