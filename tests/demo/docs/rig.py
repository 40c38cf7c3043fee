"""A storage on a real socket, and what the tests of the small Docs share."""

from __future__ import annotations

import asyncio
import io
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import docx
import jwt
from aiohttp import web

from bridge.demo.docs import SmallDocs
from tests.demo.docs.typist import Typist

SECRET = "docs-secret-0123456789abcdef0123456789"


@dataclass
class Call:
    """A request that the storage got."""

    method: str
    line: str
    headers: dict[str, str]
    body: dict[str, Any] | None
    at: float

    @property
    def token(self) -> dict[str, Any]:
        return self.claims(self.headers["Authorization"].removeprefix("Bearer "))

    @staticmethod
    def claims(token: str) -> dict[str, Any]:
        claims: dict[str, Any] = jwt.decode(token, SECRET, algorithms=["HS256"])
        return claims


Reply = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Storage:
    """Serves documents and takes callbacks, as a test tells it to."""

    files: dict[str, bytes] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)
    replies: dict[int, list[Reply]] = field(default_factory=dict)
    downloads: Reply | None = None
    url: str = ""
    news: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def callbacks(self) -> list[Call]:
        return [call for call in self.calls if call.line.startswith("/cb")]

    @property
    def statuses(self) -> list[int]:
        return [call.body["status"] for call in self.callbacks if call.body]

    async def until(self, count: int) -> list[Call]:
        """Wait until this many callbacks have come."""
        await self.when(lambda: len(self.callbacks) >= count)
        return self.callbacks

    async def when(self, reached: Callable[[], bool], within: float = 8) -> None:
        """Wait until the calls are as wanted."""
        async with asyncio.timeout(within):
            while not reached():
                self.news.clear()
                await self.news.wait()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = json.loads(await request.read()) if request.method == "POST" else None
        self.calls.append(Call(request.method, request.raw_path, dict(request.headers), body, time.monotonic()))
        self.news.set()
        if request.path == "/cb":
            replies = self.replies.get(body["status"] if body else 0)
            if replies:
                return await (replies.pop(0) if len(replies) > 1 else replies[0])(request)
            return web.Response(text='{"error":0}', content_type="application/json")
        if self.downloads is not None:
            return await self.downloads(request)
        data = self.files.get(request.path)
        if data is None:
            return web.Response(status=404)
        return web.Response(body=data, content_type="application/octet-stream")


def says(text: str, status: int = 200, content_type: str = "application/json") -> Reply:
    async def reply(_request: web.Request) -> web.StreamResponse:
        return web.Response(status=status, text=text, content_type=content_type)

    return reply


async def breaks(request: web.Request) -> web.StreamResponse:
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


def document(*lines: str) -> bytes:
    made = docx.Document()
    for line in lines:
        made.add_paragraph(line)
    out = io.BytesIO()
    made.save(out)
    return out.getvalue()


FAST: dict[str, Any] = {
    "save_delay": 0.1,
    "rejoin": 0.0,
    "retry_delays": (0.02, 0.04, 0.08),
    "download_retry_delay": 0.02,
    "callback_timeout": 1.0,
    "download_timeout": 1.5,
}

MakeDocs = Callable[..., Awaitable[SmallDocs]]
Enter = Callable[..., Typist]


def signed(claims: dict[str, Any], secret: str = SECRET, lifetime: float = 300) -> str:
    now = int(time.time())
    return jwt.encode({"iat": now, "exp": int(now + lifetime), **claims}, secret, algorithm="HS256")
