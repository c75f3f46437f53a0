"""The names in placeholders: each must be known before its request is sent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from flashdrill.load.templates.placeholders import RANDOM, names, only_name
from flashdrill.load.templates.request import NUMBERS
from flashdrill.load.templates.rows import read_rows
from flashdrill.load.templates.signing import SIGNED
from flashdrill.load.templates.uses import captured_names, used_names
from flashdrill.model.templates import RequestTemplate, Step, Templates
from flashdrill.plan.shapes import mapping_of
from flashdrill.plan.source import Node, Scalar, did_you_mean
from flashdrill.plan.table import Entry

_OF_EVERYONE = {"uuid": False, "now": False, "now.s": True, "now.ms": True}
_OF_A_WORLD = {
    "user": False,
    "product.sku": False,
    "product.price": False,
    "product.price_cents": True,
}
_EXAMPLE = "random:1..6"
_PARTS = ("path", "headers", "json", "form", "body", "history")


def check_names(entry: Entry, templates: Templates, *, has_world: bool) -> Templates:
    """The templates with a journey for each request that can be one. Raises ConfigError with the line."""
    known = _known(entry, templates, has_world=has_world)
    for name, line in entry["requests"].items():
        _check_captures(line, known)
        _check_request(line, templates.requests[name], known | _captured(templates), has_world)
        if line["sign"] is not None:
            _check_signed(line["sign"])
    alone = {
        name: (Step(name),)
        for name, request in templates.requests.items()
        if not used_names(request) & captured_names(templates)
    }
    for name, steps in templates.journeys.items():
        _check_journey(entry, name, steps, templates)
    return replace(templates, journeys={**alone, **templates.journeys})


def _known(entry: Entry, templates: Templates, *, has_world: bool) -> dict[str, bool]:
    """Each name, and whether it is a whole number. Raises ConfigError for a feed that cannot be read."""
    known = _OF_EVERYONE | (_OF_A_WORLD if has_world else {})
    feeds = mapping_of(entry.at("feeds")) if templates.feeds else {}
    for name, feed in templates.feeds.items():
        if name in {"user", "product", "now", "secret", "uuid"}:
            raise feeds[name].fail(f"a feed cannot be called {name!r}: that means something else")
        if feed.csv is None:
            known[name] = True
        else:
            rows = read_rows(feed.csv, feed.numbers)
            known |= {f"{name}.{column}": column in feed.numbers for column in rows.columns}
    return known | {f"secret.{name}": False for name in templates.secrets}


def _captured(templates: Templates) -> dict[str, bool]:
    """What is captured may be a number: that shows when it comes."""
    return dict.fromkeys(captured_names(templates), True)


def _check_captures(line: Entry, known: Mapping[str, bool]) -> None:
    for name in line["capture"]:
        if name in known:
            raise line.at("capture").fail(f"${{{name}}} is something else already", key=name)


def _check_request(
    line: Entry, request: RequestTemplate, known: Mapping[str, bool], has_world: bool
) -> None:
    found = [
        each for part in _PARTS if line.at(part) is not line.node for each in _texts(line.at(part))
    ]
    for node, text in found:
        _check_text(node, text, known, has_world=has_world)
    early = request.capture.keys() & used_names(request)
    for node, text in found:
        if told := early & set(names(text)):
            raise node.fail(f"${{{min(told)}}} is used before the answer tells it")
    if line["history"] is not None:
        _check_numbers(line["history"], known)


def _texts(node: Node) -> Iterator[tuple[Node, str]]:
    if isinstance(node.content, Scalar):
        yield node, node.content.text
        return
    if isinstance(node.content, dict):
        for key in node.content:
            if "${" in key:
                raise node.fail(f"nothing is filled into the key {key!r}", key=key)
    entries = node.content if isinstance(node.content, list) else node.content.values()
    for each in entries:
        yield from _texts(each)


def _check_text(node: Node, text: str, known: Mapping[str, bool], *, has_world: bool) -> None:
    try:
        found = names(text)
    except ValueError as error:
        raise node.fail(str(error)) from error
    for name in found:
        if match := RANDOM.fullmatch(name):
            if int(match.group(2)) < int(match.group(1)):
                raise node.fail(f"${{{name}}}: the range ends before it begins")
        elif name not in known:
            raise _unknown(node, name, known, has_world=has_world)


def _unknown(node: Node, name: str, known: Mapping[str, bool], *, has_world: bool) -> Exception:
    if name in _OF_A_WORLD and not has_world:
        return node.fail(f"${{{name}}} is drawn from `world`, and the scenario has none")
    there_are = [*sorted(known), _EXAMPLE]
    return node.fail(
        f"nothing fills ${{{name}}}{did_you_mean(name, there_are)}",
        remedy=f"there are {', '.join(there_are)}; $${{ is a plain ${{",
    )


def _check_numbers(history: Entry, known: Mapping[str, bool]) -> None:
    for key in NUMBERS:
        text = history[key]
        if text is None:
            continue
        name = only_name(text)
        is_number = known.get(name) or RANDOM.fullmatch(name) if name else text.isdecimal()
        if not is_number:
            raise history.at(key).fail(
                f"expected a whole number or a placeholder of one, found {text!r}",
                remedy="of a CSV file, name the column in the feed's `numbers`",
            )


def _check_signed(sign: Entry) -> None:
    try:
        found = names(sign["of"])
    except ValueError as error:
        raise sign.at("of").fail(str(error)) from error
    for name in found:
        if name not in SIGNED:
            raise sign.at("of").fail(
                f"${{{name}}} cannot be signed{did_you_mean(name, SIGNED)}",
                remedy=f"there are {', '.join(SIGNED)}",
            )
    if not found and sign["of"] != "body":
        raise sign.at("of").fail(
            f"{sign['of']!r} is the same for every request", remedy="such as ${timestamp}.${body}"
        )
    if "timestamp" in found and not sign["timestamp"]:
        raise sign.at("of").fail(
            "${timestamp} is signed, and no header tells it",
            remedy="such as timestamp: X-Timestamp",
        )


def _check_journey(entry: Entry, name: str, steps: tuple[Step, ...], templates: Templates) -> None:
    """Raise ConfigError for a request that needs what no earlier one of the journey captures."""
    places = mapping_of(entry.at("journeys"))[name].content
    assert isinstance(places, list)
    told: set[str] = set()
    for step, node in zip(steps, places, strict=True):
        if step.request:
            request = templates.requests[step.request]
            lacking = used_names(request) & captured_names(templates) - told
            if lacking:
                raise node.fail(
                    f"{step.request} needs ${{{min(lacking)}}}, and no request before it captures that"
                )
            told |= request.capture.keys()
