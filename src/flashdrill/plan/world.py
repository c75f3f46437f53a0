"""The products of a scenario: `count` makes many of one line."""

from __future__ import annotations

from collections.abc import Iterator

from flashdrill.model.scenario import Product, World
from flashdrill.plan.shapes import PRICE, Listing, Number, Text
from flashdrill.plan.table import Entry, Field, Table

PRODUCT = Table(
    "a product",
    {
        "sku": Field(
            Text(r"^\S{1,64}$", "a product number (1 to 64 characters, no blanks)"),
            "product number; with `count`, {n} in it becomes 1, 2, ...",
            is_required=True,
        ),
        "count": Field(Number(1, 100_000), "how many products this line stands for"),
        "price": Field(PRICE, 'price as a quoted decimal, such as "19.99"', is_required=True),
        "stock": Field(Number(0, 1_000_000_000), "units in stock", is_required=True),
        "weight": Field(
            Number(0, 1e6, is_whole=False, is_low_excluded=True),
            "its share of the interest, against the other products",
            default=1.0,
        ),
    },
)
WORLD = Table(
    "the world",
    {
        "users": Field(Number(1, 100_000_000), "how many customers there are", is_required=True),
        "products": Field(Listing(PRODUCT, least=1), "what they buy", is_required=True),
    },
)


def build_world(entry: Entry) -> World:
    """The world with every product written out. Raises ConfigError for a product that is there twice."""
    products: dict[str, Product] = {}
    for line in entry["products"]:
        for product in _expanded(line):
            if product.sku in products:
                raise line.at("sku").fail(f"two products have the sku {product.sku!r}")
            products[product.sku] = product
    return World(users=entry["users"], products=tuple(products.values()))


def _expanded(line: Entry) -> Iterator[Product]:
    sku, count = line["sku"], line["count"]
    if count is not None and "{n}" not in sku:
        raise line.at("sku").fail(
            f"{count} products cannot all be {sku!r}", remedy=f'write "{sku}-{{n}}"'
        )
    if count is None and "{n}" in sku:
        raise line.at("sku").fail(f"{sku!r} needs `count`, the number of products")
    for number in range(1, (count or 1) + 1):
        name = sku.replace("{n}", str(number))
        yield Product(name, line["price"], line["stock"], line["weight"])
