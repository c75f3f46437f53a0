"""The stages of a scenario: named stretches, one after another, with the arrivals of each journey.

A staircase is several stages of rising rate: `climb` with three steps is climb-1, climb-2 and climb-3, each behind
a stage of its own in which it warms up (climb-1-up).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from flashdrill.errors import ConfigError
from flashdrill.model.scenario import Arrivals, Climb, Ramp, Stage
from flashdrill.plan.rates import Line, Rate, RateShape
from flashdrill.plan.shapes import (
    DURATION,
    NAME,
    RATE,
    SOME_TIME,
    Flag,
    Mapped,
    Number,
    Text,
    mapping_of,
)
from flashdrill.plan.table import Entry, Field, Table

NAMED = Text(NAME, "a name (letters, digits, - and _, starting with a letter)")
MOST_STEPS = 200
LEAST_HOLD_S = 2.0

STAIRCASE = Table(
    "a staircase",
    {
        "from": Field(RATE, "rate of the first step", is_required=True),
        "to": Field(RATE, "rate that no step exceeds", is_required=True),
        "step": Field(RATE, "how much higher each step is", is_required=True),
        "hold": Field(SOME_TIME, "how long each step is measured", is_required=True),
        "warm_up": Field(DURATION, "how long each step goes on before that", default=0.0),
        "stop_at_knee": Field(
            Flag(),
            "end after two steps in a row that the service did not keep up with",
            default=False,
        ),
        "bisect": Field(
            Number(0, 10),
            "extra steps around the knee, each at half the distance; with `stop_at_knee`",
            default=0,
        ),
    },
)
STAGE = Table(
    "a stage",
    {
        "name": Field(NAMED, "what gates and faults call it", is_required=True),
        "duration": Field(SOME_TIME, "how long it lasts, such as 30s; a staircase says it itself"),
        "arrivals": Field(
            Mapped(RateShape(), NAME, "the name of a journey"),
            "new customers for each journey: 40/s, or {from: 40/s, to: 160/s}",
            default={},
        ),
        "rate": Field(RateShape(), "new customers of all journeys together; with `mix`"),
        "staircase": Field(STAIRCASE, "steps of rising rate, in the place of `rate`; with `mix`"),
        "mix": Field(
            Mapped(Number(0, 1e6, is_whole=False), NAME, "the name of a journey"),
            "what share of `rate` each journey has: parts of a whole, such as {browse: 3, buy: 1}",
        ),
        "spacing": Field(
            Text("^(poisson|even)$", "poisson or even"),
            "poisson: as independent people come; even: as evenly as the rate allows",
            default="poisson",
        ),
    },
)


def build_stages(entries: tuple[Entry, ...]) -> tuple[Stage, ...]:
    """The stages with their start times. Raises ConfigError for a name used twice and for keys that do not fit."""
    stages: list[Stage] = []
    for entry in entries:
        _check(entry)
        for name, duration_s, rates in _stretches(entry):
            if name in {stage.name for stage in stages}:
                raise entry.at("name").fail(f"two stages are called {name!r}")
            start_s = stages[-1].end_s if stages else 0.0
            is_even = entry["spacing"] == "even"
            arrivals = tuple(Arrivals(j, ramps, is_even) for j, ramps in rates.items())
            stages.append(Stage(name, start_s, duration_s, arrivals))
    return tuple(stages)


def build_climb(entries: tuple[Entry, ...], stages: tuple[Stage, ...]) -> Climb | None:
    """The staircase that stops at its knee, if there is one. Raises ConfigError unless it comes last."""
    for number, entry in enumerate(entries):
        stairs = entry["staircase"]
        if stairs is None or not stairs["stop_at_knee"]:
            _check_bisect(stairs)
            continue
        if number < len(entries) - 1:
            raise stairs.at("stop_at_knee").fail(
                "nobody knows when it stops, so no stage can come after it",
                remedy="put the staircase last",
            )
        if stairs["hold"] < LEAST_HOLD_S:
            raise stairs.at("hold").fail(
                f"too short to be judged while it goes on: at least {LEAST_HOLD_S:g} s"
            )
        rates = _steps(stairs)
        mix: Mapping[str, float] = entry["mix"]
        names = {f"{entry['name']}-1", f"{entry['name']}-1-up"}
        first = next(stage for stage in stages if stage.name in names)
        return Climb(
            name=entry["name"],
            start_s=first.start_s,
            rates=tuple(rates),
            hold_s=stairs["hold"],
            warm_up_s=stairs["warm_up"],
            shares=tuple((journey, part / sum(mix.values())) for journey, part in mix.items()),
            is_even=entry["spacing"] == "even",
            bisections=stairs["bisect"],
        )
    return None


def _check_bisect(stairs: Entry | None) -> None:
    if stairs is not None and stairs["bisect"]:
        raise stairs.at("bisect").fail(
            "'bisect' needs 'stop_at_knee: true'",
            remedy="without a knee there is nothing to bisect",
        )


_Rates = dict[str, tuple[Ramp, ...]]


def _stretches(entry: Entry) -> Iterator[tuple[str, float, _Rates]]:
    """(name, duration, rates by journey) of each stage that an entry becomes."""
    name, stairs = entry["name"], entry["staircase"]
    if stairs is None:
        duration_s = entry["duration"]
        rates = {j: rate.over(duration_s) for j, rate in entry["arrivals"].items()}
        yield name, duration_s, rates or _mixed(entry, entry["rate"], duration_s)
        return
    for number, rate in enumerate(_steps(stairs), start=1):
        level = Line(rate, rate)
        if stairs["warm_up"]:
            yield f"{name}-{number}-up", stairs["warm_up"], _mixed(entry, level, stairs["warm_up"])
        yield f"{name}-{number}", stairs["hold"], _mixed(entry, level, stairs["hold"])


def _steps(stairs: Entry) -> list[float]:
    """The rate of each step. Raises ConfigError."""
    start, end, step = stairs["from"], stairs["to"], stairs["step"]
    if end < start:
        raise stairs.at("to").fail("the last step is below the first", remedy="a staircase climbs")
    if not step:
        raise stairs.at("step").fail("a step is more than 0/s")
    count = math.floor((end - start) / step + 1e-9) + 1
    if count > MOST_STEPS:
        raise stairs.at("step").fail(
            f"{count} steps are more than {MOST_STEPS}", remedy="take larger ones"
        )
    return [start + step * number for number in range(count)]


def _mixed(entry: Entry, rate: Rate | None, duration_s: float) -> _Rates:
    """The rate shared out by the mix."""
    if rate is None:
        return {}
    mix: Mapping[str, float] = entry["mix"]
    whole = sum(mix.values())
    if not whole:
        raise entry.at("mix").fail("the mix is empty", remedy="such as mix: {browse: 3, buy: 1}")
    ramps = rate.over(duration_s)
    return {
        journey: tuple(
            Ramp(r.duration_s, r.from_per_s * part / whole, r.to_per_s * part / whole)
            for r in ramps
        )
        for journey, part in mix.items()
    }


def _check(entry: Entry) -> None:
    """Raise ConfigError for keys that do not go together."""
    given = mapping_of(entry.node)
    loads = [key for key in ("arrivals", "rate", "staircase") if key in given]
    if len(loads) > 1:
        raise given[loads[1]].fail(
            f"a stage has one of {' and '.join(map(repr, loads))}", remedy="leave one out"
        )
    if ("mix" in given) != bool({"rate", "staircase"} & given.keys()):
        raise _lacking(entry)
    if ("duration" in given) == ("staircase" in given):
        needs = "has no 'duration' of its own" if "staircase" in given else "needs 'duration'"
        raise entry.at("duration").fail(
            f"a stage {'with a staircase ' if 'staircase' in given else ''}{needs}: how long it lasts"
        )


def _lacking(entry: Entry) -> ConfigError:
    if "mix" in mapping_of(entry.node):
        return entry.at("mix").fail("'mix' needs 'rate' or 'staircase': what it shares out")
    key = "rate" if entry["rate"] is not None else "staircase"
    return entry.at(key).fail(
        f"{key!r} needs 'mix': the share of each journey", remedy="such as mix: {browse: 3, buy: 1}"
    )
