"""Nothing goes beyond this machine until somebody says yes; nothing is looked up or sent here."""

from __future__ import annotations

import io
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from flashdrill.cli.confirming import confirmed, said
from flashdrill.errors import ConfigError
from flashdrill.model.faults import FaultPlan
from flashdrill.model.hosts import LOOPBACK_ONLY, Admission
from flashdrill.model.scenario import World
from flashdrill.rehearsal.prepare import Order, Prepared
from tests.unit.planning import small_scenario

AWAY = Admission({"shop.example.com": ("203.0.113.7",), "10.0.0.7": ("10.0.0.7",)})


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def prepared(folder: Path, admission: Admission) -> Prepared:
    scenario = small_scenario(folder)
    order = Order(scenario.path, folder, "flashdrill run")
    plan = FaultPlan("none", None, ())
    return Prepared(order, scenario, plan, (), {}, folder, admission=admission)


def typed(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal(text))
    monkeypatch.setattr(sys, "stdout", Terminal())


def test_on_this_machine_nobody_is_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert not confirmed(prepared(tmp_path, LOOPBACK_ONLY), is_yes=False).admission.awaits
    assert not capsys.readouterr().out


def test_what_will_be_sent_is_said_first(tmp_path: Path) -> None:
    lines = "\n".join(said(prepared(tmp_path, AWAY)))
    assert "shop.example.com (203.0.113.7, for the whole run)" in lines
    assert "2,600 arrivals in 60 s, up to 170 a second in stage rush" in lines
    assert "never more than 1,000 requests a second" in lines
    assert "faults: none" in lines
    assert "u0 to u9" in lines
    assert "X-Flashdrill-Run" in lines


def test_without_a_world_no_users_are_made_up(tmp_path: Path) -> None:
    there = prepared(tmp_path, AWAY)
    nobody = replace(there, scenario=replace(there.scenario, world=World(0, ())))
    (line,) = (line for line in said(nobody) if "users:" in line)
    assert line == "  users:  whoever the requests name (the scenario has no world)"


def test_without_a_terminal_and_without_yes_it_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"shop.example.com, 10.0.0.7, and --yes was not given"):
        confirmed(prepared(tmp_path, AWAY), is_yes=False)


def test_yes_says_it_for_all(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert not confirmed(prepared(tmp_path, AWAY), is_yes=True).admission.awaits
    assert "shop.example.com" in capsys.readouterr().out, "it is said all the same"


def test_each_host_is_typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    typed(monkeypatch, "shop.example.com\n10.0.0.7\n")
    assert not confirmed(prepared(tmp_path, AWAY), is_yes=False).admission.awaits


@pytest.mark.parametrize("text", ["y\n", "shop.example.com\n\n", "shop.example.com\nyes\n"])
def test_anything_else_is_no(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    typed(monkeypatch, text)
    with pytest.raises(ConfigError, match="was not confirmed; nothing was sent"):
        confirmed(prepared(tmp_path, AWAY), is_yes=False)
