"""Takes the connections of a leg that speaks TLS: only so many are at their handshake at once.

A connection is dear from its handshake on: a hundred KB and more, where one without TLS takes six. The loop's own
listener would begin the handshake of whatever connects, before anybody counts. So here a connection first waits for its
client's first byte, which costs next to nothing, then for its turn, and then the loop does the rest.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
from collections.abc import Callable
from typing import Final

import structlog

from bridge.legs.door import Door

__all__ = ["Handshakes"]

log = structlog.get_logger(__name__)

_AT_ONCE: Final = 512
_PAUSE: Final = 1.0  # seconds, where the system has no more open files


class Handshakes:
    """Accepts on sockets that are bound already; ``factory`` makes the protocol of a connection whose TLS stands."""

    def __init__(self, door: Door, factory: Callable[[], asyncio.Protocol], context: ssl.SSLContext) -> None:
        self._door = door
        self._factory = factory
        self._context = context
        self._free = asyncio.Semaphore(_AT_ONCE)
        self._sockets: list[socket.socket] = []
        self._accepting: list[asyncio.Task[None]] = []
        self._pending: set[asyncio.Task[None]] = set()

    def listen(self, files: list[int], backlog: int) -> None:
        """Begin to accept on the sockets of these file descriptors, which stay their owner's."""
        for file in files:
            listening = socket.socket(fileno=os.dup(file))
            listening.setblocking(False)
            listening.listen(backlog)
            self._sockets.append(listening)
            self._accepting.append(asyncio.create_task(self._accept(listening)))

    def close(self) -> None:
        """Take no new connections; those under way end by themselves."""
        for task in self._accepting:
            task.cancel()
        for listening in self._sockets:
            listening.close()
        self._sockets.clear()

    async def end(self) -> None:
        """Close, and end the handshakes under way."""
        self.close()
        for task in self._pending:
            task.cancel()
        tasks = [*self._accepting, *self._pending]
        if tasks:
            await asyncio.wait(tasks)

    async def _accept(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                wire, _ = await loop.sock_accept(listening)
            except OSError as error:
                log.error("a connection can't be accepted", leg=self._door.leg, why=str(error))
                await asyncio.sleep(_PAUSE)
                continue
            if len(self._pending) >= self._door.bounds.surplus:
                self._door.metrics.turned_away(leg=self._door.leg, reason="dropped")
                wire.close()
                continue
            task = asyncio.create_task(self._shake(wire))
            self._pending.add(task)
            task.add_done_callback(self._pending.discard)
            # A crowd in the system's queue is taken piece by piece.
            await asyncio.sleep(0)

    async def _shake(self, wire: socket.socket) -> None:
        """Let one connection come to its TLS, or end."""
        patience = self._door.bounds.head
        try:
            async with asyncio.timeout(patience):
                await _first_byte(wire)
                await self._free.acquire()
        except BaseException as error:
            wire.close()
            if not isinstance(error, TimeoutError):
                raise
            return
        try:
            # From here on the socket is the loop's. What fails is the client's: no TLS, or not its certificate.
            with contextlib.suppress(OSError):
                await asyncio.get_running_loop().connect_accepted_socket(
                    self._factory, wire, ssl=self._context, ssl_handshake_timeout=patience
                )
        finally:
            self._free.release()


async def _first_byte(wire: socket.socket) -> None:
    """Wait until there is something to read, be it the end."""
    loop = asyncio.get_running_loop()
    readable: asyncio.Future[None] = loop.create_future()

    def found() -> None:
        if not readable.done():
            readable.set_result(None)

    loop.add_reader(wire, found)
    try:
        await readable
    finally:
        loop.remove_reader(wire)
