"""What bounds an exchange as a whole: the connections that an upstream may have at once, and a deadline."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bridge.protocol.errors import CrowdedError, UpstreamTimeoutError

__all__ = ["Pool", "within"]


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
        what = f"not finished within {deadline} s"
        raise UpstreamTimeoutError("The server behind the bridge is too slow.", upstream=upstream, what=what) from error
