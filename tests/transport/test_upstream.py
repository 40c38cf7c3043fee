"""An upstream's client: what it puts on the wire, what it makes of answers, and what it says when there is none."""

from __future__ import annotations

import asyncio
import gzip
import socket
import ssl
import struct
import subprocess
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from bridge.protocol.errors import (
    BadAnswerError,
    BadRequestError,
    BridgeError,
    CrowdedError,
    CutError,
    TooLargeError,
    UnreachableError,
    UpstreamTimeoutError,
)
from bridge.transport.upstream import Body, Timeouts, Upstream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from tests.transport.conftest import Stage

    Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

QUICK = Timeouts(connect=0.3, first_byte=0.3, idle=0.3)
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def answering(answer: bytes, heads: list[bytes] | None = None) -> Script:
    """Answer each bodyless request the same way, for as long as the connection lasts."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            if heads is not None:
                heads.append(head)
            writer.write(answer)
            await writer.drain()

    return script


def once(answer: bytes, *, reset: bool = False) -> Script:
    """Answer one request and close, or reset, the connection."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        if reset:
            await asyncio.sleep(0.05)
            connection = writer.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()

    return script


async def silent(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    await asyncio.sleep(30)


def swallowing(wire: bytearray, answer: bytes = OK) -> Script:
    """Keep all that comes; answer once the request ended with ``END``."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while chunk := await reader.read(65536):
            wire.extend(chunk)
            if wire.endswith((b"END", b"0\r\n\r\n")) or b"Content-Length: 0" in wire:
                writer.write(answer)

    return script


async def fetch(upstream: Upstream, method: str = "GET", target: str = "/", **options: Any) -> bytes:
    async with upstream.request(method, target, **options) as answer:
        return await answer.read(1 << 20)


@pytest.mark.parametrize(
    "target",
    [
        "/",
        "/a%2Fb/%2e%2E/c",
        "//double//slash",
        "/a/../b/./c",
        "/x?a=%3D&b=c=d&&e",
        "/x?url=http://h:80/p?q=%20r",
        "/%zz%",
        "/;p=1/:@!$&'()*+,|^`{}[]\"<>\\",
        "/x?a?b??c",
    ],
)
async def test_a_target_goes_out_as_it_is(stage: Stage, target: str) -> None:
    heads: list[bytes] = []
    origin = await stage.origin(answering(OK, heads))
    await fetch(await stage.upstream(origin.url), target=target)
    assert heads[0].startswith(f"GET {target} HTTP/1.1\r\n".encode())


@pytest.mark.parametrize("target", ["", "x", "http://evil/", "*", "/a b", "/a#b", "/a\r\nX: y", "/ü", "/\x00"])
async def test_what_is_no_path_is_refused_undialled(stage: Stage, target: str) -> None:
    origin = await stage.origin(answering(OK))
    with pytest.raises(BadRequestError):
        await fetch(await stage.upstream(origin.url), target=target)
    assert origin.connections == 0


@given(st.text([chr(code) for code in range(0x21, 0x7F) if chr(code) != "#"]))
def test_no_target_is_changed(text: str) -> None:
    url = Upstream("http://host:80/base", name="x")._url(f"/{text}")
    assert (url.raw_host, url.port) == ("host", 80)
    assert url.raw_path_qs in (f"/base/{text}", f"/base/{text}".replace("?", "", 1))
    assert url.raw_path_qs == f"/base/{text}" or text.endswith("?")


async def test_a_path_of_the_address_comes_first(stage: Stage) -> None:
    heads: list[bytes] = []
    origin = await stage.origin(answering(OK, heads))
    await fetch(await stage.upstream(origin.url + "/hub/"), target="/x")
    assert heads[0].startswith(b"GET /hub/x HTTP/1.1\r\n")


async def test_no_header_is_added_and_duplicates_stay(stage: Stage) -> None:
    heads: list[bytes] = []
    origin = await stage.origin(answering(OK, heads))
    headers = CIMultiDict([("X-A", "1"), ("Accept", "a"), ("x-a", "2"), ("Content-Length", "9"), ("Upgrade", "h2")])
    await fetch(await stage.upstream(origin.url), headers=headers)
    host = origin.url.removeprefix("http://").encode()
    lines = heads[0].split(b"\r\n")[1:-2]
    assert sorted(lines) == sorted([b"Host: " + host, b"X-A: 1", b"Accept: a", b"X-A: 2"])


@pytest.mark.parametrize(
    ("configured", "given", "sent"),
    [(None, None, None), ("configured", None, "configured"), ("configured", "given:1", "given:1")],
)
async def test_the_host_is_the_calls_or_the_configured_or_the_addresss(
    stage: Stage, configured: str | None, given: str | None, sent: str | None
) -> None:
    heads: list[bytes] = []
    origin = await stage.origin(answering(OK, heads))
    headers = CIMultiDict({"Host": given} if given else {})
    await fetch(await stage.upstream(origin.url, host=configured), headers=headers)
    expected = sent or origin.url.removeprefix("http://")
    assert [line for line in heads[0].split(b"\r\n") if line.lower().startswith(b"host:")] == [
        f"Host: {expected}".encode()
    ]


async def test_a_header_with_a_line_end_is_refused(stage: Stage) -> None:
    origin = await stage.origin(answering(OK))
    with pytest.raises(BadRequestError):
        await fetch(await stage.upstream(origin.url), headers=CIMultiDict({"X": "a\r\nY: b"}))


class Parts(Body):
    def __init__(self, *parts: bytes, length: int | None, pause: float = 0) -> None:
        self.length = length
        self._parts = list(parts)
        self._pause = pause

    async def __anext__(self) -> bytes:
        await asyncio.sleep(self._pause)
        if not self._parts:
            raise StopAsyncIteration
        return self._parts.pop(0)


async def generated() -> AsyncIterator[bytes]:
    yield b"12"
    yield b"END"


@pytest.mark.parametrize(
    ("method", "body", "framing"),
    [
        ("POST", None, b"Content-Length: 0\r\n\r\n"),
        ("POST", b"", b"Content-Length: 0\r\n\r\n"),
        ("GET", b"", b"Content-Length: 0\r\n\r\n"),
        ("POST", b"12END", b"Content-Length: 5\r\n\r\n12END"),
        ("PUT", Parts(b"12", b"END", length=5), b"Content-Length: 5\r\n\r\n12END"),
        (
            "POST",
            Parts(b"12", b"END", length=None),
            b"Transfer-Encoding: chunked\r\n\r\n2\r\n12\r\n3\r\nEND\r\n0\r\n\r\n",
        ),
        ("POST", generated(), b"Transfer-Encoding: chunked\r\n\r\n2\r\n12\r\n3\r\nEND\r\n0\r\n\r\n"),
        ("POST", Parts(length=None), b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    ],
)
async def test_a_body_is_framed_by_what_is_known_of_it(stage: Stage, method: str, body: Any, framing: bytes) -> None:
    wire = bytearray()
    origin = await stage.origin(swallowing(wire))
    assert await fetch(await stage.upstream(origin.url), method, body=body) == b"ok"
    assert wire.endswith(framing)
    assert wire.lower().count(b"content-length") + wire.lower().count(b"transfer-encoding") == 1


async def test_a_get_without_body_has_no_framing(stage: Stage) -> None:
    heads: list[bytes] = []
    origin = await stage.origin(answering(OK, heads))
    await fetch(await stage.upstream(origin.url))
    assert b"Content-Length" not in heads[0]
    assert b"Transfer-Encoding" not in heads[0]


async def test_informational_answers_come_before_the_answer(stage: Stage) -> None:
    hints = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
    origin = await stage.origin(answering(hints + OK))
    async with (await stage.upstream(origin.url)).request("GET", "/") as answer:
        assert (answer.status, answer.reason, answer.content_length) == (200, "OK", 2)
        assert await answer.read(2) == b"ok"


async def test_nothing_of_the_answer_is_undone(stage: Stage) -> None:
    packed = gzip.compress(b"x" * 1000)
    head = f"HTTP/1.1 302 Found\r\nLocation: /y\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nContent-Encoding: gzip\r\n\
Content-Length: {len(packed)}\r\n\r\n"
    heads: list[bytes] = []
    origin = await stage.origin(answering(head.encode() + packed, heads))
    upstream = await stage.upstream(origin.url)
    for _ in range(2):
        async with upstream.request("GET", "/") as answer:
            assert answer.status == 302
            assert answer.headers.getall("Set-Cookie") == ["a=1", "b=2"]
            assert b"".join([chunk async for chunk in answer.body]) == packed
    assert len(heads) == 2
    assert b"ookie" not in heads[1]


@pytest.mark.parametrize(("method", "status"), [("HEAD", "200 OK"), ("GET", "204 None"), ("GET", "304 Not Modified")])
async def test_a_bodiless_answer_may_promise_a_length(stage: Stage, method: str, status: str) -> None:
    length = "" if "204" in status else "Content-Length: 5\r\n"
    origin = await stage.origin(answering(f"HTTP/1.1 {status}\r\n{length}\r\n".encode()))
    upstream = await stage.upstream(origin.url)
    for _ in range(2):
        async with upstream.request(method, "/") as answer:
            assert not answer.has_body
            assert await answer.read(0) == b""
    assert origin.connections == 1


async def test_a_read_answer_keeps_its_connection_and_an_unread_one_closes_it(stage: Stage) -> None:
    origin = await stage.origin(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 900000\r\n\r\n" + b"x" * 900_000))
    upstream = await stage.upstream(origin.url)
    for _ in range(3):
        await fetch(upstream)
    assert origin.connections == 1
    async with upstream.request("GET", "/"):
        pass
    await fetch(upstream)
    assert origin.connections == 2


async def test_a_bounded_read_refuses_a_longer_answer(stage: Stage) -> None:
    for head in (b"Content-Length: 5\r\n\r\nabcde", b"Transfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\n\r\n"):
        origin = await stage.origin(answering(b"HTTP/1.1 200 OK\r\n" + head))
        async with (await stage.upstream(origin.url)).request("GET", "/") as answer:
            with pytest.raises(BadAnswerError):
                await answer.read(4)
        async with (await stage.upstream(origin.url)).request("GET", "/") as answer:
            assert await answer.read(5) == b"abcde"


async def test_a_body_over_the_bound_can_still_be_streamed(stage: Stage) -> None:
    whole = b"x" * 900_000
    head = b"HTTP/1.1 200 OK\r\n"
    framed = (
        b"Content-Length: 900000\r\n\r\n" + whole,
        b"Transfer-Encoding: chunked\r\n\r\ndbba0\r\n" + whole + b"\r\n0\r\n\r\n",
    )
    for body in framed:
        upstream = await stage.upstream((await stage.origin(answering(head + body))).url)
        async with upstream.request("GET", "/") as answer:
            assert await answer.read_within(900_000) == whole
            assert await answer.chunk() == b""
        for bound in (0, 10, 400_000, 899_999):
            async with upstream.request("GET", "/") as answer:
                assert await answer.read_within(bound) is None
                assert await answer.read(900_000) == whole


async def test_the_call_comes_from_the_source_address(stage: Stage) -> None:
    peers: list[str] = []

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peers.append(writer.get_extra_info("peername")[0])
        await answering(OK)(reader, writer)

    origin = await stage.origin(script)
    await fetch(await stage.upstream(origin.url, source_address="127.0.0.9"))
    assert peers == ["127.0.0.9"]


def assert_tells_no_address(error: BridgeError) -> None:
    assert "127.0.0.1" not in error.message
    assert error.details["upstream"] == "origin"
    assert error.details["what"]


async def test_a_refused_dial_is_unreachable(stage: Stage) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        upstream = await stage.upstream(f"http://127.0.0.1:{closed.getsockname()[1]}")
        with pytest.raises(UnreachableError) as caught:
            await fetch(upstream, "POST", body=b"x")
    assert_tells_no_address(caught.value)


async def test_an_unknown_name_is_unreachable(stage: Stage) -> None:
    with pytest.raises(UnreachableError):
        await fetch(await stage.upstream("http://nowhere.invalid:1"))


async def test_failing_tls_is_unreachable(stage: Stage) -> None:
    async def plain(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 plain\r\n\r\n")

    origin = await stage.origin(plain)
    with pytest.raises(UnreachableError):
        await fetch(await stage.upstream(origin.url.replace("http:", "https:")))


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """Make a certificate for humhub.example.com alone, and its key."""
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    name = ["-subj", "/CN=humhub.example.com", "-addext", "subjectAltName=DNS:humhub.example.com"]
    made = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1", *name]
    command = ["openssl", "req", *made, "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True)
    return certificate, key


async def serve_tls(certificate: tuple[Path, Path], heads: list[bytes]) -> tuple[asyncio.Server, str]:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*certificate)

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            await answering(OK, heads)(reader, writer)
        writer.close()

    server = await asyncio.start_server(play, "127.0.0.1", 0, ssl=context)
    return server, f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def test_a_certificate_must_be_trusted_and_name_the_host(certificate: tuple[Path, Path]) -> None:
    heads: list[bytes] = []
    server, url = await serve_tls(certificate, heads)
    trusting = ssl.create_default_context(cafile=certificate[0])
    async with server:
        async with Upstream(url, name="origin", host="humhub.example.com", ssl=trusting) as upstream:
            assert await fetch(upstream) == b"ok"
        assert b"Host: humhub.example.com\r\n" in heads[0]
        for options in ({"ssl": trusting}, {"host": "humhub.example.com"}, {"ssl": trusting, "host": "evil.example"}):
            async with Upstream(url, name="origin", **options) as upstream:
                with pytest.raises(UnreachableError) as caught:
                    await fetch(upstream)
                assert "certificate" in caught.value.details["what"].lower()


async def test_a_dial_that_nobody_takes_is_unreachable(stage: Stage) -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        fillers = [socket.socket() for _ in range(3)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())
        upstream = await stage.upstream(f"http://127.0.0.1:{full.getsockname()[1]}", timeouts=QUICK)
        with pytest.raises(UnreachableError):
            await fetch(upstream)
        for filler in fillers:
            filler.close()


async def test_a_call_waits_for_a_free_connection(stage: Stage) -> None:
    busy = most = 0

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal busy, most
        while True:
            await reader.readuntil(b"\r\n\r\n")
            busy += 1
            most = max(most, busy)
            await asyncio.sleep(0.01)
            busy -= 1
            writer.write(OK)

    origin = await stage.origin(script)
    upstream = await stage.upstream(origin.url, connections=2)
    assert await asyncio.gather(*(fetch(upstream) for _ in range(10))) == [b"ok"] * 10
    assert (most, origin.connections) == (2, 2)


async def test_a_call_without_a_free_connection_is_told_so(stage: Stage) -> None:
    origin = await stage.origin(silent)
    upstream = await stage.upstream(origin.url, connections=1, timeouts=Timeouts(connect=0.2, first_byte=2, idle=2))
    hog = asyncio.create_task(fetch(upstream))
    await asyncio.sleep(0.1)
    with pytest.raises(CrowdedError) as caught:
        await fetch(upstream)
    assert_tells_no_address(caught.value)
    assert "raise the connections" in (caught.value.remedy or "")
    hog.cancel()
    await asyncio.wait([hog])
    with pytest.raises(UpstreamTimeoutError):
        await fetch(upstream, timeouts=QUICK)


@pytest.mark.parametrize("body", [None, b"x", Parts(b"END", length=3)])
async def test_silence_after_the_request_is_a_time_out(stage: Stage, body: Any) -> None:
    origin = await stage.origin(silent)
    with pytest.raises(UpstreamTimeoutError) as caught:
        await fetch(await stage.upstream(origin.url, timeouts=QUICK), "POST", body=body)
    assert_tells_no_address(caught.value)
    assert origin.connections == 1


async def test_silence_in_the_body_is_a_time_out(stage: Stage) -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab")
        await asyncio.sleep(30)

    origin = await stage.origin(script)
    async with (await stage.upstream(origin.url)).request("GET", "/", timeouts=QUICK) as answer:
        with pytest.raises(UpstreamTimeoutError) as caught:
            await answer.read(5)
    assert_tells_no_address(caught.value)


async def test_an_upstream_that_takes_no_more_of_the_body_is_a_time_out(stage: Stage) -> None:
    origin = await stage.origin(silent)
    body = Parts(*[b"x" * 65536] * 500, length=None)
    with pytest.raises(UpstreamTimeoutError):
        await fetch(await stage.upstream(origin.url, timeouts=QUICK), "POST", body=body)


async def test_a_slow_source_is_not_the_upstreams_silence(stage: Stage) -> None:
    wire = bytearray()
    origin = await stage.origin(swallowing(wire))
    quick = Timeouts(connect=0.1, first_byte=0.1, idle=0.1)
    body = Parts(b"1", b"2", b"END", length=5, pause=0.3)
    assert await fetch(await stage.upstream(origin.url, timeouts=quick), "POST", body=body) == b"ok"


async def test_a_deadline_bounds_the_whole_exchange(stage: Stage) -> None:
    async def trickle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n")
        while True:
            writer.write(b"x")
            await asyncio.sleep(0.02)

    origin = await stage.origin(trickle)
    upstream = await stage.upstream(origin.url)
    with pytest.raises(UpstreamTimeoutError) as caught:
        await fetch(upstream, deadline=0.2)
    assert_tells_no_address(caught.value)
    with pytest.raises(UpstreamTimeoutError):
        async with upstream.request("GET", "/", deadline=0.2):
            await asyncio.sleep(5)


async def test_another_time_out_inside_the_block_stays_what_it_is(stage: Stage) -> None:
    origin = await stage.origin(answering(OK))
    with pytest.raises(TimeoutError):
        async with (await stage.upstream(origin.url)).request("GET", "/", deadline=9), asyncio.timeout(0.01):
            await asyncio.sleep(1)


LENGTH = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"


@pytest.mark.parametrize("reset", [False, True])
@pytest.mark.parametrize("answer", [LENGTH, CHUNKED, CHUNKED[:-1], CHUNKED + b"5\r\nab", CHUNKED + b"0\r\n"])
async def test_a_body_that_ends_early_is_cut(stage: Stage, answer: bytes, reset: bool) -> None:
    origin = await stage.origin(once(answer, reset=reset))
    with pytest.raises(CutError) as caught:
        await fetch(await stage.upstream(origin.url))
    assert_tells_no_address(caught.value)


async def test_an_unframed_body_that_is_reset_is_cut(stage: Stage) -> None:
    origin = await stage.origin(once(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nabc", reset=True))
    with pytest.raises(CutError):
        await fetch(await stage.upstream(origin.url))


async def test_an_unframed_body_ends_with_its_connection(stage: Stage) -> None:
    origin = await stage.origin(once(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nabc"))
    assert await fetch(await stage.upstream(origin.url)) == b"abc"


async def test_a_post_that_a_connection_swallows_is_cut_and_not_repeated(stage: Stage) -> None:
    origin = await stage.origin(once(b""))
    with pytest.raises(CutError) as caught:
        await fetch(await stage.upstream(origin.url), "POST", body=b"x")
    assert_tells_no_address(caught.value)
    assert origin.connections == 1


async def test_a_get_that_a_kept_connection_swallows_is_repeated_once(stage: Stage) -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK)
        await reader.readuntil(b"\r\n\r\n")

    origin = await stage.origin(script)
    upstream = await stage.upstream(origin.url)
    assert [await fetch(upstream) for _ in range(3)] == [b"ok"] * 3
    assert origin.connections == 3


async def test_a_stream_that_has_begun_is_not_repeated(stage: Stage) -> None:
    async def script(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"END")

    origin = await stage.origin(script)
    with pytest.raises(CutError):
        await fetch(await stage.upstream(origin.url), "PUT", body=Parts(b"END", length=3))
    assert origin.connections == 1


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70_000 + b"\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
    ],
)
async def test_what_is_not_http_is_a_bad_answer(stage: Stage, answer: bytes) -> None:
    origin = await stage.origin(once(answer))
    with pytest.raises(BadAnswerError) as caught:
        await fetch(await stage.upstream(origin.url))
    assert "127.0.0.1" not in caught.value.message


async def test_a_malformed_chunk_is_an_error(stage: Stage) -> None:
    origin = await stage.origin(once(CHUNKED + b"zz\r\n"))
    with pytest.raises((CutError, BadAnswerError)):
        await fetch(await stage.upstream(origin.url))


@pytest.mark.parametrize("length", [None, 300])
async def test_a_body_that_fails_comes_out_as_it_is_and_never_looks_complete(stage: Stage, length: int | None) -> None:
    class Failing(Parts):
        async def __anext__(self) -> bytes:
            if not self._parts:
                raise TooLargeError("too much")
            return await super().__anext__()

    wire = bytearray()
    origin = await stage.origin(swallowing(wire))
    with pytest.raises(TooLargeError):
        await fetch(await stage.upstream(origin.url), "POST", body=Failing(b"12", b"34", length=length))
    await asyncio.sleep(0.05)
    assert not wire.endswith(b"0\r\n\r\n")


@pytest.mark.parametrize(("parts", "length"), [((b"12",), 5), ((b"1234", b"5END"), 5)])
async def test_a_body_that_lies_about_its_length_fails(stage: Stage, parts: tuple[bytes, ...], length: int) -> None:
    origin = await stage.origin(swallowing(bytearray()))
    with pytest.raises(BadRequestError):
        await fetch(await stage.upstream(origin.url), "POST", body=Parts(*parts, length=length))


async def test_an_answer_may_come_before_the_body_is_sent(stage: Stage) -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig")
        await reader.read()

    origin = await stage.origin(script)
    before = asyncio.all_tasks()
    body = Parts(b"1", b"2", *[b"3"] * 100, length=102, pause=0.05)
    async with (await stage.upstream(origin.url)).request("POST", "/", body=body) as answer:
        assert (answer.status, await answer.read(3)) == (413, b"big")
    assert {task for task in asyncio.all_tasks() - before if "play" not in repr(task)} == set()


async def test_a_cancelled_call_leaves_nothing_behind(stage: Stage) -> None:
    gone = asyncio.Event()

    async def script(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        while await reader.read(65536):
            pass
        gone.set()

    origin = await stage.origin(script)
    upstream = await stage.upstream(origin.url)
    call = asyncio.create_task(fetch(upstream, "POST", body=Parts(*[b"x"] * 100, length=100, pause=0.1)))
    await asyncio.sleep(0.25)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    await asyncio.wait_for(gone.wait(), 2)


async def test_an_upstream_is_used_only_while_it_is_open(stage: Stage) -> None:
    origin = await stage.origin(answering(OK))
    upstream = Upstream(origin.url, name="origin")
    with pytest.raises(RuntimeError):
        await fetch(upstream)
    with pytest.raises(RuntimeError):
        async with upstream.websocket("/", max_message=1):
            pass
    async with upstream:
        assert await fetch(upstream) == b"ok"
    with pytest.raises(RuntimeError):
        await fetch(upstream)


@pytest.mark.parametrize("url", ["ftp://x", "x", "/x", "http://", ""])
def test_an_upstream_is_an_http_address(url: str) -> None:
    with pytest.raises(ValueError, match="address"):
        Upstream(url, name="x")


@pytest.mark.parametrize("surplus", [OK.replace(b"ok", b"no"), b"surplus", b"HTTP/1.1 200 OK\r\nContent-Le"])
async def test_what_a_server_says_unasked_answers_nobodys_next_request(stage: Stage, surplus: bytes) -> None:
    said = asyncio.Event()

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(OK)
            await asyncio.sleep(0.02)
            writer.write(surplus)
            said.set()

    origin = await stage.origin(script)
    upstream = await stage.upstream(origin.url)
    for _ in range(3):
        assert await fetch(upstream) == b"ok"
        await said.wait()
        said.clear()
        await asyncio.sleep(0.05)


@pytest.mark.parametrize("body", [None, b"x"])
async def test_the_time_for_the_first_byte_begins_when_the_request_is_sent(stage: Stage, body: bytes | None) -> None:
    origin = await stage.origin(silent)
    patient = Timeouts(connect=30, first_byte=0.2, idle=30)
    async with asyncio.timeout(5):
        with pytest.raises(UpstreamTimeoutError) as caught:
            await fetch(await stage.upstream(origin.url, timeouts=patient), "POST" if body else "GET", body=body)
    assert caught.value.details["what"] == "waited for its answer, for 0.2 s"
    assert "first_byte" in (caught.value.remedy or "")
