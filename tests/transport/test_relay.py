"""Bodies through a relay: every byte, bounded memory, and no truncated body that looks complete."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import socket
import struct
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import TYPE_CHECKING, cast

import aiohttp
import pytest
from aiohttp import web

from bridge.protocol.errors import BadRequestError, CutError, TooLargeError, UnreachableError
from bridge.protocol.headers import answerable
from bridge.transport.relay import TRANSFER, read_request, stream

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bridge.transport.answer import Answer
    from tests.transport.conftest import Origin, Stage

SIZES = [0, 1, 65535, 65536, 65537, (1 << 20) + 1]
MB = 1 << 20


def pattern(size: int) -> bytes:
    """Bytes in which every shift shows."""
    return b"".join(index.to_bytes(4, "big") for index in range(size // 4 + 1))[:size]


def head(*lines: str) -> bytes:
    return "\r\n".join(["HTTP/1.1 200 OK", *lines, "", ""]).encode()


def chunked(body: bytes) -> bytes:
    return b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body) if body else b"0\r\n\r\n"


def port(url: str) -> int:
    return int(url.rpartition(":")[2])


async def playing(stage: Stage, answer: bytes, *, reset: bool = False) -> Origin:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        if reset:
            await asyncio.sleep(0.05)
            connection = writer.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()

    return await stage.origin(script)


def ask(url: str, method: str = "GET", body: bytes | Iterator[bytes] | None = None) -> tuple[int, list[str], bytes]:
    """Ask as a strict client of another library does; an incomplete body is an error."""
    connection = HTTPConnection("127.0.0.1", port(url), timeout=5)
    try:
        connection.request(method, "/x", body, encode_chunked=body is not None and not isinstance(body, bytes))
        answer = connection.getresponse()
        return answer.status, [f"{name}: {value}" for name, value in answer.getheaders()], answer.read()
    finally:
        connection.close()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("framed", ["length", "chunked", "close"])
async def test_an_answer_arrives_as_it_was_sent(stage: Stage, size: int, framed: str) -> None:
    body = pattern(size)
    answer = {
        "length": head(f"Content-Length: {size}") + body,
        "chunked": head("Transfer-Encoding: chunked") + chunked(body),
        "close": head("Connection: close") + body,
    }[framed]
    relay = await stage.relay((await playing(stage, answer)).url)
    status, headers, received = await asyncio.to_thread(ask, relay)
    assert (status, received) == (200, body)
    assert (f"Content-Length: {size}" in headers) == (framed == "length")
    assert stage.seen == []


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("framed", ["length", "chunked"])
async def test_a_body_arrives_as_it_was_sent(stage: Stage, size: int, framed: str) -> None:
    body = pattern(size)
    seen: list[tuple[int | None, bytes]] = []

    async def origin(request: web.Request) -> web.Response:
        seen.append((request.content_length, await request.content.read()))
        return web.Response()

    relay = await stage.relay(await stage.serve(origin))
    sent = body if framed == "length" else iter([body[:1000], body[1000:]])
    assert (await asyncio.to_thread(ask, relay, "POST", sent))[0] == 200
    assert seen == [(size if framed == "length" else None, body)]


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 204), ("GET", 304)])
async def test_an_answer_without_body_keeps_its_headers(stage: Stage, method: str, status: int) -> None:
    origin = await playing(stage, f"HTTP/1.1 {status} Fine\r\nEtag: x\r\nContent-Length: 5\r\n\r\n".encode())
    relay = await stage.relay(origin.url)
    got, headers, body = await asyncio.to_thread(ask, relay, method)
    assert (got, body) == (status, b"")
    assert "Etag: x" in headers
    assert ("Content-Length: 5" in headers) == (method == "HEAD")


async def test_content_coding_and_repeated_headers_pass(stage: Stage) -> None:
    lines = ("Set-Cookie: a=1", "Content-Encoding: gzip", "Set-Cookie: b=2", "Content-Type: x/y", "Content-Length: 3")
    relay = await stage.relay((await playing(stage, head(*lines) + b"\x1f\x8b\x00")).url)
    _, headers, body = await asyncio.to_thread(ask, relay)
    assert body == b"\x1f\x8b\x00"
    assert [line for line in headers if line in lines] == list(lines)


CUTS = {
    "length": head("Content-Length: 200000") + b"x" * 100_000,
    "chunked": head("Transfer-Encoding: chunked") + b"186a0\r\n" + b"x" * 100_000 + b"\r\n",
}


@pytest.mark.parametrize("reset", [False, True])
@pytest.mark.parametrize("framed", CUTS)
@pytest.mark.parametrize("version", ["HTTP/1.1", "HTTP/1.0"])
async def test_a_cut_answer_never_looks_complete(stage: Stage, framed: str, version: str, reset: bool) -> None:
    relay = await stage.relay((await playing(stage, CUTS[framed], reset=reset)).url)
    reader, writer = await asyncio.open_connection("127.0.0.1", port(relay))
    writer.write(f"GET / {version}\r\nHost: x\r\n\r\n".encode())
    with pytest.raises(ConnectionResetError):
        await asyncio.wait_for(reader.read(), 5)
    writer.close()
    assert [type(error) for error in stage.seen] == [CutError]


async def test_a_reset_unframed_answer_never_looks_complete(stage: Stage) -> None:
    relay = await stage.relay((await playing(stage, head("Connection: close") + b"x" * 100_000, reset=True)).url)
    with pytest.raises((ConnectionResetError, HTTPException)):
        await asyncio.to_thread(ask, relay)
    assert [type(error) for error in stage.seen] == [CutError]


async def test_a_failure_before_the_first_byte_is_a_plain_error(stage: Stage) -> None:
    relay = await stage.relay((await playing(stage, head("Content-Length: 5"))).url)
    assert (await asyncio.to_thread(ask, relay))[0] == 502


async def test_more_than_was_promised_is_not_relayed(stage: Stage) -> None:
    relay = await stage.relay((await playing(stage, head("Content-Length: 5") + b"12345HTTP/1.1 666 No\r\n\r\n")).url)
    assert (await asyncio.to_thread(ask, relay))[2] == b"12345"


async def test_a_status_may_be_replaced_and_a_length_left_open(stage: Stage) -> None:
    upstream = await stage.upstream((await playing(stage, head("Content-Length: 3", "Set-Cookie: a") + b"abc")).url)

    async def handler(request: web.Request) -> web.StreamResponse:
        async with upstream.request("GET", "/") as answer:
            return await stream(request, answer, headers={"X": "y"}, status=206, expect_length=False)

    status, headers, body = await asyncio.to_thread(ask, await stage.serve(handler))
    assert (status, body) == (206, b"abc")
    assert "X: y" in headers
    assert "Transfer-Encoding: chunked" in headers
    assert "Set-Cookie: a" not in headers


class Liar:
    """An answer whose length is a lie, which the client library never hands out; another one might."""

    status, reason, has_body, upstream = 200, "OK", True, "origin"

    def __init__(self, length: int, *chunks: bytes) -> None:
        self.content_length = length
        self._chunks = list(chunks)

    async def chunk(self) -> bytes:
        return self._chunks.pop(0) if self._chunks else b""


@pytest.mark.parametrize("liar", [(5, b"123"), (5, b"123", b"456")])
async def test_an_answer_that_lies_about_its_length_is_cut(stage: Stage, liar: tuple[int, bytes]) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        with pytest.raises(CutError) as caught:
            await stream(request, cast("Answer", Liar(*liar)), headers={})
        stage.seen.append(caught.value)
        raise caught.value

    url = await stage.serve(handler)
    with pytest.raises((ConnectionResetError, HTTPException)):
        await asyncio.to_thread(ask, url)
    assert len(stage.seen) == 1


async def test_a_packed_body_stays_packed(stage: Stage) -> None:
    seen: list[tuple[str, bytes]] = []

    async def origin(request: web.Request) -> web.Response:
        seen.append((request.headers["Content-Encoding"], await request.content.read()))
        return web.Response()

    relay = await stage.relay(await stage.serve(origin))
    packed = gzip.compress(b"x" * 1000)
    headers = {"Content-Encoding": "gzip"}
    async with aiohttp.ClientSession() as session, session.post(relay, data=packed, headers=headers) as answer:
        assert answer.status == 200
    assert seen == [("gzip", packed)]


async def test_a_request_without_a_body_reads_as_nothing(stage: Stage) -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(body=b"<" + await read_request(request, 10) + b">")

    url = await stage.serve(handler)
    assert [
        (await asyncio.to_thread(ask, url, method, body))[2] for method, body in (("GET", None), ("POST", b""))
    ] == [
        b"<>",
        b"<>",
    ]


async def test_the_counts_of_a_request_are_kept(stage: Stage) -> None:
    counts: list[tuple[int, int, bool]] = []
    upstream = await stage.upstream((await playing(stage, head("Content-Length: 3") + b"abc")).url)

    async def handler(request: web.Request) -> web.StreamResponse:
        assert await read_request(request, 10) == b"12345"
        async with upstream.request("GET", "/") as answer:
            response = await stream(request, answer, headers=answerable(answer.headers))
        transfer = request[TRANSFER]
        counts.append((transfer.bytes_in, transfer.bytes_out, transfer.complete))
        return response

    assert (await asyncio.to_thread(ask, await stage.serve(handler), "POST", b"12345"))[2] == b"abc"
    assert counts == [(5, 3, True)]


async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, gone: asyncio.Event) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(head("Transfer-Encoding: chunked"))
    try:
        while True:
            writer.write(b"10000\r\n" + b"x" * 65536 + b"\r\n")
            await writer.drain()
    finally:
        gone.set()


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, gone: asyncio.Event) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(head("Content-Length: 9") + b"x")
    await reader.read()
    gone.set()


async def mute(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter, gone: asyncio.Event) -> None:
    await reader.readuntil(b"\r\n\r\n")
    await reader.read()
    gone.set()


@pytest.mark.parametrize("script", [endless, silent, mute])
async def test_a_client_that_leaves_ends_the_upstreams_part(stage: Stage, script: object) -> None:
    gone = asyncio.Event()

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await script(reader, writer, gone)  # type: ignore[operator]

    relay = await stage.relay((await stage.origin(play)).url)
    reader, writer = await asyncio.open_connection("127.0.0.1", port(relay))
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    if script is not mute:
        await reader.readexactly(100)
    await asyncio.sleep(0.05)
    writer.transport.abort()
    await asyncio.wait_for(gone.wait(), 1)


async def test_an_unreachable_upstream_is_a_plain_error(stage: Stage) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        relay = await stage.relay(f"http://127.0.0.1:{closed.getsockname()[1]}")
        status, _, body = await asyncio.to_thread(ask, relay)
    assert status == 502
    assert b"127.0.0.1" not in body
    assert [type(error) for error in stage.seen] == [UnreachableError]


@pytest.mark.parametrize("framed", ["length", "chunked"])
async def test_a_body_over_the_limit_is_refused_and_never_looks_complete(stage: Stage, framed: str) -> None:
    ended: list[bool] = []

    async def origin(request: web.Request) -> web.Response:
        try:
            await request.content.read()
        finally:
            ended.append(request.content.is_eof() and request.content.exception() is None)
        return web.Response()

    relay = await stage.relay(await stage.serve(origin), limit=100_000)
    body = pattern(100_001)
    sent = body if framed == "length" else iter([body[:60_000], body[60_000:]])
    assert (await asyncio.to_thread(ask, relay, "POST", sent))[0] == 413
    assert [type(error) for error in stage.seen] == [TooLargeError]
    assert True not in ended


async def test_a_promised_length_over_the_limit_is_refused_undialled(stage: Stage) -> None:
    origin = await playing(stage, head("Content-Length: 0"))
    relay = await stage.relay(origin.url, limit=4)
    assert (await asyncio.to_thread(ask, relay, "POST", b"12345"))[0] == 413
    assert origin.connections == 0


async def test_a_client_that_asks_before_it_sends_is_told_to_continue(stage: Stage) -> None:
    heads: list[bytes] = []

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        assert await reader.readexactly(3) == b"abc"
        writer.write(head("Content-Length: 0"))

    relay = await stage.relay((await stage.origin(script)).url)
    reader, writer = await asyncio.open_connection("127.0.0.1", port(relay))
    writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
    assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    writer.write(b"abc")
    assert (await reader.readuntil(b"\r\n")).startswith(b"HTTP/1.1 200")
    assert b"Expect" not in heads[0]
    writer.close()


@pytest.mark.parametrize(
    "sent",
    [
        b"Content-Length: 9\r\n\r\nabc",
        b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nzz\r\n",
    ],
)
async def test_a_body_that_breaks_off_never_looks_complete(stage: Stage, sent: bytes) -> None:
    wire = bytearray()
    gone = asyncio.Event()

    async def script(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        try:
            while chunk := await reader.read(65536):
                wire.extend(chunk)
        finally:
            gone.set()

    # The server stops reading at a malformed chunk and tells the handler nothing: there the idle limit ends it.
    relay = await stage.relay((await stage.origin(script)).url, idle=0.3)
    _, writer = await asyncio.open_connection("127.0.0.1", port(relay))
    begin, end, rest = sent.partition(b"\r\n\r\n")
    writer.write(b"POST / HTTP/1.1\r\nHost: x\r\n" + begin + end)
    await asyncio.sleep(0.05)
    writer.write(rest)
    await asyncio.sleep(0.05)
    writer.close()
    await asyncio.wait_for(gone.wait(), 1)
    assert not wire.endswith(b"0\r\n\r\n")


async def test_a_body_that_stops_coming_is_refused(stage: Stage) -> None:
    seen: list[BaseException] = []

    async def handler(request: web.Request) -> web.Response:
        with pytest.raises(BadRequestError) as caught:
            await read_request(request, 10, idle=0.1)
        seen.append(caught.value)
        return web.Response(status=400)

    _, writer = await asyncio.open_connection("127.0.0.1", port(await stage.serve(handler)))
    writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc")
    await asyncio.sleep(0.3)
    writer.close()
    assert len(seen) == 1


BLOCK = 64 * 1024
BLOCKS = 200 * MB // BLOCK


def blocks() -> Iterator[bytes]:
    """200 MB, a block at a time, each of them different."""
    filling = bytes(range(256)) * (BLOCK // 256)
    for index in range(BLOCKS):
        yield index.to_bytes(8, "big") + filling[8:]


def digest() -> str:
    whole = hashlib.sha256()
    for block in blocks():
        whole.update(block)
    return whole.hexdigest()


class Gauge:
    """The most bytes that were under way at once, and where the reader pauses."""

    def __init__(self, waiting: Callable[[], int] = lambda: 0) -> None:
        self.sent = self.received = self.most = 0
        self._waiting = waiting
        self._hash = hashlib.sha256()

    def send(self, size: int) -> None:
        self.sent += size
        under_way = self.sent - self.received
        # What only waits in the kernel, unread by the relay, is held back, and not held.
        if under_way > self.most:
            self.most = max(self.most, under_way - self._waiting())

    async def receive(self, reader: asyncio.StreamReader, size: int) -> str:
        """Read so many bytes; stop now and then until the sender can't send any more."""
        while self.received < size and (chunk := await reader.read(BLOCK)):
            self._hash.update(chunk)
            before, self.received = self.received, self.received + len(chunk)
            if before // (50 * MB) != self.received // (50 * MB):
                await self._until_blocked()
        return self._hash.hexdigest()

    async def _until_blocked(self) -> None:
        last = -1
        while last != self.sent:
            last = self.sent
            await asyncio.sleep(0.05)


