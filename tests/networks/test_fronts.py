"""The bridge behind nginx, Caddy and HAProxy, each with the very configuration that is shipped for it."""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
import ipaddress
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from yarl import URL

from bridge.app import running
from bridge.config import Config
from bridge.demo.house import house
from tests.legs.fakes import NOW, configuration, serving
from tests.networks.fronts import NAME, Front, browser, front, needs, ports

every_front = pytest.mark.parametrize("name", [needs("nginx"), needs("caddy"), needs("haproxy")])
LOOPBACK = ipaddress.ip_network("127.0.0.1/32")


def behind(port: int) -> Any:
    """Tell the browser leg that a front on this machine stands before it."""

    def adjust(config: Config) -> Config:
        leg = dataclasses.replace(
            config.legs.browser, url=URL(f"https://{NAME}:{port}"), trust_forwarded_from=(LOOPBACK,)
        )
        return dataclasses.replace(config, legs=dataclasses.replace(config.legs, browser=leg))

    return adjust


@every_front
async def test_a_document_is_opened_behind_a_front(name: str, tmp_path: Path) -> None:
    plain, port = ports()
    async with AsyncExitStack() as stack:
        hub = {"trusts_forwarded": True}
        h = await stack.enter_async_context(house(tmp_path / "house", adjust=behind(port), humhub=hub))
        running_front = await stack.enter_async_context(
            front(name, tmp_path / "front", h.addresses.browser.port, plain=plain, port=port)
        )
        await to_https(running_front)
        alice = h.person("alice")
        await alice.http.close()
        alice.http = browser(running_front)
        alice.base = URL(running_front.url)
        # Who isn't logged in is led to the login page, by an address that the browser can follow.
        async with alice.http.get(f"{running_front.url}/dashboard") as answer:
            assert answer.status == 200
            led = [step.headers["Location"] for step in answer.history]
            assert all(place.startswith((f"{running_front.url}/", "/")) for place in led)
            assert answer.url.with_query(None) == URL(f"{running_front.url}/user/auth/login")
        await alice.log_in()
        guid = await alice.create("Minutes")
        page = await alice.open(guid)
        assert str(page.script).startswith(f"{running_front.url}/ds/web-apps/")
        async with alice.http.get(page.script) as answer:
            assert answer.status == 200
        await the_editor_connects(alice.http, running_front, page.key, str(page.config["token"]))
        assert await alice.read(guid)


async def to_https(found: Front) -> None:
    async with (
        aiohttp.ClientSession() as http,
        http.get(f"http://127.0.0.1:{found.plain}/a?b=c", headers={"Host": NAME}, allow_redirects=False) as answer,
    ):
        assert answer.status == 308
        led = URL(answer.headers["Location"])
        assert (led.scheme, led.host, led.path_qs) == ("https", NAME, "/a?b=c")


async def the_editor_connects(http: aiohttp.ClientSession, found: Front, key: str, token: str) -> None:
    """Speak socket.io over the websocket, as far as Docs' greeting."""
    url = f"{found.url}/ds/doc/{key}/c/?shardkey={key}&EIO=4&transport=websocket"
    async with http.ws_connect(url) as socket:
        opened = await socket.receive_str(timeout=5)
        assert opened.startswith("0{")
        await socket.send_str("40" + json.dumps({"token": token}))
        assert (await socket.receive_str(timeout=5)).startswith("40{")


SIZE, PIECE = 50 << 20, 1 << 20


@every_front
async def test_an_upload_streams_through_a_front(name: str, tmp_path: Path) -> None:
    """HumHub has the first piece before the last is sent: nobody between keeps the whole."""
    began = asyncio.Event()
    got = hashlib.sha256()
    seen: dict[str, str] = {}

    async def take(request: web.BaseRequest) -> web.StreamResponse:
        seen.update(request.headers)
        async for chunk in request.content.iter_any():
            began.set()
            got.update(chunk)
        return web.json_response({"proto": request.headers["X-Forwarded-Proto"], "host": request.headers["Host"]})

    async def pieces() -> AsyncIterator[bytes]:
        yield bytes(PIECE)
        await began.wait()
        for _ in range(SIZE // PIECE - 1):
            yield bytes(PIECE)

    plain, port = ports()
    async with AsyncExitStack() as stack:
        origin = web.ServerRunner(web.Server(take))
        await origin.setup()
        stack.push_async_callback(origin.cleanup)
        await web.TCPSite(origin, "127.0.0.1", 0).start()
        docs = await stack.enter_async_context(serving())
        url = f"http://127.0.0.1:{origin.addresses[0][1]}"
        config = behind(port)(configuration(tmp_path, url, docs.url))
        await stack.enter_async_context(running(config, clock=lambda: NOW))
        found = await stack.enter_async_context(
            front(name, tmp_path / "front", config.legs.browser.listen.port, plain=plain, port=port)
        )
        http = await stack.enter_async_context(browser(found))
        # What a client states of itself doesn't count.
        spoofed = {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "http", "X-Forwarded-Host": "evil.test"}
        spoofed |= {"Forwarded": "for=203.0.113.9;proto=http", "Content-Length": str(SIZE)}
        async with http.post(f"{found.url}/file/file/upload", data=pieces(), headers=spoofed) as answer:
            assert answer.status == 200
            assert await answer.json() == {"proto": "https", "host": f"{NAME}:{port}"}
            assert len(answer.headers["X-Request-Id"]) >= 8
    assert got.hexdigest() == hashlib.sha256(bytes(SIZE)).hexdigest()
    assert seen["X-Forwarded-For"] == "127.0.0.9"
    assert seen["X-Forwarded-Host"] == f"{NAME}:{port}"
    assert "Forwarded" not in seen


def test_each_front_says_what_was_run() -> None:
    shipped = Path(__file__).parents[2] / "deploy" / "fronts"
    for file in ("nginx.conf", "Caddyfile", "haproxy.cfg"):
        head = (shipped / file).read_text().partition("\n\n")[0]
        assert "\n# Ran: " in head
        assert "\n# Not: " in head
