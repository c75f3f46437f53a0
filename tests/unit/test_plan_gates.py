"""Gates: every form of the design is understood, and a slip is explained."""

from __future__ import annotations

import re

import pytest

from flashdrill.model.scenario import Gate
from flashdrill.plan.gates import FORMS, parse_gate


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("p99(place_order) < 800ms during steady", ("p99", "place_order", "<", 0.8, "steady")),
        ("p99.9 <= 2s", ("p99.9", "", "<=", 2.0, "")),
        ("max(pay_callback)<3s", ("max", "pay_callback", "<", 3.0, "")),
        (
            "error_rate(place_order) < 25% during rush",
            ("error_rate", "place_order", "<", 0.25, "rush"),
        ),
        ("error_rate < 5%", ("error_rate", "", "<", 0.05, "")),
        ("refusal_rate < 0.6", ("refusal_rate", "", "<", 0.6, "")),
        ("rate(place_order) > 30/s during steady", ("rate", "place_order", ">", 30.0, "steady")),
        ("recovery < 30s", ("recovery", "", "<", 30.0, "")),
        ("drain >= 1s", ("drain", "", ">=", 1.0, "")),
    ],
)
def test_gates(text: str, parts: tuple[str, str, str, float, str]) -> None:
    assert parse_gate(text, line=3) == Gate(text, *parts, line=3)
    assert [form for form in FORMS.values() if re.search(form, text)], "the schema takes it too"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("p99(place_order) 800ms", "is not a gate; expected METRIC(OPERATION) < LIMIT"),
        ("latency < 3s", "unknown metric 'latency'"),
        ("eror_rate < 3%", "did you mean 'error_rate'?"),
        ("p99 < 3%", "the limit of p99: '3%' is not a duration"),
        ("error_rate < 3s", "the limit of error_rate: '3s' is not a share"),
        ("error_rate < 5", "did you mean 5%?"),
        ("rate > 30", "did you mean 30/s?"),
        ("recovery < 30s during steady", "is of the whole run: write recovery < 30s"),
        ("recovery(place_order) < 30s", "is of the whole run"),
        ("p0 < 3s", "is no percentile"),
        ("p100 < 3s", "unknown metric 'p100'"),
        ("p99 < 3s during", "is not a gate"),
        ("", "is not a gate"),
    ],
)
def test_bad_gates(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=r"^.") as error:
        parse_gate(text)
    assert says in str(error.value)
    assert not [form for form in FORMS.values() if re.search(form, text) and text != "p0 < 3s"]
