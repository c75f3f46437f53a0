"""Everything that can be refused before anything is started."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from flashdrill.audit.secret import reveal, reveal_token
from flashdrill.chaos.fault import Fault
from flashdrill.chaos.target import Target
from flashdrill.errors import ConfigError
from flashdrill.load.peak import check_peak
from flashdrill.model.faults import FaultPlan
from flashdrill.model.hosts import (
    LOOPBACK_ONLY,
    Admission,
    Resolve,
    admit,
    host_of,
    look_up,
    loopback,
)
from flashdrill.model.rate_cap import rate_cap
from flashdrill.model.scenario import Scenario
from flashdrill.model.service import Service
from flashdrill.plan.faults import load_plan, merge
from flashdrill.plan.known import known_faults
from flashdrill.plan.scenario import load_scenario
from flashdrill.rehearsal.adoption import adopt, check_adopted
from flashdrill.rehearsal.journals import STATE
from flashdrill.rehearsal.lookout import check_time_to_look
from flashdrill.rehearsal.topology import provisions, target_names
from flashdrill.stack.backend import check_settings
from flashdrill.stack.provisions import NOTHING, Provisions
from flashdrill.stack.reference import reference_root
from flashdrill.stack.toxiproxy import is_address


@dataclass(frozen=True, slots=True)
class Order:
    """What was asked for on the command line. `plans` None: the scenario's own; `adopt`: see `adoption`."""

    scenario: Path
    out: Path
    command: str
    plans: tuple[Path, ...] | None = None
    overrides: tuple[str, ...] = ()
    toxiproxy: str = "auto"
    adopt: tuple[str, ...] = ()
    bind: tuple[str, int] | None = None  # where workers from elsewhere come to; None: they are here
    target: str = ""  # in the place of the scenario's service.url
    state: Path = STATE  # whose journals are looked at, and where this run's is until it is over


@dataclass(frozen=True, slots=True)
class Prepared:
    """A run that can start: every file has been read and makes sense."""

    order: Order
    scenario: Scenario
    plan: FaultPlan
    plan_names: tuple[str, ...]
    kinds: dict[str, type[Fault]]
    reports: Path  # the folder with queries, resources.yaml, remedies and templates
    provisions: Provisions = NOTHING  # what the stack must have for these faults
    adopted: Mapping[str, Target] = field(default_factory=dict)  # a user's own proxies
    admission: Admission = LOOPBACK_ONLY


def prepare(order: Order, resolve: Resolve = look_up) -> Prepared:
    """Read the scenario and its plans; a mistake is a ConfigError and nothing has been started.

    Hosts beyond this machine are looked up, and await confirmation (`Admission.awaits`).
    """
    scenario = load_scenario(order.scenario, (*_targeted(order), *order.overrides))
    admission = admit(
        urls_of(scenario, order.toxiproxy), scenario.hosts, path=scenario.path, resolve=resolve
    )
    check_peak(scenario, rate_cap(scenario.limits, admission))
    check_workers(scenario, order.bind)
    kinds = known_faults()
    adopted = adopt(order.toxiproxy, order.adopt)
    targets = {name: target.kinds for name, target in adopted.items()}
    check_templates(scenario)
    if scenario.service is None:
        targets |= target_names()
        check_settings(reference_root(), {"time_scale": scenario.time_scale, **scenario.backend})
    else:
        check_own(scenario.service, order.toxiproxy)
    paths = scenario.chaos if order.plans is None else order.plans
    plans = [load_plan(path, scenario, kinds, targets) for path in paths]
    plan = merge(plans)
    check_adopted(plan, kinds, adopted)
    refuse_faults_on_climb(scenario, plan)
    for each in plans:
        check_time_to_look(scenario, replace(each, steady_states=plan.steady_states))
    return Prepared(
        order=order,
        scenario=scenario,
        plan=plan,
        plan_names=tuple(plan.name for plan in plans),
        kinds=kinds,
        provisions=provisions(plan, kinds),
        adopted=adopted,
        admission=admission,
        reports=reports_folder(),
    )


def refuse_faults_on_climb(scenario: Scenario, plan: FaultPlan) -> None:
    """Raise ConfigError for faults on a staircase that stops at its knee: its steps have no known times."""
    if scenario.climb is not None and plan.faults:
        fault = plan.faults[0]
        raise ConfigError(
            f"fault {fault.id!r} cannot be placed: {scenario.climb.name} has stop_at_knee, so nobody knows which "
            "steps it takes when",
            path=plan.path,
            line=fault.line,
            remedy="leave stop_at_knee out, or the faults with --no-chaos",
        )


def check_workers(scenario: Scenario, bind: tuple[str, int] | None) -> None:
    """Raise ConfigError for workers elsewhere that could not reach the service, or have not what they send."""
    if bind is None:
        return
    url = "" if scenario.service is None else scenario.service.url
    if not loopback(bind[0]) and (not url or loopback(host_of(url))):
        raise ConfigError(
            f"--bind {bind[0]}: workers on other machines cannot reach {url or 'the reference stack'} on this one",
            remedy="give the service's address on the network: --target http://HOST:PORT, and list it under hosts",
        )
    if scenario.climb is not None:
        raise ConfigError(
            f"{scenario.climb.name} has stop_at_knee, whose steps are told to load processes on this machine only",
            path=scenario.path,
            remedy="use --workers in the place of --expect-workers, or leave stop_at_knee out",
        )
    if scenario.templates is not None and any(f.csv for f in scenario.templates.feeds.values()):
        raise ConfigError(
            "a CSV feed is on this machine alone, and the workers are on others",
            path=scenario.path,
            remedy="use --workers, or a feed without a file",
        )


def _targeted(order: Order) -> tuple[str, ...]:
    """What `--target` sets."""
    return (f"service.url={order.target}",) if order.target else ()


def urls_of(scenario: Scenario, toxiproxy: str) -> dict[str, str]:
    """Every URL that a run is given, by what it is for; the reference stack's own are on this machine."""
    urls = {} if scenario.service is None else dict(scenario.service.urls())
    return {**urls, "--toxiproxy": toxiproxy} if is_address(toxiproxy) else urls


def check_templates(scenario: Scenario) -> None:
    """Raise ConfigError for a secret of the request templates that is not there, and for a stack without products."""
    for secret in scenario.templates.every_secret() if scenario.templates else ():
        reveal(secret)
    if scenario.service is None and not scenario.world.products:
        raise ConfigError(
            "the reference stack needs `world`: what there is to buy",
            path=scenario.path,
            remedy="add it, or give your own service's address with --target URL",
        )


def check_own(service: Service, toxiproxy: str) -> None:
    """Raise ConfigError for what a run on somebody's own service would not obey, or could not read."""
    if toxiproxy != "auto" and not is_address(toxiproxy):
        raise ConfigError(
            f"--toxiproxy {toxiproxy}: a run on your own service starts no Toxiproxy server",
            remedy="give the address of yours: --toxiproxy http://127.0.0.1:8474 --adopt NAME=KIND",
        )
    for secret in service.secrets():
        reveal(secret)
    for token in service.tokens():
        reveal_token(token)


def reports_folder() -> Path:
    """What reports are made of: `reports` in the current directory, else the reference's. Raises ConfigError."""
    for root in (Path.cwd(), reference_root()):
        folder = root / "reports"
        if (folder / "resources.yaml").exists():
            return folder
    raise ConfigError(
        "no folder reports here and none in the installation", remedy="reinstall flashdrill"
    )
