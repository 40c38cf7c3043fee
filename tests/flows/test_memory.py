"""Files of 200 MB cross in constant memory: measured in bytes of the process, never in time."""

from __future__ import annotations

import asyncio
import hashlib
import json
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import jwt
import pytest
from aiohttp import web

from bridge.saves.delivery import OPEN_ATTEMPTS
from tests.legs.fakes import DOCS_SECRET, doc, yaml_of
from tests.ports import fresh_port
from tests.processes import many_files, peak

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


# --- a thousand saves at once ---

SAVES = 1000
LARGE = 3
# The whole process, the interpreter and the libraries included.
RESIDENT = 150 << 20


class Crowd:
    """HumHub and Docs for a thousand documents, some of them of 200 MB; each body is its own."""

    def __init__(self) -> None:
        self.stored: dict[str, str] = {}
        self.open = self.most = 0

    async def give(self, request: web.Request) -> web.StreamResponse:
        number = int(request.match_info["number"])
        size = SIZE if number < LARGE else 20_000
        response = web.StreamResponse(headers={"Content-Length": str(size)})
        await response.prepare(request)
        for chunk in body_of(number, size):
            await response.write(chunk)
        return response

    async def track(self, request: web.Request) -> web.Response:
        self.open += 1
        self.most = max(self.most, self.open)
        message = await request.json()
        async with aiohttp.ClientSession() as http, http.get(message["url"]) as answer:
            self.stored[message["key"]] = await digest(answer)
        self.open -= 1
        return web.json_response({"error": 0})


def body_of(number: int, size: int) -> Iterator[bytes]:
    """Make the body of a document, in chunks."""
    head = b"PK\x03\x04" + number.to_bytes(4, "big")
    block = head + bytes(len(CHUNK) - len(head))
    for at in range(0, size, len(block)):
        yield block[: size - at]


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="resident memory is read from Linux's /proc")
@pytest.mark.timeout(300)
async def test_a_thousand_saves_at_once_are_delivered_in_little_memory(tmp_path: Path) -> None:
    with many_files(4 * SAVES):
        await a_thousand_saves(tmp_path)


async def a_thousand_saves(directory: Path) -> None:
    ports = {name: fresh_port() for name in ("browser", "docs", "humhub", "admin", "origin")}
    both = f"http://127.0.0.1:{ports['origin']}"
    (directory / "bridge.yaml").write_text(yaml_of(ports, both, both, "log: {level: warning}"))
    crowd = Crowd()
    app = web.Application()
    app.add_routes([web.get("/small", small), web.post("/onlyoffice/backend/track", crowd.track)])
    app.add_routes([web.get(r"/cache/files/data/k{number:\d+}_1/{path:.*}", crowd.give)])
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", ports["origin"], backlog=2048).start()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bridge", "serve", "-c", str(directory / "bridge.yaml")),
        env={"SOME_JWT": DOCS_SECRET, "PATH": "/usr/bin:/bin"},
        cwd=Path(__file__).parents[2],
    )
    try:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
            await listening(http, f"http://127.0.0.1:{ports['browser']}/small")
            docs = f"http://127.0.0.1:{ports['docs']}/onlyoffice/backend/track"
            answers = await asyncio.gather(*(save(http, docs, number) for number in range(SAVES)))
        assert answers == [{"error": 0}] * SAVES
        assert peak(process.pid) < RESIDENT
        assert crowd.most <= OPEN_ATTEMPTS
        for number in range(SAVES):
            found = hashlib.sha256()
            for chunk in body_of(number, SIZE if number < LARGE else 20_000):
                found.update(chunk)
            assert crowd.stored[f"k{number}"] == found.hexdigest()
    finally:
        process.terminate()
        assert await process.wait() == 0
        await runner.cleanup()


async def save(http: aiohttp.ClientSession, url: str, number: int) -> Any:
    """Post a save as Docs does."""
    key = f"k{number}"
    fields = {"key": key, "status": 2, "filetype": "docx", "users": ["u1"]}
    fields["url"] = f"http://x/cache/files/data/{key}_1/output.docx/output.docx"
    now = int(time.time())
    token = jwt.encode({**fields, "iat": now, "exp": now + 300}, DOCS_SECRET)
    body = json.dumps({"token": token})
    async with http.post(f"{url}?doc={doc(key=key, userGuid='u1')}", data=body) as answer:
        return await answer.json()


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
