"""traffic.md: the keys of a traffic model."""

from __future__ import annotations

from collections.abc import Iterator

from flashdrill.model.traffic import FORMAT
from flashdrill.plan.traffic import TRAFFIC
from scripts.reference.keys import Keys, section

KEYS = Keys(
    TRAFFIC,
    {
        "format": f"format: {FORMAT}",
        "source": "source: results.jtl",
        "rows": "rows: 3",
        "first_at": "first_at: 2018-07-23T20:09:18.104Z",
        "duration": "duration: 1.25s",
        "skipped": "skipped: {header: 1}",
        "operations": 'operations: {Login: browse, "Fetch*": browse, Order: buy}',
        "arrivals_ms": "arrivals_ms: {Login: [0, 310], Order: [1250]}",
    },
)


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
    yield from section("keys of a traffic model", KEYS)
    yield (
        "`rows` must be the number of arrivals and `duration` the time of the last one, so that a file that was cut or "
        "half edited is refused. Each label of `arrivals_ms` needs a journey in `operations`: by its own name, else by "
        "the first pattern that fits."
    )
