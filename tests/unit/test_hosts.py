"""Which hosts a run may hit. Names are looked up in a dict: nothing here asks a resolver."""

from __future__ import annotations

from pathlib import Path

import pytest

from flashdrill.errors import ConfigError
from flashdrill.load.spec import CrowdSpec
from flashdrill.model.hosts import LOOPBACK_ONLY, Admission, addresses_of, admit
from flashdrill.plan.scenario import load_scenario
from flashdrill.plan.validate import validate_file
from tests.unit.planning import SCENARIO, small_scenario

AWAY = "shop.example.com"
DNS = {AWAY: ("203.0.113.7",), "pay.example.com": ("203.0.113.8", "2001:db8::8")}


def resolve(host: str) -> tuple[str, ...]:
    return DNS[host]


def refuse(host: str) -> tuple[str, ...]:
    raise AssertionError(f"{host} was looked up")


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.9.9.9", "localhost", "LOCALHOST.", "[::1]", "user:word@127.0.0.1"]
)
def test_loopback_needs_no_list_and_no_look_up(host: str) -> None:
    admission = admit({"the service": f"http://{host}:80"}, (), resolve=refuse)
    assert not admission.awaits
    assert admission.of(f"http://{host}:80")


@pytest.mark.parametrize(
    "host",
    [AWAY, "10.0.0.7", "0.0.0.0", "[::]", "127.1", "2130706433", "localhost.example.com"],
)
def test_anything_else_must_be_listed(host: str) -> None:
    with pytest.raises(ConfigError, match="does not list") as refused:
        admit({"service.url": f"http://{host}:80"}, ("other.example.com",), resolve=refuse)
    assert f"hosts: [other.example.com, {host.strip('[]')}]" in refused.value.remedy


def test_user_info_does_not_hide_the_host() -> None:
    with pytest.raises(ConfigError, match=AWAY):
        admit({"service.url": f"http://127.0.0.1@{AWAY}/"}, ())


def test_a_listed_host_is_looked_up_once_and_waits_for_a_yes() -> None:
    asked: list[str] = []

    def count(host: str) -> tuple[str, ...]:
        asked.append(host)
        return resolve(host)

    urls = {"service.url": f"https://{AWAY}", "payment": f"https://{AWAY.upper()}:8443/pay"}
    admission = admit(urls, (AWAY,), resolve=count)
    assert asked == [AWAY]
    assert admission.awaits == (AWAY,)
    with pytest.raises(ConfigError, match="nobody has confirmed"):
        admission.of(urls["payment"])
    assert admission.confirmed().of(urls["payment"]) == {AWAY: ("203.0.113.7",)}


def test_a_name_that_means_another_server_later_is_not_followed(tmp_path: Path) -> None:
    changing = dict(DNS)
    admission = admit({"x": f"http://{AWAY}"}, (AWAY,), resolve=changing.__getitem__).confirmed()
    changing[AWAY] = ("203.0.113.99",)
    assert spec(tmp_path, f"http://{AWAY}", admission).hosts == {AWAY: ("203.0.113.7",)}


@pytest.mark.parametrize("admission", [LOOPBACK_ONLY, Admission({AWAY: ("203.0.113.7",)})])
def test_no_specification_of_a_load_is_made_without_a_yes(
    tmp_path: Path, admission: Admission
) -> None:
    with pytest.raises(ConfigError, match=AWAY):
        spec(tmp_path, f"http://{AWAY}", admission)


def test_the_load_process_itself_asks_the_list() -> None:
    assert addresses_of("localhost", {}) == ("127.0.0.1", "::1")
    assert addresses_of(AWAY, DNS) == ("203.0.113.7",)
    with pytest.raises(ConfigError, match="not among the hosts of this run"):
        addresses_of("evil.example.com", DNS)


def spec(folder: Path, url: str, admission: Admission) -> CrowdSpec:
    return CrowdSpec.from_scenario(
        small_scenario(folder),
        base_url=url,
        payment_url=url,
        hmac_secret="s",
        folder=folder / "20261123T1-small",
        admission=admission,
    )


def scenario_with(folder: Path, line: str) -> Path:
    (folder / "crowd.py").touch()
    path = folder / "small.yaml"
    path.write_text(f"{SCENARIO}{line}\n")
    return path


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('hosts: ["*.example.com"]', "stands for many hosts"),
        ("hosts: [10.0.0.0/8]", "stands for many hosts"),
        ("hosts: [https://shop.example.com]", "is not a host"),
        ("hosts: [shop.example.com:8080]", "is not a host"),
        ("marking: {header: Host}", "a meaning of its own"),
        ('marking: {header: "X-A: b"}', "the name of a header"),
        ("limits: {rate_max: many}", "rate_max"),
    ],
)
def test_a_guard_that_would_guard_nothing_is_refused_with_its_line(
    tmp_path: Path, line: str, says: str
) -> None:
    path = scenario_with(tmp_path, line)
    with pytest.raises(ConfigError, match=says) as refused:
        load_scenario(path)
    assert f"{path}:{SCENARIO.count(chr(10)) + 1}:" in str(refused.value)


def test_hosts_are_not_allowed_in_passing(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="list it in the scenario's file"):
        load_scenario(scenario_with(tmp_path, ""), [f"hosts=[{AWAY}]"])


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        (f"service: {{url: 'http://{AWAY}'}}", f"hosts: [{AWAY}]"),
        ("limits: {rate_max: 50/s}", "the cap is 50/s"),
    ],
)
def test_what_a_run_would_refuse_is_said_by_validate(tmp_path: Path, lines: str, says: str) -> None:
    with pytest.raises(ConfigError) as refused:
        validate_file(scenario_with(tmp_path, lines))
    assert says in str(refused.value)
    validate_file(scenario_with(tmp_path, f"service: {{url: 'http://{AWAY}'}}\nhosts: [{AWAY}]"))


def test_what_a_scenario_lists(tmp_path: Path) -> None:
    found = load_scenario(scenario_with(tmp_path, f"hosts: [{AWAY}, 10.0.0.7, '2001:db8::1']"))
    assert found.hosts == (AWAY, "10.0.0.7", "2001:db8::1")


def test_the_run_marks_its_requests_and_users(tmp_path: Path) -> None:
    made = spec(tmp_path, "http://127.0.0.1:1", LOOPBACK_ONLY)
    assert made.headers == {"X-Flashdrill-Run": "20261123T1-small"}
    off = load_scenario(scenario_with(tmp_path, "marking: {enabled: false}"))
    assert off.marking.headers("run") == {}
    text = SCENARIO.replace("users: 10", "users: {count: 10, prefix: drill-}")
    (tmp_path / "small.yaml").write_text(text)
    world = load_scenario(tmp_path / "small.yaml").world
    assert (world.users, world.user_prefix) == (10, "drill-")
