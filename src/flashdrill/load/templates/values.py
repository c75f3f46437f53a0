"""What the names of placeholders stand for, as functions of the customer.

| name                                            | the same                | type            |
|-------------------------------------------------|-------------------------|-----------------|
| FEED.COLUMN, FEED (of numbers), user, product.* | for the whole journey   | text, number    |
| a captured name                                 | once captured           | as JSON had it  |
| uuid, now, now.s, now.ms, random:A..B           | within one request      | text, number    |
| secret.NAME                                     | always                  | text            |
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from flashdrill.audit.secret import reveal
from flashdrill.errors import ConfigError
from flashdrill.load.templates.placeholders import RANDOM
from flashdrill.load.templates.rows import Rows, read_rows
from flashdrill.load.templates.scene import Scene
from flashdrill.model.scenario import Product
from flashdrill.model.templates import Feed, Templates

Value = Callable[[Scene], object]


class Values:
    """The values of a file of templates. `places` has, for each feed used up once, the row of each arrival.

    Raises ConfigError for a file or a secret that is not there.
    """

    def __init__(self, templates: Templates, places: Mapping[str, Mapping[int, int]]) -> None:
        self._values: dict[str, Value] = dict(_OF_EVERYONE)
        for name, feed in templates.feeds.items():
            self._values |= _of_feed(name, feed, places.get(name, {}))
        for name, secret in templates.secrets.items():
            self._values[f"secret.{name}"] = _constant(reveal(secret))

    def of(self, name: str) -> Value:
        """The value of a name; one that is not known otherwise is captured."""
        if match := RANDOM.fullmatch(name):
            return _drawn(name, int(match.group(1)), int(match.group(2)))
        return self._values.get(name) or _captured(name)


def _uuid(scene: Scene) -> str:
    """Random, and never the same in two runs of a seed, like a session's keys (version 4, variant 1)."""
    made: str | None = scene.fresh.get("uuid")
    if made is None:
        low = scene.rng.getrandbits(96)
        start = scene.session.market.t0_ns & 0xFFFFFFFF
        number = start << 96 | low & ~(0xF << 76 | 0x3 << 62) | 4 << 76 | 2 << 62
        digits = f"{number:032x}"
        made = f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
        scene.fresh["uuid"] = made
    return made


def _now_ns(scene: Scene) -> int:
    found: int = scene.fresh.get("now") or scene.fresh.setdefault("now", time.time_ns())
    return found


def _now(scene: Scene) -> str:
    moment = datetime.fromtimestamp(_now_ns(scene) / 1e9, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _product(scene: Scene) -> Product:
    product: Product | None = scene.kept.get("product")
    if product is None:
        product = scene.kept["product"] = scene.session.market.draw_product(scene.rng)
    return product


_OF_EVERYONE: Mapping[str, Value] = {
    "uuid": _uuid,
    "now": _now,
    "now.s": lambda scene: _now_ns(scene) // 10**9,
    "now.ms": lambda scene: _now_ns(scene) // 10**6,
    "user": lambda scene: scene.session.user_id,
    "product.sku": lambda scene: _product(scene).sku,
    "product.price_cents": lambda scene: _product(scene).price_cents,
    "product.price": lambda scene: "{}.{:02}".format(*divmod(_product(scene).price_cents, 100)),
}


def _constant(text: str) -> Value:
    return lambda _scene: text


def _captured(name: str) -> Value:
    return lambda scene: scene.kept[name]


def _drawn(name: str, low: int, high: int) -> Value:
    def draw(scene: Scene) -> int:
        if name not in scene.fresh:
            scene.fresh[name] = scene.rng.randint(low, high)
        found: int = scene.fresh[name]
        return found

    return draw


def _of_feed(name: str, feed: Feed, places: Mapping[int, int]) -> dict[str, Value]:
    if feed.csv is None:
        start, step = feed.start, feed.step
        return {name: lambda scene: start + step * scene.session.number}
    found = read_rows(feed.csv, feed.numbers)
    choose = _chooser(name, feed, feed.csv, found, places)
    return {
        f"{name}.{column}": _cell(found.rows, choose, place)
        for place, column in enumerate(found.columns)
    }


def _cell(
    rows: Sequence[tuple[str | int, ...]], choose: Callable[[Scene], int], place: int
) -> Value:
    return lambda scene: rows[choose(scene)][place]


def _chooser(
    name: str, feed: Feed, path: Path, found: Rows, places: Mapping[int, int]
) -> Callable[[Scene], int]:
    """Which row a customer has: the arrivals are numbered over all workers, so no two workers use the same turn."""
    count = len(found.rows)
    if feed.order == "sequence":
        return lambda scene: scene.session.number % count
    if feed.order == "once":

        def turn(scene: Scene) -> int:
            row = places[scene.session.number]
            if row >= count:
                raise ConfigError(f"the feed {name} has {count} rows: they are used up", path=path)
            return row

        return turn

    def draw(scene: Scene) -> int:
        key = f"{name}."  # no placeholder is called so
        if key not in scene.kept:
            scene.kept[key] = scene.rng.randrange(count)
        row: int = scene.kept[key]
        return row

    return draw
