"""Overload: it is answered before it costs memory, it is nobody else's, and it passes."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import gzip
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from structlog.testing import capture_logs

from bridge.app import running
from bridge.config import Config, UpstreamConfig
from tests.legs.fakes import Start, configuration, doc, with_site, yaml_of
from tests.networks.conftest import Serve
from tests.ports import fresh_port
from tests.processes import many_files, peak

TRACK = f"/s/social/onlyoffice/backend/track?doc={doc()}"
SAVE = {"key": "k1", "status": 2, "url": "http://x/cache/files/data/k1_1/output.docx/output.docx", "filetype": "docx"}
DOWNLOAD = f"/s/social/onlyoffice/backend/download?doc={doc()}"


def few(**limits: Any) -> Callable[[Config], Config]:
    return lambda config: dataclasses.replace(config, limits=dataclasses.replace(config.limits, **limits))


async def test_a_full_browser_leg_turns_neither_docs_nor_humhub_nor_the_admin_away(start: Start) -> None:
    bridge = await start(few(connections=1))
    hanging, gate = asyncio.Event(), asyncio.Event()

    async def humhub(request: web.BaseRequest) -> web.StreamResponse:
        if request.path == "/dashboard":
            hanging.set()
            await gate.wait()
        if request.path.endswith("track"):
            return web.json_response({"error": 0})
        return web.Response(body=b"PK\x03\x04", content_type="application/octet-stream")

    bridge.humhub.answers(humhub)
    bridge.docs.answers(web.Response(body=b"PK\x03\x04"))
    page = asyncio.create_task(bridge.ask("browser", "/dashboard"))
    await hanging.wait()
    status, _, headers = await bridge.ask("browser", "/other")
    assert (status, headers["Retry-After"]) == (503, "2")
    assert (await bridge.ask("docs", DOWNLOAD, headers=bridge.download_token(DOWNLOAD)))[:2] == (200, b"PK\x03\x04")
    assert (await bridge.call_back(TRACK, SAVE))[0] == 200
    bridge.docs.answers(web.json_response({"error": 0}))
    assert await bridge.call("/command", {"c": "version"}) == (200, {"error": 0})
    _, metrics, _ = await bridge.ask("admin", "/metrics")
    assert b'bridge_requests_refused_total{leg="browser",reason="connections"} 1.0' in metrics
    assert b'bridge_connections{leg="browser"} 1.0' in metrics
    gate.set()
    assert (await page)[0] == 200
    assert (await bridge.ask("browser", "/other"))[0] == 200


async def test_browsers_that_wait_for_humhub_take_no_connection_from_docs(start: Start) -> None:
    def one_connection(config: Config) -> Config:
        upstream: UpstreamConfig = config.sites[0].upstream
        return with_site(upstream=dataclasses.replace(upstream, connections=1, connect=0.2))(config)

    bridge = await start(one_connection)
    hanging, gate = asyncio.Event(), asyncio.Event()

    async def humhub(request: web.BaseRequest) -> web.StreamResponse:
        if request.path == "/dashboard":
            hanging.set()
            await gate.wait()
        return web.Response(body=b"PK\x03\x04", content_type="application/octet-stream")

    bridge.humhub.answers(humhub)
    page = asyncio.create_task(bridge.ask("browser", "/dashboard"))
    await hanging.wait()
    status, _, headers = await bridge.ask("browser", "/other")
    assert (status, "Retry-After" in headers) == (503, True)
    assert (await bridge.ask("docs", DOWNLOAD, headers=bridge.download_token(DOWNLOAD)))[:2] == (200, b"PK\x03\x04")
    gate.set()
    assert (await page)[0] == 200


@pytest.mark.parametrize("packed", [False, True])
async def test_an_editor_page_takes_its_memory_packed_and_unpacked(start: Start, packed: bool) -> None:
    bridge = await start(few(memory=20_000))
    page = b"<html>" + b" " * 30_000
    headers = {"Content-Type": "text/html", **({"Content-Encoding": "gzip"} if packed else {})}
    bridge.humhub.answers(web.Response(body=gzip.compress(page) if packed else page, headers=headers))
    ajax = {"X-Requested-With": "XMLHttpRequest", "Accept-Encoding": "gzip"}
    status, _, answered = await bridge.ask("browser", "/onlyoffice/open?guid=x&mode=edit", headers=ajax)
    assert (status, "Retry-After" in answered) == (503, True)
    bridge.humhub.answers(web.Response(body=b"<html>", headers={"Content-Type": "text/html"}))
    assert (await bridge.ask("browser", "/onlyoffice/open?guid=x&mode=edit", headers=ajax))[0] == 200


async def test_too_few_open_files_are_said_and_kept_to(tmp_path: Path) -> None:
    config = configuration(tmp_path, "http://127.0.0.1:1", "http://127.0.0.1:2")
    with many_files(4096), capture_logs() as lines:
        async with running(config):
            pass
    said = [line for line in lines if line["event"].startswith("fewer connections")]
    assert [(line["open_files"], line["connections"]) for line in said] == [(4096, 1228)]
    assert "LimitNOFILE" in said[0]["remedy"]


async def test_a_websocket_without_a_message_is_closed(start: Start) -> None:
    bridge = await start(few(websocket_idle=0.2))

    async def accept(request: web.BaseRequest) -> web.StreamResponse:
        accepted = web.WebSocketResponse()
        await accepted.prepare(request)
        await accepted.receive()
        return accepted

    bridge.docs.answers(accept)
    url = bridge.leg("browser", "/ds/doc/k1/c/?EIO=4&transport=websocket")
    async with asyncio.timeout(5), bridge.http.ws_connect(url) as editor:
        closing = await editor.receive()
    assert closing.data in (1001, 1014)


async def test_a_conversion_has_a_time_of_its_own(start: Start) -> None:
    bridge = await start(few(conversion=0.2))

    async def hang(_request: web.BaseRequest) -> web.StreamResponse:
        await asyncio.sleep(5)
        return web.Response()

    bridge.docs.answers(hang)
    assert (await bridge.call("/command", {"c": "info", "key": "k1"}))[1] == {"error": 3}


# A process under fire

CONNECTIONS = 200
CALLERS = 1500
MESSAGE = 1 << 20
MESSAGES = 300
# What it may grow by: connections with their buffers, sixteen messages, the allocator's slack. It was seen to take half.
GROWTH = 120 << 20


@contextlib.asynccontextmanager
async def process(directory: Path, origin: int, more: str) -> AsyncIterator[tuple[dict[str, int], int]]:
    """Run a bridge of its own process between one server on both sides; give its ports and its id."""
    ports = {name: fresh_port() for name in ("browser", "docs", "humhub", "admin")}
    both = f"http://127.0.0.1:{origin}"
    text = yaml_of(ports, both, both, more)
    upstream = f'{{url: "{both}", connections: {2 * CONNECTIONS}}}'
    (directory / "bridge.yaml").write_text(
        text.replace(f'name: social, upstream: "{both}"', f"name: social, upstream: {upstream}")
    )
    running = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bridge", "serve", "-c", str(directory / "bridge.yaml")),
        env={"SOME_JWT": "some-secret-0123456789abcdef0123456789", "PATH": "/usr/bin:/bin"},
        cwd=Path(__file__).parents[2],
        stderr=asyncio.subprocess.PIPE,
    )
    assert running.stderr is not None
    async with asyncio.timeout(20):
        while b'"ready"' not in await running.stderr.readline():
            pass
    draining = asyncio.create_task(running.stderr.read())
    try:
        yield ports, running.pid
    finally:
        running.terminate()
        assert await running.wait() == 0
        await draining


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="resident memory is read from Linux's /proc")
async def test_a_flood_is_turned_away_in_little_memory_and_the_service_recovers(serve: Serve, tmp_path: Path) -> None:
    gate, arrived, hanging = asyncio.Event(), asyncio.Event(), 0

    async def origin(request: web.BaseRequest) -> web.StreamResponse:
        nonlocal hanging
        if request.path == "/hang":
            hanging += 1
            if hanging == CONNECTIONS:
                arrived.set()
            await gate.wait()
        await request.read()
        return web.json_response({"error": 0, "keys": []})

    with many_files(4 * CALLERS):
        port = await serve(origin)
        limits = (
            f"{{connections: {CONNECTIONS}, client_connections: {CALLERS}, memory: 16MiB, websocket_message: 1MiB}}"
        )
        # More connections to HumHub than hang there, so that the leg's own limit is what is met.
        more = f"limits: {limits}\nlog: {{level: info}}"
        async with process(tmp_path, port, more) as (ports, pid):
            browser = f"http://127.0.0.1:{ports['browser']}"
            async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
                assert await ask(http, f"{browser}/small") == "200"
                before = peak(pid)
                waiting = [asyncio.create_task(ask(http, f"{browser}/hang")) for _ in range(CONNECTIONS)]
                async with asyncio.timeout(10):
                    await arrived.wait()
                found = await asyncio.gather(*(ask(http, f"{browser}/{at}") for at in range(CALLERS)))
                # Most are told; what came in one heap, far over the limit, is cut.
                assert set(found) <= {"503 retry", "cut"}
                assert found.count("503 retry") > CALLERS // 3
                async with http.get(f"http://127.0.0.1:{ports['admin']}/livez") as answer:
                    assert answer.status == 200
                assert peak(pid) - before < GROWTH
                gate.set()
                assert await asyncio.gather(*waiting) == ["200"] * CONNECTIONS
                assert [await ask(http, f"{browser}/small") for _ in range(5)] == ["200"] * 5
                # Messages that have to be read whole: more of them at once than there is memory for.
                polls = f"{browser}/ds/doc/k/c/?EIO=4&transport=polling&sid=s"
                answers = await asyncio.gather(*(ask(http, polls, bytes(MESSAGE - 1)) for _ in range(MESSAGES)))
                assert "503 retry" in answers
                assert peak(pid) - before < GROWTH
                assert await ask(http, f"{browser}/small") == "200"


async def ask(http: aiohttp.ClientSession, url: str, body: bytes | None = None) -> str:
    try:
        async with http.request("GET" if body is None else "POST", url, data=body) as answer:
            await answer.read()
            return f"{answer.status} retry" if "Retry-After" in answer.headers else str(answer.status)
    except aiohttp.ClientError:
        return "cut"
