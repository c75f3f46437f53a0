"""The `traffic` section of a scenario: recorded arrivals in the place of stages."""

from __future__ import annotations

import math

from flashdrill.errors import ConfigError
from flashdrill.model.scenario import Stage
from flashdrill.model.traffic import TrafficModel, journey_of
from flashdrill.plan.quantities import format_duration
from flashdrill.plan.shapes import DURATION, NAME, RECORDED, FilePath, Mapped, Number, Text
from flashdrill.plan.table import Entry, Field, Table
from flashdrill.plan.traffic import read_traffic

STAGE_NAME = "recorded"
TAIL_S = 2.0
MOST_ARRIVALS = 100_000_000

TRAFFIC_USE = Table(
    "traffic",
    {
        "file": Field(FilePath(), "a traffic model, made by `flashdrill import`"),
        "speed": Field(
            Number(0.01, 1000, is_whole=False), "how many times as fast as recorded", default=1.0
        ),
        "scale": Field(
            Number(0.001, 1000, is_whole=False),
            "how many times as many arrivals, on the same curve",
            default=1.0,
        ),
        "from": Field(
            RECORDED, "where the replay begins, since the recording's first arrival", default=0.0
        ),
        "until": Field(RECORDED, "where it ends, also since then; without it, with the recording"),
        "map": Field(
            Mapped(Text(NAME, "the name of a journey")),
            "label, or pattern such as 'Fetch*': its journey; goes before the file's own",
            default={},
        ),
        "tail": Field(DURATION, "how long to go on after the last arrival", default=TAIL_S),
    },
)


def recorded_stage(entry: Entry) -> Stage:
    """One stage, `recorded`, with every arrival of the traffic model, or of a window of it. Raises ConfigError."""
    if entry["file"] is None:
        raise entry.node.fail(
            "which traffic? `file` is not given",
            remedy="--set traffic.file=traffic.yaml, made by `flashdrill import jtl`",
        )
    model = read_traffic(entry["file"])
    _refuse_idle_patterns(entry, model)
    window = _window(entry, model)
    _refuse_too_many(entry, window)
    recorded = window.recorded(
        speed=entry["speed"],
        scale=entry["scale"],
        operations=entry["map"],
        end_s=math.inf if entry["until"] is None else entry["until"] - entry["from"],
    )
    if not any(arrivals.times_s for arrivals in recorded):
        raise entry.at("scale").fail(
            f"nobody is left of {window.rows} arrivals", remedy="raise the scale"
        )
    last_s = max(arrivals.times_s[-1] for arrivals in recorded if arrivals.times_s)
    return Stage(STAGE_NAME, 0.0, _at_least_a_moment(last_s + entry["tail"]), recorded=recorded)


def stage_without_traffic(entry: Entry) -> Stage:
    """What stands for the recording when a scenario is only checked: a stage without arrivals."""
    return Stage(STAGE_NAME, 0.0, _at_least_a_moment(entry["tail"]))


def _window(entry: Entry, model: TrafficModel) -> TrafficModel:
    """The part of the recording that the section asks for. Raises ConfigError when nothing came in it."""
    start_s, end_s = entry["from"], entry["until"]
    if end_s is None and not start_s:
        return model
    if end_s is not None and end_s <= start_s:
        raise entry.at("until").fail(
            f"the window ends at {format_duration(end_s)} and begins at {format_duration(start_s)}",
            remedy="let `until` be after `from`",
        )
    window = model.window(start_s, end_s)
    if not window.rows:
        whole = format_duration(model.duration_s)
        raise entry.at("from").fail(
            f"nobody came in this window of a recording of {whole}", remedy="take another"
        )
    return window


def _refuse_too_many(entry: Entry, window: TrafficModel) -> None:
    number = window.rows * entry["scale"]
    if number > MOST_ARRIVALS:
        raise entry.at("scale").fail(
            f"{number:,.0f} arrivals are more than {MOST_ARRIVALS:,}",
            remedy="lower the scale, or play a part of it with `from` and `until`",
        )


def _at_least_a_moment(duration_s: float) -> float:
    return max(duration_s, 0.001)


def _refuse_idle_patterns(entry: Entry, model: TrafficModel) -> None:
    for pattern in entry["map"]:
        if not any(journey_of(label, {pattern: "x"}) for label in model.offsets_ms):
            raise _idle(entry, pattern, model)


def _idle(entry: Entry, pattern: str, model: TrafficModel) -> ConfigError:
    known = ", ".join(sorted(model.offsets_ms)[:10])
    return entry.at("map").fail(f"no label fits {pattern!r}; there are {known}", key=pattern)
