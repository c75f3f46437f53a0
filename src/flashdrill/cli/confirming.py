"""Before a load goes to another machine somebody says yes to it: each host typed out, or `--yes`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from flashdrill.errors import ConfigError

if TYPE_CHECKING:
    from flashdrill.rehearsal.prepare import Prepared


def confirmed(prepared: Prepared, *, is_yes: bool) -> Prepared:
    """The same with its hosts confirmed. Raises ConfigError when nobody says yes, or nobody can be asked."""
    hosts = prepared.admission.awaits
    if hosts:
        click.echo("\n".join(said(prepared)))
    if hosts and not is_yes:
        _ask(hosts)
    return replace(prepared, admission=prepared.admission.confirmed())


def said(prepared: Prepared) -> Iterator[str]:
    """Where the load goes, and what it is."""
    from flashdrill.load.peak import planned_peak  # noqa: PLC0415  (a quick --help)
    from flashdrill.load.schedule import expected_counts  # noqa: PLC0415
    from flashdrill.model.rate_cap import rate_cap  # noqa: PLC0415

    scenario, plan = prepared.scenario, prepared.plan
    yield "this run goes beyond this machine:"
    for host, addresses in prepared.admission.addresses.items():
        yield f"  host:   {host} ({', '.join(addresses)}, for the whole run)"
    peak, cap = planned_peak(scenario.stages), rate_cap(scenario.limits, prepared.admission)
    arrivals = sum(expected_counts(scenario.stages).values())
    yield (
        f"  load:   {arrivals:,.0f} arrivals in {scenario.duration_s:g} s, up to {peak.per_s:,.0f} a second "
        f"in stage {peak.stage}; never more than {cap:,.0f} requests a second"
    )
    kinds = ", ".join(f"{fault.kind} on {fault.target}" for fault in plan.faults)
    yield f"  faults: {kinds or 'none'}"
    world, header = scenario.world, scenario.marking.header
    if world.users:
        yield f"  users:  {world.user_prefix}0 to {world.user_prefix}{world.users - 1}"
    else:
        yield "  users:  whoever the requests name (the scenario has no world)"
    yield f"  header: {header or 'none'}"


def _ask(hosts: tuple[str, ...]) -> None:
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise ConfigError(
            f"nobody is here to confirm that this run may hit {', '.join(hosts)}, and --yes was not given",
            remedy="read what is said above, and add --yes",
        )
    for host in hosts:
        typed = click.prompt(f"type {host} to go on", default="", show_default=False)
        if typed.strip().lower() != host:
            raise ConfigError(f"{host} was not confirmed; nothing was sent")
