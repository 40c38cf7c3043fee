"""What holds for an exchange as a whole: which connection it gets, how many there may be at once, and a deadline."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import aiohttp

from bridge.protocol.errors import CrowdedError, UpstreamTimeoutError

if TYPE_CHECKING:
    from aiohttp import ClientRequest
    from aiohttp.connector import Connection
    from aiohttp.tracing import Trace

__all__ = ["Connector", "Pool", "within"]


class Connector(aiohttp.TCPConnector):
    """A connector that reuses no connection on which the server said something that it wasn't asked.

    The library would take it for the answer to the next request, and so give one person what was meant for another.
    """

    async def connect(self, req: ClientRequest, traces: list[Trace], timeout: aiohttp.ClientTimeout) -> Connection:  # noqa: ASYNC109 - the library's
        """Give a connection on which nothing lies about."""
        while True:
            connection = await super().connect(req, traces, timeout)
            if connection.protocol is None or not connection.protocol.should_close:
                return connection
            connection.close()


class Pool:
    """The connections of one upstream, in whose place a call waits its turn.

    The library's own pool would wait as well, but couldn't say afterwards that it was waiting and not dialling.
    """

    def __init__(self, connections: int, upstream: str) -> None:
        self._free = asyncio.Semaphore(connections)
        self._connections = connections
        self._upstream = upstream

    @asynccontextmanager
    async def holding(self, patience: float) -> AsyncIterator[None]:
        """Hold one of them for as long as the block lasts.

        Raises:
            CrowdedError: none got free for ``patience`` seconds.
        """
        try:
            async with asyncio.timeout(patience):
                await self._free.acquire()
        except TimeoutError as error:
            raise CrowdedError(
                "The server behind the bridge is busy.",
                upstream=self._upstream,
                what=f"all {self._connections} connections to it were in use for {patience:g} s",
                remedy="Is it slow, or down? Otherwise raise the connections of this upstream.",
            ) from error
        try:
            yield
        finally:
            self._free.release()


@asynccontextmanager
async def within(deadline: float | None, upstream: str) -> AsyncIterator[None]:
    """Bound a whole exchange."""
    scope = asyncio.timeout(deadline)
    try:
        async with scope:
            yield
    except TimeoutError as error:
        if not scope.expired():
            raise
        raise UpstreamTimeoutError(
            "The server behind the bridge is too slow.",
            upstream=upstream,
            what=f"not finished within {deadline:g} s",
            remedy="Is it overloaded, or the network to it slow? See its log. What bounds it: limits.download for a "
            "download, saves.attempt for a save, limits.conversion for a conversion, its upstream's times for a page.",
        ) from error
