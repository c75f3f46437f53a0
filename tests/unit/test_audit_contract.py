"""What a declared read must give: columns and types, and nothing that nobody would look at."""

from __future__ import annotations

from decimal import Decimal
from uuid import UUID

import pytest

from flashdrill.audit.contract import CONTRACT, ContractError, Rows, typed

ID = UUID("00000000-0000-0000-0000-000000000007")


def test_values_of_a_driver_become_texts_and_whole_numbers() -> None:
    rows = Rows(("order_id", "sku", "quantity", "queue_seq"), [(ID, "a", Decimal("2.00"), None)])
    (row,) = typed("orders", rows)
    assert (row["order_id"], row["quantity"], row["queue_seq"]) == (str(ID), 2, None)
    assert (row["state"], row["key"], row["amount_cents"]) == ("placed", "", 0)
    assert set(row) == set(CONTRACT["orders"])


@pytest.mark.parametrize(
    ("columns", "row", "words"),
    [
        (("sku",), ("a",), "gives no column `initial`"),
        (("sku", "initial", "solt"), ("a", 1, 1), "did you mean `sold`"),
        (("sku", "initial", "sku"), ("a", 1, "a"), "twice"),
        (("sku", "initial"), ("a", None), "`initial` in row 1 is null"),
        (("sku", "initial"), ("a", "12"), "is no whole number but str"),
        (("sku", "initial"), ("a", True), "is no whole number but bool"),
        (("sku", "initial"), ("a", 1.5), "is no whole number but float"),
        (("sku", "initial"), ("a", Decimal("1.5")), "is no whole number but Decimal"),
        (("sku", "initial"), ("a", Decimal("NaN")), "is no whole number but Decimal"),
        (("sku", "initial"), ("a", 2**63), "out of range"),
        (("sku", "initial"), (b"a", 1), "is no text but bytes"),
    ],
)
def test_what_does_not_fit_is_refused_without_its_value(
    columns: tuple[str, ...], row: tuple[object, ...], words: str
) -> None:
    with pytest.raises(ContractError) as error:
        typed("stock", Rows(columns, [row]))
    assert words in str(error.value)
