"""Check the Dockerfile, docker-compose.yml and deploy/ with every tool that is here: `make containers`.

One line for each check. A tool that is missing is said, and its check counts as not made; with CI set, promtool is
installed where apt and root allow it. Exit 1 when a check finds something, and in CI when one cannot be made, but for
those that need more than PyPI and Debian.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

from flashdrill.stack.folders import cache_dir
from scripts.containers import DASHBOARD, ROOT, stale
from scripts.dashboard import expressions
from scripts.manifests import FOLDER as MANIFESTS
from scripts.manifests import READER, disagreements

COMPOSE = ROOT / "docker-compose.yml"
DCLINT = "dclint@3.1.0"
COMPOSE_GO_VERSION = "v2.16.2"
COMPOSE_GO = "github.com/compose-spec/compose-go/v2/cmd"
VALIDATE_VERSION = "v0.0.4"
VALIDATE = "sigs.k8s.io/kubectl-validate"
SCORE_VERSION = "v1.20.0"
SCORE = "github.com/zegl/kube-score/cmd/kube-score"
KUBERNETES = "1.30"
"""The oldest release for which the manifests are: backoffLimitPerIndex, nodeTaintsPolicy."""
TIMEOUT_S = 600.0
RATE_INTERVAL = "20s"
SHOWN_LINES = 20

Check = Callable[[], str]


NEED_MORE = frozenset({"compose lint", "compose model", "manifest schema", "manifest score"})
"""Checks by tools from npm and Go: where those are not, the others must do."""


class FoundError(Exception):
    """A check found something; the message says what."""


class MissingToolError(Exception):
    """A check cannot be made here; the message says what it needs."""


def is_as_generated() -> str:
    """The committed files are what the table in src/flashdrill/stack/services.py says."""
    wrong = stale()
    if wrong:
        raise FoundError(f"not what `make compose` writes: {', '.join(wrong)}")
    return "scripts/containers.py"


def compose_schema(path: Path = COMPOSE) -> str:
    """The file fits the JSON Schema of the Compose specification."""
    return _run(
        [_own("check-jsonschema"), "--builtin-schema", "vendor.compose-spec", str(path)],
        "check-jsonschema",
    )


def compose_lint(path: Path = COMPOSE) -> str:
    """A linter for Compose files finds nothing, not even to warn of; rules of order and quoting are off."""
    program = [_found("npx"), "--yes", DCLINT]
    try:
        _run([*program, "--version"], DCLINT)
    except FoundError as error:
        raise MissingToolError(f"npx cannot get {error}") from None
    options = ["--config", str(ROOT / "deploy" / "dclint.json"), "--max-warnings", "0"]
    return _run([*program, *options, str(path)], DCLINT)


def compose_model(path: Path = COMPOSE) -> str:
    """Compose's own loader takes the file: names, references and conditions are consistent."""
    return _run([str(_compose_go()), str(path)], f"compose-go {COMPOSE_GO_VERSION}")


def manifests_agree(folder: Path = MANIFESTS) -> str:
    """Ports, names, numbers, command lines and the scenario of the manifests are those of one run."""
    if wrong := disagreements(folder):
        raise FoundError("\n".join(wrong))
    return "scripts/manifests.py"


def manifest_schema(folder: Path = MANIFESTS) -> str:
    """Every manifest fits Kubernetes' own schema, unknown fields refused; the schemas are in the tool."""
    program = _built(f"kubectl-validate-{VALIDATE_VERSION}", VALIDATE, VALIDATE_VERSION)
    files = [path for path in sorted(folder.glob("*.yaml")) if path.name != "kustomization.yaml"]
    argv = [str(program), "--version", KUBERNETES, *map(str, files)]
    return _run(argv, f"kubectl-validate {VALIDATE_VERSION}, Kubernetes {KUBERNETES}")


def manifest_score(folder: Path = MANIFESTS) -> str:
    """Kustomize takes the folder, and a linter finds nothing in what it makes of it, not even to warn of.

    One rule is off: an image that is pinned need not be pulled each time, and workers may take two minutes to come.
    """
    kubectl = _found("kubectl")
    program = _built(f"kube-score-{SCORE_VERSION}", SCORE, SCORE_VERSION)
    with tempfile.TemporaryDirectory() as place:
        made = Path(place) / "made.yaml"
        _run([kubectl, "kustomize", str(folder), "--output", str(made)], "kubectl kustomize")
        options = ["--ignore-test", "container-image-pull-policy", "--exit-one-on-warning"]
        files = [str(made), str(folder / READER)]
        _run([str(program), "score", *options, "--color", "never", *files], "kube-score")
    return f"kubectl kustomize, kube-score {SCORE_VERSION}"


def yaml_style() -> str:
    """yamllint finds nothing."""
    where = [str(COMPOSE), str(ROOT / "deploy")]
    config = str(ROOT / "deploy" / "yamllint.yml")
    return _run([_own("yamllint"), "--strict", "--config-file", config, *where], "yamllint")


def dockerfile(path: Path = ROOT / "Dockerfile") -> str:
    """hadolint finds nothing."""
    return _run([_own("hadolint"), str(path)], "hadolint")


