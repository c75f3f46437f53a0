"""This order system's own fault: payment callbacks whose signature is wrong."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar

from flashdrill.chaos.fault import FaultContext, Parameter
from flashdrill.chaos.http_rule import HttpFault, answer_of
from flashdrill.chaos.proof import Baseline
from flashdrill.chaos.question import Answer, Question
from flashdrill.chaos.route import SHARE, Route

UNAUTHORIZED = 401
PATH = "/payments/callback"
NO_SUCH_ORDER = "canary"
SECRET = "hmac_secret"  # the key in the service's settings, not the secret


class WrongCredential(HttpFault):
    """Replaces the signature of `share` of the payment callbacks.

    So it is when a provider has rotated its secret and we have not: the service must answer 401 and pay nothing. Seen
    when a canary callback, rightly signed, for an order that does not exist is answered 401, while the same past the
    edge, and before, is answered 404. Healed when it is 404 again.
    """

    kind = "wrong_credential"
    parameters: ClassVar[Mapping[str, Parameter]] = {
        "header": Parameter("text", "X-Signature", "the header that is replaced"),
        "value": Parameter("text", "0" * 64, "what stands in it then"),
        "share": SHARE,
    }

    def route(self, parameters: Mapping[str, Any]) -> Route:
        """The callbacks."""
        return Route(path=PATH, method="POST", share=parameters["share"])

    def action(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Another header."""
        return {
            "action": "set_header",
            "header": parameters["header"],
            "value": parameters["value"],
        }

    def undo(self, ctx: FaultContext) -> dict[str, Any]:
        """The rule's place. Raises LookupError when no canary can be signed: then it is not made."""
        _secret(ctx)
        return super().undo(ctx)

    def questions(self, ctx: FaultContext) -> Iterator[Question]:
        """Callbacks with a right signature, of the moment at which each is asked for."""
        secret = _secret(ctx)
        while True:
            yield signed(secret, time.time())

    def blind(self, parameters: Mapping[str, Any], before: Baseline) -> str:
        """A canary that is refused anyway shows nothing."""
        if answer_of(before.path).status != UNAUTHORIZED:
            return ""
        return "the service refused a rightly signed canary before the fault too (401)"

    def is_shown(
        self, parameters: Mapping[str, Any], answer: Answer, control: Answer, before: Baseline
    ) -> bool:
        """Refused, and only through the edge."""
        is_refused = answer.is_answered and answer.status == UNAUTHORIZED
        return is_refused and control.is_answered and control.status != UNAUTHORIZED


def signed(secret: str, now_s: float) -> Question:
    """A callback for an order that does not exist: the service looks at nothing but the signature and the id."""
    paid_at = datetime.fromtimestamp(now_s, UTC).isoformat(timespec="milliseconds")
    callback = {
        "out_trade_no": NO_SUCH_ORDER,
        "transaction_id": NO_SUCH_ORDER,
        "amount_cents": 1,
        "paid_at": paid_at,
    }
    body = json.dumps(callback).encode()
    timestamp = str(int(now_s))
    digest = hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256)
    headers = {
        "Content-Type": "application/json",
        "X-Timestamp": timestamp,
        "X-Signature": digest.hexdigest(),
    }
    return Question("POST", PATH, headers, body)


def _secret(ctx: FaultContext) -> str:
    """From the service's settings. Raises LookupError when nobody knows them: no canary can be signed then."""
    if ctx.target.settings_file is None:
        raise LookupError(
            f"the settings of {ctx.target.name} are not known: no canary can be signed"
        )
    settings = json.loads(ctx.target.settings_file.read_text())
    if not settings.get(SECRET):
        raise LookupError(f"{ctx.target.settings_file} has no {SECRET}: no canary can be signed")
    return str(settings[SECRET])
