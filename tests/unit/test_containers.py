"""docker-compose.yml and what it mounts: made from the same table as the embedded stack, and kept strict."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from backend.settings import Settings
from flashdrill.stack import embedded, services, template, valkey
from flashdrill.stack.anchors import MERGE, Part, to_yaml
from flashdrill.stack.compose import SECRETS
from flashdrill.stack.embedded import StackSpec
from scripts.containers import ROOT, generated, stale

ONE_SHOT = {"seed"}
LOAD = {"load-master", "load-worker"}
OWN = {"seed", "backend", "locust-master", "locust-worker", *LOAD}


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return loaded


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, Settings]:
    """The two settings files as a container reads them, with the secrets in another folder."""
    for name in SECRETS:
        (tmp_path / name).write_text(f"the {name}")
    found = {}
    for name in ("settings", "seed-settings"):
        text = (ROOT / "deploy" / "backend" / f"{name}.json").read_text()
        (tmp_path / name).write_text(text.replace("/run/secrets", str(tmp_path)))
        found[name] = Settings.from_file(tmp_path / name)
    return found


def weaknesses(name: str, service: dict[str, Any]) -> list[str]:
    """What a service lacks of the rules that hold for all of them."""
    rules = {
        "a pinned image": re.search(r":v?\d+\.\d+\.\d+|:\d+\.\d+-", service["image"]),
        "a user that is not root": re.match(r"[1-9]\d*:\d+$", str(service.get("user"))),
        "a read-only root": service.get("read_only") is True,
        "no capabilities": service.get("cap_drop") == ["ALL"],
        "no new privileges": "no-new-privileges:true" in service.get("security_opt", []),
        "log rotation": service.get("logging", {}).get("options", {}).get("max-size"),
        "limits": {"cpus", "memory", "pids"} <= set(_limits(service)),
        "a restart policy": service.get("restart")
        == ("no" if name in ONE_SHOT | LOAD else "unless-stopped"),
        "a health check": name in ONE_SHOT or service.get("healthcheck", {}).get("test"),
        "ports on 127.0.0.1 only": all(
            p.startswith("127.0.0.1:") for p in service.get("ports", [])
        ),
        "secrets in files only": not _told_secrets(service),
    }
    return [rule for rule, holds in rules.items() if not holds]


def _limits(service: dict[str, Any]) -> dict[str, Any]:
    limits: dict[str, Any] = service.get("deploy", {}).get("resources", {}).get("limits", {})
    return limits


def _told_secrets(service: dict[str, Any]) -> list[str]:
    secret = re.compile("PASSWORD|SECRET|TOKEN", re.IGNORECASE)
    environment = service.get("environment", {})
    return [key for key in environment if secret.search(key) and not key.endswith("_FILE")]


def test_the_committed_files_are_what_the_table_says() -> None:
    assert not stale(), "run `make compose`"


def test_a_file_that_was_changed_by_hand_or_is_missing_is_named(tmp_path: Path) -> None:
    for name, text in generated().items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert not stale(tmp_path)
    compose, proxies = tmp_path / "docker-compose.yml", tmp_path / "deploy" / "toxiproxy.json"
    compose.write_text(compose.read_text().replace("--fsync=on", "--fsync=off"))
    proxies.unlink()
    assert stale(tmp_path) == ["docker-compose.yml", "deploy/toxiproxy.json"]


def test_compose_starts_what_the_embedded_stack_starts(
    document: dict[str, Any], tmp_path: Path
) -> None:
    ports, _ = embedded._addresses(StackSpec(tmp_path, tmp_path, tmp_path), "t")
    started = {name for name in ports if not name.endswith("-proxy")} - {services.METRICS.name}
    around = {"seed", "locust-master", "locust-worker", "prometheus", "grafana"}
    assert set(document["services"]) == started | around | LOAD
    assert {n for n, s in document["services"].items() if "profiles" in s} == LOAD


def test_the_databases_and_redis_are_set_as_in_the_embedded_stack(document: dict[str, Any]) -> None:
    embedded_settings = dict(
        line.split(" = ", 1) for line in template.SETTINGS.splitlines() if " = " in line
    )
    for shard in services.shards():
        command = document["services"][shard.name]["command"]
        assert command[0] == "postgres"
        given = dict(argument.removeprefix("--").split("=", 1) for argument in command[1:])
        assert given.items() == services.POSTGRES_SETTINGS.items()
        assert {name: f"'{value}'" for name, value in given.items()}.items() <= (
            embedded_settings.items()
        )
    here = Path("/x")
    argv = valkey.command(1, program=here, folder=here, log=here).argv
    given = document["services"]["redis"]["command"][1:]
    assert " ".join(given) in " ".join(argv)
    assert {"save", "appendonly"} == {a.removeprefix("--") for a in given if a.startswith("--")}


def test_every_proxy_goes_where_the_embedded_one_goes(
    document: dict[str, Any], tmp_path: Path
) -> None:
    ports, proxies = embedded._addresses(StackSpec(tmp_path, tmp_path, tmp_path), "t")
    server_of = {port: name for name, port in ports.items()}
    listed = json.loads((ROOT / "deploy" / "toxiproxy.json").read_text())
    upstreams = {entry["name"]: entry["upstream"].split(":")[0] for entry in listed}
    assert upstreams == {name: server_of[p.upstream[1]] for name, p in proxies.items()}
    assert all(entry["enabled"] for entry in listed)
    assert len({entry["listen"] for entry in listed}) == len(listed)
    published = {int(p.split(":")[1]) for p in document["services"]["toxiproxy"]["ports"]}
    ways = {entry["name"]: int(entry["listen"].rpartition(":")[2]) for entry in listed}
    assert published == {services.TOXIPROXY.port, ways["backend"], ways["payment"]}


def test_the_backend_takes_its_settings_and_goes_through_the_proxies(
    settings: dict[str, Settings],
) -> None:
    served, seeded = settings["settings"], settings["seed-settings"]
    ways = {p.name: f"toxiproxy:{p.port}/" for p in services.proxies()}
    for number, shard in enumerate(services.shards()):
        assert f"@{ways[shard.name]}" in served.shards[number]
        assert f"@{shard.name}:{shard.port}/" in seeded.shards[number]
        assert "the%20postgres_password" in served.shards[number]
    assert ways["redis"] in served.redis_url
    assert served.hmac_secret == seeded.hmac_secret == "the hmac_secret"
    assert served.queue_dir == seeded.queue_dir
    assert (served.port, served.metrics_port) == (services.BACKEND.port, services.METRICS.port)


def test_the_settings_file_has_the_keys_that_the_embedded_one_has(tmp_path: Path) -> None:
    shape = set(
        services.backend_settings(
            host="", port=0, metrics_port=0, queue_dir="", events_path="", hmac_secret="",
            time_scale=1, overrides={}, shards=[], redis_url="",
        )
    )  # fmt: skip
    scenario = yaml.safe_load((ROOT / "scenarios" / "flash_sale.yaml").read_text())
    for name in ("settings", "seed-settings"):
        content = json.loads((ROOT / "deploy" / "backend" / f"{name}.json").read_text())
        assert set(content) == shape | set(scenario["backend"])
        assert content["time_scale"] == scenario["time_scale"]


def test_prometheus_asks_the_port_that_the_backend_serves(document: dict[str, Any]) -> None:
    config = yaml.safe_load((ROOT / "deploy" / "prometheus.yml").read_text())
    (job,) = config["scrape_configs"]
    assert job["metrics_path"] == services.METRICS_PATH
    assert job["static_configs"] == [{"targets": [f"backend:{services.METRICS.port}"]}]
    nets = document["services"]
    assert set(nets["prometheus"]["networks"]) & set(nets["backend"]["networks"])


def test_every_service_keeps_the_rules(document: dict[str, Any]) -> None:
    assert {n: w for n, s in document["services"].items() if (w := weaknesses(n, s))} == {}


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"image": "postgres:latest"}, "a pinned image"),
        ({"image": "postgres:16"}, "a pinned image"),
        ({"user": "0:0"}, "a user that is not root"),
        ({"read_only": False}, "a read-only root"),
        ({"cap_drop": []}, "no capabilities"),
        ({"security_opt": []}, "no new privileges"),
        ({"logging": {}}, "log rotation"),
        ({"deploy": {}}, "limits"),
        ({"restart": "no"}, "a restart policy"),
        ({"healthcheck": {}}, "a health check"),
        ({"ports": ["5432:5432"]}, "ports on 127.0.0.1 only"),
        ({"environment": {"POSTGRES_PASSWORD": "x"}}, "secrets in files only"),
    ],
)
def test_a_rule_that_is_broken_is_seen(
    document: dict[str, Any], change: dict[str, Any], rule: str
) -> None:
    shard = copy.deepcopy(document["services"]["shard0"])
    assert weaknesses("shard0", {**shard, **change}) == [rule]


def test_who_waits_for_health_waits_for_somebody_who_tells_it(document: dict[str, Any]) -> None:
    all_services = document["services"]
    for name, service in all_services.items():
        for other, how in service.get("depends_on", {}).items():
            is_one_shot = other in ONE_SHOT
            wanted = "service_completed_successfully" if is_one_shot else "service_healthy"
            assert how["condition"] == wanted, (name, other)
            assert is_one_shot or all_services[other]["healthcheck"]


def test_the_stores_cannot_be_reached_from_outside(document: dict[str, Any]) -> None:
    assert document["networks"]["data"]["internal"] is True
    for name in (*(s.name for s in services.servers()), "seed"):
        assert document["services"][name]["networks"] == ["data"]
        assert "ports" not in document["services"][name]


def test_secrets_are_files_that_git_does_not_take(document: dict[str, Any]) -> None:
    assert set(document["secrets"]) == set(SECRETS)
    for name, secret in document["secrets"].items():
        assert secret == {"file": f"./deploy/secrets/{name}"}
    assert "deploy/secrets/" in (ROOT / ".gitignore").read_text().splitlines()
    used = {name for s in document["services"].values() for name in s.get("secrets", [])}
    assert used == set(SECRETS)


def test_locust_plays_the_scenario_for_which_the_stack_was_seeded(document: dict[str, Any]) -> None:
    master, worker = (document["services"][f"locust-{role}"] for role in ("master", "worker"))
    file = "/opt/flashdrill/scenarios/flash_sale.py"
    assert master["command"] == [
        "locust", "--locustfile", file, "--master", "--web-host", "0.0.0.0", "--expect-workers", "2",
    ]  # fmt: skip
    assert worker["command"] == [
        "locust", "--locustfile", file, "--worker", "--master-host", "locust-master",
    ]  # fmt: skip
    assert worker["deploy"]["replicas"] == 2
    assert master["environment"] == worker["environment"]
    assert master["environment"]["FLASHDRILL_SCENARIO"] == file.replace(".py", ".yaml")
    assert {document["services"][name]["image"] for name in OWN} == {"flashdrill:0.1.0"}


def test_a_part_is_written_once_and_merged_afterwards() -> None:
    part = Part("shared", {"a": 1, "b": {"c": None}})
    text = to_yaml({"x": part, "one": {MERGE: part, "a": 2}, "two": {MERGE: part}})
    assert text.count("&shared") == 1
    assert text.count("<<: *shared") == 2
    loaded = yaml.safe_load(text)
    assert loaded["one"] == {"a": 2, "b": {"c": None}}
    assert loaded["two"] == loaded["x"]