def unread_from(number: int) -> int:
    """Give how many bytes from that port of this machine lie in the kernel, unread by whom they are for."""
    rows = (line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:])
    return sum(int(row[4].partition(":")[2], 16) for row in rows if int(row[2].partition(":")[2], 16) == number)


def small_buffers(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BLOCK)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BLOCK)


async def connect(url: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    connection = socket.socket()
    small_buffers(connection)
    connection.setblocking(False)
    await asyncio.get_running_loop().sock_connect(connection, ("127.0.0.1", port(url)))
    return await asyncio.open_connection(sock=connection, limit=BLOCK)


# The relay's own, and what the kernel may hold on the way out of it: all other buffers are made small or measured.
MOST = 2 * MB + 10 * MB


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="the kernel's queues are read from Linux's /proc")
async def test_a_slow_reader_of_200_megabytes_holds_back_the_upstream(stage: Stage) -> None:
    origins: list[int] = []
    gauge = Gauge(lambda: unread_from(origins[0]))

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        small_buffers(writer.get_extra_info("socket"))
        await reader.readuntil(b"\r\n\r\n")
        writer.write(head(f"Content-Length: {BLOCKS * BLOCK}"))
        for block in blocks():
            writer.write(block)
            await writer.drain()
            gauge.send(len(block))

    origin = (await stage.origin(script)).url
    origins.append(port(origin))
    relay = await stage.relay(origin, buffers=BLOCK)
    reader, writer = await connect(relay)
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    await reader.readuntil(b"\r\n\r\n")
    assert await gauge.receive(reader, BLOCKS * BLOCK) == digest()
    writer.close()
    assert gauge.most < MOST


async def test_a_slow_upstream_holds_back_a_sender_of_200_megabytes(stage: Stage) -> None:
    gauge = Gauge()
    received: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        small_buffers(writer.get_extra_info("socket"))
        await reader.readuntil(b"\r\n\r\n")
        received.set_result(await gauge.receive(reader, BLOCKS * BLOCK))
        writer.write(head("Content-Length: 0"))

    relay = await stage.relay((await stage.origin(script)).url, buffers=BLOCK)
    _, writer = await connect(relay)
    writer.write(f"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {BLOCKS * BLOCK}\r\n\r\n".encode())
    for block in blocks():
        writer.write(block)
        await writer.drain()
        gauge.send(len(block))
    assert await received == digest()
    writer.close()
    assert gauge.most < MOST
