"""What plain Locust is told by its environment."""

from __future__ import annotations

from pathlib import Path

import pytest

from flashdrill.errors import ConfigError
from flashdrill.load.shares import Share
from flashdrill.plan.crowd import orders_from
from tests.unit.planning import write_scenario

SCENARIO = Path(__file__).parents[2] / "scenarios" / "smoke.yaml"


@pytest.fixture
def told(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "secret").write_text("of-the-test\n")
    return {
        "FLASHDRILL_SCENARIO": str(SCENARIO),
        "FLASHDRILL_BACKEND_URL": "http://127.0.0.1:8080/",
        "FLASHDRILL_HMAC_SECRET_FILE": str(tmp_path / "secret"),
        "FLASHDRILL_RUN_DIR": str(tmp_path / "runs"),
    }


def test_two_workers_of_a_run_share_a_folder_and_no_file(
    told: dict[str, str], tmp_path: Path
) -> None:
    orders = orders_from(told | {"FLASHDRILL_SEED": "99"})
    first, second = (orders.spec(Share(1_700_000_000_000_000_000, n, 2)) for n in range(2))
    assert first.payment_url == first.base_url == "http://127.0.0.1:8080"
    assert first.hmac_secret == "of-the-test"
    assert (first.seed, first.worker, first.workers) == (99, 0, 2)
    assert Path(first.ops_path).parent == Path(second.ops_path).parent
    assert Path(first.ops_path).parent == tmp_path / "runs" / "20231114T221320.000000Z-smoke"
    assert first.ops_path != second.ops_path
    assert first.live_path != second.live_path
    assert orders.gates, "the gates set the limits of lateness"


def test_a_staircase_that_stops_at_its_knee_is_climbed_to_the_top(
    told: dict[str, str], tmp_path: Path
) -> None:
    stairs = "{from: 1/s, to: 3/s, step: 1/s, hold: 2s, stop_at_knee: true}"
    calm = "{name: steady, duration: 0.5m}"
    entry = f"{{name: climb, staircase: {stairs}, mix: {{order: 1}}}}"
    climb = write_scenario(tmp_path, calm, entry)
    spec = orders_from(told | {"FLASHDRILL_SCENARIO": str(climb)}).spec(Share(1, 0, 1))
    assert [stage.name for stage in spec.stages] == [
        "browse",
        "rush",
        "climb-1",
        "climb-2",
        "climb-3",
    ]
    assert not spec.orders_path


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"FLASHDRILL_SCENARIO": ""}, "neither FLASHDRILL_SCENARIO nor FLASHDRILL_CROWD"),
        ({"FLASHDRILL_SCENARIO": "nowhere.yaml"}, "nowhere.yaml"),
        ({"FLASHDRILL_BACKEND_URL": ""}, "FLASHDRILL_BACKEND_URL is not set"),
        ({"FLASHDRILL_BACKEND_URL": "shop:80"}, "FLASHDRILL_BACKEND_URL: 'shop:80'"),
        ({"FLASHDRILL_PAYMENT_URL": "http://x/pay"}, "FLASHDRILL_PAYMENT_URL"),
        ({"FLASHDRILL_HMAC_SECRET_FILE": ""}, "FLASHDRILL_HMAC_SECRET_FILE is not set"),
        ({"FLASHDRILL_HMAC_SECRET_FILE": "/nowhere"}, "FLASHDRILL_HMAC_SECRET_FILE"),
        ({"FLASHDRILL_RUN_DIR": "/dev/null/x"}, "FLASHDRILL_RUN_DIR"),
        ({"FLASHDRILL_SEED": "many"}, "seed"),
    ],
)
def test_a_mistake_is_named(told: dict[str, str], change: dict[str, str], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        orders_from(told | change)


AWAY = {"FLASHDRILL_BACKEND_URL": "http://shop.example.com"}


def away_from(told: dict[str, str], folder: Path, hosts: str) -> dict[str, str]:
    """A copy of the scenario that lists hosts."""
    text = SCENARIO.read_text().replace("flash_sale.py", f"{SCENARIO.parent}/flash_sale.py")
    text = text.replace("../chaos", f"{SCENARIO.parents[1]}/chaos")
    (folder / "away.yaml").write_text(f"{text}hosts: [{hosts}]\n")
    return told | AWAY | {"FLASHDRILL_SCENARIO": str(folder / "away.yaml")}


def resolve(host: str) -> tuple[str, ...]:
    assert host == "shop.example.com"
    return ("203.0.113.7",)


@pytest.mark.parametrize(
    ("hosts", "more", "named"),
    [
        ("", {}, r"FLASHDRILL_BACKEND_URL is on shop.example.com"),
        ("10.0.0.7", {"FLASHDRILL_YES": "1"}, r"FLASHDRILL_BACKEND_URL is on shop.example.com"),
        ("shop.example.com", {}, "nobody has confirmed"),
        ("shop.example.com", {"FLASHDRILL_YES": "yes"}, "FLASHDRILL_YES: 'yes'"),
    ],
)
def test_plain_locust_is_kept_from_other_hosts(
    told: dict[str, str], tmp_path: Path, hosts: str, more: dict[str, str], named: str
) -> None:
    with pytest.raises(ConfigError, match=named):
        orders_from(away_from(told, tmp_path, hosts) | more, resolve)


def test_plain_locust_goes_where_the_scenario_and_the_variable_say(
    told: dict[str, str], tmp_path: Path
) -> None:
    environment = away_from(told, tmp_path, "shop.example.com") | {"FLASHDRILL_YES": "1"}
    spec = orders_from(environment, resolve).spec(Share(1))
    assert spec.hosts == {"shop.example.com": ("203.0.113.7",)}
    assert spec.limits.rate_max == 1000
