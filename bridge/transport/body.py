"""What is sent to an upstream: a body that comes in chunks, and the clocks that run meanwhile."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterable, AsyncIterator
from dataclasses import dataclass

import aiohttp

from bridge.protocol.errors import BadRequestError

__all__ = ["Body", "Outgoing", "Timeouts"]


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Time limits of an exchange, in seconds; see ``upstream.py``."""

    connect: float = 10.0
    first_byte: float = 60.0
    idle: float = 60.0


class Body(ABC, AsyncIterator[bytes]):
    """A body to be sent; with a ``length`` in bytes it is sent under that length, else chunked."""

    length: int | None = None

    @abstractmethod
    async def __anext__(self) -> bytes:
        """Give the next chunk."""


class Outgoing(AsyncIterator[bytes]):
    """A request's body on its way: holds the head's timer while its own source is slow, and keeps the source's error.

    The library wraps whatever a body raises; ``error`` is the original, for the caller to see.
    """

    __slots__ = ("_left", "_source", "_timeouts", "error", "timer")

    def __init__(self, source: AsyncIterable[bytes], length: int | None, timeouts: Timeouts) -> None:
        # Iterating over a stream reader gives lines.
        self._source = aiter(source.iter_any() if isinstance(source, aiohttp.StreamReader) else source)
        self._left = length
        self._timeouts = timeouts
        self.timer: asyncio.Timeout | None = None
        self.error: Exception | None = None

    async def __anext__(self) -> bytes:
        self._wait(None)
        try:
            chunk = await self._next()
        except StopAsyncIteration:
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
