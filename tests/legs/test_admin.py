"""The admin leg: who may ask, and what it says."""

from __future__ import annotations

import asyncio
import ipaddress

import pytest
from aiohttp import web
from pytest_aiohttp.plugin import AiohttpClient

from bridge.legs import admin
from bridge.legs.answers import Kind
from bridge.legs.middleware import Entrance, shared
from bridge.legs.state import METRICS
from bridge.protocol.secret import Secret
from bridge.watch.metrics import Metrics

TOKEN = Secret("admin-token-0123456789")


def leg(token: Secret | None = None, **checks: admin.Check) -> web.Application:
    entrance = Entrance("admin", Kind.MESSAGE, True, (ipaddress.ip_network("127.0.0.0/8"),), (), Metrics())
    app = web.Application(middlewares=[*shared(entrance), admin.guard(token)])
    app[METRICS] = entrance.metrics
    app[admin.CHECKS] = checks
    app[admin.LATEST] = nothing_new
    app.add_routes(admin.routes())
    return app


async def nothing_new() -> None:
    pass


async def fine() -> str:
    return "3 undelivered"


async def broken() -> str:
    raise OSError("disk is gone")


async def hanging() -> str:
    await asyncio.sleep(60)
    return ""


async def test_alive_whatever_else(aiohttp_client: AiohttpClient) -> None:
    client = await aiohttp_client(leg(saves=broken))
    answer = await client.get("/livez")
    assert answer.status == 200


async def test_ready_names_each_dependency(aiohttp_client: AiohttpClient) -> None:
    client = await aiohttp_client(leg(saves=fine))
    answer = await client.get("/readyz")
    assert answer.status == 200
    assert await answer.json() == {"ready": True, "checks": {"saves": {"ok": True, "detail": "3 undelivered"}}}


@pytest.mark.parametrize("bad", [broken, hanging])
async def test_not_ready_when_one_cannot_work(aiohttp_client: AiohttpClient, bad: admin.Check) -> None:
    client = await aiohttp_client(leg(saves=fine, site=bad))
    answer = await client.get("/readyz")
    assert answer.status == 503
    found = (await answer.json())["checks"]
    assert found["saves"]["ok"]
    assert not found["site"]["ok"]
    assert found["site"]["detail"]


async def test_dependencies_are_asked_once_for_all_who_ask_at_once(aiohttp_client: AiohttpClient) -> None:
    asked = []

    async def counted() -> str:
        asked.append(1)
        await asyncio.sleep(0.01)
        return "fine"

    client = await aiohttp_client(leg(saves=counted))
    answers = await asyncio.gather(*(client.get("/readyz") for _ in range(5)))
    assert [answer.status for answer in answers] == [200] * 5
    assert len(asked) == 1


async def test_a_recovered_dependency_is_seen_in_a_moment(aiohttp_client: AiohttpClient) -> None:
    states = iter([OSError("down")])

    async def recovering() -> str:
        for error in states:
            raise error
        return "fine"

    client = await aiohttp_client(leg(saves=recovering))
    assert (await client.get("/readyz")).status == 503
    await asyncio.sleep(1.05)
    assert (await client.get("/readyz")).status == 200


async def test_metrics_are_prometheus_own_form(aiohttp_client: AiohttpClient) -> None:
    client = await aiohttp_client(leg())
    await client.get("/livez")
    answer = await client.get("/metrics")
    assert answer.content_type == "text/plain"
    page = await answer.text()
    assert 'bridge_requests_total{leg="admin",outcome="ok",site=""} 1.0' in page
    assert "bridge_build_info" in page


@pytest.mark.parametrize(
    ("header", "status"),
    [
        (f"Bearer {TOKEN.reveal().decode()}", 200),
        (f"bearer {TOKEN.reveal().decode()}", 200),
        (TOKEN.reveal().decode(), 401),
        (f"Basic {TOKEN.reveal().decode()}", 401),
        ("Bearer wrong", 401),
        ("Bearer", 401),
        ("", 401),
        ("Basic x", 401),
        ("Bearer é", 401),
        ("Bearer \udcff", 401),
    ],
)
async def test_a_token_guards_every_route(aiohttp_client: AiohttpClient, header: str, status: int) -> None:
    client = await aiohttp_client(leg(TOKEN))
    for path in ("/livez", "/readyz", "/metrics"):
        answer = await client.get(path, headers={"Authorization": header, "Host": "bridge.lan"})
        assert answer.status == status
    if status == 401:
        assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize(
    ("host", "status"),
    [("127.0.0.1:8083", 200), ("localhost", 200), ("[::1]:8083", 200), ("evil.test", 403), ("10.0.0.1", 403)],
)
async def test_without_a_token_the_host_must_be_loopback(aiohttp_client: AiohttpClient, host: str, status: int) -> None:
    client = await aiohttp_client(leg())
    answer = await client.get("/livez", headers={"Host": host})
    assert answer.status == status


async def test_nothing_else_is_served(aiohttp_client: AiohttpClient) -> None:
    client = await aiohttp_client(leg())
    assert (await client.get("/")).status == 404
    assert (await client.post("/livez")).status == 405
