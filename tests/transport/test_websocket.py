"""Websockets through a relay: every message, every close, and nobody kept waiting for a dead side."""

from __future__ import annotations

import asyncio
import contextlib
import os
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from aiohttp import WSMsgType, web
from multidict import CIMultiDict

from bridge.protocol.engineio import Passed
from bridge.protocol.errors import BridgeError
from bridge.protocol.headers import forwardable
from bridge.transport.upstream import Timeouts
from bridge.transport.websocket import LiveSockets, relay_websocket

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from tests.transport.conftest import Stage

LIMIT = 100 * 1024 * 1024
MB = 1 << 20


class Relay:
    """A relay in front of an origin that plays ``play`` on each websocket; what both saw is kept."""

    def __init__(self, stage: Stage, session: aiohttp.ClientSession) -> None:
        self._stage = stage
        self._session = session
        self.sockets = LiveSockets()
        self.heads: list[CIMultiDict[str]] = []
        self.seen: list[tuple[WSMsgType, Any]] = []
        self.ended: asyncio.Queue[tuple[int | None, str | None]] = asyncio.Queue()
        self.failed: list[BridgeError] = []
        self.url = ""

    async def start(
        self,
        play: Callable[[web.WebSocketResponse], Awaitable[None]] | None = None,
        *,
        protocols: tuple[str, ...] = (),
        origin: str | None = None,
        **options: Any,
    ) -> None:
        async def accept(request: web.Request) -> web.StreamResponse:
            self.heads.append(CIMultiDict(request.headers))
            socket = web.WebSocketResponse(protocols=protocols, autoclose=False, max_msg_size=0)
            await socket.prepare(request)
            await (play or self.echo)(socket)
            return socket

        upstream = await self._stage.upstream(
            origin or await self._stage.serve(accept), timeouts=Timeouts(connect=1, first_byte=1, idle=1)
        )
        settings: dict[str, Any] = {
            "sockets": self.sockets,
            "max_message": LIMIT,
        } | options

        async def handler(request: web.Request) -> web.StreamResponse:
            headers = forwardable(request.headers)
            headers["Host"] = "office.example.com"
            try:
                return await relay_websocket(request, upstream, request.raw_path, headers, **settings)
            except BridgeError as error:
                self.failed.append(error)
                return web.Response(status=error.status)

        self.url = await self._stage.serve(handler)

    async def echo(self, socket: web.WebSocketResponse) -> None:
        """Send back what comes; keep how it ended."""
        while (message := await socket.receive()).type in (WSMsgType.TEXT, WSMsgType.BINARY):
            self.seen.append((message.type, message.data))
            await socket.send_frame(
                message.data.encode() if isinstance(message.data, str) else message.data, message.type
            )
        await self.ended.put((message.data, message.extra))

    @contextlib.asynccontextmanager
    async def browse(self, **options: Any) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        options = {"max_msg_size": 0, "autoclose": False} | options
        async with self._session.ws_connect(f"{self.url}/doc/k/c/?EIO=4", **options) as browser:
            yield browser


@pytest.fixture
async def relay(stage: Stage) -> AsyncIterator[Relay]:
    before = asyncio.all_tasks()
    async with aiohttp.ClientSession() as session:
        relay = Relay(stage, session)
        yield relay
    async with asyncio.timeout(4):
        while len(relay.sockets):  # noqa: ASYNC110 the relay tells no one
            await asyncio.sleep(0.01)
    assert not [task for task in asyncio.all_tasks() - before if "websocket.py" in repr(task)]


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65535, 65536, MB + 1])
async def test_messages_arrive_as_they_were_sent(relay: Relay, size: int) -> None:
    await relay.start()
    text = ("ä€😀x" * size)[:size]
    async with relay.browse() as browser:
        await browser.send_str(text)
        await browser.send_bytes(os.urandom(size))
        echoed = [await browser.receive() for _ in range(2)]
    assert [(message.type, message.data) for message in echoed] == relay.seen
    assert relay.seen[0] == (WSMsgType.TEXT, text)


async def test_a_message_of_100_megabytes_passes_both_ways(relay: Relay) -> None:
    await relay.start()
    text = "4" * 99_999_999
    async with relay.browse() as browser:
        await browser.send_str(text)
        assert (await browser.receive_str()) == text


async def test_a_message_over_the_limit_ends_both_sides(relay: Relay) -> None:
    await relay.start(max_message=1000)
    async with relay.browse() as browser:
        await browser.send_str("x" * 1001)
        assert (await browser.receive()).data == 1009
    assert (await relay.ended.get())[0] == 1009


async def test_an_upstreams_message_over_the_limit_ends_both_sides(relay: Relay) -> None:
    async def shout(socket: web.WebSocketResponse) -> None:
        await socket.send_str("x" * 1001)
        await relay.echo(socket)

    await relay.start(shout, max_message=1000)
    async with relay.browse() as browser:
        assert (await browser.receive()).data == 1009
    assert (await relay.ended.get())[0] == 1009


