"""What is left of a recorded request when its secrets are gone, and the account of what was dropped: names, no values.

A place that a request cannot do without (a login's fields, an `Authorization`, a part of a path) becomes a
placeholder, `${secret.NAME}`, for which the user names a source; any other is left out.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import unquote

from flashdrill.load.importing.nested import holds_secret
from flashdrill.load.importing.secret_names import (
    is_login_field,
    is_login_path,
    names_a_login,
    suggests_secret,
    suggests_secret_beside,
    word_set,
)

DEEPEST = 30
_PLAIN_NAME = re.compile(r"[A-Za-z_][\w.\[\]-]{0,40}")
_NOT_A_WORD = re.compile(r"[^A-Za-z0-9]+")
_BEFORE_SECRETS = word_set("""
    activate apikey apikeys confirm confirmation invitation invitations invite invites key keys magic magiclink otp
    password reset secret share session sessions token tokens unsubscribe verify verification
    """)
_NAMES_A_VALUE = ("name", "key", "field", "fieldName", "id", "type", "label", "param", "path", "k")
_VALUES = frozenset({"value", "val", "v", "data", "fieldvalue"})
_OPERATIONS = ("operationName", "method")
_GRAPHQL = re.compile(r"\b(?:mutation|query)\b[^{]*\{\s*(?:\w+\s*:\s*)?(\w+)")
_XML_CALL = re.compile(r"<methodName>\s*([^<\s]+)")
"""What a body asks for: GraphQL's operation or its first field, and the procedure of JSON-RPC and XML-RPC."""


