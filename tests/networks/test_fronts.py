"""The bridge behind nginx, Caddy and HAProxy, each with the very configuration that is shipped for it."""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
import ipaddress
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
from bridge.demo.editor import POLLING, WEBSOCKET
from bridge.demo.house import house
from bridge.demo.person import Person
from tests.flows.words import words
from tests.legs.fakes import NOW, configuration, serving
from tests.networks.fronts import NAME, Front, browser, front, needs, ports

every_front = pytest.mark.parametrize("name", [needs("nginx"), needs("caddy"), needs("haproxy")])
LOOPBACK = ipaddress.ip_network("127.0.0.1/32")


def behind(port: int) -> Any:
    """Tell the browser leg that a front on this machine stands before it."""

    def adjust(config: Config) -> Config:
        leg = config.legs.browser
        # A browser may come to the front by IPv6, and is whom the list is about.
        allow = (*leg.allow, ipaddress.ip_network("::1")) if leg.allow else ()
        url = URL(f"https://{NAME}:{port}")
        leg = dataclasses.replace(leg, url=url, allow=allow, trust_forwarded_from=(LOOPBACK,))
        return dataclasses.replace(config, legs=dataclasses.replace(config.legs, browser=leg))

    return adjust


@every_front
async def test_two_people_edit_behind_a_front(name: str, tmp_path: Path) -> None:
    """Log in, open, edit by websocket and by polling, save: with nothing but the front's address."""
    plain, port = ports()
    async with AsyncExitStack() as stack:
        hub = {"trusts_forwarded": True}
        h = await stack.enter_async_context(house(tmp_path / "house", adjust=behind(port), humhub=hub))
        found = await stack.enter_async_context(
            front(name, tmp_path / "front", h.addresses.browser.port, plain=plain, port=port)
        )
        await to_https(found)
        alice, admin = [
            await stack.enter_async_context(
                Person(who, h.humhub.users[who].password, found.url, trust=found.authority.trusting())
            )
            for who in ("alice", "admin")
        ]
        # Who isn't logged in is led to the login page, by an address that the browser can follow.
        async with alice.http.get(f"{found.url}/dashboard") as answer:
            assert answer.history
            assert str(answer.url.with_query(None)) == f"{found.url}/user/auth/login"
        await alice.log_in()
        await admin.log_in()
        guid = await alice.create("Minutes")
        page = await alice.open(guid)
        assert str(page.script).startswith(f"{found.url}/ds/web-apps/")
        # HumHub's own absolute links are to https.
        assert all(str(url).startswith(f"{found.url}/") for name, url in page.api.items() if name.endswith("Url"))
        first, second = alice.editor(page, transports=WEBSOCKET), await admin.edit(guid, transports=POLLING)
        await first.open()
        await first.write("Typed by websocket. ")
        await second.see("Typed by websocket.")
        await second.write("Typed by polling.")
        await first.see("Typed by polling.")
        assert (first.transport, second.transport) == ("websocket", "polling")
        await first.leave()
        await second.leave()
        await h.told(first.key)
        assert "Typed by polling." in words(h.humhub.files[guid].content())
        assert h.saves == []


async def to_https(found: Front) -> None:
    async with (
        aiohttp.ClientSession() as http,
        http.get(f"http://127.0.0.1:{found.plain}/a?b=c", headers={"Host": NAME}, allow_redirects=False) as answer,
    ):
        assert answer.status == 308
        led = URL(answer.headers["Location"])
        assert (led.scheme, led.host, led.path_qs) == ("https", NAME, "/a?b=c")


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
        http = await stack.enter_async_context(browser(found, address="127.0.0.9"))
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


@every_front
async def test_a_browser_that_leaves_ends_its_request_behind_a_front(name: str, tmp_path: Path) -> None:
    began, ended = asyncio.Event(), asyncio.Event()

    async def hang(_request: web.BaseRequest) -> web.StreamResponse:
        began.set()
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()
        return web.Response()

    plain, port = ports()
    async with AsyncExitStack() as stack:
        humhub, docs = [await stack.enter_async_context(serving()) for _ in range(2)]
        humhub.answers(hang)
        config = behind(port)(configuration(tmp_path, humhub.url, docs.url))
        await stack.enter_async_context(running(config, clock=lambda: NOW))
        found = await stack.enter_async_context(
            front(name, tmp_path / "front", config.legs.browser.listen.port, plain=plain, port=port)
        )
        trust = found.authority.trusting()
        _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trust, server_hostname=NAME)
        writer.write(f"GET /dashboard HTTP/1.1\r\nHost: {NAME}:{port}\r\n\r\n".encode())
        await began.wait()
        writer.transport.abort()
        async with asyncio.timeout(10):
            await ended.wait()


def test_each_front_says_what_was_run() -> None:
    shipped = Path(__file__).parents[2] / "deploy" / "fronts"
    for file in ("nginx.conf", "Caddyfile", "haproxy.cfg"):
        head = (shipped / file).read_text().partition("\n\n")[0]
        assert "\n# Ran: " in head
        assert "\n# Not: " in head