@pytest.mark.parametrize(
    ("offered", "known", "chosen"),
    [
        ((), (), None),
        (("a", "b"), ("b",), "b"),
        (("a", "b"), ("b", "a"), "a"),
        (("a",), (), None),
    ],
)
async def test_the_subprotocol_is_the_upstreams_choice(
    relay: Relay, offered: tuple[str, ...], known: tuple[str, ...], chosen: str | None
) -> None:
    await relay.start(protocols=known)
    async with relay.browse(protocols=offered) as browser:
        assert browser.protocol == chosen
    assert relay.heads[0].get("Sec-WebSocket-Protocol") == (",".join(offered) or None)


async def test_the_handshake_carries_the_headers_and_no_extensions(relay: Relay) -> None:
    await relay.start()
    async with relay.browse(headers={"Cookie": "a=1", "X_Odd": "1"}, origin="https://x", compress=15) as browser:
        assert not browser.compress
        await browser.send_str("x" * 1000)
        assert await browser.receive_str() == "x" * 1000
    head = relay.heads[0]
    assert (head["Host"], head["Cookie"], head["Origin"]) == ("office.example.com", "a=1", "https://x")
    assert not {"Sec-WebSocket-Extensions", "X_Odd", "User-Agent-Default"} & set(head)


async def test_a_refused_handshake_stays_an_http_status_with_its_body(relay: Relay, stage: Stage) -> None:
    async def refuse(_request: web.Request) -> web.Response:
        return web.Response(status=403, reason="Never", text='{"code":4}', headers={"X-Why": "so"})

    await relay.start(origin=await stage.serve(refuse))
    async with aiohttp.ClientSession() as session, session.get(relay.url, headers=HANDSHAKE) as answer:
        assert (answer.status, answer.reason, await answer.text()) == (403, "Never", '{"code":4}')
        assert answer.headers["X-Why"] == "so"


HANDSHAKE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
}


async def test_an_unreachable_upstream_is_known_before_the_browser_is_accepted(relay: Relay) -> None:
    await relay.start(origin="http://127.0.0.1:1")
    with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
        async with relay.browse():
            pass
    assert caught.value.status == 502


@pytest.mark.parametrize("left_out", HANDSHAKE)
async def test_what_is_no_handshake_is_refused_undialled(relay: Relay, left_out: str) -> None:
    await relay.start()
    headers = {name: value for name, value in HANDSHAKE.items() if name != left_out}
    async with aiohttp.ClientSession() as session, session.get(relay.url, headers=headers) as answer:
        assert answer.status == 400
    assert relay.heads == []


CLOSES = [(1000, ""), (1000, "bye"), (1001, ""), (1008, "policy"), (1011, ""), (3000, "x" * 123), (4999, "ü")]


@pytest.mark.parametrize(("code", "reason"), CLOSES)
async def test_the_browsers_close_reaches_the_upstream(relay: Relay, code: int, reason: str) -> None:
    await relay.start()
    async with relay.browse() as browser:
        await browser.close(code=code, message=reason.encode())
        assert browser.close_code == code
    assert await relay.ended.get() == (code, reason)


@pytest.mark.parametrize(("code", "reason"), CLOSES)
async def test_the_upstreams_close_reaches_the_browser(relay: Relay, code: int, reason: str) -> None:
    async def close(socket: web.WebSocketResponse) -> None:
        await socket.close(code=code, message=reason.encode())

    await relay.start(close)
    async with relay.browse() as browser:
        message = await browser.receive()
    assert (message.type, message.data, message.extra) == (WSMsgType.CLOSE, code, reason)


async def test_a_close_without_a_code_passes_as_a_normal_one(relay: Relay) -> None:
    await relay.start()
    async with relay.browse() as browser:
        os.write(browser.get_extra_info("socket").fileno(), b"\x88\x80\0\0\0\0")
        assert (await browser.receive()).data == 1000
    assert await relay.ended.get() == (1000, "")


@pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1015, 2000])
async def test_a_code_that_must_not_be_sent_is_not_passed_on(relay: Relay, code: int) -> None:
    await relay.start()
    async with relay.browse() as browser:
        os.write(browser.get_extra_info("socket").fileno(), b"\x88\x82\0\0\0\0" + code.to_bytes(2, "big"))
        expected = 1001 if code == 1006 else 1002
        assert (await browser.receive()).data == expected
    assert (await relay.ended.get())[0] == expected


async def test_a_lost_browser_is_going_away(relay: Relay) -> None:
    await relay.start()
    async with relay.browse() as browser:
        await browser.send_str("x")
        await browser.receive()
        browser._response.connection.transport.abort()  # type: ignore[union-attr]
        assert (await asyncio.wait_for(relay.ended.get(), 1))[0] == 1001


