"""The manifests of the load side agree with each other and with flashdrill; what does not is named."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from flashdrill.plan.scenario import check_scenario
from scripts.containers import ROOT
from scripts.manifests import FOLDER, disagreements, parsed, read_manifests


def test_the_committed_manifests_agree() -> None:
    assert disagreements() == []


def test_every_file_is_a_resource_or_the_reader() -> None:
    listed = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())["resources"]
    here = {path.name for path in FOLDER.glob("*.yaml")}
    assert here == {*listed, "kustomization.yaml", "reader.yaml"}


@pytest.mark.parametrize(
    ("file", "old", "new", "words"),
    [
        ("master.yaml", "--plain", "--quiet", "does not take its command line: No such option"),
        ("master.yaml", "- run\n", "- rehearse\n", "no command of flashdrill"),
        ("master.yaml", "--expect-workers=2", "--expect-workers=3", "as many workers"),
        ("workers.yaml", "completions: 2", "completions: 1", "as many workers"),
        ("workers.yaml", "backoffLimitPerIndex: 0", "backoffLimit: 0", "end the others"),
        ("master.yaml", "backoffLimit: 0", "backoffLimit: 6", "tried again"),
        ("master.yaml", "--bind=0.0.0.0:5557", "--bind=0.0.0.0:5558", "one port"),
        ("master.yaml", "containerPort: 5557", "containerPort: 5558", "one port"),
        ("service.yaml", "port: 5557", "port: 80", "one port"),
        ("service.yaml", "name: load-master", "name: master", "no Service of that name"),
        ("service.yaml", "component: master", "component: worker", "does not select"),
        ("network-policy.yaml", "component: worker", "component: reader", "is not kept for"),
        ("network-policy.yaml", "port: 8000", "port: 80", "way out to port 8000"),
        ("master.yaml", "- --yes ", "- --live ", "nobody confirms"),
        ("master.yaml", "shop.shop.svc", "shop.prod.svc", "not among the scenario's hosts"),
        ("master.yaml", "load/scenario.yaml", "load/other.yaml", "in no ConfigMap"),
        ("load/scenario.yaml", "rate_max: 200/s", "rate_max: 20/s", "rate_max"),
        ("load/scenario.yaml", "look: 5/s", "gaze: 5/s", "gaze"),
        ("workers.yaml", "/run/secrets/load", "/run/secrets/shop", "load-worker: /run/secrets/load/token"),
        ("workers.yaml", "readOnlyRootFilesystem: true", "privileged: true", "read-only root"),
        ("master.yaml", "drop: [ALL]", "drop: [NET_RAW]", "capabilities"),
        ("master.yaml", "runAsNonRoot: true", "runAsNonRoot: false", "not root"),
        ("reader.yaml", "enableServiceLinks: false", "hostNetwork: true", "variables of services"),
        ("reader.yaml", "flashdrill:0.1.0", "flashdrill:latest", "reader: image"),
        ("kustomization.yaml", "newTag: 0.1.0", "newTag: latest", "tag latest"),
    ],
)  # fmt: skip
def test_what_does_not_agree_is_named(
    tmp_path: Path, file: str, old: str, new: str, words: str
) -> None:
    folder = tmp_path / "kubernetes"
    shutil.copytree(FOLDER, folder)
    text = (folder / file).read_text()
    assert old in text
    (folder / file).write_text(text.replace(old, new))
    assert words in "\n".join(disagreements(folder))


def test_workers_are_spread_over_the_nodes() -> None:
    pod = read_manifests().pods()["load-worker"]
    (spread,) = pod["topologySpreadConstraints"]
    labels = read_manifests().spec("Job", "load-worker")["template"]["metadata"]["labels"]
    assert spread["topologyKey"] == "kubernetes.io/hostname"
    assert spread["labelSelector"]["matchLabels"] == labels


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    """The services of the compose file as Compose reads them when no variable is set."""
    text = (ROOT / "docker-compose.yml").read_text()
    plain = re.sub(r"\$\{FLASHDRILL_LOAD_[A-Z]+:-([^}]*)\}", r"\1", text)
    assert "${" not in plain
    found: dict[str, Any] = yaml.safe_load(plain)["services"]
    return found


def test_flashdrill_takes_the_command_lines_of_the_compose_file(services: dict[str, Any]) -> None:
    master, worker = (services[f"load-{role}"] for role in ("master", "worker"))
    run = parsed([str(word) for word in master["command"]])
    host, port = parsed(worker["command"])["master"]
    assert (host, port) == ("load-master", run["bind"][1])
    assert run["expect_workers"] == worker["deploy"]["replicas"] == 2
    assert master["healthcheck"]["test"][-1] == f"listening:{port}"
    assert worker["healthcheck"]["test"][-1] == f"connected:{port}"
    assert worker["depends_on"] == {"load-master": {"condition": "service_healthy"}}
    assert "load" in set(master["networks"]) & set(worker["networks"])
    with pytest.raises(click.NoSuchOption):
        parsed([*map(str, master["command"]), "--quiet"])


def test_the_load_of_the_compose_file_hits_the_stack_and_what_it_sells(
    services: dict[str, Any],
) -> None:
    master = services["load-master"]
    run = parsed([str(word) for word in master["command"]])
    mounts = dict(volume.split(":")[:2] for volume in master["volumes"])
    assert mounts["./deploy/load"] == str(run["scenario"].parent)
    assert mounts["runs"] == str(run["out"])
    scenario = check_scenario(ROOT / "deploy" / "load" / run["scenario"].name)
    assert scenario.service is not None
    assert run["target"] == scenario.service.url == "http://toxiproxy:18080"
    assert run["is_yes"]
    assert scenario.hosts == ("toxiproxy",)
    sold = yaml.safe_load((ROOT / "deploy" / "backend" / "world.json").read_text())["products"]
    prices = {product["sku"]: product["price_cents"] for product in sold}
    assert {p.sku: p.price_cents for p in scenario.world.products}.items() <= prices.items()
    assert scenario.templates is not None
    places = {str(secret.file) for secret in scenario.templates.every_secret()}
    for role in ("master", "worker"):
        given = {f"/run/secrets/{name}" for name in services[f"load-{role}"]["secrets"]}
        assert places <= given
