from __future__ import annotations

import click
import pytest

from flashdrill.cli.choices import address_choice
from flashdrill.cli.working import worker

MASTER = worker.params[0]


def chosen(value: str) -> tuple[str, int] | None:
    return address_choice(click.Context(worker), MASTER, value)


def test_an_address_is_a_host_and_a_port_and_brackets_are_not_part_of_it() -> None:
    assert chosen("10.0.0.5:5557") == ("10.0.0.5", 5557)
    assert chosen("[::1]:5557") == ("::1", 5557)


@pytest.mark.parametrize("value", ["10.0.0.5", ":5557", "here:0", "here:65536", "here:http"])
def test_what_is_no_address_is_refused(value: str) -> None:
    with pytest.raises(click.BadParameter, match="is not HOST:PORT"):
        chosen(value)