async def test_what_a_browser_said_before_it_was_lost_still_arrives(relay: Relay) -> None:
    held = asyncio.Event()

    async def beginning() -> None:
        await held.wait()

    await relay.start(screen=lambda text: Passed(text, opens=text == b"first"), beginning=beginning)
    async with relay.browse() as browser:
        for text in ("first", "typed", "goodbye"):
            await browser.send_str(text)
        while not relay.heads:  # noqa: ASYNC110 the relay tells no one
            await asyncio.sleep(0)
        await asyncio.sleep(0.1)
        browser._response.connection.transport.abort()  # type: ignore[union-attr]
        await asyncio.sleep(0.1)
        held.set()
        await relay.ended.get()
    assert [data for _, data in relay.seen] == ["first", "typed", "goodbye"]


async def test_a_lost_upstream_is_a_bad_gateway(relay: Relay) -> None:
    async def drop(socket: web.WebSocketResponse) -> None:
        socket.get_extra_info("socket").shutdown(2)

    await relay.start(drop)
    async with relay.browse() as browser:
        assert (await asyncio.wait_for(browser.receive(), 1)).data == 1014


async def test_a_side_that_says_nothing_is_dead(relay: Relay) -> None:
    await relay.start(idle=0.3)
    async with relay.browse() as browser:
        for _ in range(4):
            await asyncio.sleep(0.15)
            await browser.send_str("3")
            await browser.receive()
        message = await asyncio.wait_for(browser.receive(), 1)
        assert message.type is WSMsgType.CLOSE
        assert message.data in (1001, 1014)
    assert (await asyncio.wait_for(relay.ended.get(), 1))[0] in (1001, 1014)


async def test_a_graceful_stop_ends_both_sides_as_going_away(relay: Relay) -> None:
    await relay.start()
    async with relay.browse() as first, relay.browse() as second:
        await second.send_str("x")
        await second.receive()
        while len(relay.sockets) < 2:  # noqa: ASYNC110 the relay tells no one
            await asyncio.sleep(0)
        relay.sockets.stop()
        closed = asyncio.ensure_future(relay.sockets.ended())
        assert (await first.receive()).data == 1001
        assert not closed.done()  # the second browser hasn't answered yet
        assert (await second.receive()).data == 1001
        await closed
        assert len(relay.sockets) == 0
    assert [(await relay.ended.get())[0] for _ in range(2)] == [1001, 1001]
    async with relay.browse() as late:
        assert (await late.receive()).data == 1001


async def test_pings_are_answered_on_each_side(relay: Relay) -> None:
    pongs: list[bytes] = []

    async def ping(socket: web.WebSocketResponse) -> None:
        await socket.ping(b"up")
        pongs.append((await socket.receive()).data)
        await relay.echo(socket)

    async def accept(request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse(autoping=False)
        await socket.prepare(request)
        await ping(socket)
        return socket

    await relay.start(origin=await relay._stage.serve(accept))
    async with relay.browse(autoping=False) as browser:
        await browser.ping(b"down")
        message = await browser.receive()
        assert (message.type, message.data) == (WSMsgType.PONG, b"down")
        await browser.send_str("after")
        assert (await browser.receive()).data == "after"
    assert pongs == [b"up"]


async def test_texts_go_on_as_the_screen_says_and_binaries_as_they_are(relay: Relay) -> None:
    begun: list[int] = []

    async def beginning() -> None:
        begun.append(len(relay.seen))

    await relay.start(
        screen=lambda text: Passed(text.replace(b"cat", b"dog"), opens=b"cat" in text), beginning=beginning
    )
    async with relay.browse() as browser:
        for text in ("42dog", "42cat", "2"):
            await browser.send_str(text)
            await browser.receive()
        await browser.send_bytes(b"cat")
        await browser.receive()
    assert [data for _, data in relay.seen] == ["42dog", "42dog", "2", b"cat"]
    assert begun == [1]  # before the message went on


async def test_a_browser_that_reads_nothing_is_broken_off_with_what_it_did_not_take(relay: Relay, stage: Stage) -> None:
    async def shout(socket: web.WebSocketResponse) -> None:
        await socket.send_bytes(b"x" * 30 * MB)
        await relay.echo(socket)

    await relay.start(shout)
    async with relay.browse() as browser:
        browser._response.connection.transport.pause_reading()  # type: ignore[union-attr]
        await asyncio.sleep(1)  # as long as 30 MB take to get there
        relay.sockets.stop()
        async with asyncio.timeout(4):
            while stage.runners[-1].server.connections:  # type: ignore[union-attr] # noqa: ASYNC110
                await asyncio.sleep(0.01)
        browser._response.connection.transport.abort()  # type: ignore[union-attr]


async def test_a_browser_that_does_not_read_holds_back_the_upstream(relay: Relay) -> None:
    sent = 0

    async def flood(socket: web.WebSocketResponse) -> None:
        nonlocal sent
        while True:
            await socket.send_bytes(b"x" * 65536)
            sent += 65536

    await relay.start(flood)
    async with relay.browse() as browser:
        browser._response.connection.transport.pause_reading()  # type: ignore[union-attr]
        last = -1
        while last != sent:
            last = sent
            await asyncio.sleep(0.1)
        assert sent < 20 * MB
        browser._response.connection.transport.abort()  # type: ignore[union-attr]
