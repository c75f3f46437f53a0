"""The tutorial's own grammar: what is written, typed and printed, and that a difference is noticed."""

from __future__ import annotations

import pytest

from tests.tutorial import Command, File, TutorialError, mismatch, steps_of

PAGE = """\
# A page

```yaml
# file: scenarios/mine.yaml
name: mine
```

Then:

```console
$ cat > two.txt <<'END'
> one
> END
$ false
$ echo $?
1
$ ls
a.txt
…
```

```text
only to look at
```
"""


def test_the_steps_are_read_in_order() -> None:
    assert steps_of(PAGE) == [
        File("scenarios/mine.yaml", "# file: scenarios/mine.yaml\nname: mine\n", 3),
        Command("cat > two.txt <<'END'\none\nEND", (), 11),
        Command("false", (), 14),
        Command("echo $?", ("1",), 15),
        Command("ls", ("a.txt", "…"), 17),
    ]


@pytest.mark.parametrize(
    ("page", "reason"),
    [
        ("```bash\nls\n```\n", "a block of 'bash'"),
        ("```\n$ ls\n```\n", "outside a block of commands"),
        ("```text\n$ ls\n```\n", "outside a block of commands"),
        ("Type this:\n\n    ls\n", "without a fence"),
        ("$ ls\n", "outside a block of commands"),
        ("```console\nls\n```\n", "must begin with"),
        ("```console\n```\n", "no command"),
        ("```yaml\nname: mine\n```\n", "the first line must be"),
        ("```yaml\n# file: ../mine.yaml\n```\n", "outside the repository"),
        ("```yaml\n# file: /etc/mine.yaml\n```\n", "outside the repository"),
    ],
)
def test_what_a_test_could_not_follow_is_refused(page: str, reason: str) -> None:
    with pytest.raises(TutorialError, match=reason):
        steps_of(page)


@pytest.mark.parametrize(
    ("expected", "found"),
    [
        ([], []),
        (["PASS  smoke"], ["PASS  smoke"]),
        (["recovered after … s"], ["recovered after 0.57 s"]),
        (["a", "…", "z"], ["a", "b", "c", "z"]),
        (["a", "…", "z"], ["a", "z"]),
        (["…"], []),
        (["…", "z", "…"], ["a", "z", "b", "z"]),
        (["(a+b) …"], ["(a+b) c"]),
    ],
)
def test_output_as_expected(expected: list[str], found: list[str]) -> None:
    assert mismatch(expected, found) == ""


@pytest.mark.parametrize(
    ("expected", "found", "reason"),
    [
        (["PASS  smoke"], ["FAIL  smoke"], "expected 'PASS  smoke', found 'FAIL  smoke'"),
        (["a"], [], "found the end of the output"),
        ([], ["a"], "nothing more expected, found 'a'"),
        (["a", "b"], ["a"], "expected 'b', found the end of the output"),
        (["a", "…", "z"], ["a", "b", "c"], "expected 'z'"),
        (["a.c"], ["abc"], "expected 'a.c'"),
        (["exit … of 13"], ["exit 12 of 14"], "expected"),
        (["…", "a"], ["a", "b"], "nothing more expected"),
    ],
)
def test_a_difference_is_noticed(expected: list[str], found: list[str], reason: str) -> None:
    assert reason in mismatch(expected, found)
