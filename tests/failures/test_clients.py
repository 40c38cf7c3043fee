"""Clients that leave, stall and lie: what the server behind sees, what the client still gets, and the one line."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Final

import pytest
from structlog.typing import EventDict

from tests.failures.asking import ROUTES, Got, Request, exchange, got_of
from tests.failures.faults import ENDLESS, Server
from tests.failures.playing import LIMIT, Scene

pytestmark = pytest.mark.asyncio(loop_scope="module")

_PATIENCE: Final = 10.0
_SMALL: Final = 4096


@dataclass
class Client:
    """A client of raw sockets."""

    scene: Scene
    request: Request
    name: str
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    @property
    def upstream(self) -> Server:
        """Whom its request is passed on to: Docs, where Docs serves it."""
        return self.scene.humhub if self.name.split(".")[1] in _OF_HUMHUB else self.scene.docs

    async def until(self, happened: Callable[[], object]) -> None:
        async with asyncio.timeout(_PATIENCE):
            while not happened():  # noqa: ASYNC110 - neither a log nor a server tells
                await asyncio.sleep(0.01)

    async def asked(self) -> None:
        """Wait until its request has been passed on."""
        await self.until(lambda: self.name in self.upstream.asked)

    async def answer(self) -> Got:
        raw = bytearray()
        async with asyncio.timeout(_PATIENCE):
            try:
                while not got_of(bytes(raw), ended=True).whole and (chunk := await self.reader.read(65536)):
                    raw += chunk
            except ConnectionError:
                return got_of(bytes(raw), ended=False)
        return got_of(bytes(raw), ended=True)

    def leave(self) -> None:
        self.writer.transport.abort()

    async def line(self) -> EventDict:
        """Wait for the one line about the request."""
        path = self.request.target
        await self.until(lambda: any(line.get("path") == path for line in self.scene.log.lines))
        await asyncio.sleep(0.05)
        (line,) = [line for line in self.scene.log.lines if path in line.get("path", "")]
        return line


_OF_HUMHUB: Final = frozenset(("page", "script", "upload", "editor", "download", "empty-file", "delivery", "news"))
_CALLS: Final = ("convert", "convert-xml", "command")


@asynccontextmanager
async def dialled(scene: Scene, route: str, fault: str, row: str, *, small: bool = False) -> AsyncIterator[Client]:
    """Connect a client; ``row`` tells its line and its server's part from any other's."""
    name = f"{exchange(route, fault)}.{row}"
    request = ROUTES[route](name)
    if route in _CALLS:
        request = replace(request, target=f"{request.target}?{name}")
    wire = socket.socket()
    if small:
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _SMALL)
    wire.setblocking(False)
    port = getattr(scene.config.legs, request.leg).listen.port
    await asyncio.get_running_loop().sock_connect(wire, ("127.0.0.1", port))
    reader, writer = await asyncio.open_connection(sock=wire, limit=_SMALL if small else 1 << 16)
    try:
        yield Client(scene, request, name, reader, writer)
    finally:
        writer.transport.abort()


async def left_before(scene: Scene, route: str) -> tuple[str, str, str]:
    """Leave as soon as the server has been asked; say what the line calls it, and when the server's part ended."""
    async with dialled(scene, route, "hangs", "before") as client:
        client.writer.write(client.request.wire())
        await client.asked()
        client.leave()
        loop = asyncio.get_running_loop()
        since = loop.time()
        await client.until(lambda: client.name in client.upstream.left)
        when = "at once" if loop.time() - since < LIMIT / 2 else "in time"
        line = await client.line()
        return line["outcome"], line["log_level"], when


BEFORE: Final = {
    **dict.fromkeys(("page", "script", "upload", "asset", "download-as"), ("client-left", "info", "at once")),
    **dict.fromkeys(("websocket", "handshake", "poll", "push"), ("client-left", "info", "at once")),
    # HumHub may be writing a key, which the next opener must find.
    "editor": ("client-left", "info", "in time"),
    # What Docs and HumHub have asked for goes on: HumHub may be storing, and Docs keeps what it converted.
    **dict.fromkeys(("download", "converted", "convert", "command"), ("time-out", "warning", "in time")),
    "save": ("not-kept", "warning", "in time"),
    "news": ("noted", "warning", "in time"),
}


async def test_who_leaves_before_the_answer_leaves_nothing_behind(on_stage: Scene) -> None:
    found = await asyncio.gather(*(left_before(on_stage, route) for route in BEFORE))
    assert dict(zip(BEFORE, found, strict=True)) == BEFORE


STREAMED: Final = ("page", "asset", "image", "pdf", "poll", "download", "result", "converted")


async def left_in_the_middle(scene: Scene, route: str) -> tuple[str, str, int | None]:
    async with dialled(scene, route, ENDLESS, "middle") as client:
        client.writer.write(client.request.wire())
        await client.reader.readexactly(200_000)
        client.leave()
        await client.until(lambda: client.name in client.upstream.left)
        line = await client.line()
        assert line["bytes_out"] > 100_000
        return line["outcome"], line["log_level"], line["status"]


