"""A front between browser and Docs: strips a prefix, tells the server of it, and fails as networks do."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Literal

import aiohttp
from aiohttp import web
from yarl import URL

HOP = {"connection", "host", "upgrade", "transfer-encoding", "content-length", "keep-alive"}
PREFIX = "/ds"


@dataclass
class Front:
    """Relays `/ds/…` to Docs and everything else to a storage."""

    docs: str
    storage: str
    websockets: Literal["relay", "refuse", "refuse first"] = "relay"
    down: bool = False
    seen: list[str] = field(default_factory=list)
    url: str = ""
    _open: set[web.WebSocketResponse] = field(default_factory=set)
    _http: aiohttp.ClientSession | None = None
    _runner: web.AppRunner | None = None

    async def start(self) -> None:
        self._http = aiohttp.ClientSession(auto_decompress=False)
        app = web.Application(client_max_size=2**27)
        app.router.add_route("*", "/{tail:.*}", self.handle)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"

    async def stop(self) -> None:
        self.down = True
        await self.cut()
        if self._runner is not None:
            await self._runner.cleanup()
        if self._http is not None:
            await self._http.close()

    async def cut(self) -> None:
        """Break every websocket."""
        await asyncio.gather(*(self._abort(socket) for socket in list(self._open)))

    async def _abort(self, socket: web.WebSocketResponse) -> None:
        if socket._req is not None and socket._req.transport is not None:
            socket._req.transport.abort()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if self.down:
            return web.Response(status=502)
        inside = request.raw_path.startswith(f"{PREFIX}/")
        target = (self.docs + request.raw_path.removeprefix(PREFIX)) if inside else self.storage + request.raw_path
        headers = {name: value for name, value in request.headers.items() if name.lower() not in HOP}
        headers |= {"X-Forwarded-Host": request.host, "X-Forwarded-Proto": "http", "X-Forwarded-Prefix": PREFIX}
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return await self._websocket(request, target, headers)
        self.seen.append(f"{request.method} {request.path}")
        try:
            return await self._relayed(request, target, headers)
        except aiohttp.ClientError:
            return web.Response(status=502)

    async def _relayed(self, request: web.Request, target: str, headers: dict[str, str]) -> web.Response:
        assert self._http is not None
        url, body = URL(target, encoded=True), await request.read()
        async with self._http.request(request.method, url, headers=headers, data=body, allow_redirects=False) as answer:
            kept = {name: value for name, value in answer.headers.items() if name.lower() not in HOP}
            return web.Response(status=answer.status, headers=kept, body=await answer.read())

    async def _websocket(self, request: web.Request, target: str, headers: dict[str, str]) -> web.StreamResponse:
        self.seen.append("websocket")
        if self.websockets != "relay":
            if self.websockets == "refuse first":
                self.websockets = "relay"
            return web.Response(status=502)
        assert self._http is not None
        headers = {name: value for name, value in headers.items() if not name.lower().startswith("sec-websocket")}
        async with self._http.ws_connect(URL(target, encoded=True), headers=headers) as inner:
            outer = web.WebSocketResponse(compress=False)
            await outer.prepare(request)
            self._open.add(outer)
            try:
                await _relay(outer, inner)
            finally:
                self._open.discard(outer)
            return outer


async def _relay(outer: web.WebSocketResponse, inner: aiohttp.ClientWebSocketResponse) -> None:
    async def down() -> None:
        async for message in inner:
            await outer.send_str(message.data)
        await outer.close()

    task = asyncio.create_task(down())
    try:
        async for message in outer:
            await inner.send_str(message.data)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
