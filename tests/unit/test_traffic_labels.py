"""Any label that a recording may have is kept in the traffic file as it is, by each of its three forms."""

from __future__ import annotations

from array import array
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flashdrill.model.traffic import TrafficModel
from flashdrill.plan.arrivals import on_a_curve
from flashdrill.plan.traffic import read_traffic, write_traffic

LABELS = st.lists(
    st.one_of(
        st.text(st.characters(codec="utf-8"), min_size=0, max_size=40),
        st.text("\x00\x1b\n\r\t\x85\u2028\ufeff'\":#-?[]{}&*!|> ", max_size=12),
        st.integers(1, 12_000).map("é".__mul__),
        st.sampled_from(["null", "~", "yes", "1e3", "<<", "=", "*", "2026-01-01", "0x1f"]),
    ),
    min_size=1,
    max_size=4,
    unique=True,
)


def model(labels: list[str]) -> TrafficModel:
    offsets = {label: array("q", [place, 1000]) for place, label in enumerate(labels)}
    return TrafficModel(
        source=labels[0] or "x",
        rows=2 * len(labels),
        first_at="2026-01-01T00:00:00.000Z",
        duration_s=1.0,
        offsets_ms=offsets,
        operations=dict.fromkeys(labels, "browse"),
    )


@pytest.mark.parametrize("form", ["times", "beside", "curve"])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20)
@given(LABELS)
def test_a_label_is_read_back_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str, labels: list[str]
) -> None:
    made = model(labels)
    if form == "curve":
        made = on_a_curve(made, 1.0)
    monkeypatch.setattr("flashdrill.plan.arrivals.MOST_INLINE", 1 if form == "beside" else 1000)
    write_traffic(made, tmp_path / "t.yaml")
    assert read_traffic(tmp_path / "t.yaml") == made
