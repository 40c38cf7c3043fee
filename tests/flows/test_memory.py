"""Files of 200 MB cross in constant memory: measured in bytes of the process, never in time."""

from __future__ import annotations

import asyncio
import hashlib
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import jwt
import pytest
from aiohttp import web

from tests.legs.fakes import DOCS_SECRET, doc, yaml_of
from tests.ports import fresh_port

SIZE = 200 << 20
CHUNK = bytes(range(256)) * 256
# What a process may grow by while 200 MB cross: buffers of sockets and the allocator's slack.
GROWTH = 24 << 20


class Origin:
    """HumHub and Docs in one: gives 200 MB, takes 200 MB, and pulls a save as HumHub does."""

    def __init__(self) -> None:
        self.taken = hashlib.sha256()
        self.pulled = ""

    async def give(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/octet-stream", "Content-Length": str(SIZE)})
        await response.prepare(request)
        await response.write(b"PK\x03\x04" + CHUNK[4:])
        for _ in range(SIZE // len(CHUNK) - 1):
            await response.write(CHUNK)
        return response

    async def take(self, request: web.Request) -> web.Response:
        async for chunk in request.content.iter_any():
            self.taken.update(chunk)
        return web.Response(text="taken")

    async def track(self, request: web.Request) -> web.Response:
        message = await request.json()
        async with aiohttp.ClientSession() as http, http.get(message["url"]) as answer:
            self.pulled = await digest(answer)
        return web.json_response({"error": 0})


async def digest(answer: aiohttp.ClientResponse) -> str:
    found = hashlib.sha256()
    async for chunk in answer.content.iter_any():
        found.update(chunk)
    return found.hexdigest()


def whole() -> str:
    found = hashlib.sha256(b"PK\x03\x04" + CHUNK[4:])
    for _ in range(SIZE // len(CHUNK) - 1):
        found.update(CHUNK)
    return found.hexdigest()


async def upload() -> AsyncIterator[bytes]:
    for _ in range(SIZE // len(CHUNK)):
        yield CHUNK


def peak(pid: int) -> int:
    """Give the most bytes that the process has had resident so far."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="resident memory is read from Linux's /proc")
@pytest.mark.timeout(240)
async def test_200_mb_leave_resident_memory_flat(tmp_path: Path) -> None:
    ports = {name: fresh_port() for name in ("browser", "docs", "humhub", "admin", "origin")}
    both = f"http://127.0.0.1:{ports['origin']}"
    more = "limits: {body: 300MiB}\nlog: {level: warning}"
    (tmp_path / "bridge.yaml").write_text(yaml_of(ports, both, both, more))
    origin = Origin()
    app = web.Application(client_max_size=SIZE * 2)
    app.add_routes([web.get("/small", small), web.post("/file/file/upload", origin.take)])
    app.add_routes(
        [web.get("/onlyoffice/backend/download", origin.give), web.get("/cache/files/{path:.*}", origin.give)]
    )
    app.add_routes([web.post("/onlyoffice/backend/track", origin.track)])
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", ports["origin"]).start()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bridge", "serve", "-c", str(tmp_path / "bridge.yaml")),
        env={"SOME_JWT": DOCS_SECRET, "PATH": "/usr/bin:/bin"},
        cwd=Path(__file__).parents[2],
    )
    try:
        async with aiohttp.ClientSession() as http:
            browser, docs = (f"http://127.0.0.1:{port}" for port in (ports["browser"], ports["docs"]))
            await listening(http, f"{browser}/small")
            async with http.get(f"{browser}/small") as answer:
                assert answer.status == 200
            before = peak(process.pid)
            headers = {"Content-Length": str(SIZE)}
            async with http.post(f"{browser}/file/file/upload", data=upload(), headers=headers) as answer:
                assert await answer.text() == "taken"
            assert origin.taken.hexdigest() == hashlib.sha256(CHUNK * (SIZE // len(CHUNK))).hexdigest()
            assert peak(process.pid) - before < GROWTH
            url = f"{docs}/onlyoffice/backend/download?doc={doc()}"
            token = {"Authorization": f"Bearer {jwt.encode({'payload': {'url': url}}, DOCS_SECRET)}"}
            async with http.get(url, headers=token) as answer:
                assert await digest(answer) == whole()
            assert peak(process.pid) - before < GROWTH
            save: dict[str, Any] = {"key": "k1", "status": 2, "filetype": "docx"}
            save["url"] = "http://x/cache/files/data/k1_1/output.docx/output.docx"
            body = json.dumps({"token": jwt.encode(save, DOCS_SECRET)})
            async with http.post(f"{docs}/onlyoffice/backend/track?doc={doc()}", data=body) as answer:
                assert await answer.json() == {"error": 0}
            assert origin.pulled == whole()
            assert peak(process.pid) - before < GROWTH
    finally:
        process.terminate()
        assert await process.wait() == 0
        await runner.cleanup()


async def small(_request: web.Request) -> web.Response:
    return web.Response(text="small")


async def listening(http: aiohttp.ClientSession, url: str) -> None:
    async with asyncio.timeout(20):
        while True:
            try:
                async with http.get(url):
                    return
            except aiohttp.ClientConnectorError:
                await asyncio.sleep(0.05)
