"""Relay bodies: an upstream's answer to the client, and a client's body to the upstream.

Both directions hold a chunk or two at a time: what the slower party doesn't take is not read from the faster one.

A truncated body must never look complete. Once a byte of the answer has left, any failure cuts the client's connection
with a reset: a mere close would end a body without a length cleanly, and the handler's return would send the last chunk
of a chunked one. Before that, the failure is an error like any other, which Docs tries again, where it would give up on
a cut: so the first chunk is awaited before the head goes out.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from aiohttp import web
from aiohttp.http import HttpProcessingError

from bridge.protocol.errors import BadRequestError, CutError, TooLargeError
from bridge.transport.body import Body
from bridge.transport.faults import BROKE_OFF
from bridge.transport.memory import HELD

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aiohttp.typedefs import LooseHeaders

    from bridge.transport.answer import Answer

__all__ = [
    "CUT",
    "PATIENCE",
    "TRANSFER",
    "InboundBody",
    "Transfer",
    "cut",
    "read_request",
    "request_body",
    "send",
    "stream",
    "transfer_of",
]

_FRAMING: Final = ("Content-Length", "Transfer-Encoding")
_RESET: Final = struct.pack("ii", 1, 0)  # linger on, for no time: closing sends a reset


@dataclass(slots=True)
class Transfer:
    """How many bytes of bodies one request has moved so far: the client's read, the answer's written.

    ``code`` is what a relayed websocket was closed with.
    """

    bytes_in: int = 0
    bytes_out: int = 0
    complete: bool = False
    code: int | None = None


TRANSFER: Final = web.RequestKey("transfer", Transfer)
# Why we ourselves broke the client's connection off.
CUT: Final = web.RequestKey("cut", BaseException)
# How long the client's body may stop coming, in seconds, where a leg says so.
PATIENCE: Final = web.RequestKey("patience", float)


def transfer_of(request: web.BaseRequest) -> Transfer:
    """Give the request's counts, for the handler that adds to them and for the log line."""
    if TRANSFER not in request:
        request[TRANSFER] = Transfer()
    return request[TRANSFER]


def cut(request: web.BaseRequest, why: BaseException) -> None:
    """Break the client's connection off with a reset, so that what it has got can't pass for the whole.

    ``why`` is for the log: the server ends the handler as if the client had left.
    """
    request.setdefault(CUT, why)
    transport = request.transport
    if transport is None:
        return
    if (connection := transport.get_extra_info("socket")) is not None:
        with suppress(OSError):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    transport.abort()


async def stream(
    request: web.BaseRequest,
    answer: Answer,
    *,
    headers: LooseHeaders,
    status: int | None = None,
    expect_length: bool = True,
) -> web.StreamResponse:
    """Answer the client with an upstream's answer, as it comes.

    ``headers`` are the client's, without framing: the length is the upstream's, or, where it gives none or
    ``expect_length`` is false, unknown. ``status`` replaces the upstream's. The content coding stays as it is.

    Raises:
        CutError, UpstreamTimeoutError: the upstream failed. If the head was already out, the client has been cut off
            and nothing more can be sent to it.
        ConnectionError: the client left; the caller's ``async with`` ends the upstream's part.
    """
    response = web.StreamResponse(
        status=answer.status if status is None else status,
        reason=answer.reason if status is None else None,
        headers=headers,
    )
    for name in _FRAMING:
        response.headers.popall(name, None)
    promised = answer.content_length if expect_length else None
    response.content_length = promised
    has_body = answer.has_body and request.method != "HEAD"
    first = await answer.chunk() if has_body else b""
    await response.prepare(request)
    try:
        if has_body:
            await _copy(answer, response, first, promised, transfer_of(request))
        await response.write_eof()
    except BaseException as error:
        cut(request, error)
        raise
    transfer_of(request).complete = True
    return response


async def _copy(
    answer: Answer, response: web.StreamResponse, first: bytes, promised: int | None, transfer: Transfer
) -> None:
    chunk = first
    while chunk:
        transfer.bytes_out += len(chunk)
        if promised is not None and transfer.bytes_out > promised:
            break
        await response.write(chunk)
        chunk = await answer.chunk()
    if promised is not None and transfer.bytes_out != promised:
        sent = transfer.bytes_out
        raise CutError(
            "The server behind the bridge broke the connection off.",
            upstream=answer.upstream,
            what=f"the answer is not as long as it promised: {sent} of {promised} bytes",
            remedy=BROKE_OFF,
        )


