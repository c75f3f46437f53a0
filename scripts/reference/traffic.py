"""traffic.md: the keys of a traffic model."""

from __future__ import annotations

from collections.abc import Iterator

from flashdrill.model.traffic import FORMAT
from flashdrill.plan.arrivals import CURVE
from flashdrill.plan.traffic import SESSIONS, TRAFFIC
from scripts.reference.keys import Keys, section

SECTIONS: dict[str, Keys] = {
    "keys of a traffic model": Keys(
        TRAFFIC,
        {
            "format": f"format: {FORMAT}",
            "source": "source: results.jtl",
            "rows": "rows: 3",
            "first_at": "first_at: 2018-07-23T20:09:18.104Z",
            "duration": "duration: 1.25s",
            "skipped": "skipped: {header: 1}",
            "operations": 'operations: {Login: browse, "Fetch*": browse, Order: buy}',
            "mix": "mix: {Login: 2, Order: 1}",
            "sessions": "sessions: {requests: {1: 20, 3: 7}, pause: 2.5s}",
            "arrivals_ms": "arrivals_ms: {Login: [0, 310], Order: [1250]}",
            "arrivals_file": "arrivals_file: traffic.arrivals.parquet",
            "curve": "curve: {step: 1s, counts: {Login: [2, 0], Order: [0, 1]}}",
        },
    ),
    "the sessions": Keys(SESSIONS, {"requests": "requests: {1: 20, 3: 7}", "pause": "pause: 2.5s"}),
    "a curve": Keys(
        CURVE, {"step": "step: 1s", "counts": "counts: {Login: [2, 0], Order: [0, 1]}"}
    ),
}


def lines() -> Iterator[str]:
    """The page."""
    yield "# Traffic model"
    yield ""
    yield (
        "Recorded arrivals, to be read and edited: `flashdrill import jtl results.jtl -o traffic.yaml` writes it, the "
        "scenario's [traffic](scenario.md#traffic) uses it. `flashdrill validate traffic.yaml` checks it, "
        "`flashdrill schema traffic` prints its JSON Schema."
    )
    yield ""
    for noun, keys in SECTIONS.items():
        yield from section(noun, keys)
    yield (
        "A model has its arrivals in one of three forms: `arrivals_ms` in the file itself, up to 100 000 of them; "
        "`arrivals_file` beside it, for more; or a `curve`, with `--curve 1s`, which keeps how "
        "many came in each step, spreads them evenly over it, and is made to be edited."
    )
    yield ""
    yield (
        "But for a curve, `rows` must be the number of arrivals, `mix` that of each label, and `duration` the time of "
        "the last one, so that a file that was cut or half edited is refused. Each label needs a journey in "
        "`operations`: by its own name, else by the first pattern that fits."
    )
    yield ""
    yield (
        "`sessions` is what the source told of its visitors: requests of one with no pause of half an hour between "
        "them (of over 500 as 500). It is for you to write journeys by; a replay sends each request at its own time."
    )
