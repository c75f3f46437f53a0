"""A request template made ready: a call for each customer, and what its answers mean."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from flashdrill.errors import ConfigError
from flashdrill.load.answer import RETRYABLE_STATUSES, Judgement, decoded, judge
from flashdrill.load.exchange import Reply
from flashdrill.load.operations import Call, Retry
from flashdrill.load.templates import texts
from flashdrill.load.templates.placeholders import only_name
from flashdrill.load.templates.pointer import MISSING, pointer
from flashdrill.load.templates.scene import Scene
from flashdrill.load.templates.signing import Signer
from flashdrill.load.templates.values import Value
from flashdrill.model.op import Outcome
from flashdrill.model.templates import RequestTemplate

CONTENT_TYPES = {
    "json": "application/json",
    "form": "application/x-www-form-urlencoded",
    "text": "text/plain; charset=utf-8",
}
NUMBERS = ("quantity", "amount_cents", "price_cents")
"""What is a whole number in the history."""
TEXTS = ("key", "order_id", "user_id", "sku", "transaction_id")

_Pairs = list[tuple[str, Callable[[Scene], Any]]]


class Prepared:
    """One request, cut up once. Raises ConfigError when the secret that signs it is not there."""

    def __init__(
        self, template: RequestTemplate, lookup: texts.Lookup, needs: frozenset[str]
    ) -> None:
        self.needs = needs
        self._template = template
        self._path = texts.path(template.url_path, lookup)
        self._body = texts.body(template.body_kind, template.body, lookup)
        self._headers = [(n, texts.header(v, lookup)) for n, v in _headers(template).items()]
        self._signer = Signer(template.sign) if template.sign else None
        self._retry = Retry(attempts=template.attempts)
        self._kind = template.history.get("kind", template.name)
        self._told = told_order(template)
        self._history = self._known(lookup)
        self._price = self._priced(lookup)
        self._find = [(name, pointer(place)) for name, place in template.capture.items()]

    def act(self, scene: Scene) -> None:
        """Send it for a customer, with its attempts; what its answer holds is kept."""
        scene.fresh = {}
        answer = scene.session.operation(self.call(scene))
        if self._find and answer.is_ok:
            scene.kept.update(answer.document)

    def call(self, scene: Scene) -> Call:
        """What a customer wants."""
        template = self._template
        path, body = self._path(scene), self._body(scene)
        signer = self._signer
        return Call(
            kind=self._kind,
            method=template.method,
            path=path,
            acknowledged=template.ok,
            body=body,
            headers={name: value(scene) for name, value in self._headers},
            sign=None if signer is None else partial(signer.headers, template.method, path),
            judge=self.judge,
            retry=self._retry,
            **self._facts(scene),
        )

    def judge(self, reply: Reply) -> Judgement:
        """What an answer means: by its status as the template declares it, else as for any service."""
        status, template = reply.status, self._template
        if reply.failure:
            return judge(reply, {})
        if status in template.ok:
            return self._acknowledged(reply, template.ok[status])
        if status in template.refused:
            return Judgement(Outcome.FAIL, template.refused[status], is_refusal=True)
        if status in template.definite:
            is_retryable = status in RETRYABLE_STATUSES
            return Judgement(Outcome.FAIL, template.definite[status], is_retryable=is_retryable)
        return judge(reply, {})

    def _acknowledged(self, reply: Reply, reason: str) -> Judgement:
        if not self._find:
            return Judgement(Outcome.OK, reason)
        document = decoded(reply.body)
        found = {name: find(document) for name, find in self._find}
        for name, value in found.items():
            if value is MISSING or value is None or isinstance(value, dict | list):
                lacking = f"http_{reply.status}_without_{name}"
                return Judgement(Outcome.INFO, lacking, is_retryable=True)
        if self._told:
            found["order_id"] = found[self._told]
        return Judgement(Outcome.OK, reason, document=found)

    def _known(self, lookup: texts.Lookup) -> _Pairs:
        history = self._template.history
        pairs: _Pairs = [
            (name, texts.text(history[name], lookup))
            for name in TEXTS
            if name in history and not (name == "order_id" and self._told)
        ]
        return pairs + [
            (name, self._whole(name, lookup))
            for name in ("quantity", "amount_cents")
            if name in history
        ]

    def _priced(self, lookup: texts.Lookup) -> Callable[[Scene], int] | None:
        return (
            self._whole("price_cents", lookup) if "price_cents" in self._template.history else None
        )

    def _facts(self, scene: Scene) -> dict[str, Any]:
        facts = {name: value(scene) for name, value in self._history}
        if self._price is not None:
            facts["amount_cents"] = self._price(scene) * facts.get("quantity", 1)
        return facts

    def _whole(self, name: str, lookup: texts.Lookup) -> Callable[[Scene], int]:
        value: Value = texts.typed(self._template.history[name], lookup)

        def number(scene: Scene) -> int:
            found = value(scene)
            try:
                return int(found) if isinstance(found, int | str) else int(str(found))
            except ValueError:
                raise ConfigError(
                    f"requests.{self._template.name}.history.{name} is {found!r}, not a whole number"
                ) from None

        return number


def told_order(template: RequestTemplate) -> str:
    """The captured name that is the order's id in the history, when the answer to this very request tells it."""
    name = only_name(template.history.get("order_id", ""))
    return name if name in template.capture else ""


def _headers(template: RequestTemplate) -> Mapping[str, str]:
    given = {name.lower() for name in template.headers}
    if template.body_kind and "content-type" not in given:
        return {"Content-Type": CONTENT_TYPES[template.body_kind], **template.headers}
    return template.headers
