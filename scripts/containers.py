"""Write docker-compose.yml and everything under deploy/ that is made: `python -m scripts.containers [--out FOLDER]`.

With `--check` nothing is written: exit 1 when a committed file is not what would be written.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from flashdrill import __version__
from flashdrill.plan.scenario import load_scenario
from flashdrill.stack.compose import Crowd
from flashdrill.stack.deployment import files
from scripts.dashboard import dashboard

ROOT = Path(__file__).resolve().parents[1]
SCENARIO = ROOT / "scenarios" / "flash_sale.yaml"
DASHBOARD = "deploy/grafana/dashboards/flashdrill.json"


def generated() -> dict[str, str]:
    """Every file by its path; the backend and its stock are those of the scenario that Locust plays."""
    scenario = load_scenario(SCENARIO)
    products = [
        {"sku": product.sku, "price_cents": product.price_cents, "stock": product.stock}
        for product in scenario.world.products
    ]
    made = files(
        __version__,
        Crowd(scenario=SCENARIO.name, locustfile=scenario.locustfile.name),
        world={"users": scenario.world.users, "products": products},
        overrides={"time_scale": scenario.time_scale, **scenario.backend},
    )
    return {**made, DASHBOARD: dashboard()}


def stale(root: Path = ROOT) -> list[str]:
    """The files under `root` that are not as they would be written."""
    found = []
    for name, text in generated().items():
        path = root / name
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            found.append(name)
    return found


def main() -> int:
    """Write, or check."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT, help="the repository's root by default")
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    chosen = parser.parse_args()
    if chosen.check:
        for name in (wrong := stale(chosen.out)):
            print(f"{name} is not what `make compose` writes", file=sys.stderr)
        return 1 if wrong else 0
    for name, text in generated().items():
        path = chosen.out / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        print(f"wrote {name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