async def test_who_leaves_in_the_middle_ends_the_servers_part(on_stage: Scene) -> None:
    found = await asyncio.gather(*(left_in_the_middle(on_stage, route) for route in STREAMED))
    assert dict(zip(STREAMED, found, strict=True)) == dict.fromkeys(STREAMED, ("client-left", "info", None))


async def not_read(scene: Scene, route: str) -> tuple[str, str]:
    async with dialled(scene, route, ENDLESS, "unread", small=True) as client:
        client.writer.write(client.request.wire())
        await client.until(lambda: client.name in client.upstream.left)
        line = await client.line()
        return line["outcome"], line["why"]


async def test_who_does_not_read_is_cut_and_said_so(on_stage: Scene) -> None:
    found = await asyncio.gather(*(not_read(on_stage, route) for route in STREAMED))
    cut = ("client-left", f"the client took nothing for {LIMIT:g} s")
    assert dict(zip(STREAMED, found, strict=True)) == dict.fromkeys(STREAMED, cut)


# Bodies


def begun(request: Request, *, chunked: bool) -> bytes:
    """Give a request with the first half of its body, under its length or chunked."""
    body = request.body or b""
    half = body[: len(body) // 2]
    framing = {"Transfer-Encoding": "chunked"} if chunked else {"Content-Length": str(len(body))}
    head = replace(request, body=None, headers={**request.headers, **framing}).wire()
    return head + (b"%x\r\n%b\r\n" % (len(half), half) if chunked and half else half)


async def cut_in_its_body(scene: Scene, route: str, *, chunked: bool) -> tuple[str, str, int | None]:
    async with dialled(scene, route, "whole", "chunks" if chunked else "cut") as client:
        client.writer.write(begun(client.request, chunked=chunked))
        await client.writer.drain()
        await asyncio.sleep(0.1)
        client.leave()
        line = await client.line()
        assert client.name not in client.upstream.asked, "a beginning was taken for the whole"
        return line["outcome"], line["log_level"], line["status"]


# What a client hears whose body stops coming, or is none.
BODIES: Final = {
    "upload": (400, b"<h1>Bad Request</h1>"),
    "download-as": (400, b"<h1>Bad Request</h1>"),
    "push": (400, b"<h1>Bad Request</h1>"),
    "convert": (200, b'{"error":-7}'),
    "convert-xml": (200, b"<Error>-7</Error>"),
    "command": (200, b'{"error": 5}'),
    "save": (400, b'"error": 1'),
    "news": (400, b'"error": 1'),
}


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_that_is_cut_reaches_no_server_whole(on_stage: Scene, chunked: bool) -> None:
    found = await asyncio.gather(*(cut_in_its_body(on_stage, route, chunked=chunked) for route in BODIES))
    assert dict(zip(BODIES, found, strict=True)) == dict.fromkeys(BODIES, ("client-left", "info", None))


async def spoilt(scene: Scene, route: str, why: str) -> tuple[str, int | None, bool, str]:
    """Stop sending a body, or send what is no chunk; say what the line says and the client hears."""
    chunked = "malformed" in why
    async with dialled(scene, route, "whole", "malformed" if chunked else "stalled") as client:
        client.writer.write(begun(client.request, chunked=chunked))
        await client.writer.drain()
        if chunked:
            await asyncio.sleep(0.05)
            client.writer.write(b"zz\r\n")
        got, line = await client.answer(), await client.line()
        assert line["remedy"]
        assert client.name not in client.upstream.asked
        return line["outcome"], got.status, BODIES[route][1] in got.body, line["why"]


async def test_a_body_that_stops_coming_is_refused(on_stage: Scene) -> None:
    why = "The request's body stopped coming."
    found = await asyncio.gather(*(spoilt(on_stage, route, why) for route in BODIES))
    expected = {route: ("bad-request", status, True, why) for route, (status, _) in BODIES.items()}
    assert dict(zip(BODIES, found, strict=True)) == expected


async def test_a_body_that_is_no_http_is_refused(on_stage: Scene) -> None:
    found = await asyncio.gather(*(spoilt(on_stage, route, "malformed") for route in BODIES))
    # The server stops reading there without a word: the idle limit notices.
    why = "The request's body stopped coming."
    expected = {route: ("bad-request", status, True, why) for route, (status, _) in BODIES.items()}
    assert dict(zip(BODIES, found, strict=True)) == expected


async def test_what_comes_after_a_body_is_another_request(on_stage: Scene) -> None:
    async with dialled(on_stage, "push", "whole", "surplus") as client:
        wire = client.request.wire().replace(b"Connection: close", b"Connection: keep-alive")
        client.writer.write(wire)
        await client.asked()
        client.writer.write(b"smuggled\r\n\r\n")
        async with asyncio.timeout(_PATIENCE):
            raw = await client.reader.read()
        first, _, second = raw.partition(b" 400 ")
        assert first.startswith(b"HTTP/1.1 200 ")
        assert b"That is not HTTP." in second
        assert (await client.line())["outcome"] == "ok"
        assert len(client.upstream.asked[client.name]) == 1
        assert b"smuggled" not in client.upstream.asked[client.name][0]


async def test_nothing_else_was_said(on_stage: Scene) -> None:
    assert on_stage.log.foreign == [], "a library has something to add, such as a traceback"
