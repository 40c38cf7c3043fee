"""The three networks: nobody gets in from another one, but through the bridge."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from itertools import combinations

import aiohttp
import pytest

from bridge.config import Listen
from bridge.demo.networks import (
    BROWSERS,
    DOCS,
    HUMHUB,
    NETWORKS,
    Network,
    NoNetworkError,
    check_addresses,
    free_port,
    is_free,
    next_free_port,
)
from tests.houses import MakeHouse


async def ask(listen: Listen, source: str) -> bytes:
    """Send a request from `source`; return what comes back, nothing where the connection is aborted."""
    loop = asyncio.get_running_loop()
    with socket.socket() as raw:
        raw.setblocking(False)
        raw.bind((source, 0))
        try:
            await loop.sock_connect(raw, (listen.host, listen.port))
            await loop.sock_sendall(raw, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            return await asyncio.wait_for(loop.sock_recv(raw, 1000), 5)
        except ConnectionError:
            return b""


def test_the_networks_are_apart_and_hold_their_own() -> None:
    for one, other in combinations(NETWORKS, 2):
        assert not one.block.overlaps(other.block)
    for network in NETWORKS:
        assert {network.resident, network.bridge} <= {str(address) for address in network.block}
    assert ipaddress.ip_address("127.0.0.1") in BROWSERS.block


@pytest.mark.parametrize("resident", [HUMHUB, DOCS], ids=lambda network: network.name)
@pytest.mark.parametrize("source", NETWORKS, ids=lambda network: network.name)
async def test_a_stand_in_answers_its_own_network_alone(
    make_house: MakeHouse, resident: Network, source: Network
) -> None:
    house = await make_house(without=("bridge",))
    listen = house.addresses.humhub if resident is HUMHUB else house.addresses.docs
    for address in {source.resident, source.bridge}:
        assert bool(await ask(listen, address)) == (source is resident), address


@pytest.mark.parametrize(("leg", "own"), [("browser", BROWSERS), ("docs_leg", DOCS), ("humhub_leg", HUMHUB)], ids=str)
async def test_a_leg_answers_its_own_network_alone(make_house: MakeHouse, leg: str, own: Network) -> None:
    house = await make_house()
    listen: Listen = getattr(house.addresses, leg)
    for source in NETWORKS:
        answer = await ask(listen, source.resident)
        assert answer.startswith(b"HTTP/1.1 403") == (source is not own), (source.name, answer)


async def test_the_bridge_calls_from_its_address_in_each_network(make_house: MakeHouse) -> None:
    house = await make_house()
    for upstream, network in ((house.config.sites[0], HUMHUB), (house.config.docs.nodes[0], DOCS)):
        assert upstream.upstream.source_address == network.bridge
    async with aiohttp.ClientSession() as http, http.get(f"{house.browser_url}/user/auth/login") as answer:
        assert answer.status == 200


async def test_the_two_sides_share_neither_secret_nor_header(make_house: MakeHouse) -> None:
    house = await make_house(without=("humhub", "docs", "bridge"))
    humhub, docs = house.humhub.settings, house.docs.settings
    assert humhub.secret != docs.secret
    assert humhub.header != docs.header
    assert min(len(humhub.secret), len(docs.secret)) >= 32


def test_this_machine_has_all_addresses() -> None:
    check_addresses()


def test_missing_addresses_are_named_with_what_to_do() -> None:
    text = str(NoNetworkError(["127.0.20.1", "127.0.30.1"]))
    assert "sudo ifconfig lo0 alias 127.0.20.1 && sudo ifconfig lo0 alias 127.0.30.1" in text


def test_a_taken_port_is_passed_over() -> None:
    first = free_port(BROWSERS.bridge)
    with socket.socket() as taken:
        taken.bind((BROWSERS.bridge, first))
        taken.listen()
        assert not is_free(BROWSERS.bridge, first)
        assert next_free_port(BROWSERS.bridge, first) > first
    assert next_free_port(BROWSERS.bridge, first) == first


def test_no_free_port_is_an_error() -> None:
    first = free_port(BROWSERS.bridge)
    with socket.socket() as taken:
        taken.bind((BROWSERS.bridge, first))
        taken.listen()
        with pytest.raises(OSError, match="no free port"):
            next_free_port(BROWSERS.bridge, first, tries=1)
