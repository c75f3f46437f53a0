"""What JMeter writes of transaction controllers: a sample that sums up others, which are in the file as well.

It is known by its message, which JMeter writes in English always ("Number of samples in transaction : 2, …").
"""

from __future__ import annotations

from enum import StrEnum

SUMS = "transactions (sums of their samples)"
SEVERAL = "what stands for several samples"
SUMMED_UP = "samples of transactions"
UNKNOWN = "there is no column responseMessage: transactions, if there are any, are arrivals beside their samples"
UNKNOWN_XML = (
    "there are samples without rm that hold others: transactions, if they are any, are arrivals in the place of their "
    "samples"
)


class Transactions(StrEnum):
    """What to do with the samples of transaction controllers, which stand beside or around those that they sum up."""

    SKIP = "skip"
    ONLY = "only"
    BOTH = "both"

    def leave_out(self, message: str) -> str:
        """Why the sample with this message is no arrival; nothing when it is one."""
        if self is Transactions.BOTH:
            return ""
        if is_sum(message):
            return SUMS if self is Transactions.SKIP else ""
        return SUMMED_UP if self is Transactions.ONLY else ""


def is_sum(message: str) -> bool:
    """Whether it is the message of a transaction."""
    return message.startswith("Number of samples in transaction")
