"""The journal: what is in force, what was torn, who writes it, and when it may be put away."""

from __future__ import annotations

import errno
import os
import resource
from pathlib import Path

import pytest

from flashdrill.errors import StackError
from flashdrill.model.journal import Journal, guardian_of, home_of, is_held, unhealed
from flashdrill.model.processes import identity
from flashdrill.rehearsal.journals import (
    held,
    journal_of_run,
    leftovers,
    open_journal,
    refuse_over_leftovers,
)

NONE = {"type": "none"}
US = identity(os.getpid())
NOBODY = {**US, "started": US["started"] + 1}
"""A process under our pid that is not us."""


def journal_with(path: Path, *faults: str) -> Path:
    journal = Journal(path)
    for fault in faults:
        journal.injecting(fault, NONE)
    journal.close()
    return path


def test_what_is_in_force_newest_first(tmp_path: Path) -> None:
    path = tmp_path / "j.jsonl"
    journal = Journal(path)
    journal.opened("a test")
    journal.injecting("a", {"n": 1})
    journal.injecting("b", {"n": 2})
    journal.injecting("c", {"n": 3})
    journal.healed("b")
    journal.injecting("a", {"n": 4})
    journal.close()
    assert unhealed(path) == [("a", {"n": 4}), ("a", {"n": 1}), ("c", {"n": 3})]
    assert unhealed(tmp_path / "none") == []


def test_a_torn_line_is_no_injection_and_swallows_nothing_that_follows(tmp_path: Path) -> None:
    path = journal_with(tmp_path / "j.jsonl", "a")
    with path.open("a") as file:
        file.write('{"do": "inject", "fault": "b", "un')
    assert [fault for fault, _ in unhealed(path)] == ["a"]
    journal = Journal(path)
    journal.healed("a")
    journal.close()
    assert unhealed(path) == []


def test_a_line_that_does_not_fit_on_the_disk_is_an_error_and_no_injection(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j.jsonl")
    journal.injecting("a", NONE)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (journal.path.stat().st_size + 20, hard))
    try:  # as on a disk that is nearly full: a part is written, and nothing is said
        with pytest.raises(OSError, match="too large"):
            journal.injecting("b", NONE)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [fault for fault, _ in unhealed(journal.path)] == ["a"]
    journal.injecting("c", NONE)
    journal.close()
    assert [fault for fault, _ in unhealed(journal.path)] == ["c", "a"]


def test_an_entry_that_makes_no_sense_is_not_taken_for_healed(tmp_path: Path) -> None:
    path = tmp_path / "j.jsonl"
    path.write_text('[1]\n{"do": "inject", "fault": "a", "undo": 7}\n{"do": "inject"}\n')
    assert unhealed(path) == [("None", {}), ("a", {})]


def test_who_writes_it_holds_it_until_it_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "j.jsonl"
    assert not is_held(path)
    journal = Journal(path, holds=True)
    assert is_held(path)
    journal_with(path, "by a guardian")  # may add to it all the same
    with pytest.raises(BlockingIOError):
        Journal(path, holds=True)
    journal.close()
    assert not is_held(path)


def test_its_stack_and_its_home_are_the_last_noted(tmp_path: Path) -> None:
    path = tmp_path / "j.jsonl"
    assert (guardian_of(path), home_of(path)) == ({}, "")
    journal = Journal(path)
    journal.opened("a test", "/a")
    journal.on_stack(NOBODY)
    journal.on_stack(US)
    journal.close()
    assert (guardian_of(path), home_of(path)) == (US, "/a")


# -- the folder of journals --------------------------------------------------------------------


def test_a_run_that_is_healed_takes_its_journal_along(tmp_path: Path) -> None:
    state, home = tmp_path / "state", tmp_path / "run" / "journal.jsonl"
    home.parent.mkdir()
    with journal_of_run(state, home) as journal:
        journal.injecting("a", NONE)
        assert held(state) == [journal.path]
        assert leftovers(state) == []  # it is under way
        refuse_over_leftovers(state)
        journal.healed("a")
    assert unhealed(home) == []
    assert home.stat().st_mode & 0o777 == 0o600
    assert (state / "journals").stat().st_mode & 0o777 == 0o700
    assert not list((state / "journals").iterdir())


def test_a_run_over_what_is_left_is_refused_with_names_and_a_remedy(tmp_path: Path) -> None:
    state, home = tmp_path / "state", tmp_path / "run" / "journal.jsonl"
    home.parent.mkdir()
    with journal_of_run(state, home) as journal:
        journal.injecting("slow-shard", NONE)
    assert not home.exists()
    with pytest.raises(StackError, match="slow-shard") as refused:
        refuse_over_leftovers(state)
    assert str(journal.path) in refused.value.message
    assert refused.value.remedy == f"flashdrill heal --state {state}"
    assert refused.value.exit_code == 4


def test_what_was_healed_later_is_put_away_when_the_next_is_opened(tmp_path: Path) -> None:
    state, home = tmp_path / "state", tmp_path / "run" / "journal.jsonl"
    home.parent.mkdir()
    with journal_of_run(state, home) as journal:
        journal.injecting("a", NONE)
    later = Journal(journal.path)  # a guardian
    later.healed("a")
    later.close()
    open_journal(state, "next", by="a test").close()
    assert home.exists()
    assert not journal.path.exists()


def test_the_same_stack_is_not_used_twice_and_another_one_is(tmp_path: Path) -> None:
    journal = open_journal(tmp_path, "one", by="a test")
    journal.on_stack(US)
    with pytest.raises(StackError, match="on this stack already"):
        refuse_over_leftovers(tmp_path, US)
    refuse_over_leftovers(tmp_path, NOBODY)
    with pytest.raises(StackError, match="in use"):
        open_journal(tmp_path, "one", by="a test")
    journal.close()
    refuse_over_leftovers(tmp_path, US)


def test_a_stack_that_is_up_keeps_its_own_journal(tmp_path: Path) -> None:
    for guardian, count in ((US, 0), (NOBODY, 1)):
        journal = Journal(tmp_path / "journal.jsonl")
        journal.on_stack(guardian)
        journal.injecting("the proxy x", NONE)
        journal.close()
        assert len(leftovers(tmp_path)) == count


def test_journals_that_nobody_can_read_are_not_taken_for_healed(tmp_path: Path) -> None:
    (tmp_path / "journals").write_text("")
    for look in (leftovers, held, refuse_over_leftovers):
        with pytest.raises(StackError, match="journals cannot be read") as refused:
            look(tmp_path)
        assert refused.value.remedy
    (tmp_path / "journals").unlink()
    (tmp_path / "journals" / "folder.jsonl").mkdir(parents=True)
    with pytest.raises(StackError, match=r"folder\.jsonl cannot be read"):
        leftovers(tmp_path)


@pytest.mark.parametrize("error", [errno.EACCES, errno.EROFS])
def test_a_run_where_nothing_can_be_written_keeps_its_journal_at_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: int
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise OSError(error, os.strerror(error))

    monkeypatch.setattr("flashdrill.rehearsal.journals.open_journal", refused)
    with journal_of_run(tmp_path / "state", tmp_path / "home.jsonl") as journal:
        assert journal.path == tmp_path / "home.jsonl"
    assert journal.path.exists()


def test_healed_entries_of_the_same_plan_are_not_kept_forever(tmp_path: Path) -> None:
    for _ in range(2):
        journal = open_journal(tmp_path, "plan", by="a test")
        journal.injecting("a", NONE)
        journal.healed("a")
        journal.close()
    assert len(journal.path.read_text().splitlines()) == 3
