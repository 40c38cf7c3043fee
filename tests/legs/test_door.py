"""Who may be in at once: over raw sockets."""

from __future__ import annotations

import asyncio
import resource
from contextlib import AsyncExitStack

import pytest
from aiohttp import web
from structlog.testing import capture_logs
from yarl import URL

from bridge.config import LegConfig, LimitsConfig, Listen
from bridge.legs.answers import Kind
from bridge.legs.door import Door
from bridge.legs.listener import bounds, listen
from bridge.protocol.errors import StorageError
from bridge.watch.metrics import Metrics
from tests.legs.doors import Dial, StartLeg, requests

# How many may be in


async def test_a_leg_that_the_system_gives_no_socket_does_not_say_that_it_listens() -> None:
    config = LimitsConfig()
    door = Door("docs", Kind.MESSAGE, 1, (), bounds(config, connections=100, people=False), Metrics())
    where = LegConfig(listen=Listen("127.0.0.1", 0), url=URL("http://a.test"))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    async with AsyncExitStack() as stack:
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))  # what is open stays, and nothing new can be
        try:
            with capture_logs() as lines, pytest.raises(StorageError, match="gives it no socket of that kind"):
                await listen(stack, web.Application(), door, where, limits=config, tls=None, grace=0.1)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert not lines


async def test_who_is_over_the_limit_is_told_when_to_come_back(start_leg: StartLeg, dial: Dial) -> None:
    leg = await start_leg(connections=2)
    first, second = await dial(leg), await dial(leg)
    for client in (first, second):
        client.send("/slow")
        await leg.handling.acquire()
    third = await dial(leg)
    with capture_logs() as lines:
        status, head = await third.ask("/")
    assert status == 503
    assert "Retry-After: " in head
    assert "Connection: close" in head
    (line,) = requests(lines)
    assert (line["outcome"], line["over"], line["limit"]) == ("overload", "connections", 2)
    assert "limits.connections" in line["remedy"]
    assert leg.refused("connections") == 1
    leg.gate.set()
    assert (await first.answer())[0] == 200
    assert (await second.answer())[0] == 200


async def test_a_leg_recovers_from_overload(start_leg: StartLeg, dial: Dial) -> None:
    leg = await start_leg(connections=1)
    first = await dial(leg)
    first.send("/slow")
    await leg.handling.acquire()
    assert (await (await dial(leg)).ask("/"))[0] == 503
    leg.gate.set()
    assert (await first.answer())[0] == 200
    assert (await (await dial(leg)).ask("/"))[0] == 200


async def test_a_connection_that_rests_makes_room(start_leg: StartLeg, dial: Dial) -> None:
    leg = await start_leg(connections=2)
    oldest, newer = await dial(leg), await dial(leg)
    assert (await oldest.ask())[0] == 200
    assert (await newer.ask())[0] == 200
    assert (await (await dial(leg)).ask())[0] == 200
    assert await oldest.ended() == b""
    assert (await newer.ask())[0] == 200
    assert leg.refused("rested") == 1


async def test_far_over_the_limit_connections_are_closed_unread(start_leg: StartLeg, dial: Dial) -> None:
    leg = await start_leg(connections=1, surplus=10)
    first = await dial(leg)
    first.send("/slow")
    await leg.handling.acquire()
    surplus = [await dial(leg) for _ in range(30)]
    for client in surplus:
        client.send("/slow")
    answers = [await client.answer() for client in surplus]
    told = [status for status, _ in answers if status]
    assert set(told) == {503}
    assert 10 <= len(told) < 30
    assert leg.refused("dropped") == 30 - len(told)
    leg.gate.set()
    assert (await first.answer())[0] == 200


async def test_one_address_does_not_take_all(start_leg: StartLeg, dial: Dial) -> None:
    leg = await start_leg(client_connections=1)
    greedy = await dial(leg)
    greedy.send("/slow")
    await leg.handling.acquire()
    with capture_logs() as lines:
        assert (await (await dial(leg)).ask())[0] == 503
    assert "trust_forwarded_from" in requests(lines)[0]["remedy"]
    assert (await (await dial(leg, address="127.0.0.9")).ask())[0] == 200
    assert leg.refused("client") == 1


async def test_behind_a_trusted_front_the_forwarded_client_is_counted(start_leg: StartLeg, dial: Dial) -> None:
    leg = await start_leg(client_connections=1, trust=True)
    front = await dial(leg)
    front.send("/slow", "X-Forwarded-For: 192.0.2.7")
    await leg.handling.acquire()
    same, other = await dial(leg), await dial(leg)
    assert (await same.ask("/", "X-Forwarded-For: 192.0.2.7"))[0] == 503
    assert (await other.ask("/", "X-Forwarded-For: 192.0.2.8"))[0] == 200
    # The front's own connection carries others and stays.
    assert (await same.ask("/", "X-Forwarded-For: 192.0.2.8"))[0] == 200
    leg.gate.set()
    assert (await front.answer())[0] == 200
    assert (await same.ask("/", "X-Forwarded-For: 192.0.2.7"))[0] == 200


async def test_where_clients_are_servers_an_address_may_take_all(start_leg: StartLeg, dial: Dial) -> None:
    leg = await start_leg(client_connections=1, leg="docs", kind=Kind.MESSAGE)
    clients = [await dial(leg) for _ in range(5)]
    for client in clients:
        client.send("/slow")
        await leg.handling.acquire()
    leg.gate.set()
    assert [(await client.answer())[0] for client in clients] == [200] * 5


async def test_who_has_left_is_not_counted(start_leg: StartLeg, dial: Dial) -> None:
    leg = await start_leg(connections=1, client_connections=1)
    for _ in range(3):
        client = await dial(leg)
        client.send("/slow")
        await leg.handling.acquire()
        await client.close()
        async with asyncio.timeout(5):
            while len(leg.door):  # noqa: ASYNC110 - a door tells nobody
                await asyncio.sleep(0.01)
    assert leg.door.clients == {}
    assert leg.metrics.registry.get_sample_value("bridge_requests_refused_total") is None


# Memory


async def test_what_is_read_whole_has_a_bound_for_all_together(start_leg: StartLeg, dial: Dial) -> None:
    leg = await start_leg(memory=100_000)
    first = await dial(leg)
    first.send("/whole", method="POST", body=bytes(60_000))
    await leg.handling.acquire()
    with capture_logs() as lines:
        status, head = await (await dial(leg)).ask("/whole", method="POST", body=bytes(60_000))
    assert (status, "Retry-After: " in head) == (503, True)
    assert (requests(lines)[0]["over"], leg.refused("memory")) == ("memory", 1)
    leg.gate.set()
    assert (await first.answer())[0] == 200
    assert leg.memory.held == 0
    assert (await (await dial(leg)).ask("/whole", method="POST", body=bytes(60_000)))[0] == 200