async def send(
    request: web.BaseRequest, chunks: AsyncIterator[bytes], *, headers: LooseHeaders, length: int | None
) -> web.StreamResponse:
    """Answer the client with what ``chunks`` gives, of ``length`` bytes where that is known.

    What fails before the first chunk is there is an error like any other; afterwards the client is cut off.
    """
    response = web.StreamResponse(headers=headers)
    for name in _FRAMING:
        response.headers.popall(name, None)
    response.content_length = length
    transfer = transfer_of(request)
    chunk = await anext(chunks, b"")
    await response.prepare(request)
    try:
        while chunk and request.method != "HEAD":
            await response.write(chunk)
            transfer.bytes_out += len(chunk)
            chunk = await anext(chunks, b"")
        if length is not None and request.method != "HEAD":
            _check_length(transfer.bytes_out, length)
        await response.write_eof()
    except BaseException as error:
        cut(request, error)
        raise
    transfer.complete = True
    return response


def _check_length(sent: int, promised: int) -> None:
    if sent != promised:
        what = f"{sent} of {promised} bytes"
        raise CutError("The file is not as long as promised.", what=what, remedy=BROKE_OFF)


class InboundBody(Body):
    """A client's body on its way in; iterate over it once."""

    def __init__(self, request: web.BaseRequest, limit: int, idle: float) -> None:
        self.length = request.content_length
        self._content = request.content
        self._transfer = transfer_of(request)
        self._limit = limit
        self._idle = idle

    async def __anext__(self) -> bytes:
        chunk = await self._read()
        if not chunk:
            raise StopAsyncIteration
        self._transfer.bytes_in += len(chunk)
        if self._transfer.bytes_in > self._limit:
            raise _too_large(self._limit)
        return chunk

    async def _read(self) -> bytes:
        try:
            async with asyncio.timeout(self._idle):
                return await self._content.readany()
        except TimeoutError as error:
            remedy = "Is the client's network slow, or a proxy before the bridge stuck? Then raise limits.idle."
            raise BadRequestError("The request's body stopped coming.", remedy=remedy, idle=self._idle) from error
        except (web.RequestPayloadError, HttpProcessingError) as error:
            remedy = "The client, or a proxy before the bridge, doesn't frame it as HTTP asks for."
            raise BadRequestError("The request's body is malformed.", remedy=remedy, what=str(error)) from error
        except RuntimeError as error:
            # The library's word for a client that left while nobody was reading.
            raise ConnectionResetError("the client left in the middle of its body") from error


def _too_large(limit: int) -> TooLargeError:
    remedy = (
        "Raise limits.body to what HumHub allows for uploads (websocket_message for an editor's), if it should pass."
    )
    return TooLargeError("The request's body is too large.", remedy=remedy, limit=limit)


def request_body(request: web.BaseRequest, limit: int, *, idle: float | None = None) -> InboundBody | bytes | None:
    """Give a request's body, to be handed to ``Upstream.request``: nothing if it has none, empty if its length is 0.

    ``limit`` is in bytes, ``idle`` in seconds between two chunks: the leg's where none is given. ``Expect:
    100-continue`` has been answered by the server before the handler runs.

    Raises:
        TooLargeError: the promised length is over the limit; iterating raises it as soon as the body itself is.
        BadRequestError: while iterating: the body is malformed, or stopped coming.
        ConnectionError: while iterating: the client left.
    """
    if request.content_length == 0:
        return b""
    if not request.body_exists:
        return None
    if (request.content_length or 0) > limit:
        raise _too_large(limit)
    return InboundBody(request, limit, request.get(PATIENCE, 60.0) if idle is None else idle)


async def read_request(request: web.BaseRequest, limit: int, *, idle: float | None = None) -> bytes:
    """Read a request's whole body, of at most ``limit`` bytes; raises as ``request_body`` does.

    Raises:
        OverloadError: all that the leg reads whole is too much at once.
    """
    body = request_body(request, limit, idle=idle)
    if not isinstance(body, InboundBody):
        return body or b""
    whole, held = bytearray(), request.get(HELD)
    async for chunk in body:
        if held is not None:
            held.take(len(chunk))
        whole += chunk
    return bytes(whole)
