"""The files that the containers read: proxies, the backend's settings, what Prometheus scrapes and Grafana shows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from flashdrill.stack import services
from flashdrill.stack.anchors import to_yaml
from flashdrill.stack.compose import (
    DASHBOARDS_FOLDER,
    PROMETHEUS_PORT,
    QUEUE_FOLDER,
    Crowd,
    compose,
    secret_path,
)
from flashdrill.stack.services import BACKEND, METRICS, REDIS, TOXIPROXY

DATASOURCE_UID = "prometheus"
SCRAPE_EVERY_S = 5
EVERYWHERE = "0.0.0.0"  # noqa: S104  (inside a container, whose network decides who reaches it)

_WRITTEN = (
    "# Written by `make compose` from src/flashdrill/stack/services.py: change that, not this.\n"
)
_COMPOSE_NOTE = (
    _WRITTEN
    + """# How to start it, and what has been tried: docs/containers.md. Secrets are files: `make secrets` once.
# Images are pinned by exact version; where a digest is wanted, it goes behind the tag: image:tag@sha256:...
"""
)


def files(
    version: str, crowd: Crowd, world: Mapping[str, Any], overrides: Mapping[str, Any]
) -> dict[str, str]:
    """Every file by its path in the repository.

    `world` is what there is to buy, `overrides` are the backend's settings; both come from the scenario that is played.
    """
    return {
        "docker-compose.yml": _COMPOSE_NOTE + to_yaml(compose(version, crowd)),
        "deploy/toxiproxy.json": _json(toxiproxy()),
        "deploy/prometheus.yml": _WRITTEN + to_yaml(prometheus()),
        "deploy/backend/settings.json": _json(backend(overrides, through_proxies=True)),
        "deploy/backend/seed-settings.json": _json(backend(overrides, through_proxies=False)),
        "deploy/backend/world.json": _json(world),
        "deploy/grafana/provisioning/datasources/prometheus.yml": _WRITTEN + to_yaml(datasource()),
        "deploy/grafana/provisioning/dashboards/flashdrill.yml": _WRITTEN + to_yaml(dashboards()),
    }


def toxiproxy() -> list[dict[str, Any]]:
    """What Toxiproxy starts with (`-config`)."""
    upstream = {server.name: server.port for server in services.servers()}
    return [
        {
            "name": proxy.name,
            "listen": f"{EVERYWHERE}:{proxy.port}",
            "upstream": f"{proxy.upstream}:{upstream[proxy.upstream]}",
            "enabled": True,
        }
        for proxy in services.proxies()
    ]


def backend(overrides: Mapping[str, Any], *, through_proxies: bool) -> dict[str, Any]:
    """The backend's settings: the service reaches its stores through the proxies, the seed goes past them."""
    if through_proxies:
        stores = {p.name: f"{TOXIPROXY.name}:{p.port}" for p in services.proxies()}
    else:
        stores = {s.name: f"{s.name}:{s.port}" for s in services.servers()}
    login = f"{services.USER}:{_from_file('postgres_password')}"
    return services.backend_settings(
        host=EVERYWHERE,
        port=BACKEND.port,
        metrics_port=METRICS.port,
        queue_dir=QUEUE_FOLDER,
        events_path="",
        hmac_secret=_from_file("hmac_secret"),
        time_scale=1.0,
        overrides=overrides,
        shards=[
            f"postgresql://{login}@{stores[shard.name]}/{services.DATABASE}"
            for shard in services.shards()
        ],
        redis_url=f"redis://{stores[REDIS.name]}/0",
    )


def prometheus() -> dict[str, Any]:
    """One job: the backend, on the port that a thread of its own serves."""
    every = f"{SCRAPE_EVERY_S}s"
    return {
        "global": {"scrape_interval": every, "evaluation_interval": every},
        "scrape_configs": [
            {
                "job_name": BACKEND.name,
                "metrics_path": services.METRICS_PATH,
                "static_configs": [{"targets": [f"{BACKEND.name}:{METRICS.port}"]}],
            }
        ],
    }


def datasource() -> dict[str, Any]:
    """Prometheus as Grafana knows it."""
    return {
        "apiVersion": 1,
        "datasources": [
            {
                "name": "Prometheus",
                "uid": DATASOURCE_UID,
                "type": "prometheus",
                "access": "proxy",
                "url": f"http://prometheus:{PROMETHEUS_PORT}",
                "isDefault": True,
                "editable": False,
                "jsonData": {"timeInterval": f"{SCRAPE_EVERY_S}s", "httpMethod": "POST"},
            }
        ],
    }


def dashboards() -> dict[str, Any]:
    """Where Grafana finds its dashboards."""
    return {
        "apiVersion": 1,
        "providers": [
            {
                "name": "flashdrill",
                "type": "file",
                "disableDeletion": True,
                "allowUiUpdates": False,
                "options": {"path": DASHBOARDS_FOLDER},
            }
        ],
    }


def _from_file(secret: str) -> str:
    return f"${{file:{secret_path(secret)}}}"


def _json(content: Any) -> str:
    return json.dumps(content, indent=2) + "\n"
