"""What the manifests in deploy/kubernetes/ say in several places, held against each other: `disagreements(folder)`.

    ConfigMap ── scenario ── hosts ── --target        --expect-workers ── completions ── parallelism
    Service ── --master of a worker ── --bind of the master ── its containerPort ── NetworkPolicy

Whether each file is a good manifest by itself is for kubectl-validate and kube-score (check_containers.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

import click
import yaml

from flashdrill import __version__
from flashdrill.cli.main import main as program
from flashdrill.errors import ConfigError
from flashdrill.model.scenario import Scenario
from flashdrill.plan.scenario import check_scenario
from flashdrill.plan.validate import validate_file
from scripts.containers import ROOT

FOLDER = ROOT / "deploy" / "kubernetes"
READER = "reader.yaml"
MASTER, WORKERS = "load-master", "load-worker"
COMPONENT = "app.kubernetes.io/component"
USER = 10001
"""The user of the image; a test holds the Dockerfile against the compose file."""


@dataclass(frozen=True, slots=True)
class Manifests:
    """Everything in the folder: manifests by kind and name, and what Kustomize makes of them."""

    folder: Path
    kustomization: Mapping[str, Any]
    by_name: Mapping[tuple[str, str], dict[str, Any]]

    def spec(self, kind: str, name: str) -> dict[str, Any]:
        """The spec of one. Raises KeyError when it is not there."""
        found: dict[str, Any] = self.by_name[kind, name]["spec"]
        return found

    def pods(self) -> dict[str, dict[str, Any]]:
        """The spec of every pod, by the name of what it belongs to."""
        jobs = {
            n: m["spec"]["template"]["spec"] for (k, n), m in self.by_name.items() if k == "Job"
        }
        alone = {n: m["spec"] for (k, n), m in self.by_name.items() if k == "Pod"}
        return jobs | alone

    def arguments(self, job: str) -> list[str]:
        """The command line of a job's only container."""
        (container,) = self.pods()[job]["containers"]
        return list(container["args"])

    def maps(self) -> dict[str, list[Path]]:
        """The files of each ConfigMap that Kustomize makes."""
        made = self.kustomization["configMapGenerator"]
        return {one["name"]: [self.folder / name for name in one["files"]] for one in made}


def read_manifests(folder: Path = FOLDER) -> Manifests:
    """The manifests that kustomization.yaml lists, and the reader."""
    kustomization = yaml.safe_load((folder / "kustomization.yaml").read_text())
    files = [*kustomization["resources"], READER]
    documents = [
        document for name in files for document in yaml.safe_load_all((folder / name).read_text())
    ]
    by_name = {(one["kind"], one["metadata"]["name"]): one for one in documents}
    return Manifests(folder, kustomization, by_name)


def disagreements(folder: Path = FOLDER) -> list[str]:
    """What is wrong, in words; empty when nothing is."""
    found = read_manifests(folder)
    wrong = list(_command_lines(found))
    if wrong:
        return wrong  # the others read these command lines
    return [*_numbers(found), *_ways(found), *_load(found), *_hardening(found), *_images(found)]


def _command_lines(found: Manifests) -> Iterator[str]:
    for job in (MASTER, WORKERS):
        try:
            parsed(found.arguments(job))
        except click.ClickException as error:
            yield f"{job}: flashdrill does not take its command line: {error.format_message()}"


def parsed(argv: list[str]) -> dict[str, Any]:
    """The values of a command line `flashdrill COMMAND ...`. Raises ClickException; nothing is run."""
    name, command, *rest = argv
    if name != "flashdrill" or command not in program.commands:
        raise click.UsageError(f"{name} {command} is no command of flashdrill")
    with program.commands[command].make_context(command, rest) as context:
        return dict(context.params)


def _numbers(found: Manifests) -> Iterator[str]:
    workers = found.spec("Job", WORKERS)
    told = {
        "completions": workers["completions"],
        "parallelism": workers["parallelism"],
        "--expect-workers": parsed(found.arguments(MASTER))["expect_workers"],
    }
    if len(set(told.values())) > 1:
        yield f"as many workers as are awaited: {told}"
    if workers.get("completionMode") != "Indexed" or workers.get("backoffLimitPerIndex") != 0:
        yield f"{WORKERS}: a worker that fails would end the others, or be tried again"
    if found.spec("Job", MASTER).get("backoffLimit") != 0:
        yield f"{MASTER}: a run that fails would be tried again"


