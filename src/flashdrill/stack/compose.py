"""The stack as containers: the content of docker-compose.yml, from the same table as the embedded stack.

    load                                  load-master ── load-worker x2      (profile load)
    front   grafana ── prometheus ┐     locust-master ── locust-worker x2 ┐
                                  │                            │ http ────┘
    data              (metrics) backend ── toxiproxy ──────────┘
                                              ├── shard0..3
                                              └── redis          seed: once, before the backend

Nothing in `data` has a way out or a published port. Every published port is on 127.0.0.1. The profile `load` is one run
of `flashdrill run --expect-workers`, which ends; it begins only when it is asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from flashdrill.stack import services, valkey
from flashdrill.stack.anchors import MERGE, Part
from flashdrill.stack.services import BACKEND, METRICS, REDIS, TOXIPROXY
from flashdrill.toxiproxy.server import VERSION as TOXIPROXY_VERSION

WORKERS = 2
LOCUST_PORT, PROMETHEUS_PORT, GRAFANA_PORT = 8089, 9090, 3000
POSTGRES_IMAGE = f"postgres:{services.POSTGRES_VERSION}-alpine"
REDIS_IMAGE = f"valkey/valkey:{services.VALKEY_VERSION}-alpine"
TOXIPROXY_IMAGE = f"ghcr.io/shopify/toxiproxy:{TOXIPROXY_VERSION}"
PROMETHEUS_IMAGE = "prom/prometheus:v3.13.3"
GRAFANA_IMAGE = "grafana/grafana:12.4.4"

SECRETS = ("hmac_secret", "postgres_password", "grafana_admin_password")
SECRETS_FOLDER = "deploy/secrets"
SETTINGS_FOLDER = "/etc/flashdrill"
STATE_FOLDER = "/var/lib/flashdrill"
QUEUE_FOLDER, RUNS_FOLDER = f"{STATE_FOLDER}/queue", f"{STATE_FOLDER}/runs"
REFERENCE_FOLDER = "/opt/flashdrill"
DASHBOARDS_FOLDER = "/etc/grafana/dashboards"
LOAD_FOLDER = f"{SETTINGS_FOLDER}/load"
LOAD_WORKERS = f"${{FLASHDRILL_LOAD_WORKERS:-{WORKERS}}}"
"""What Compose puts there when it reads the file: how many workers come, and how many are awaited."""

OPEN_FILES = 65_536  # Locust asks for 10,000 at least
LOCUST_RPC_PORT = 5557

HARDENED = Part(
    "hardened",
    {
        "restart": "unless-stopped",
        "read_only": True,
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
        "logging": {"driver": "json-file", "options": {"max-size": "10m", "max-file": "3"}},
    },
)


@dataclass(frozen=True, slots=True)
class Crowd:
    """What Locust plays: a scenario and its locustfile, by their names in the folder scenarios/."""

    scenario: str
    locustfile: str


def secret_path(name: str) -> str:
    """Where a container finds a secret."""
    return f"/run/secrets/{name}"


def compose(version: str, crowd: Crowd) -> dict[str, Any]:
    """The whole file; `version` is that of our own image."""
    postgres, app = _postgres(), _app(version)
    locust, load = _locust(app, crowd), _load(app)
    shards = services.shards()
    return {
        "name": "flashdrill",
        "x-hardened": HARDENED,
        "x-postgres": postgres,
        "x-app": app,
        "x-locust": locust,
        "x-load": load,
        "services": {
            **{shard.name: _shard(shard.name, postgres) for shard in shards},
            REDIS.name: _redis(),
            TOXIPROXY.name: _toxiproxy(),
            "seed": _seed(app),
            BACKEND.name: _backend(app),
            "locust-master": _locust_master(locust, crowd),
            "locust-worker": _locust_worker(locust, crowd),
            "load-master": _load_master(load),
            "load-worker": _load_worker(load),
            "prometheus": _prometheus(),
            "grafana": _grafana(),
        },
        "networks": {"data": {"internal": True}, "front": None, "load": {"internal": True}},
        "volumes": {
            **{shard.name: None for shard in shards},
            "queue": None,
            "runs": None,
            "prometheus": None,
            "grafana": None,
        },
        "secrets": {name: {"file": f"./{SECRETS_FOLDER}/{name}"} for name in SECRETS},
    }


def _postgres() -> Part:
    settings = [f"--{name}={value}" for name, value in services.POSTGRES_SETTINGS.items()]
    # Over TCP: the server that the image starts to initialise itself listens on its socket only.
    is_ready = ["pg_isready", "--host=127.0.0.1", f"--username={services.USER}"]
    return Part(
        "postgres",
        {
            MERGE: HARDENED,
            "image": POSTGRES_IMAGE,
            "user": "70:70",
            "command": ["postgres", *settings],
            "environment": {
                "POSTGRES_USER": services.USER,
                "POSTGRES_DB": services.DATABASE,
                "POSTGRES_PASSWORD_FILE": secret_path("postgres_password"),
                "POSTGRES_INITDB_ARGS": " ".join(services.INITDB_ARGUMENTS),
            },
            "secrets": ["postgres_password"],
            "tmpfs": ["/tmp:mode=1777", "/var/run/postgresql:mode=1777"],  # noqa: S108
            "networks": ["data"],
            "stop_grace_period": "30s",
            "healthcheck": _health(is_ready, start_period="60s"),
            "deploy": _limits(cpus="1.0", memory="512M"),
        },
    )


def _shard(name: str, postgres: Part) -> dict[str, Any]:
    return {MERGE: postgres, "volumes": [f"{name}:/var/lib/postgresql/data"]}


def _redis() -> dict[str, Any]:
    return {
        MERGE: HARDENED,
        "image": REDIS_IMAGE,
        "user": "999:1000",
        "command": ["valkey-server", *valkey.arguments()],
        "tmpfs": ["/data:mode=1777"],
        "networks": ["data"],
        "healthcheck": _health(["valkey-cli", "-e", "ping"]),
        "deploy": _limits(cpus="1.0", memory="256M"),
    }


def _toxiproxy() -> dict[str, Any]:
    # The shards' and Redis' ways are for the backend alone, so they are not published.
    published = [p.port for p in services.proxies() if p.upstream == BACKEND.name]
    return {
        MERGE: HARDENED,
        "image": TOXIPROXY_IMAGE,
        "user": "65534:65534",
        "command": ["-host=0.0.0.0", "-config=/toxiproxy.json"],
        "volumes": ["./deploy/toxiproxy.json:/toxiproxy.json:ro"],
        "networks": ["data", "front"],
        "ports": [_loopback(port) for port in (TOXIPROXY.port, *published)],
        "healthcheck": _health(["/toxiproxy-cli", "list"]),
        "deploy": _limits(cpus="1.0", memory="256M"),
    }


def _app(version: str) -> Part:
    return Part(
        "app",
        {
            MERGE: HARDENED,
            "image": f"flashdrill:{version}",
            "build": {"context": ".", "args": {"VERSION": version}},
            "user": "10001:10001",
            "tmpfs": ["/tmp:mode=1777"],  # noqa: S108
        },
    )


def _seed(app: Part) -> dict[str, Any]:
    stores = [*(shard.name for shard in services.shards()), REDIS.name]
    files = ["--settings", f"{SETTINGS_FOLDER}/seed-settings.json"]
    files += ["--world", f"{SETTINGS_FOLDER}/world.json"]
    return {
        MERGE: app,
        "restart": "no",
        "command": ["python", "-P", "-m", "backend", "seed", *files],
        "secrets": ["hmac_secret", "postgres_password"],
        "volumes": _service_files(),
        "networks": ["data"],
        "depends_on": _after(healthy=stores),
        "deploy": _limits(cpus="0.5", memory="256M"),
    }


def _backend(app: Part) -> dict[str, Any]:
    settings = f"{SETTINGS_FOLDER}/settings.json"
    ready = f"http://127.0.0.1:{BACKEND.port}{services.READY_PATH}"
    return {
        MERGE: app,
        "command": ["python", "-P", "-m", "backend", "serve", "--settings", settings],
        "secrets": ["hmac_secret", "postgres_password"],
        "volumes": _service_files(),
        "networks": ["data"],
        "expose": [str(BACKEND.port), str(METRICS.port)],
        "stop_grace_period": "20s",
        "depends_on": _after(healthy=[TOXIPROXY.name], completed=["seed"]),
        "healthcheck": _health(["healthy", ready]),
        "deploy": _limits(cpus="1.0", memory="512M"),
    }


def _locust(app: Part, crowd: Crowd) -> Part:
    ports = {proxy.name: proxy.port for proxy in services.proxies()}
    return Part(
        "locust",
        {
            MERGE: app,
            "environment": {
                "FLASHDRILL_SCENARIO": _scenario_file(crowd.scenario),
                "FLASHDRILL_BACKEND_URL": f"http://{TOXIPROXY.name}:{ports['backend']}",
                "FLASHDRILL_PAYMENT_URL": f"http://{TOXIPROXY.name}:{ports['payment']}",
                "FLASHDRILL_HMAC_SECRET_FILE": secret_path("hmac_secret"),
                "FLASHDRILL_RUN_DIR": RUNS_FOLDER,
                "FLASHDRILL_YES": "1",
            },
            "secrets": ["hmac_secret"],
            "volumes": [f"runs:{RUNS_FOLDER}"],
            "networks": ["front"],
            "ulimits": {"nofile": OPEN_FILES},
        },
    )


def _locust_master(locust: Part, crowd: Crowd) -> dict[str, Any]:
    role = ["--master", "--web-host", "0.0.0.0", "--expect-workers", str(WORKERS)]  # noqa: S104
    return {
        MERGE: locust,
        "command": ["locust", "--locustfile", _scenario_file(crowd.locustfile), *role],
        "ports": [_loopback(LOCUST_PORT)],
        "depends_on": _after(healthy=[BACKEND.name]),
        "healthcheck": _health(["healthy", f"http://127.0.0.1:{LOCUST_PORT}/"]),
        "deploy": _limits(cpus="0.5", memory="256M"),
    }


def _locust_worker(locust: Part, crowd: Crowd) -> dict[str, Any]:
    role = ["--worker", "--master-host", "locust-master"]
    return {
        MERGE: locust,
        "command": ["locust", "--locustfile", _scenario_file(crowd.locustfile), *role],
        "depends_on": _after(healthy=["locust-master"]),
        "healthcheck": _health(["healthy", f"connected:{LOCUST_RPC_PORT}"]),
        "deploy": {"replicas": WORKERS, **_limits(cpus="1.0", memory="512M")},
    }


def _load(app: Part) -> Part:
    return Part(
        "load",
        {
            MERGE: app,
            "profiles": ["load"],
            "restart": "no",
            "working_dir": "/tmp",  # noqa: S108  (its journal is there, for `flashdrill stop`)
            "environment": {"HOME": "/tmp"},  # noqa: S108
            "secrets": ["hmac_secret"],
            "networks": ["front", "load"],
            "ulimits": {"nofile": OPEN_FILES},
            "stop_grace_period": "60s",
        },
    )


def _load_master(load: Part) -> dict[str, Any]:
    ports = {proxy.name: proxy.port for proxy in services.proxies()}
    target = f"http://{TOXIPROXY.name}:{ports['backend']}"
    return {
        MERGE: load,
        "command": [
            *("flashdrill", "run", f"{LOAD_FOLDER}/${{FLASHDRILL_LOAD_SCENARIO:-rush.yaml}}"),
            *("--target", f"${{FLASHDRILL_LOAD_TARGET:-{target}}}"),
            *("--no-chaos", "--yes", "--plain"),
            *("--expect-workers", LOAD_WORKERS, "--bind", f"0.0.0.0:{LOCUST_RPC_PORT}"),
            *("--out", RUNS_FOLDER),
        ],
        "volumes": [f"./deploy/load:{LOAD_FOLDER}:ro", f"runs:{RUNS_FOLDER}"],
        "depends_on": _after(healthy=[BACKEND.name]),
        "healthcheck": _health(["healthy", f"listening:{LOCUST_RPC_PORT}"]),
        "deploy": _limits(cpus="1.0", memory="1G"),
    }


def _load_worker(load: Part) -> dict[str, Any]:
    return {
        MERGE: load,
        "command": ["flashdrill", "worker", "--master", f"load-master:{LOCUST_RPC_PORT}"],
        "depends_on": _after(healthy=["load-master"]),
        "healthcheck": _health(["healthy", f"connected:{LOCUST_RPC_PORT}"]),
        "deploy": {"replicas": LOAD_WORKERS, **_limits(cpus="1.0", memory="512M")},
    }


def _prometheus() -> dict[str, Any]:
    return {
        MERGE: HARDENED,
        "image": PROMETHEUS_IMAGE,
        "user": "65534:65534",
        "command": [
            "--config.file=/etc/prometheus/prometheus.yml",
            "--storage.tsdb.path=/prometheus",
            "--storage.tsdb.retention.time=7d",
        ],
        "volumes": [
            "./deploy/prometheus.yml:/etc/prometheus/prometheus.yml:ro",
            "prometheus:/prometheus",
        ],
        "networks": ["data", "front"],
        "ports": [_loopback(PROMETHEUS_PORT)],
        "healthcheck": _health(_wget(PROMETHEUS_PORT, "/-/ready")),
        "deploy": _limits(cpus="0.5", memory="512M"),
    }


def _grafana() -> dict[str, Any]:
    return {
        MERGE: HARDENED,
        "image": GRAFANA_IMAGE,
        "user": "472:0",
        "environment": {
            "GF_SECURITY_ADMIN_USER": "admin",
            "GF_SECURITY_ADMIN_PASSWORD__FILE": secret_path("grafana_admin_password"),
            "GF_AUTH_ANONYMOUS_ENABLED": "false",
            "GF_USERS_ALLOW_SIGN_UP": "false",
            "GF_ANALYTICS_REPORTING_ENABLED": "false",
            "GF_ANALYTICS_CHECK_FOR_UPDATES": "false",
            "GF_ANALYTICS_CHECK_FOR_PLUGIN_UPDATES": "false",
            "GF_PLUGINS_PREINSTALL_DISABLED": "true",
            "GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH": f"{DASHBOARDS_FOLDER}/flashdrill.json",
        },
        "secrets": ["grafana_admin_password"],
        "volumes": [
            "./deploy/grafana/provisioning:/etc/grafana/provisioning:ro",
            f"./deploy/grafana/dashboards:{DASHBOARDS_FOLDER}:ro",
            "grafana:/var/lib/grafana",
        ],
        "tmpfs": ["/tmp:mode=1777"],  # noqa: S108
        "networks": ["front"],
        "ports": [_loopback(GRAFANA_PORT)],
        "depends_on": _after(healthy=["prometheus"]),
        "healthcheck": _health(_wget(GRAFANA_PORT, "/api/health"), start_period="60s"),
        "deploy": _limits(cpus="0.5", memory="512M"),
    }


def _service_files() -> list[str]:
    return [f"./deploy/backend:{SETTINGS_FOLDER}:ro", f"queue:{QUEUE_FOLDER}"]


def _scenario_file(name: str) -> str:
    return f"{REFERENCE_FOLDER}/scenarios/{name}"


def _loopback(port: int) -> str:
    return f"127.0.0.1:{port}:{port}"


def _wget(port: int, path: str) -> list[str]:
    return ["wget", "--quiet", "--spider", f"http://127.0.0.1:{port}{path}"]


def _health(argv: list[str], *, start_period: str = "30s") -> dict[str, Any]:
    return {
        "test": ["CMD", *argv],
        "interval": "5s",
        "timeout": "5s",
        "retries": 6,
        "start_period": start_period,
    }


def _limits(*, cpus: str, memory: str) -> dict[str, Any]:
    return {"resources": {"limits": {"cpus": cpus, "memory": memory, "pids": 256}}}


def _after(*, healthy: Sequence[str], completed: Sequence[str] = ()) -> dict[str, Any]:
    return {
        **{name: {"condition": "service_completed_successfully"} for name in completed},
        **{name: {"condition": "service_healthy"} for name in healthy},
    }
