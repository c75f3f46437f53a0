"""Every error that the service raises on purpose, and whether the operation definitely did not happen.

    ServiceError               slug                definite
    ├── RefusedError           (given)             yes: the caller's fault, an answer and not a failure
    ├── OverloadedError        overloaded          yes
    ├── DrainingError          draining            yes
    ├── GateUnavailableError   gate-unavailable    yes: nothing is written before the gate has answered
    ├── PoolExhaustedError     pool-exhausted      yes
    ├── DeadlineError          deadline            yes: it was never handed to a connection
    ├── ShardUnavailableError  shard-unavailable   yes: no connection, or the server rolled it back
    │   └── PoisonError        validation          yes: the data itself is refused, and will be again
    ├── QueueRefusedError      queue-full          yes
    ├── PaymentBusyError       payment-in-progress yes
    └── UnknownCommitError     unknown-commit      NO: it was handed over, and nobody has answered

`BreakerOpenError` (breakers.py) is definite, with the slug `breaker-open`.
"""

from __future__ import annotations


class ServiceError(Exception):
    """The root; `slug` is the end of the problem's type."""

    slug = "unavailable"
    is_definite = True


class RefusedError(ServiceError):
    """The request is not acceptable. `status` overrides the slug's usual HTTP status."""

    def __init__(self, slug: str, detail: str, status: int | None = None) -> None:
        super().__init__(detail)
        self.slug = slug
        self.status = status


class OverloadedError(ServiceError):
    """As many requests as may be in flight are in flight."""

    slug = "overloaded"


class DrainingError(ServiceError):
    """The process is shutting down and takes nothing new."""

    slug = "draining"


class GateUnavailableError(ServiceError):
    """Redis does not answer, or the shard's counters are being rebuilt."""

    slug = "gate-unavailable"


class PoolExhaustedError(ServiceError):
    """Too many wait for a connection already."""

    slug = "pool-exhausted"


class DeadlineError(ServiceError):
    """The time was over before the operation was handed to a connection."""

    slug = "deadline"


class ShardUnavailableError(ServiceError):
    """No connection could be made, or the server refused the statement and rolled it back."""

    slug = "shard-unavailable"


class PoisonError(ShardUnavailableError):
    """The server refuses this data; the same data will be refused again."""

    slug = "validation"


class QueueRefusedError(ServiceError):
    """The file queue is full, or takes nothing any more."""

    slug = "queue-full"


class PaymentBusyError(ServiceError):
    """Another callback for the same order is at work."""

    slug = "payment-in-progress"


class UnknownCommitError(ServiceError):
    """The operation was handed over and may or may not have happened."""

    slug = "unknown-commit"
    is_definite = False
