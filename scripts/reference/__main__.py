"""Write docs/reference from the code.

make reference
"""

from __future__ import annotations

import sys

from scripts.reference.pages import FOLDER, pages


def main() -> int:
    """Write every page."""
    FOLDER.mkdir(exist_ok=True)
    for name, text in pages().items():
        (FOLDER / name).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
