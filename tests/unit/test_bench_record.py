"""When the bench of the record has shown what it says: operations that were sent, each on record."""

from __future__ import annotations

import pytest

from scripts.bench_record import Course

ASKED = 9_985


@pytest.mark.parametrize(
    ("changes", "recorded", "is_whole"),
    [
        ({}, 10_000, True),
        ({"due": 9_980, "sent": 9_980}, 9_980, False),
        ({}, 9_999, False),
        ({"sent": 9_990, "not_sent": 10}, 10_000, True),
        ({"sent": 9_989, "not_sent": 11}, 10_000, False),
        ({"sent": 9_989, "not_sent": 0}, 9_989, False),
        ({"event": "second"}, 10_000, False),
        ({"ok": 9_999}, 10_000, False),
    ],
)
def test_what_was_not_sent_is_no_operation_that_was_recorded(
    changes: dict[str, object], recorded: int, is_whole: bool
) -> None:
    done = {"event": "done", "due": 10_000, "sent": 10_000, "not_sent": 0, **changes}
    done.setdefault("ok", done["sent"])
    course = Course(done=done)
    assert course.is_whole(recorded, ASKED) is is_whole
    assert course.not_sent == course.done["due"] - course.done["sent"]
