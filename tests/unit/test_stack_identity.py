from __future__ import annotations

import os
from pathlib import Path

import pytest

from flashdrill.errors import StackError
from flashdrill.stack import identity
from flashdrill.stack.identity import FORCE_VARIABLE, choose_identity, install_for


def test_who_is_not_root_runs_it_directly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert choose_identity({}).way == "direct"
    with pytest.raises(StackError):
        choose_identity({FORCE_VARIABLE: "user"})


def test_root_takes_a_namespace_and_without_one_another_user(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(identity, "_namespaces_work", lambda: True)
    assert choose_identity({}).prefix[0] == "unshare"
    assert choose_identity({FORCE_VARIABLE: "user"}).uid not in {0, None}
    monkeypatch.setattr(identity, "_namespaces_work", lambda: False)
    assert choose_identity({}).way == "user"
    with pytest.raises(StackError, match="does not work here"):
        choose_identity({FORCE_VARIABLE: "namespace"})


def test_an_unknown_way_is_refused() -> None:
    with pytest.raises(StackError, match="sudo"):
        choose_identity({FORCE_VARIABLE: "sudo"})


def test_another_user_gets_a_copy_with_the_libraries_of_the_wheel(tmp_path: Path) -> None:
    site = tmp_path / "site"
    for part in ("bin", "lib", "share"):
        (site / "server" / "pginstall" / part).mkdir(parents=True)
    (site / "server.libs").mkdir()
    (site / "server.libs" / "libpq.so").write_text("x")
    install = site / "server" / "pginstall"
    copy = install_for(identity.Identity("user", user=(1, 1)), install, tmp_path / "root")
    assert (copy / "bin").is_dir()
    assert (copy / ".." / ".." / "server.libs" / "libpq.so").is_file()
    assert install_for(identity.Identity("direct"), install, tmp_path) == install