def prometheus_config(path: Path = ROOT / "deploy" / "prometheus.yml") -> str:
    """Prometheus takes its configuration."""
    return _run([_promtool(), "check", "config", str(path)], "promtool")


def dashboard_expressions(found: Sequence[str] | None = None) -> str:
    """Every expression of the dashboard is PromQL."""
    rules = [
        {"record": f"checked:{number}", "expr": text.replace("$__rate_interval", RATE_INTERVAL)}
        for number, text in enumerate(expressions() if found is None else found)
    ]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rules.yml"
        path.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
        _run([_promtool(), "check", "rules", str(path)], "promtool")
    return f"promtool, {len(rules)} expressions"


def dashboard_model(path: Path = ROOT / DASHBOARD) -> str:
    """Grafana's own types know every field of the dashboard: read and written again, nothing is lost."""
    content = json.loads(path.read_text(encoding="utf-8"))
    register_default_plugins()
    again = json.loads(JSONEncoder().encode(Dashboard.from_json(content)))
    lost = sorted(_lost(content, again))
    if lost:
        raise FoundError(f"not in Grafana's schema: {', '.join(lost[:SHOWN_LINES])}")
    return "grafana-foundation-sdk"


CHECKS: dict[str, Check] = {
    "as generated": is_as_generated,
    "compose schema": compose_schema,
    "compose lint": compose_lint,
    "compose model": compose_model,
    "manifests agree": manifests_agree,
    "manifest schema": manifest_schema,
    "manifest score": manifest_score,
    "yaml style": yaml_style,
    "Dockerfile": dockerfile,
    "Prometheus' config": prometheus_config,
    "dashboard's PromQL": dashboard_expressions,
    "dashboard's types": dashboard_model,
}


def main() -> int:
    """Make every check; 1 when one found something, or could not be made although this is CI."""
    found = missing = wanted = 0
    for name, check in CHECKS.items():
        try:
            state, detail = "ok", check()
        except MissingToolError as error:
            state, detail = "MISSING", f"not checked: {error}"
            missing += 1
            wanted += os.environ.get("CI") == "true" and name not in NEED_MORE
        except FoundError as error:
            state, detail = "FOUND", str(error)
            found += 1
        print(f"{state:8}{name:20}{detail}", flush=True)
    made = len(CHECKS) - missing
    print(f"{made} of {len(CHECKS)} checks made, {found} found something")
    return 1 if found or wanted else 0


def _run(argv: list[str], tool: str) -> str:
    try:
        done = subprocess.run(
            argv, capture_output=True, text=True, timeout=TIMEOUT_S, check=False, cwd=ROOT
        )
    except subprocess.TimeoutExpired:
        raise FoundError(f"{tool} did not end within {TIMEOUT_S:g} s") from None
    if done.returncode:
        said = (done.stdout + done.stderr).strip().splitlines()[-SHOWN_LINES:]
        raise FoundError("\n".join([f"{tool} (status {done.returncode})", *said]))
    return tool


def _own(name: str) -> str:
    """A program of the `lint` dependency group, beside this interpreter."""
    path = Path(sys.executable).with_name(name)
    if not path.is_file():
        raise MissingToolError(f"{name}; pip install --group lint")
    return str(path)


def _found(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        raise MissingToolError(f"{name} is not on the path")
    return path


def _promtool() -> str:
    may_install = os.environ.get("CI") and os.geteuid() == 0 and shutil.which("apt-get")
    if shutil.which("promtool") is None and may_install:
        for arguments in (
            ["update"],
            ["install", "--yes", "--no-install-recommends", "prometheus"],
        ):
            _run(["apt-get", "--quiet", *arguments], "apt-get")
    if shutil.which("promtool") is None:
        raise MissingToolError("promtool; apt-get install prometheus")
    return _found("promtool")


def _compose_go() -> Path:
    """The loader of Docker Compose as a program."""
    return _built(f"compose-go-{COMPOSE_GO_VERSION}", COMPOSE_GO, COMPOSE_GO_VERSION, in_ci=True)


def _built(name: str, package: str, version: str, *, in_ci: bool = False) -> Path:
    """A program that Go builds, once. Raises MissingToolError; `in_ci` False: it takes minutes that CI has not."""
    program = cache_dir() / name
    if program.is_file():
        return program
    if os.environ.get("CI") == "true" and not in_ci:
        raise MissingToolError(f"{name} is not built here; `make containers` without CI builds it")
    go = _found("go")
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [go, "install", f"{package}@{version}"],
            env={**os.environ, "GOBIN": folder},
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        if done.returncode:
            raise MissingToolError(f"{name} could not be built: {done.stderr[-300:]}")
        program.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(Path(folder) / PurePosixPath(package).name, program)
    return program


def _lost(before: Any, after: Any, where: str = "") -> list[str]:
    """The paths of what is in `before` and not, or otherwise, in `after`."""
    if isinstance(before, dict) and isinstance(after, dict):
        return [
            path
            for key, value in before.items()
            for path in _lost(value, after.get(key), f"{where}.{key}".lstrip("."))
        ]
    if isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        pairs = enumerate(zip(before, after, strict=True))
        return [path for n, (b, a) in pairs for path in _lost(b, a, f"{where}[{n}]")]
    return [] if before == after else [where]


if __name__ == "__main__":
    sys.exit(main())