class Redaction:
    """Takes the secrets out of requests.

    `dropped` counts them by name; `secrets` maps each placeholder to an environment variable.
    """

    def __init__(self) -> None:
        self.dropped: Counter[str] = Counter()
        self.secrets: dict[str, str] = {}

    def path(self, path: str) -> tuple[str, str]:
        """The path of a template, and the one that a label is made of: a secret part is `*` there."""
        template, route, before = [], [], ""
        for part in path.split("/"):
            kept = self._without_parameters(part)
            if kept and self._is_secret_part(kept, before):
                self.dropped["part of a path"] += 1
                template.append(self.placeholder("path_part"))
                route.append("*")
            else:
                template.append(escaped(kept))
                route.append(kept)
            before = kept
        return "/".join(template), "/".join(route)

    def query(self, query: str, *, is_login: bool) -> str:
        """The query of a template; that of a login is left out."""
        pairs = [part for part in query.split("&") if part]
        names = [unquote(part.partition("=")[0]) for part in pairs]
        kept = []
        for part, name in zip(pairs, names, strict=True):
            if is_login or suggests_secret_beside(name, names) or holds_secret(part):
                self.drop("query parameter", name)
            else:
                kept.append(escaped(part))
        return "&".join(kept)

    def fields(self, pairs: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
        """The fields of a form."""
        names = [name for name, _ in pairs]
        kept = []
        for name, value in pairs:
            is_secret = suggests_secret_beside(name, names) or holds_secret(name)
            if is_secret or holds_secret(value):
                self.drop("field", name)
            else:
                kept.append((name, escaped(value)))
        return kept

    def document(self, value: Any, depth: int = 0) -> Any:
        """A JSON document."""
        if isinstance(value, dict):
            return {
                name: self.document(inner, depth + 1)
                for name, inner in value.items()
                if not self._is_dropped(name, inner, value, depth)
            }
        if isinstance(value, list):
            return [self.document(x, depth + 1) for x in value if not self._is_bad(x, depth)]
        return escaped(value) if isinstance(value, str) else value

    def login(self, names: Sequence[str]) -> dict[str, str]:
        """A placeholder for each field of a login."""
        self.dropped["body of a login"] += 1
        return {name: self.placeholder(name) for name in names if not holds_secret(name)}

    def placeholder(self, name: str) -> str:
        """The placeholder of a secret that the user has to name a source for."""
        word = _NOT_A_WORD.sub("_", name).strip("_").lower()[:40] or "secret"
        word = f"_{word}" if word[0].isdigit() else word
        self.secrets[word] = f"RECORDED_{word.upper()}"
        return f"${{secret.{word}}}"

    def drop(self, kind: str, name: str) -> None:
        """Count something by its name, unless that itself may be a secret."""
        is_plain = _PLAIN_NAME.fullmatch(name) and not holds_secret(name)
        self.dropped[f"{kind} {name}" if is_plain else f"{kind} without a plain name"] += 1

    def _without_parameters(self, part: str) -> str:
        """A part of a path without such as `;jsessionid=...`."""
        kept, *parameters = part.split(";")
        for parameter in parameters:
            name = unquote(parameter.partition("=")[0])
            if suggests_secret(name) or holds_secret(parameter):
                self.drop("path parameter", name)
            else:
                kept += f";{parameter}"
        return kept

    def _is_secret_part(self, part: str, before: str) -> bool:
        word = _NOT_A_WORD.sub("", before).lower()
        is_after = bool(_BEFORE_SECRETS & {word, *_NOT_A_WORD.split(before.lower())})
        return holds_secret(part) or (is_after and not (part.isascii() and part.isalpha()))

    def _is_dropped(self, name: str, value: Any, beside: Mapping[str, Any], depth: int) -> bool:
        if isinstance(value, bool | None):
            is_secret = holds_secret(name)
        else:
            is_secret = (
                suggests_secret_beside(name, beside)
                or holds_secret(name)
                or (name.lower() in _VALUES and _names_a_secret(beside))
                or _is_secret_value(value, depth)
            )
        if is_secret:
            self.drop("field", name)
        return is_secret

    def _is_bad(self, value: Any, depth: int) -> bool:
        is_bad = _is_secret_value(value, depth)
        if is_bad:
            self.dropped["item of a list"] += 1
        return is_bad


def escaped(text: str) -> str:
    """The text, with what a template would take for a placeholder written as it has to be."""
    return text.replace("${", "$${")


def is_login(parts: Sequence[str], document: Any) -> bool:
    """Whether a request is one of logging in or signing up, by the parts of its path or the fields of its body."""
    return is_login_path(parts) or _asks_for_login(document) or _has_login_field(document)


def is_login_text(text: str) -> bool:
    """Whether a body that is no JSON and no form calls a procedure of logging in."""
    found = _XML_CALL.search(text)
    return found is not None and names_a_login(found[1])


def _asks_for_login(document: Any) -> bool:
    """Whether a body names an operation of logging in: its fields may have any names then."""
    if isinstance(document, list):
        return any(_asks_for_login(each) for each in document[:DEEPEST])
    if not isinstance(document, dict):
        return False
    called = [document.get(key) for key in _OPERATIONS]
    query = document.get("query")
    called += _GRAPHQL.findall(query) if isinstance(query, str) else []
    return any(isinstance(name, str) and names_a_login(name) for name in called)


def _has_login_field(value: Any, depth: int = 0) -> bool:
    if depth > DEEPEST:
        return True
    if isinstance(value, dict):
        return _says_login(value) or any(
            (is_login_field(name) and not isinstance(inner, bool | None))
            or _has_login_field(inner, depth + 1)
            for name, inner in value.items()
        )
    return isinstance(value, list) and any(_has_login_field(x, depth + 1) for x in value)


def _says_login(pair: Mapping[str, Any]) -> bool:
    return not _VALUES.isdisjoint(map(str.lower, pair)) and any(
        isinstance(pair.get(key), str) and is_login_field(pair[key]) for key in _NAMES_A_VALUE
    )


def _names_a_secret(pair: Mapping[str, Any]) -> bool:
    """Whether an object such as {"name": "token", "value": ...} is about a secret."""
    return any(isinstance(pair.get(k), str) and suggests_secret(pair[k]) for k in _NAMES_A_VALUE)


def _is_secret_value(value: Any, depth: int) -> bool:
    if isinstance(value, dict | list):
        return depth >= DEEPEST
    if isinstance(value, bool | None):
        return False
    return holds_secret(value if isinstance(value, str) else str(value))
