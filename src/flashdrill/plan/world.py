"""The products of a scenario: `count` makes many of one line."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from flashdrill.model.scenario import Product, World
from flashdrill.plan.shapes import PRICE, Listing, Number, Text
from flashdrill.plan.source import Node
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
_COUNT = Number(1, 100_000_000)
USERS = Table(
    "the users",
    {
        "count": Field(_COUNT, "how many there are", is_required=True),
        "prefix": Field(
            Text(r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,31}$", "1 to 32 letters, digits, _ . and -"),
            "what their ids begin with, before the number: let no customer's id begin so",
            default="u",
        ),
    },
)


class UsersShape:
    """A number of users, or {count, prefix}; read as (count, prefix)."""

    def read(self, node: Node) -> tuple[int, str]:
        """How many, and what their ids begin with. Raises ConfigError."""
        if isinstance(node.content, dict):
            entry = USERS.read(node)
            return entry["count"], entry["prefix"]
        return _COUNT.read(node), "u"

    def schema(self) -> dict[str, Any]:
        """Either form."""
        return {"anyOf": [_COUNT.schema(), USERS.schema()]}


WORLD = Table(
    "the world",
    {
        "users": Field(
            UsersShape(),
            "how many customers there are, u0, u1, ...; {count, prefix} gives them other ids",
            is_required=True,
        ),
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
    count, prefix = entry["users"]
    return World(users=count, products=tuple(products.values()), user_prefix=prefix)


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
