"""An office's HTTP proxy that lets no websocket through: a browser asks it for those by CONNECT, which it refuses."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
from aiohttp import web
from yarl import URL

_HOP = {"connection", "proxy-connection", "keep-alive", "transfer-encoding", "content-length"}


@asynccontextmanager
async def office_proxy() -> AsyncIterator[str]:
    """Run one; yield its URL."""
    async with aiohttp.ClientSession(auto_decompress=False, cookie_jar=aiohttp.DummyCookieJar()) as http:

        async def handle(request: web.BaseRequest) -> web.StreamResponse:
            if request.method == "CONNECT":
                return web.Response(status=403)
            url, body = URL(str(request.url), encoded=True), await request.read()
            headers = [(name, value) for name, value in request.headers.items() if name.lower() not in _HOP]
            async with http.request(request.method, url, headers=headers, data=body, allow_redirects=False) as answer:
                kept = [(name, value) for name, value in answer.headers.items() if name.lower() not in _HOP]
                relayed = web.StreamResponse(status=answer.status)
                relayed.headers.extend(kept)
                await relayed.prepare(request)
                async for chunk in answer.content.iter_any():
                    await relayed.write(chunk)
                return relayed

        runner = web.ServerRunner(web.Server(handle, access_log=None), shutdown_timeout=0.1)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            host, port = runner.addresses[0][:2]
            yield f"http://{host}:{port}"
        finally:
            await runner.cleanup()
