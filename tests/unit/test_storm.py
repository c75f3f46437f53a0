"""What the load's last line says of others than the crowd."""

from __future__ import annotations

from flashdrill.rehearsal.storm import beside_the_crowd


def test_whom_the_fence_refused_and_a_crowd_of_nobody_are_problems() -> None:
    done = {"event": "done", "due": 0, "closed_users": ["Shopper"], "fenced": {"10.0.0.7": 2}}
    alone, fenced = beside_the_crowd(done)
    assert "nobody came but users of plain Locust (Shopper)" in alone
    assert "kept from hosts that are not of this run: 10.0.0.7 (2 times)" in fenced


def test_users_beside_a_crowd_that_came_are_none() -> None:
    assert not list(beside_the_crowd({"event": "done", "due": 5, "closed_users": ["Shopper"]}))
