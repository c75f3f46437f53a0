"""A crowd without a harness: what plain Locust is told by its environment.

| variable                    | meaning                                                                       |
|-----------------------------|-------------------------------------------------------------------------------|
| FLASHDRILL_SCENARIO         | the scenario: who comes when                                                  |
| FLASHDRILL_BACKEND_URL      | where the service is                                                          |
| FLASHDRILL_PAYMENT_URL      | where payment callbacks go; without it, to the service                        |
| FLASHDRILL_HMAC_SECRET_FILE | a file with the secret that signs the callbacks                               |
| FLASHDRILL_RUN_DIR          | a folder that gets one folder a run; without it, a temporary one              |
| FLASHDRILL_SEED             | another seed than the scenario's                                              |
| FLASHDRILL_YES              | 1: the load may go to the hosts that the scenario lists                       |
"""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from flashdrill.errors import ConfigError
from flashdrill.load.peak import check_peak
from flashdrill.load.shares import Orders, Share
from flashdrill.load.spec import CROWD_ENV, CrowdSpec
from flashdrill.model.hosts import Admission, Resolve, admit, look_up
from flashdrill.model.rate_cap import rate_cap
from flashdrill.model.scenario import Scenario
from flashdrill.plan.scenario import load_scenario
from flashdrill.plan.suspicions import lost_journeys

logger = logging.getLogger(__name__)

SCENARIO, BACKEND, PAYMENT, SECRET_FILE, RUN_DIR, SEED, YES = (
    f"FLASHDRILL_{name}"
    for name in (
        "SCENARIO",
        "BACKEND_URL",
        "PAYMENT_URL",
        "HMAC_SECRET_FILE",
        "RUN_DIR",
        "SEED",
        "YES",
    )
)


def orders_from(environment: Mapping[str, str], resolve: Resolve = look_up) -> Orders:
    """What is to be played. Raises ConfigError that names the variable."""
    if not environment.get(SCENARIO):
        raise ConfigError(
            f"neither {SCENARIO} nor {CROWD_ENV} is set, so nobody knows who comes when",
            remedy=f"set {SCENARIO} to a scenario's file, or use `flashdrill run SCENARIO`, which sets {CROWD_ENV}",
        )
    seed = environment.get(SEED)
    asked = load_scenario(Path(environment[SCENARIO]), (f"seed={seed}",) if seed else ())
    scenario = replace(
        asked, climb=None
    )  # nobody decides steps here: the whole staircase is climbed
    for words in lost_journeys(scenario):
        logger.warning("%s", words)
    backend = _url(environment, BACKEND)
    payment = _url(environment, PAYMENT) if environment.get(PAYMENT) else backend
    urls = {BACKEND: backend, PAYMENT: payment}
    admission = partial(_admission, environment, scenario, urls, resolve)
    admission()  # what is wrong with it is told now
    is_unsigned = scenario.templates is not None and not environment.get(SECRET_FILE)
    secret = "" if is_unsigned else _secret(_wanted(environment, SECRET_FILE))
    place = _folder(environment.get(RUN_DIR, ""))

    def folder(epoch_ns: int) -> Path:
        began = datetime.fromtimestamp(epoch_ns / 1e9, UTC)
        path = place / f"{began:%Y%m%dT%H%M%S.%fZ}-{scenario.name}"
        path.mkdir(parents=True, exist_ok=True)
        return path

    def spec(share: Share) -> CrowdSpec:
        return CrowdSpec.from_scenario(
            scenario,
            base_url=backend,
            payment_url=payment,
            hmac_secret=secret,
            folder=folder(share.epoch_ns),
            admission=admission(),
            worker=share.worker,
            workers=share.workers,
        )

    return Orders(scenario.name, scenario.seed, scenario.gates, folder, spec)


def _admission(
    environment: Mapping[str, str], scenario: Scenario, urls: Mapping[str, str], resolve: Resolve
) -> Admission:
    """The hosts of the URLs. Raises ConfigError unless the scenario lists them and FLASHDRILL_YES says yes."""
    said = environment.get(YES, "")
    if said not in {"", "0", "1"}:
        raise ConfigError(f"{YES}: {said!r} is neither 1 nor 0")
    admission = admit(urls, scenario.hosts, path=scenario.path, resolve=resolve)
    if admission.addresses and said != "1":
        raise ConfigError(
            f"nobody has confirmed that the load may go to {', '.join(admission.addresses)}",
            remedy=f"set {YES}=1",
        )
    check_peak(scenario, rate_cap(scenario.limits, admission))
    return admission.confirmed()


def _wanted(environment: Mapping[str, str], name: str) -> str:
    value = environment.get(name, "")
    if not value:
        raise ConfigError(
            f"{name} is not set", remedy="docs/locust.md lists what plain Locust needs"
        )
    return value


def _url(environment: Mapping[str, str], name: str) -> str:
    url = _wanted(environment, name).rstrip("/")
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.netloc or parts.path:
        raise ConfigError(f"{name}: {url!r} is not an address such as http://127.0.0.1:8080")
    return url


def _secret(path: str) -> str:
    try:
        secret = Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{SECRET_FILE}: {error}") from error
    if not secret:
        raise ConfigError(f"{SECRET_FILE}: {path} is empty")
    return secret


def _folder(path: str) -> Path:
    if not path:
        return Path(tempfile.mkdtemp(prefix="flashdrill-"))
    folder = Path(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"{RUN_DIR}: {error}") from error
    if not os.access(folder, os.W_OK):
        raise ConfigError(f"{RUN_DIR}: {folder} cannot be written")
    return folder
