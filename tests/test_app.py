"""Lifetimes: what starts, in which order, how it ends, and what is said when it can't."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import signal
import socket
import ssl
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from yarl import URL

from bridge.app import running
from bridge.config import Config, Listen, TlsConfig, UpstreamConfig
from bridge.protocol.errors import ConfigurationError, StorageError
from tests.legs.fakes import NOW, Bridge, configuration, doc, serving, with_site, yaml_of
from tests.ports import fresh_port

DATA = Path(__file__).parent / "data"
TRACK = f"/s/social/onlyoffice/backend/track?doc={doc()}"
SAVE = {"key": "k1", "status": 2, "url": "http://x/cache/files/data/k1_1/output.docx/output.docx", "filetype": "docx"}


async def test_a_running_save_ends_before_the_bridge_does(tmp_path: Path) -> None:
    storing = asyncio.Event()
    pulled: list[bytes] = []
    async with AsyncExitStack() as stack:
        humhub, docs = [await stack.enter_async_context(serving()) for _ in range(2)]
        config = configuration(tmp_path, humhub.url, docs.url)
        config = dataclasses.replace(config, saves=dataclasses.replace(config.saves, deadline=10.0))
        http = await stack.enter_async_context(aiohttp.ClientSession())
        bridge = Bridge(config, humhub, docs, http)

        async def track(_request: web.BaseRequest) -> web.StreamResponse:
            storing.set()
            await asyncio.sleep(0.3)
            path = humhub.seen[-1].json()["url"].removeprefix("http://humhub.bridge.test:8000")
            async with aiohttp.ClientSession() as late, late.get(bridge.leg("humhub", path)) as answer:
                pulled.append(await answer.read())
            return web.json_response({"error": 0})

        humhub.answers(track)
        docs.answers(web.Response(body=b"PK\x03\x04"))
        async with running(config, clock=lambda: NOW):
            saving = asyncio.create_task(bridge.call_back(TRACK, SAVE))
            await storing.wait()
        assert await saving == (200, {"error": 0})
        assert pulled == [b"PK\x03\x04"]
        with pytest.raises(aiohttp.ClientConnectorError):
            await bridge.ask("docs", "/")


async def test_editors_are_sent_away_so_that_they_come_back(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        humhub, docs = [await stack.enter_async_context(serving()) for _ in range(2)]
        http = await stack.enter_async_context(aiohttp.ClientSession())
        config = configuration(tmp_path, humhub.url, docs.url)

        async def accept(request: web.BaseRequest) -> web.StreamResponse:
            accepted = web.WebSocketResponse()
            await accepted.prepare(request)
            await accepted.receive()
            return accepted

        docs.answers(accept)
        async with running(config, clock=lambda: NOW):
            url = Bridge(config, humhub, docs, http).leg("browser", "/ds/doc/k1/c/?EIO=4&transport=websocket")
            editor = await http.ws_connect(url)
            receiving = asyncio.create_task(editor.receive())
        closing = await receiving
        assert closing.data == 1001


async def test_a_poll_that_waits_does_not_hold_the_end_up(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        humhub, docs = [await stack.enter_async_context(serving()) for _ in range(2)]
        http = await stack.enter_async_context(aiohttp.ClientSession())
        config = configuration(tmp_path, humhub.url, docs.url)
        waiting = asyncio.Event()

        async def wait(_request: web.BaseRequest) -> web.StreamResponse:
            waiting.set()
            await asyncio.sleep(25)
            return web.Response()

        docs.answers(wait)
        bridge = Bridge(config, humhub, docs, http)
        async with asyncio.timeout(5):
            async with running(config, clock=lambda: NOW):
                poll = asyncio.create_task(bridge.ask("browser", "/ds/doc/k1/c/?EIO=4&transport=polling&sid=x"))
                await waiting.wait()
            assert (await poll)[0] == 503


async def test_an_upstream_that_comes_later_is_served_then(tmp_path: Path) -> None:
    port = fresh_port()
    config = configuration(tmp_path, f"http://127.0.0.1:{port}", f"http://127.0.0.1:{fresh_port()}")
    async with running(config), aiohttp.ClientSession() as http:
        url = f"http://{config.legs.browser.listen}/dashboard"
        async with http.get(url) as answer:
            assert answer.status == 502
        async with http.get(f"http://{config.legs.admin.listen}/readyz") as answer:
            assert answer.status == 503
            checks = (await answer.json())["checks"]
            assert {name: check["ok"] for name, check in checks.items()} == {
                "saves": True,
                "site social": False,
                "node docs-1": False,
            }
        app = web.Application()
        app.add_routes([web.get("/dashboard", _there)])
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        async with http.get(url) as answer:
            assert await answer.text() == "there"
        await runner.cleanup()


async def _there(_request: web.Request) -> web.Response:
    return web.Response(text="there")


async def test_an_address_that_is_taken_is_named(tmp_path: Path) -> None:
    config = configuration(tmp_path, "http://127.0.0.1:1", "http://127.0.0.1:2")
    with socket.socket() as taken:
        taken.bind((config.legs.docs.listen.host, config.legs.docs.listen.port))
        taken.listen()
        with pytest.raises(StorageError, match=f"The docs leg can't listen on {config.legs.docs.listen}") as caught:
            async with running(config):
                pass
    assert "legs.docs.listen" in str(caught.value.remedy)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            lambda config: dataclasses.replace(
                config, saves=dataclasses.replace(config.saves, directory=URL("s3://x"))
            ),
            "object store",
        ),
        (lambda config: dataclasses.replace(config, workers=2), "workers"),
        (lambda config: dataclasses.replace(config, store=dataclasses.replace(config.store, url="redis://x")), "Redis"),
        (lambda config: dataclasses.replace(config, audit=dataclasses.replace(config.audit, file=Path("a"))), "audit"),
        (
            lambda config: dataclasses.replace(config, traces=dataclasses.replace(config.traces, otlp=URL("http://a"))),
            "traces",
        ),
    ],
)
async def test_what_this_release_lacks_is_said_at_the_start(tmp_path: Path, change: Any, says: str) -> None:
    config: Config = change(configuration(tmp_path, "http://127.0.0.1:1", "http://127.0.0.1:2"))
    with pytest.raises(ConfigurationError, match=says):
        async with running(config):
            pass


async def test_a_leg_and_an_upstream_with_tls(tmp_path: Path) -> None:
    tls = TlsConfig(DATA / "tls/one.pem", DATA / "tls/one.key")
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(tls.cert, tls.key)
    app = web.Application()
    app.add_routes([web.get("/dashboard", _echo_proto)])
    runner = web.AppRunner(app)
    await runner.setup()
    port = fresh_port()
    await web.TCPSite(runner, "127.0.0.1", port, ssl_context=server).start()
    config = with_site(upstream=UpstreamConfig(url=URL(f"https://127.0.0.1:{port}"), ca=tls.cert))(
        configuration(tmp_path, "http://127.0.0.1:1", "http://127.0.0.1:2")
    )
    browser = dataclasses.replace(config.legs.browser, tls=tls)
    config = dataclasses.replace(config, legs=dataclasses.replace(config.legs, browser=browser))
    trust = ssl.create_default_context(cafile=str(tls.cert))
    async with running(config), aiohttp.ClientSession() as http:
        async with http.get(f"https://{config.legs.browser.listen}/dashboard", ssl=trust) as answer:
            assert await answer.text() == "https"
        with pytest.raises(aiohttp.ClientError):
            await http.get(f"http://{config.legs.browser.listen}/dashboard")
    await runner.cleanup()


async def _echo_proto(request: web.Request) -> web.Response:
    return web.Response(text=request.headers["X-Forwarded-Proto"])


async def test_serve_says_where_it_listens_and_ends_on_a_signal(tmp_path: Path) -> None:
    ports = {name: fresh_port() for name in ("browser", "docs", "humhub", "admin")}
    (tmp_path / "bridge.yaml").write_text(yaml_of(ports, "http://127.0.0.1:1", "http://127.0.0.1:2"))
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "bridge",
        "serve",
        "-c",
        str(tmp_path / "bridge.yaml"),
        env={"SOME_JWT": "some-secret-0123456789abcdef0123456789", "PATH": "/usr/bin:/bin"},
        stderr=asyncio.subprocess.PIPE,
        cwd=Path(__file__).parent.parent,
    )
    assert process.stderr is not None
    lines: list[dict[str, Any]] = []
    async with asyncio.timeout(20):
        while not lines or lines[-1]["event"] != "ready":
            lines.append(json.loads(await process.stderr.readline()))
        heard = [line for line in lines if line["event"] == "listening"]
        assert [line["leg"] for line in heard] == ["admin", "humhub", "docs", "browser"]
        assert heard[-1]["address"] == f"127.0.0.1:{ports['browser']}"
        async with aiohttp.ClientSession() as http, http.get(f"http://127.0.0.1:{ports['admin']}/livez") as answer:
            assert answer.status == 200
        process.send_signal(signal.SIGTERM)
        rest = (await process.stderr.read()).decode().splitlines()
        assert await process.wait() == 0
    events = [json.loads(line)["event"] for line in rest]
    # Docs isn't there, which the sweep for forgotten files may have said meanwhile.
    assert [event for event in events if "tried again" not in event] == ["request", "stopping", "stopped"]
    assert (tmp_path / "secret").stat().st_mode & 0o777 == 0o600


def test_listen_addresses_show_as_they_are_written() -> None:
    assert str(Listen("127.0.0.1", 8080)) == "127.0.0.1:8080"


@pytest.mark.parametrize(
    ("hub", "said", "ready"),
    [(200, "true", True), (302, "true", True), (500, "true", False), (200, "false", False), (200, "<html>", False)],
)
async def test_ready_means_that_both_sides_can_work(tmp_path: Path, hub: int, said: str, ready: bool) -> None:
    async with AsyncExitStack() as stack:
        humhub, docs = [await stack.enter_async_context(serving()) for _ in range(2)]
        http = await stack.enter_async_context(aiohttp.ClientSession())
        config = configuration(tmp_path, humhub.url, docs.url)
        humhub.answers(web.Response(status=hub))
        docs.answers(web.Response(text=said))
        await stack.enter_async_context(running(config, clock=lambda: NOW))
        async with http.get(f"http://{config.legs.admin.listen}/readyz") as answer:
            assert (answer.status, (await answer.json())["ready"]) == (200 if ready else 503, ready)
        assert [(seen.method, seen.target, seen.headers["Host"]) for seen in humhub.seen] == [
            ("HEAD", "/", "social.test")
        ]
        assert [seen.target for seen in docs.seen] == ["/healthcheck"]
