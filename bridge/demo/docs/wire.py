"""The socket.io endpoint `/doc/{key}/c/`: python-socketio, with the answers of the real one where it differs."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import socketio
from aiohttp import web

from bridge.demo.docs.outgoing import compact

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from bridge.demo.docs.settings import DocsSettings

MAX_PAYLOAD = 100_000_000

# What engine.io answers to a call that it can't take: the real one's code and words.
_UNKNOWN_SID = (1, "Session ID unknown")
_BAD_METHOD = (2, "Bad handshake method")
_BAD_VERSION = (5, "Unsupported protocol version")


class _Whole:
    """A request's body that has been read already: aiohttp's own reader may give less than was asked for."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    async def read(self, length: int) -> bytes:
        return self._body[:length]


class _WebSocket:
    """The driver's websocket, without compression: Docs doesn't accept permessage-deflate."""

    def __init__(self, handler: Callable[[_WebSocket], Awaitable[None]], server: Any) -> None:
        self._handler = handler
        self._socket = web.WebSocketResponse(max_msg_size=server.max_http_buffer_size, compress=False)
        self.environ: dict[str, Any] = {}

    async def __call__(self, environ: dict[str, Any]) -> web.WebSocketResponse:
        await self._socket.prepare(environ["aiohttp.request"])
        self.environ = environ
        await self._handler(self)
        return self._socket

    async def close(self) -> None:
        await self._socket.close()

    async def send(self, message: str | bytes) -> None:
        if isinstance(message, bytes):
            await self._socket.send_bytes(message)
        else:
            await self._socket.send_str(message)

    async def wait(self) -> str | bytes:
        message = await self._socket.receive()
        if not isinstance(message.data, str | bytes):
            raise OSError("the connection is closed")
        return message.data


async def _environ(request: web.Request) -> dict[str, Any]:
    headers = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in request.headers.items()}
    body = await request.read() if request.method == "POST" else b""
    return {
        **headers,
        "CONTENT_LENGTH": str(len(body)),
        "REQUEST_METHOD": request.method,
        "QUERY_STRING": request.query_string,
        "wsgi.input": _Whole(body),
        "wsgi.url_scheme": request.scheme,
        "aiohttp.request": request,
    }


class Wire:
    """A socket.io server behind any path."""

    def __init__(self, settings: DocsSettings) -> None:
        quiet = logging.getLogger("bridge.demo.docs.wire")
        quiet.setLevel(logging.CRITICAL)
        self.server = socketio.AsyncServer(
            async_mode="aiohttp",
            async_handlers=False,
            cors_allowed_origins=[],
            ping_interval=settings.ping_interval,
            ping_timeout=settings.ping_timeout,
            max_http_buffer_size=MAX_PAYLOAD,
            logger=quiet,
            engineio_logger=quiet,
            monitor_clients=False,
        )
        engine: Any = self.server.eio
        engine._async = {**engine._async, "translate_request": _environ, "websocket": _WebSocket}  # noqa: SLF001

    async def handle(self, request: web.Request) -> web.StreamResponse:
        problem = self._problem(request)
        if problem is not None:
            code, message = problem
            body = compact({"code": code, "message": message}).encode()
            return web.Response(status=400, body=body, headers={"Content-Type": "application/json"})
        response: web.StreamResponse = await self.server.handle_request(request)
        if request.method == "POST" and response.status == 200:
            response = web.Response(body=b"ok", headers={"Content-Type": "text/html"})
        if not response.prepared:
            response.headers["cache-control"] = "no-store"
        return response

    def _problem(self, request: web.Request) -> tuple[int, str] | None:
        query = request.query
        sid = query.get("sid")
        if sid is not None:
            return None if sid in self.server.eio.sockets else _UNKNOWN_SID
        if request.method != "GET":
            return _BAD_METHOD
        return None if query.get("EIO") == "4" else _BAD_VERSION

    async def stop(self) -> None:
        for socket in list(self.server.eio.sockets.values()):
            await socket.close(wait=False)
            await socket.queue.put(None)  # ends the writer, and with it the websocket
        self.server.eio.sockets.clear()
        await self.server.shutdown()
