"""Servers of raw sockets that fail on purpose: each request names its fault, so that one server has them all."""

from __future__ import annotations

import asyncio
import base64
import re
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Final

__all__ = ["ENDLESS", "FAULTS", "PAUSE", "TIMELY", "Good", "Server", "serving"]

# Seconds between two bytes of what trickles: well below every limit, and all of it well above.
PAUSE: Final = 0.1
_RESET: Final = struct.pack("ii", 1, 0)


@dataclass(frozen=True)
class Good:
    """What a server answers when nothing is wrong."""

    body: bytes
    kind: str = "application/octet-stream"

    def head(self, *lines: str, status: str = "200 OK", version: str = "1.1", kind: str | None = None) -> bytes:
        label = self.kind if kind is None else kind
        typed = [f"Content-Type: {label}"] if label else []
        return "\r\n".join([f"HTTP/{version} {status}", *typed, *lines, "", ""]).encode("latin-1")

    @property
    def length(self) -> str:
        return f"Content-Length: {len(self.body)}"

    @property
    def half(self) -> bytes:
        return self.body[: len(self.body) // 2]

    def chunks(self, *parts: bytes, end: bytes = b"0\r\n\r\n") -> bytes:
        return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts or (self.body,)) + end


# What a fault does after the request has come: send bytes, or
Step = bytes | float | str
HANG: Final = "hang"  # say nothing more, and keep the connection
GO_ON: Final = "go on"  # send chunks without an end
RESET: Final = "reset"  # break it off
# At the end of the steps the connection is closed.

_CHUNKED: Final = "Transfer-Encoding: chunked"
_PAGE: Final = b"<!DOCTYPE html><html><head><title>Sign in</title></head><body><h1>Sign in</h1></body></html>"


def _answer(status: str, *lines: str, body: bytes = b"", kind: str = "text/html") -> Callable[[Good], list[Step]]:
    return lambda good: [good.head(f"Content-Length: {len(body)}", *lines, status=status, kind=kind) + body]


