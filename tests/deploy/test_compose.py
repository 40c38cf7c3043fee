"""deploy/compose.yaml: a sound Compose file, and networks that keep everybody apart but the bridge."""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from typing import Any

import pytest
from compose_spec import PyCompose

from tests.deploy.files import DEPLOY, SECRETS, configuration, project

_TEXT = (DEPLOY / "compose.yaml").read_text()
_EXAMPLE = dict(line.split("=", 1) for line in (DEPLOY / ".env.example").read_text().splitlines() if line[:1].isalpha())
_VARIABLE = re.compile(r"(?<!\$)\$\{(\w+)[^}]*\}")
_NETWORKS = {"front", "humhub", "docs"}


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    read = PyCompose.from_yaml(_VARIABLE.sub(lambda found: _EXAMPLE[found[1]], _TEXT).replace("$$", "$"))
    read.validate_networks()
    read.validate_secrets()
    read.validate_volumes()
    return dict(read.to_dict())


def members(compose: dict[str, Any], network: str) -> set[str]:
    return {name for name, service in compose["services"].items() if network in service["networks"]}


def test_only_the_bridge_is_in_more_than_one_of_the_three_networks(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        shared = _NETWORKS & set(service["networks"])
        assert shared == _NETWORKS if name == "bridge" else len(shared) <= 1
    assert members(compose, "front") == {"bridge"}
    assert members(compose, "humhub") == {"bridge", "humhub"}
    assert members(compose, "docs") == {"bridge", "docs"}
    assert members(compose, "database") == {"humhub", "database"}


def test_nothing_leads_out_of_humhubs_and_docs_networks(compose: dict[str, Any]) -> None:
    closed = {name for name, network in compose["networks"].items() if network and network.get("internal")}
    assert closed == {"humhub", "docs", "database"}


def test_only_the_browser_leg_is_published_and_to_this_machine_alone(compose: dict[str, Any]) -> None:
    published = {name: service["ports"] for name, service in compose["services"].items() if "ports" in service}
    assert published == {"bridge": ["127.0.0.1:8080:8080"]}


def test_each_leg_listens_in_its_own_network_alone(
    compose: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = configuration(DEPLOY / "compose" / "bridge.yaml", tmp_path, monkeypatch)
    addresses = {name: one["ipv4_address"] for name, one in compose["services"]["bridge"]["networks"].items()}
    legs = {"front": config.legs.browser, "humhub": config.legs.humhub, "docs": config.legs.docs}
    subnets = {}
    for name, leg in legs.items():
        assert leg.listen.host == addresses[name]
        (pool,) = compose["networks"][name]["ipam"]["config"]
        subnets[name] = ipaddress.ip_network(pool["subnet"])
        assert ipaddress.ip_address(leg.listen.host) in subnets[name]
    assert config.legs.humhub.allow == (subnets["humhub"],)
    assert config.legs.docs.allow == (subnets["docs"],)
    gateway = compose["networks"]["front"]["ipam"]["config"][0]["gateway"]
    assert config.legs.browser.trust_forwarded_from == (ipaddress.ip_network(gateway),)
    assert ipaddress.ip_address(config.legs.admin.listen.host).is_loopback


def test_humhub_and_docs_are_called_where_they_are(
    compose: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = configuration(DEPLOY / "compose" / "bridge.yaml", tmp_path, monkeypatch)
    (site,), (node,) = config.sites, config.docs.nodes
    assert site.upstream.url.host in members(compose, "humhub")
    assert node.upstream.url.host in members(compose, "docs")
    assert site.upstream.source_address == config.legs.humhub.listen.host
    assert node.upstream.source_address == config.legs.docs.listen.host
    assert config.legs.humhub.url.host == config.legs.docs.url.host == "bridge"
    trusted = compose["services"]["humhub"]["environment"]["HUMHUB_CONFIG__COMPONENTS__REQUEST__TRUSTED_HOSTS"]
    assert trusted == f'["{config.legs.humhub.listen.host}"]'


def test_the_bridge_may_do_nothing_that_it_does_not_need(
    compose: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = configuration(DEPLOY / "compose" / "bridge.yaml", tmp_path, monkeypatch)
    bridge = compose["services"]["bridge"]
    assert bridge["read_only"] is True
    assert bridge["cap_drop"] == ["ALL"]
    assert bridge["security_opt"] == ["no-new-privileges:true"]
    assert bridge["stop_grace_period"] == "2m"
    assert config.saves.deadline + 30 <= 120
    kept = [volume.partition(":")[2] for volume in bridge["volumes"] if volume.startswith("bridge:")]
    assert kept == ["/var/lib/humhub-bridge"]
    assert str(config.saves.directory).startswith(kept[0])
    assert config.store.url.startswith(f"sqlite:///{kept[0]}")


def test_secrets_are_files_and_no_value_of_one_stands_anywhere(compose: dict[str, Any]) -> None:
    assert set(compose["secrets"]) == {*SECRETS, "database"}
    assert {secret["file"] for secret in compose["secrets"].values()} == {
        f"./secrets/{name}" for name in compose["secrets"]
    }
    for service in compose["services"].values():
        named = {name for name in service.get("environment", {}) if re.search(r"(SECRET|PASSWORD|JWT)$", name)}
        assert named <= {"MARIADB_RANDOM_ROOT_PASSWORD"}  # a switch


def test_each_image_has_a_version(compose: dict[str, Any]) -> None:
    images = {service["image"] for service in compose["services"].values()}
    assert all(re.fullmatch(r"[a-z/-]+:\d+\.[\d.]+", image) for image in images), images
    assert f"humhub-onlyoffice-bridge:{project()['version']}" in images


def test_every_service_says_whether_it_is_well(compose: dict[str, Any]) -> None:
    own = {name for name, service in compose["services"].items() if "healthcheck" in service}
    assert own == set(compose["services"]) - {"bridge"}  # whose image has one


def test_the_example_names_every_variable_and_no_other() -> None:
    assert set(_EXAMPLE) == set(_VARIABLE.findall(_TEXT))


def test_what_is_mounted_and_built_is_there(compose: dict[str, Any]) -> None:
    bridge = compose["services"]["bridge"]
    assert (DEPLOY / bridge["build"]["context"] / bridge["build"]["dockerfile"]).is_file()
    mounted = [volume.split(":")[0] for volume in bridge["volumes"] if volume.startswith(".")]
    assert mounted
    assert all((DEPLOY / name).is_file() for name in mounted)
