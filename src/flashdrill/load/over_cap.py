"""What is said of a run that was ended at its cap. The harness says it too, so nothing here imports gevent."""

from __future__ import annotations


def over_cap_words(requests_per_s: int, at_s: float) -> str:
    """The reason, and what to do."""
    return (
        f"the load was ended {at_s:.1f} s after its start: a load process was about to send more than "
        f"{requests_per_s:,} requests in a second, its share of limits.rate_max; the schedule's arrivals fit, so what "
        "came on top are further operations and repeated attempts of the same customers, or late ones: lower the "
        "rates, or raise the cap"
    )
