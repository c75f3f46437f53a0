"""The OpenAPI 3.1 document, made from the tables by which the service runs.

    operations.py (routes, answers) ─┐
    payloads.py, answers.py (bodies) ├──> document(settings) ──> GET /openapi.json, `python -m backend openapi`
    problems.py (problems, headers) ─┘

Nothing is said here that a table says already; tests/services/test_backend_openapi.py holds the service to it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from backend import pay, place
from backend.answers import Answer
from backend.operations import OPERATIONS, PATH_PARAMETERS, Operation, Status
from backend.payloads import KEY_HEADER, Key
from backend.problems import CONTENT_TYPE, KINDS, Problem, body_of
from backend.settings import Settings

VERSION = "1.0.0"
"""Of the interface: the first figure rises when a client that worked would no longer work."""

ABOUT = """\
The reference order service of flashdrill: one sale over sharded databases, behind a gate in Redis.

Every answer that is not a success is a problem (RFC 9457), also for paths and methods that there are not. `definite`
says whether the request certainly changed nothing; `refusal`, whether it was the business that said no.
A request is given up after about {deadline} s: with 504 `deadline` when nothing was begun, and with 504
`unknown-commit` when nobody knows."""

JSON = "application/json"
_REFERENCE = "#/components/schemas/{name}"
Json = dict[str, Any]


def document(settings: Settings) -> Json:
    """The document, with the limits of these settings."""
    paths: dict[str, Json] = {}
    for operation in OPERATIONS:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(
            operation, settings
        )
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "flashdrill reference order service",
            "version": VERSION,
            "description": ABOUT.format(deadline=settings.request_deadline_s),
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/", "description": "The process that gives this document."}],
        "paths": paths,
        "components": {
            "schemas": _schemas(),
            "examples": _problem_examples(),
            "headers": _headers(),
            "securitySchemes": _security(settings),
        },
    }


def text(settings: Settings) -> str:
    """The document as it is kept in the repository."""
    return json.dumps(document(settings), indent=2, ensure_ascii=False) + "\n"


def _operation(operation: Operation, settings: Settings) -> Json:
    described: Json = {"operationId": operation.name, "summary": operation.summary}
    if operation.description:
        described["description"] = operation.description
    if parameters := _parameters(operation):
        described["parameters"] = parameters
    if operation.is_signed:
        described["security"] = [{"timestamp": [], "signature": []}]
    if operation.takes is not None:
        described["requestBody"] = _request_body(operation.takes, settings)
    described["responses"] = _responses(operation)
    return described


def _parameters(operation: Operation) -> list[Json]:
    names = re.findall(r"{(\w+)}", operation.path)
    found = [_parameter(name, "path", PATH_PARAMETERS[name]) for name in names]
    if operation.has_key:
        found.append(_parameter(KEY_HEADER, "header", Key))
    return found


def _parameter(name: str, place_: str, kind: Any) -> Json:
    return {"name": name, "in": place_, "required": True, "schema": _portable(_schema(kind))}


def _request_body(example: msgspec.Struct, settings: Settings) -> Json:
    return {
        "description": f"At most {settings.body_limit_bytes} bytes, not compressed.",
        "required": True,
        "content": {JSON: _media(example)},
    }


def _responses(operation: Operation) -> Json:
    problems: dict[int, list[str]] = {}
    for slug, status in sorted(operation.problems):
        problems.setdefault(status, []).append(slug)
    return {
        str(status): _response(operation, status, problems.get(status, []))
        for status in sorted({*operation.answers, *problems})
    }


def _response(operation: Operation, status: int, slugs: list[str]) -> Json:
    """What is said with a status: a success, problems, or (readyz) either."""
    content, said = {}, []
    headers = {"Server-Timing": _refer("headers", "Server-Timing")} if operation.is_metered else {}
    if status in operation.answers:
        example = operation.answers[status]
        content["text/plain" if isinstance(example, str) else JSON] = _media(example)
        said.append(_about(example))
    if slugs:
        content[CONTENT_TYPE] = _problem_media(slugs, status)
        said += [f"{KINDS[slug].title}." for slug in slugs]
    for name in _common_headers(slugs, is_alone=status not in operation.answers):
        headers[name] = _refer("headers", name)
    response: Json = {"description": " ".join(said), "content": content}
    if headers:
        response["headers"] = headers
    if operation.next_steps and status in operation.answers:
        response["links"] = {
            name: {"operationId": name, **link} for name, link in operation.next_steps.items()
        }
    return response


def _common_headers(slugs: list[str], *, is_alone: bool) -> Iterable[str]:
    """The headers that come with every one of the problems."""
    if not slugs or not is_alone:
        return ()
    return sorted(set.intersection(*(set(KINDS[slug].headers) for slug in slugs)))


def _media(example: Any) -> Json:
    if isinstance(example, str):
        return {"schema": {"type": "string"}, "example": example}
    if isinstance(example, msgspec.Struct):
        return {"schema": _schema(type(example)), "example": _as_sent(example)}
    return {"schema": {"type": "object"}}


def _about(example: Any) -> str:
    return (type(example).__doc__ or "") if isinstance(example, Answer) else "As it stands now."


def _problem_media(slugs: list[str], status: int) -> Json:
    return {
        "schema": {
            "anyOf": [_refer("schemas", _name(slug)) for slug in slugs],
            "properties": {"status": {"const": status}},
        },
        "examples": {slug: _refer("examples", _example_name(slug, status)) for slug in slugs},
    }


def _schemas() -> Json:
    """Every body by its name, and each problem with what is the same whenever it is sent."""
    bodies = {type(o.takes) for o in OPERATIONS if o.takes is not None} | {Problem}
    for operation in OPERATIONS:
        bodies |= {type(a) for a in operation.answers.values() if isinstance(a, Answer)}
    ordered = sorted(bodies, key=lambda kind: kind.__name__)
    _, schemas = msgspec.json.schema_components(ordered, ref_template=_REFERENCE)
    problems = {_name(slug): _problem_schema(slug) for slug in KINDS}
    return {**_portable(schemas), **problems}


def _problem_schema(slug: str) -> Json:
    body = _as_sent(body_of(slug, ""))
    fixed = {name: {"const": body[name]} for name in ("type", "title", "definite", "refusal")}
    return {"allOf": [_refer("schemas", Problem.__name__)], "properties": fixed}


def _problem_examples() -> Json:
    sent: set[Status] = set().union(*(operation.problems for operation in OPERATIONS))
    details = {slug: text for slug, text, _ in (*place.REFUSALS.values(), *pay.REFUSALS.values())}
    return {
        _example_name(slug, status): {
            "value": _as_sent(
                body_of(slug, details.get(slug, KINDS[slug].title).format("demo-1"), status)
            )
        }
        for slug, status in sorted(sent)
    }


def _headers() -> Json:
    return {
        "Retry-After": {
            "description": "Seconds to wait before asking again.",
            "required": True,
            "schema": {"type": "integer", "minimum": 1},
        },
        "Server-Timing": {
            "description": "On a sample of the answers: milliseconds that the request waited for a resource"
            " (`q.`) and held it (`h.`).",
            "schema": {"type": "string"},
            "example": "q.pool.shard0;dur=0.12, h.pool.shard0;dur=1.93",
        },
        "WWW-Authenticate": {
            "description": "How a request is signed.",
            "required": True,
            "schema": {"enum": sorted({kind.challenge for kind in KINDS.values()} - {""})},
        },
    }


def _security(settings: Settings) -> Json:
    return {
        "timestamp": {
            "type": "apiKey",
            "in": "header",
            "name": pay.TIMESTAMP_HEADER,
            "description": f"Unix seconds, at most {settings.signature_age_s:g} s old or ahead.",
        },
        "signature": {
            "type": "apiKey",
            "in": "header",
            "name": pay.SIGNATURE_HEADER,
            "description": f"HMAC-SHA256 in hex, with the shared secret, over the value of {pay.TIMESTAMP_HEADER},"
            " a full stop and the bytes of the body.",
        },
    }


def _as_sent(body: msgspec.Struct) -> Any:
    return msgspec.json.decode(msgspec.json.encode(body))


def _schema(kind: Any) -> Json:
    (schema,), _ = msgspec.json.schema_components([kind], ref_template=_REFERENCE)
    return schema


def _refer(kind: str, name: str) -> Json:
    return {"$ref": f"#/components/{kind}/{name}"}


def _name(slug: str) -> str:
    """`sold-out` as the name of a schema: `SoldOut`."""
    return "".join(part.capitalize() for part in slug.split("-")) + "Problem"


def _example_name(slug: str, status: int) -> str:
    return slug if status == KINDS[slug].status else f"{slug}-{status}"


def _portable(schema: Any) -> Any:
    r"""Patterns as ECMA-262 writes them: there `$` is the very end, which is `\Z` in Python."""
    if isinstance(schema, Mapping):
        return {
            key: re.sub(r"\\Z$", "$", value) if key == "pattern" else _portable(value)
            for key, value in schema.items()
        }
    return [_portable(item) for item in schema] if isinstance(schema, list) else schema
