"""The randomness of a customer: repeatable, apart from the others', and as uniform as it should be."""

from __future__ import annotations

from random import Random

import pytest
from scipy.stats import chisquare, kstest

from flashdrill.load.dice import Dice, dice


def test_it_repeats_and_differs_by_seed_and_number() -> None:
    one, other = dice(1, 7), dice(1, 7)
    assert [one.random() for _ in range(9)] == [other.random() for _ in range(9)]
    assert len({dice(seed, number).random() for seed in range(40) for number in range(40)}) == 1600


def test_the_known_sequence() -> None:
    # The first outputs of SplitMix64 from state 1234567, as its reference implementation prints them.
    found = Dice(1234567)
    assert [found.getrandbits(64) for _ in range(3)] == [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
    ]


@pytest.mark.parametrize("of", ["one stream", "the first of many streams"])
def test_it_is_uniform(of: str) -> None:
    if of == "one stream":
        stream = dice(1, 1)
        values = [stream.random() for _ in range(20_000)]
    else:
        values = [dice(1, number).random() for number in range(20_000)]
    assert kstest(values, "uniform").pvalue > 0.001
    assert all(0 <= value < 1 for value in values)


def test_neighbours_do_not_resemble_each_other() -> None:
    pairs = [(dice(1, n).random(), dice(1, n + 1).random()) for n in range(20_000)]
    cells = [0] * 64
    for a, b in pairs:
        cells[int(a * 8) * 8 + int(b * 8)] += 1
    assert chisquare(cells).pvalue > 0.001


def test_it_has_what_random_has() -> None:
    stream = dice(3, 4)
    names = [name for name in vars(Random) if not name.startswith("_")]
    missing = [n for n in names if not hasattr(stream, n)]
    assert set(missing) <= {"seed", "getstate", "setstate", "VERSION"}
    assert 3 <= stream.randint(3, 5) <= 5
    assert stream.choice("abc") in "abc"
    assert sorted(stream.sample(range(10), 10)) == list(range(10))
    assert len(stream.choices("ab", k=5)) == 5
    assert 1 <= stream.uniform(1, 2) <= 2
    assert stream.gauss(0, 1) != stream.gauss(0, 1)
    assert stream.expovariate(2) > 0
    items = list(range(20))
    stream.shuffle(items)
    assert sorted(items) == list(range(20))
    assert len(stream.randbytes(5)) == 5
    assert 0 <= stream.getrandbits(3) < 8
    assert 0 <= stream.getrandbits(130) < 2**130


@pytest.mark.parametrize(
    "arguments", [(1,), (7,), (10_000,), (2**64,), (2**80,), (3, 9), (0, 100, 5), (True,)]
)
def test_the_short_way_to_a_whole_number_is_the_long_one(arguments: tuple[int, ...]) -> None:
    """`random.Random` draws bits until they are below the end of the range; so does its short cut here."""
    ours, theirs = dice(3, 4), dice(3, 4)
    as_python = vars(Random)["randrange"]
    assert [ours.randrange(*arguments) for _ in range(50)] == [
        as_python(theirs, *arguments) for _ in range(50)
    ]


@pytest.mark.parametrize("end", [0, -1])
def test_an_empty_range_has_no_number(end: int) -> None:
    with pytest.raises(ValueError, match="empty range"):
        dice(1, 1).randrange(end)
