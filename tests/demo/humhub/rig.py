"""A client that keeps nothing, and a script in place of whom HumHub calls."""

from __future__ import annotations

import asyncio
import gzip
import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from aiohttp import web
from yarl import URL

from bridge.demo.humhub import SmallHumHub, User
from bridge.demo.humhub import sessions as humhub_sessions

SECRET = "humhub-secret-0123456789abcdef0123456789"
EDITED = bytes(range(256)) * 27 + b"edited document's last bytes, 40 of th\r\n"


@dataclass
class Upstream:
    """Whom HumHub calls: files, odd answers, a converter and commands that say what they are told to."""

    url: str = ""
    calls: list[tuple[str, str, Mapping[str, str], bytes]] = field(default_factory=list)
    converter: Any = None
    command: Any = field(default_factory=lambda: {"error": 0, "version": "9.0.0"})

    async def serve(self, request: web.Request) -> web.StreamResponse:
        self.calls.append((request.method, request.path_qs, request.headers, await request.read()))
        answer = getattr(self, "_" + (request.path.split("/")[1] or "nothing"), None)
        return await answer(request) if answer else web.Response(status=404, text="404")

    async def _file(self, request: web.Request) -> web.StreamResponse:
        if "missing" in request.path:
            return web.Response(status=404, text="<html>not here</html>", content_type="text/html")
        return web.Response(body=EDITED)

    async def _status(self, request: web.Request) -> web.StreamResponse:
        text = request.query.get("body") or f"<html>error page {request.query['code']}</html>"[:27].ljust(27)
        kind = request.query.get("ct", "text/html")
        return web.Response(status=int(request.query["code"]), text=text, content_type=kind)

    async def _redirect(self, request: web.Request) -> web.StreamResponse:
        return web.Response(status=302, headers={"Location": request.query["to"]}, text="<html>moved</html>")

    async def _empty(self, _: web.Request) -> web.StreamResponse:
        return web.Response(body=b"")

    async def _slow(self, _: web.Request) -> web.StreamResponse:
        await asyncio.sleep(0.2)
        return web.Response(body=EDITED)

    async def _huge(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(int(request.query["mb"])):
            await response.write(bytes(1024 * 1024))
        await response.write_eof()
        return response

    async def _trunc(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "100000"})
        await response.prepare(request)
        await response.write(b"x" * 5002)
        assert request.transport is not None
        request.transport.close()
        return response

    async def _converter(self, _: web.Request) -> web.StreamResponse:
        return self._told(self.converter)

    async def _coauthoring(self, _: web.Request) -> web.StreamResponse:
        return self._told(self.command)

    async def _healthcheck(self, _: web.Request) -> web.StreamResponse:
        return web.Response(text="true")

    @staticmethod
    def _told(value: Any) -> web.Response:
        if isinstance(value, int):
            return web.Response(status=value, text="<html>bad gateway</html>", content_type="text/html")
        return web.json_response(value)


@dataclass
class Reply:
    """An answer, read whole."""

    status: int
    headers: Any
    body: bytes

    @property
    def text(self) -> str:
        packed = self.headers.get("Content-Encoding") == "gzip"
        return (gzip.decompress(self.body) if packed else self.body).decode()


class Browser:
    """A client with one user's cookies; it follows nothing, keeps nothing and unpacks nothing."""

    def __init__(self, hub: SmallHumHub, http: aiohttp.ClientSession, user: User | None) -> None:
        self.hub, self.http, self.user = hub, http, user
        self.csrf = humhub_sessions.new_csrf()
        self.session = hub.session_of(user) if user else hub.sessions.start()

    def cookies(self) -> dict[str, str]:
        return {"PHPSESSID": self.session.id, "_csrf": self.hub.sessions.seal("_csrf", self.csrf)}

    def token(self) -> str:
        return humhub_sessions.mask(self.csrf)

    async def send(self, method: str, path: str, *, ajax: bool = True, headers: Any = None, **more: Any) -> Reply:
        own = {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies().items())}
        if ajax:
            own |= {"X-Requested-With": "XMLHttpRequest", "X-CSRF-Token": self.token()}
        host, _, _ = self.hub.url.partition(self.hub.settings.base_path or "\0")
        async with self.http.request(
            method, host + path, headers=own | (headers or {}), allow_redirects=False, **more
        ) as answer:
            return Reply(answer.status, answer.headers.copy(), await answer.read())

    async def exactly(self, method: str, path: str, headers: dict[str, str], data: bytes | None) -> Reply:
        """Send these headers and no others."""
        host, _, _ = self.hub.url.partition(self.hub.settings.base_path or "\0")
        url, silent = URL(host + path, encoded=True), ("Content-Type", "Accept-Encoding", "User-Agent")
        async with self.http.request(
            method,
            url,
            headers=headers,
            data=data and io.BytesIO(data),
            allow_redirects=False,
            skip_auto_headers=silent,
        ) as answer:
            return Reply(answer.status, answer.headers.copy(), await answer.read())

    async def get(self, path: str, **more: Any) -> Reply:
        return await self.send("GET", path, **more)

    async def post(self, path: str, **more: Any) -> Reply:
        return await self.send("POST", path, **more)
