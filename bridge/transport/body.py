"""What is sent to an upstream: headers, a body that comes in chunks, and the clocks that run meanwhile."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterable, AsyncIterator, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import aiohttp
from multidict import CIMultiDict

from bridge.protocol.errors import BadRequestError
from bridge.protocol.headers import HOST

if TYPE_CHECKING:
    from multidict import MultiMapping

__all__ = ["Body", "Outgoing", "Timeouts", "answer_within", "awaited", "outbound_headers", "tracing"]

_OURS: Final = ("Connection", "Content-Length", "Expect", "Keep-Alive", "Transfer-Encoding", "Upgrade")


def outbound_headers(headers: MultiMapping[str] | None, host: str | None) -> CIMultiDict[str]:
    """Give the headers of a request without its framing, and with ``host`` where they name none."""
    # Of a name that comes in two spellings the library would keep the last alone.
    spelled: dict[str, str] = {}
    outbound: CIMultiDict[str] = CIMultiDict()
    for name, value in headers.items() if headers is not None else ():
        outbound.add(spelled.setdefault(name.lower(), name), value)
    for name in _OURS:
        outbound.popall(name, None)
    if host is not None:
        outbound.setdefault(HOST, host)
    return outbound


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Time limits of an exchange, in seconds; see ``upstream.py``. ``setting`` is the first byte's."""

    connect: float = 10.0
    first_byte: float = 60.0
    idle: float = 60.0
    setting: str = "this upstream's first_byte"

    @property
    def whole(self) -> float:
        """Give how long an exchange may last whose answer has to be read whole: what trickles ends, too."""
        return self.connect + self.first_byte + self.idle


# The timer of the request that a task makes, and how many seconds it gets when the head has been sent.
_ANSWER: Final[ContextVar[tuple[asyncio.Timeout, float] | None]] = ContextVar("answer", default=None)


@contextmanager
def answer_within(seconds: float, timer: asyncio.Timeout | None) -> Iterator[None]:
    """Once the head of the request that is made in the block is sent, give ``timer`` so many seconds from then on."""
    token = _ANSWER.set((timer, seconds) if timer is not None else None)
    try:
        yield
    finally:
        _ANSWER.reset(token)


def tracing() -> aiohttp.TraceConfig:
    """Give what makes the library's session tell that a head has been sent."""

    async def sent(*_: object) -> None:
        if (limit := _ANSWER.get()) is not None and not limit[0].expired():
            limit[0].reschedule(asyncio.get_running_loop().time() + limit[1])

    trace = aiohttp.TraceConfig()
    trace.on_request_headers_sent.append(sent)
    return trace


class Body(ABC, AsyncIterator[bytes]):
    """A body to be sent; with a ``length`` in bytes it is sent under that length, else chunked."""

    length: int | None = None

    @abstractmethod
    async def __anext__(self) -> bytes:
        """Give the next chunk."""


class Outgoing(AsyncIterator[bytes]):
    """A request's body on its way: holds the head's timer while its own source is slow, and keeps the source's error.

    The library wraps whatever a body raises; ``error`` is the original, for the caller to see. ``ended`` says that all
    of it was taken.
    """

    __slots__ = ("_left", "_source", "_timeouts", "ended", "error", "timer")

    def __init__(self, source: AsyncIterable[bytes], length: int | None, timeouts: Timeouts) -> None:
        # Iterating over a stream reader gives lines.
        self._source = aiter(source.iter_any() if isinstance(source, aiohttp.StreamReader) else source)
        self._left = length
        self._timeouts = timeouts
        self.timer: asyncio.Timeout | None = None
        self.error: Exception | None = None
        self.ended = False

    async def __anext__(self) -> bytes:
        self._wait(None)
        try:
            chunk = await self._next()
        except StopAsyncIteration:
            self.ended = True
            self._wait(self._timeouts.first_byte)
            raise
        except Exception as error:
            self.error = error
            raise
        self._wait(self._timeouts.idle)
        return chunk

    async def _next(self) -> bytes:
        try:
            chunk = await anext(self._source)
        except StopAsyncIteration:
            if self._left:
                raise BadRequestError("The body ended before its promised end.", missing=self._left) from None
            raise
        if self._left is not None:
            self._left -= len(chunk)
            if self._left < 0:
                raise BadRequestError("The body is longer than promised.", surplus=-self._left)
        return chunk

    def _wait(self, seconds: float | None) -> None:
        if self.timer is not None:
            self.timer.reschedule(None if seconds is None else asyncio.get_running_loop().time() + seconds)


def awaited(outgoing: Outgoing | None, timeouts: Timeouts) -> tuple[str, str]:
    """Give what a call waits for before its answer's head has come, in words, and the setting that bounds it."""
    if outgoing is None or outgoing.ended:
        return f"its answer, for {timeouts.first_byte:g} s", timeouts.setting
    return f"it to take more of the request, for {timeouts.idle:g} s", "this upstream's idle"
