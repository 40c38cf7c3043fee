"""Relay a websocket between a browser and an upstream, message by message.

Theory of operation. The upstream is dialled before the browser is accepted, so that a refusal stays an HTTP status.
Then two pumps run, one each way, each with one message in flight: what the slower side doesn't take is not read from
the faster one. The first pump that ends, or a graceful stop, ends both, and both sides are closed with its code.

- A close frame passes with its code and reason; one without a code passes as 1000.
- A side that is lost or silent ends the other: the upstream hears 1001 (the browser went away), the browser 1014 (the
  gateway's upstream failed), after which an editor connects again.
- A message over the limit, or a frame that is none, is answered by the library (1009, 1002), and the code passes on.
- A graceful stop is 1001 for both.

Pings are each connection's own: the library answers them on each side. Neither side is pinged by us: engine.io sends a
ping of its own every 25 s, as a text message, and gets one back, so a side that says nothing for longer than the idle
limit is dead. Extensions are offered to neither side, so texts arrive as they can be read.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

import aiohttp
from aiohttp import WSCloseCode, WSMsgType, web

from bridge.protocol.engineio import Passed
from bridge.protocol.errors import BadAnswerError, BadRequestError, OverloadError
from bridge.protocol.headers import answerable
from bridge.transport.answer import Refusal
from bridge.transport.relay import Transfer, transfer_of

if TYPE_CHECKING:
    from multidict import MultiMapping

    from bridge.transport.upstream import Upstream

__all__ = ["LiveSockets", "relay_websocket"]

_CLOSING: Final = 2.0  # seconds for a close frame to be taken and answered
_NO_CODE: Final = 0  # what the library makes of a close frame without a code
_GONE: Final = WSCloseCode.GOING_AWAY
_FAILED: Final = WSCloseCode.BAD_GATEWAY

# Looks at a message on its way, and gives what goes on of it.
_Passing = Callable[[WSMsgType, bytes], Awaitable[bytes]]


class LiveSockets:
    """The websockets that are being relayed, so that a stop can end them."""

    def __init__(self) -> None:
        self._stops: set[asyncio.Future[None]] = set()
        self._stopped = False
        self._left = asyncio.Event()

    def __len__(self) -> int:
        return len(self._stops)

    @contextmanager
    def hold(self) -> Iterator[asyncio.Future[None]]:
        """Count a websocket in, and give it the future that tells it to end."""
        stop: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self._stopped:
            stop.set_result(None)
        self._stops.add(stop)
        try:
            yield stop
        finally:
            self._stops.discard(stop)
            self._left.set()
            stop.cancel()

    def stop(self) -> None:
        """Close all of them with 1001, and those that come later; their handlers end by themselves."""
        self._stopped = True
        for stop in self._stops:
            if not stop.done():
                stop.set_result(None)

    async def ended(self) -> None:
        """Wait until all are closed: on a server that shuts down, an answer to a close frame is no longer heard."""
        while self._stops:
            self._left.clear()
            await self._left.wait()


@dataclass(frozen=True, slots=True)
class _Ending:
    """How a relay ended: the code and reason that both sides are closed with."""

    code: int
    reason: bytes = b""


async def relay_websocket(
    request: web.BaseRequest,
    upstream: Upstream,
    target: str,
    headers: MultiMapping[str],
    *,
    sockets: LiveSockets,
    max_message: int,
    screen: Callable[[bytes], Passed] = Passed,
    beginning: Callable[[], Awaitable[None]] | None = None,
    idle: float | None = 90.0,
) -> web.StreamResponse:
    """Dial ``target``, accept the browser, and relay until one of the two ends it.

    ``headers`` go to the upstream, the handshake's own are set here. ``max_message`` is in bytes, ``idle`` in seconds.
    ``screen`` says what goes on of each text message from the browser (see ``protocol/engineio.py``). Before one by
    which a session begins goes on, ``beginning`` is awaited; an OverloadError of it closes both with 1013: come again
    later.

    Raises:
        BadRequestError: the browser's handshake is none; nothing was dialled.
        UpstreamError: the upstream can't be reached, or doesn't speak websocket.
    """
    offered = _offered(request)
    if not web.WebSocketResponse(protocols=offered).can_prepare(request):
        raise BadRequestError("The request is no websocket handshake.")
    async with upstream.websocket(target, headers=headers, protocols=offered, max_message=max_message) as dialled:
        if isinstance(dialled, Refusal):
            if dialled.status < HTTPStatus.BAD_REQUEST:
                raise BadAnswerError(
                    "The server behind the bridge doesn't speak websocket.",
                    upstream=upstream.name,
                    upstream_status=dialled.status,
                    location=dialled.headers.get("Location"),
                    remedy="Is there a proxy before it that asks people to sign in, or keeps Upgrade to itself?",
                )
            return web.Response(
                status=dialled.status, reason=dialled.reason, headers=answerable(dialled.headers), body=dialled.body
            )
        client: web.WebSocketResponse[bool] = web.WebSocketResponse(
            protocols=(dialled.protocol,) if dialled.protocol else (),
            timeout=_CLOSING,
            autoclose=False,
            compress=False,
            max_msg_size=max_message,
            decode_text=False,
        )
        await client.prepare(request)
        transfer = transfer_of(request)
        inward = _Pump(client, dialled, idle, lost=_GONE, stuck=_FAILED, passing=_inward(transfer, screen, beginning))
        outward = _Pump(dialled, client, idle, lost=_FAILED, stuck=_GONE, passing=_outward(transfer))
        with sockets.hold() as stop:
            await _until_the_first_ends(inward, outward, stop, transfer)
    return client


def _offered(request: web.BaseRequest) -> tuple[str, ...]:
    """Give the subprotocols that the browser offers."""
    values = ",".join(request.headers.getall("Sec-WebSocket-Protocol", ()))
    return tuple(name for part in values.split(",") if (name := part.strip()))


def _inward(
    transfer: Transfer, screen: Callable[[bytes], Passed], beginning: Callable[[], Awaitable[None]] | None
) -> _Passing:
    async def passing(kind: WSMsgType, data: bytes) -> bytes:
        transfer.bytes_in += len(data)
        if kind is not WSMsgType.TEXT:
            return data
        passed = screen(data)
        if passed.opens and beginning is not None:
            await beginning()
        return passed.data

    return passing


def _outward(transfer: Transfer) -> _Passing:
    async def passing(_kind: WSMsgType, data: bytes) -> bytes:
        transfer.bytes_out += len(data)
        return data

    return passing


class _Pump:
    """One direction: takes a message from the source, gives it to the sink, and only then takes the next."""

    def __init__(
        self,
        source: web.WebSocketResponse[bool] | aiohttp.ClientWebSocketResponse[bool],
        sink: web.WebSocketResponse[bool] | aiohttp.ClientWebSocketResponse[bool],
        idle: float | None,
        *,
        lost: WSCloseCode,
        stuck: WSCloseCode,
        passing: _Passing,
    ) -> None:
        self.source = source
        self._wire = source.get_extra_info("socket")
        self._sink = sink
        self._idle = idle
        self._lost = _Ending(lost)
        self._stuck = _Ending(stuck)
        self._passing = passing

    async def run(self) -> _Ending:
        """Move messages until one of the two sides ends."""
        while True:
            try:
                message = await self.source.receive(self._idle)
            except TimeoutError:
                return self._lost
            if message.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
                return self._ending(message.type, message.data, message.extra)
            try:
                await self._sink.send_frame(await self._passing(message.type, message.data), message.type)
            except OverloadError:
                return _Ending(WSCloseCode.TRY_AGAIN_LATER)
            except (aiohttp.ClientError, ConnectionError):
                return self._stuck

    def _ending(self, kind: WSMsgType, data: Any, extra: str | None) -> _Ending:
        # The library lets 1006 through, which no frame may hold.
        if kind is WSMsgType.CLOSE and data != WSCloseCode.ABNORMAL_CLOSURE:
            return _Ending(WSCloseCode.OK if data == _NO_CODE else data, (extra or "").encode())
        if kind is WSMsgType.ERROR and isinstance(data, aiohttp.WebSocketError):
            return _Ending(data.code)
        return self._lost

    async def close(self, ending: _Ending) -> None:
        """Close the source; one that doesn't take or answer the close frame in time is broken off."""
        try:
            async with asyncio.timeout(_CLOSING):
                await self.source.close(code=ending.code, message=ending.reason)
        except (TimeoutError, asyncio.CancelledError):
            # Else the library would keep what it couldn't send, for as long as the other side keeps the connection.
            with suppress(OSError):
                self._wire.shutdown(socket.SHUT_RDWR)
            # A pump that was cancelled while it waited for a full connection leaves its cancelled waiter there, and
            # whoever waits next is cancelled by that: only a cancellation of this task is one.
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise


async def _until_the_first_ends(inward: _Pump, outward: _Pump, stop: asyncio.Future[None], transfer: Transfer) -> None:
    """Run both pumps, then close both sides; a cancelled handler means that the browser is gone."""
    pumps = [asyncio.ensure_future(pump.run()) for pump in (inward, outward)]
    waited: list[asyncio.Future[Any]] = [*pumps, stop]
    try:
        await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
    except asyncio.CancelledError:
        # The browser is gone. What it said before goes on all the same: it may be the last that somebody typed.
        await asyncio.wait(pumps[:1], timeout=_CLOSING)
        raise
    finally:
        # The library's own closing may have cancelled us, with a pump already at its end: that one knows why.
        ended = [pump for pump in pumps if pump.done()]
        for pump in pumps:
            pump.cancel()
        await asyncio.gather(*pumps, return_exceptions=True)
        ending = ended[0].result() if ended else _Ending(_GONE)
        transfer.code = int(ending.code)
        await asyncio.gather(inward.close(ending), outward.close(ending))
