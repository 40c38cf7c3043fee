"""The small HumHub lives in its own network: whom it lets in, and where its own calls come from."""

from __future__ import annotations

from dataclasses import replace

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from bridge.demo.humhub import SmallHumHub


async def test_connections_from_elsewhere_end_without_a_byte(hub: SmallHumHub) -> None:
    hub.settings = replace(hub.settings, clients=("127.0.2.0/24",))
    url = f"{hub.url}/user/auth/login"
    for source, welcome in (("127.0.2.7", True), ("127.0.3.7", False)):
        connector = aiohttp.TCPConnector(local_addr=(source, 0))
        async with aiohttp.ClientSession(connector=connector) as session:
            if welcome:
                async with session.get(url) as answer:
                    assert answer.status == 200
            else:
                with pytest.raises(aiohttp.ClientError):
                    await session.get(url)


async def test_its_own_calls_come_from_its_source_address(hub: SmallHumHub) -> None:
    seen = []

    async def healthcheck(request: web.Request) -> web.Response:
        seen.append(request.remote)
        return web.Response(text="true")

    app = web.Application()
    app.router.add_get("/healthcheck", healthcheck)
    server = TestServer(app)
    await server.start_server()
    hub.settings = replace(hub.settings, source_address="127.0.5.5")
    assert await hub.outgoing.text(str(server.make_url("/healthcheck"))) == "true"
    await server.close()
    assert seen == ["127.0.5.5"]