def _ways(found: Manifests) -> Iterator[str]:
    """From a worker to the master: the Service, its port, and who is let through."""
    _, bound = parsed(found.arguments(MASTER))["bind"]
    host, asked = parsed(found.arguments(WORKERS))["master"]
    service = found.by_name.get(("Service", host))
    if service is None:
        yield f"{WORKERS}: --master {host}, and there is no Service of that name"
        return
    (container,) = found.pods()[MASTER]["containers"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    (way,) = service["spec"]["ports"]
    ((source,), (admitted,)) = _admitted(found)
    told = {
        "--bind": bound,
        "--master": asked,
        "Service": way["port"],
        "its target": ports.get(way["targetPort"], way["targetPort"]),
        "NetworkPolicy": admitted["port"],
    }
    if len(set(told.values())) > 1:
        yield f"one port: {told}"
    labels = {name: _labels(found, name)[COMPONENT] for name in (MASTER, WORKERS)}
    if service["spec"]["selector"] != {COMPONENT: labels[MASTER]}:
        yield f"the Service {host} does not select {MASTER}"
    if source != {"podSelector": {"matchLabels": {COMPONENT: labels[WORKERS]}}}:
        yield f"the master's port is not kept for {WORKERS}"


def _admitted(found: Manifests) -> tuple[list[Any], list[Any]]:
    (rule,) = found.spec("NetworkPolicy", "workers-to-master")["ingress"]
    return rule.get("from", [{}]), rule["ports"]


def _labels(found: Manifests, job: str) -> dict[str, str]:
    labels: dict[str, str] = found.spec("Job", job)["template"]["metadata"]["labels"]
    return labels


def _load(found: Manifests) -> Iterator[str]:
    """The scenario: a good one, in the ConfigMap, for the service that is hit, with secrets that are there."""
    values = parsed(found.arguments(MASTER))
    path = _from_map(found, PurePosixPath(values["scenario"]))
    if path is None:
        yield f"{MASTER}: {values['scenario']} is in no ConfigMap that is mounted"
        return
    try:
        validate_file(path)
        scenario = check_scenario(path)
    except ConfigError as error:
        yield str(error)
        return
    target = urlsplit(values["target"])
    if target.hostname not in scenario.hosts:
        yield f"{MASTER}: --target {target.hostname} is not among the scenario's hosts"
    if not values["is_yes"]:
        yield f"{MASTER}: without --yes nobody confirms its hosts"
    if target.port not in _ports_out(found):
        yield f"the way out to port {target.port} is closed by the NetworkPolicy"
    for job in (MASTER, WORKERS):
        yield from (f"{job}: {words}" for words in _missing_secrets(found, job, scenario))


def _from_map(found: Manifests, path: PurePosixPath) -> Path | None:
    """The file here that the master's pod finds at a path."""
    pod = found.pods()[MASTER]
    named = {v["name"]: v["configMap"]["name"] for v in pod["volumes"] if "configMap" in v}
    for mount in pod["containers"][0]["volumeMounts"]:
        files = found.maps().get(named.get(mount["name"], ""), [])
        if PurePosixPath(mount["mountPath"]) == path.parent:
            return next((file for file in files if file.name == path.name), None)
    return None


def _ports_out(found: Manifests) -> set[int]:
    rules = found.spec("NetworkPolicy", "fence")["egress"]
    return {port["port"] for rule in rules for port in rule["ports"]}


def _missing_secrets(found: Manifests, job: str, scenario: Scenario) -> Iterator[str]:
    pod = found.pods()[job]
    secret = {volume["name"] for volume in pod["volumes"] if "secret" in volume}
    mounts = [m["mountPath"] for m in pod["containers"][0]["volumeMounts"] if m["name"] in secret]
    for one in scenario.templates.every_secret() if scenario.templates else ():
        if one.file is None or str(one.file.parent) not in mounts:
            yield f"{one.place} is not mounted from a Secret"


def _hardening(found: Manifests) -> Iterator[str]:
    for name, pod in found.pods().items():
        (container,) = pod["containers"]
        user, inside = pod.get("securityContext", {}), container.get("securityContext", {})
        resources = container.get("resources", {})
        rules = {
            f"runs as {USER}": user.get("runAsUser") == user.get("fsGroup") == USER,
            "is not root": user.get("runAsNonRoot") is True,
            "has the runtime's seccomp profile": user.get("seccompProfile")
            == {"type": "RuntimeDefault"},
            "has a read-only root": inside.get("readOnlyRootFilesystem") is True,
            "gains no privileges": inside.get("allowPrivilegeEscalation") is False,
            "has no capabilities": inside.get("capabilities") == {"drop": ["ALL"]},
            "has requests and limits": all(
                {"cpu", "memory"} <= set(resources.get(kind, ())) for kind in ("requests", "limits")
            ),
            "has no token of the cluster": pod.get("automountServiceAccountToken") is False,
            "has no variables of services": pod.get("enableServiceLinks") is False,
            "ends once": pod.get("restartPolicy") == "Never",
        }
        yield from (f"{name}: not so that it {rule}" for rule, holds in rules.items() if not holds)


def _images(found: Manifests) -> Iterator[str]:
    (image,) = found.kustomization["images"]
    if image["newTag"] != __version__:
        yield f"kustomization.yaml: tag {image['newTag']}, and this is {__version__}"
    for name, pod in found.pods().items():
        (container,) = pod["containers"]
        wanted = f"flashdrill:{__version__}" if name == "reader" else image["name"]
        if container["image"] != wanted:
            yield f"{name}: image {container['image']} instead of {wanted}"
