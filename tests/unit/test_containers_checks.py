"""The checks of `make containers` fire on what is broken and are silent on what is committed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from pytest import CaptureFixture, MonkeyPatch

from flashdrill.stack.folders import cache_dir
from scripts import check_containers
from scripts.check_containers import COMPOSE, FoundError, MissingToolError
from scripts.containers import DASHBOARD, ROOT
from scripts.dashboard import ROWS, expressions
from scripts.manifests import FOLDER as MANIFESTS


def broken(folder: Path, **changes: Any) -> Path:
    """The compose file with other keys in one service."""
    document = yaml.safe_load(COMPOSE.read_text())
    document["services"]["backend"] |= changes
    path = folder / "docker-compose.yml"
    path.write_text(yaml.safe_dump(document))
    return path


def test_the_schema_check_is_silent_on_the_committed_file() -> None:
    assert check_containers.compose_schema() == "check-jsonschema"


@pytest.mark.parametrize(
    "changes", [{"helthcheck": {}}, {"ports": "8080"}, {"healthcheck": {"test": 5}}]
)
def test_the_schema_check_fires_on_a_broken_file(tmp_path: Path, changes: dict[str, Any]) -> None:
    with pytest.raises(FoundError, match="check-jsonschema"):
        check_containers.compose_schema(broken(tmp_path, **changes))


def test_the_dockerfile_check_fires(tmp_path: Path) -> None:
    assert check_containers.dockerfile() == "hadolint"
    path = tmp_path / "Dockerfile"
    path.write_text("FROM python:latest\nRUN apt-get install curl\n")
    with pytest.raises(FoundError, match="DL3007"):
        check_containers.dockerfile(path)


def test_yaml_style_is_silent() -> None:
    assert check_containers.yaml_style() == "yamllint"


def test_manifests_that_do_not_agree_are_found(tmp_path: Path) -> None:
    assert check_containers.manifests_agree() == "scripts/manifests.py"
    folder = tmp_path / "kubernetes"
    shutil.copytree(MANIFESTS, folder)
    service = folder / "service.yaml"
    service.write_text(service.read_text().replace("port: 5557", "port: 80"))
    with pytest.raises(FoundError, match="one port"):
        check_containers.manifests_agree(folder)


@pytest.mark.parametrize(
    ("check", "old", "new", "words"),
    [
        ("manifest_schema", "parallelism: 2", "paralellism: 2", "unknown field"),
        ("manifest_score", "runAsUser: 10001", "runAsUser: 0", "user"),
    ],
)
def test_tools_that_are_built_already_find_what_is_wrong_with_a_manifest(
    tmp_path: Path, check: str, old: str, new: str, words: str
) -> None:
    folder = tmp_path / "kubernetes"
    shutil.copytree(MANIFESTS, folder)
    workers = folder / "workers.yaml"
    workers.write_text(workers.read_text().replace(old, new))
    programs = {path.name.rpartition("-")[0] for path in cache_dir().glob("kube*")}
    if not {"kubectl-validate", "kube-score"} <= programs or shutil.which("kubectl") is None:
        pytest.skip(
            "`make containers` has not built kubectl-validate and kube-score, or no kubectl"
        )
    getattr(check_containers, check)()
    with pytest.raises(FoundError, match=words):
        getattr(check_containers, check)(folder)


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
def test_promtool_fires_on_what_is_no_config_and_no_promql(tmp_path: Path) -> None:
    assert check_containers.prometheus_config() == "promtool"
    path = tmp_path / "prometheus.yml"
    path.write_text("scrape_configs: [{job: backend}]\n")
    with pytest.raises(FoundError, match="promtool"):
        check_containers.prometheus_config(path)
    assert "expressions" in check_containers.dashboard_expressions()
    with pytest.raises(FoundError, match="parse error"):
        check_containers.dashboard_expressions(["rate(flashdrill_level[$__rate_interval)"])


def test_a_field_that_grafana_does_not_know_is_named(tmp_path: Path) -> None:
    assert check_containers.dashboard_model() == "grafana-foundation-sdk"
    content = json.loads((ROOT / DASHBOARD).read_text())
    content["panels"][1]["fieldConfig"]["defaults"]["unitt"] = "s"
    path = tmp_path / "dashboard.json"
    path.write_text(json.dumps(content))
    with pytest.raises(FoundError, match=r"panels\[1\].fieldConfig.defaults.unitt"):
        check_containers.dashboard_model(path)


def test_a_tool_that_is_missing_is_said_and_not_counted(
    monkeypatch: MonkeyPatch, capsys: CaptureFixture[str]
) -> None:
    def missing() -> str:
        raise MissingToolError("promtool; apt-get install prometheus")

    def found() -> str:
        raise FoundError("line 7")

    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setattr(check_containers, "CHECKS", {"good": lambda: "tool", "gone": missing})
    assert check_containers.main() == 0
    said = capsys.readouterr().out
    assert "MISSING gone" in said
    assert "apt-get install prometheus" in said
    assert "1 of 2 checks made, 0 found something" in said
    monkeypatch.setattr(check_containers, "CHECKS", {"good": lambda: "tool", "bad": found})
    assert check_containers.main() == 1
    assert "FOUND   bad" in capsys.readouterr().out


def test_in_ci_only_what_needs_npm_or_go_may_be_missing(monkeypatch: MonkeyPatch) -> None:
    def missing() -> str:
        raise MissingToolError("a tool")

    monkeypatch.setenv("CI", "true")
    monkeypatch.setattr(check_containers, "CHECKS", {"compose lint": missing})
    assert check_containers.main() == 0
    monkeypatch.setattr(check_containers, "CHECKS", {"Prometheus' config": missing})
    assert check_containers.main() == 1


def test_without_promtool_its_checks_are_not_made(monkeypatch: MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    for check in (check_containers.prometheus_config, check_containers.compose_lint):
        with pytest.raises(MissingToolError):
            check()


def test_the_dashboard_has_a_panel_with_a_reason_for_each_chart() -> None:
    content = json.loads((ROOT / DASHBOARD).read_text())
    panels = [panel for panel in content["panels"] if panel["type"] != "row"]
    assert [panel["title"] for panel in panels] == [c.title for _, charts in ROWS for c in charts]
    assert all(
        panel["description"] and panel["fieldConfig"]["defaults"]["unit"] for panel in panels
    )
    assert len({panel["id"] for panel in content["panels"]}) == len(content["panels"])
    assert [t["expr"] for panel in panels for t in panel["targets"]] == expressions()
    datasource = yaml.safe_load(
        (ROOT / "deploy/grafana/provisioning/datasources/prometheus.yml").read_text()
    )["datasources"][0]
    assert {panel["datasource"]["uid"] for panel in panels} == {datasource["uid"]}