def _slowly(data: bytes, pieces: int) -> list[Step]:
    size = -(-len(data) // pieces)
    return [step for at in range(0, len(data), size) for step in (data[at : at + size], PAUSE)]


FAULTS: Final[dict[str, Callable[[Good], list[Step]]]] = {
    # Nothing is wrong, in every way that HTTP knows.
    "whole": lambda g: [g.head(g.length) + g.body],
    "chunked": lambda g: [g.head(_CHUNKED) + g.chunks()],
    "trailers": lambda g: [g.head(_CHUNKED, "Trailer: X-T") + g.chunks(end=b"0\r\nX-T: 1\r\nX-Auth: 2\r\n\r\n")],
    "in-pieces": lambda g: [*_slowly(g.head(g.length), 2), *_slowly(g.body, 3)],
    "http-1-0": lambda g: [g.head(g.length, version="1.0") + g.body],
    "continue-first": lambda g: [b"HTTP/1.1 100 Continue\r\n\r\n" + g.head(g.length) + g.body],
    "hints-first": lambda g: [b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n" * 2 + g.head(g.length) + g.body],
    # It says nothing, or not enough, and stays.
    "hangs": lambda g: [HANG],
    "hangs-in-head": lambda g: [g.head(g.length)[:-9], HANG],
    "hangs-after-head": lambda g: [g.head(g.length), HANG],
    "hangs-in-body": lambda g: [g.head(g.length) + g.half, HANG],
    "hangs-in-chunks": lambda g: [g.head(_CHUNKED) + g.chunks(g.half, end=b""), HANG],
    "trickles-its-head": lambda g: _slowly(g.head(g.length), 40),
    "continues-for-ever": lambda g: [b"HTTP/1.1 100 Continue\r\n\r\n", PAUSE] * 40,
    "trickles": lambda g: [g.head(g.length), *_slowly(g.body, 40)],
    # It leaves.
    "closes": lambda g: [],
    "resets": lambda g: [RESET],
    "cuts-its-head": lambda g: [g.head(g.length)[:-9]],
    "cuts-after-its-head": lambda g: [g.head(g.length)],
    "cuts-its-body": lambda g: [g.head(g.length) + g.half],
    "resets-in-its-body": lambda g: [g.head(g.length) + g.half, PAUSE, RESET],
    "cuts-its-chunks": lambda g: [g.head(_CHUNKED) + g.chunks(g.half, end=b"")],
    "cuts-a-chunk": lambda g: [g.head(_CHUNKED) + g.chunks(g.half, end=b"")[:-9]],
    "cuts-before-the-last-line": lambda g: [g.head(_CHUNKED) + g.chunks(end=b"0\r\n")],
    # It lies about its length, or doesn't say it.
    "promises-more": lambda g: [g.head(f"Content-Length: {len(g.body) + 1}") + g.body],
    "promises-less": lambda g: [g.head(f"Content-Length: {len(g.body) - 1}") + g.body],
    "promises-nothing": lambda g: [g.head("Connection: close") + g.body],
    "promises-nothing-and-resets": lambda g: [g.head("Connection: close") + g.half, PAUSE, RESET],
    "says-two-lengths": lambda g: [g.head(g.length, f"Content-Length: {len(g.body) - 1}") + g.body],
    "says-length-and-chunks": lambda g: [g.head(g.length, _CHUNKED) + g.chunks()],
    "says-no-number": lambda g: [g.head("Content-Length: many") + g.body],
    "is-empty": lambda g: [g.head("Content-Length: 0")],
    # It doesn't speak HTTP as it should.
    "speaks-ssh": lambda g: [b"SSH-2.0-OpenSSH_9.2p1\r\n\r\n"],
    "speaks-tls": lambda g: [b"\x15\x03\x01\x00\x02\x02\x28"],
    "breaks-its-chunks": lambda g: [g.head(_CHUNKED) + g.chunks(g.half, end=b"zz\r\n")],
    "has-a-large-header": lambda g: [g.head(g.length, "X-Large: " + "x" * 70_000) + g.body],
    "has-many-headers": lambda g: [g.head(g.length, *["X-Many: x"] * 5000) + g.body],
    "has-a-nul": lambda g: [g.head(g.length, "X-Nul: a\0b") + g.body],
    "has-no-such-status": lambda g: [g.head(g.length, status="99 What") + g.body],
    "switches-unasked": lambda g: [b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n"],
    "gzip-that-is-none": lambda g: [g.head(g.length, "Content-Encoding: gzip") + g.body],
    # It answers something else.
    "page": _answer("200 OK", body=_PAGE),
    "redirects": _answer("302 Found", "Location: http://social.test/user/auth/login", body=b"moved"),
    "redirects-to-itself": lambda g: [g.head("Location: .", "Content-Length: 0", status="302 Found")],
    "redirects-nowhere": _answer("302 Found", "X-Redirect: /user/auth/login"),
    "204-with-a-body": lambda g: [g.head(g.length, status="204 No Content") + g.body],
    "304-with-a-body": lambda g: [g.head(g.length, status="304 Not Modified") + g.body],
    "401": _answer("401 Unauthorized", "WWW-Authenticate: Basic", body=_PAGE),
    "403": _answer("403 Forbidden", body=_PAGE),
    "404": _answer("404 Not Found", body=_PAGE),
    "429": _answer("429 Too Many Requests", "Retry-After: 9", body=_PAGE),
    "500": _answer("500 Internal Server Error", body=_PAGE),
    "503": _answer("503 Service Unavailable", "Retry-After: 9", body=_PAGE),
    "504": _answer("504 Gateway Time-out", body=_PAGE),
}

ENDLESS: Final = "goes-on-for-ever"
"""No fault of its own: for clients that leave in the middle."""

_LEAVES: Final = ("closes", "resets", "cuts-", "breaks-", "promises-more", "promises-nothing", "http-1-0", "speaks-")
TIMELY: Final = frozenset(name for name in FAULTS if name.startswith(("hangs", "trickles", "continues")))
"""The faults that are about time."""


@dataclass
class Server:
    """A running one.

    ``good`` has what is answered, and spoilt, by the name of a route; ``sound`` what never is. ``asked`` are the
    requests of each exchange.
    """

    good: dict[str, Good]
    sound: dict[str, Good]
    url: str = ""
    asked: dict[str, list[bytes]] = field(default_factory=dict)
    left: list[str] = field(default_factory=list)
    """The exchanges that the bridge ended while the server hung, or had more to say."""
    always: str = ""
    """The exchange that each request is of, where none names its own."""

    def exchange_of(self, raw: bytes) -> str:
        """Give which route and fault a request names, in its path, its form, or inside HumHub's ``doc=``."""
        text = raw.decode("latin-1")
        hidden = [_decoded(part) for part in re.findall(r"doc=[\w-]+\.([\w-]+)\.", text)]
        found = re.search(r"\bat\.[a-z-]+\.[a-z0-9-]+(?:\.[a-z-]+)?", " ".join([text, *hidden]))
        return found[0] if found else self.always

    async def play(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while raw := await _request(reader):
            if b'"getForgottenList"' in raw:
                # The bridge asks this by itself when it starts.
                writer.write(Good(b'{"error":0,"keys":[]}').head("Content-Length: 21") + b'{"error":0,"keys":[]}')
                continue
            name = self.exchange_of(raw)
            self.asked.setdefault(name, []).append(raw)
            route, fault = name.split(".")[1:3]
            fault = "whole" if route in self.sound else fault
            good = self.sound.get(route) or self.good[route]
            steps: list[Step] = [good.head(_CHUNKED), GO_ON] if fault == ENDLESS else FAULTS[fault](good)
            for step in steps:
                await self._do(step, name, reader, writer)
            await writer.drain()
            if fault.startswith(_LEAVES):
                return

    async def _do(self, step: Step, name: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if isinstance(step, bytes):
            writer.write(step)
        elif isinstance(step, float):
            await writer.drain()
            await asyncio.sleep(step)
        elif step == RESET:
            wire: socket.socket = writer.get_extra_info("socket")
            wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            writer.transport.abort()
        elif step == HANG:
            await reader.read()
            self.left.append(name)
        else:
            await self._go_on(writer, name)

    async def _go_on(self, writer: asyncio.StreamWriter, name: str) -> None:
        try:
            while True:
                writer.write(b"10000\r\n" + bytes(0x10000) + b"\r\n")
                await writer.drain()
        finally:
            self.left.append(name)


def _decoded(part: str) -> str:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)).decode("latin-1")


async def _request(reader: asyncio.StreamReader) -> bytes:
    """Read one request, under its length or chunked."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = re.search(rb"(?i)content-length: (\d+)", head)
    if length is not None:
        return head + await reader.readexactly(int(length[1]))
    if b"transfer-encoding: chunked" in head.lower():
        return head + await reader.readuntil(b"0\r\n\r\n")
    return head


@asynccontextmanager
async def serving(good: dict[str, Good], sound: dict[str, Good]) -> AsyncIterator[Server]:
    """Run a server on a port of its own."""
    server, tasks = Server(good, sound), set[asyncio.Task[None]]()

    async def played(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                await server.play(reader, writer)
        finally:
            tasks.discard(task)
            writer.close()

    listening = await asyncio.start_server(played, "127.0.0.1", 0, limit=1 << 20)
    server.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    try:
        yield server
    finally:
        listening.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
