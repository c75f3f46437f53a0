from __future__ import annotations

from pathlib import Path

import pytest

from flashdrill.errors import StackError
from flashdrill.stack import reference


def test_the_checkout_holds_the_reference() -> None:
    root = reference.reference_root()
    assert (root / "backend" / "__init__.py").is_file()
    assert (root / "scenarios").is_dir()


def test_the_wheel_comes_first_and_nothing_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "site" / "flashdrill"
    monkeypatch.setattr(reference, "_PACKAGE", package)
    with pytest.raises(StackError, match="not in this installation"):
        reference.reference_root()
    (package / "reference" / "backend").mkdir(parents=True)
    (package / "reference" / "backend" / "__init__.py").write_text("")
    assert reference.reference_root() == package / "reference"
