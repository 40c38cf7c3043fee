"""A small HumHub on a real socket, whom it calls, and clients."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import jwt
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from bridge.demo.humhub import HumHubSettings, SmallHumHub
from tests.demo.humhub.rig import SECRET, Browser, Reply, Upstream


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    told = Upstream()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", told.serve)
    server = TestServer(app)
    await server.start_server()
    told.url = str(server.make_url("")).rstrip("/")
    yield told
    await server.close()


@pytest.fixture
async def hub(tmp_path: Path, upstream: Upstream) -> AsyncIterator[SmallHumHub]:
    small = SmallHumHub(HumHubSettings("http://docs.test/ds", upstream.url, "http://storage.test", SECRET), tmp_path)
    await small.start()
    yield small
    await small.stop()


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False) as session:
        yield session


@pytest.fixture
def browser(hub: SmallHumHub, http: aiohttp.ClientSession) -> Callable[[str | None], Browser]:
    """Return a client for a user's name; None is a guest."""
    return lambda name: Browser(hub, http, hub.user(name))


@pytest.fixture
def call_back(hub: SmallHumHub, http: aiohttp.ClientSession) -> Callable[..., Awaitable[Reply]]:
    """Return a function that sends a callback as Docs does, its token in the body."""

    async def send(doc: str, *, send_instead: Any = None, headers: Any = None, **claims: Any) -> Reply:
        token = jwt.encode(claims, hub.settings.secret, algorithm="HS256") if hub.settings.secret else None
        url = hub.url + hub.links().to("onlyoffice/backend/track", doc=doc)
        async with http.post(
            url, json=send_instead or {**claims, "token": token}, headers=headers, allow_redirects=False
        ) as answer:
            return Reply(answer.status, answer.headers.copy(), await answer.read())

    return send


@pytest.fixture
def editor_config() -> Callable[[Reply], dict[str, Any]]:
    def read(reply: Reply) -> dict[str, Any]:
        found = re.search(r"data-config='([^']*)'", reply.text)
        assert found, reply.text
        return dict(json.loads(found[1]))

    return read
