"""Lets a leg listen: its application behind its door, with its limits, on its address."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from dataclasses import dataclass
from typing import Any

import structlog
from aiohttp import web

from bridge.config import AdminLegConfig, LegConfig, LimitsConfig, Listen
from bridge.legs.connection import connections_of
from bridge.legs.door import Bounds, Door
from bridge.legs.handshakes import Handshakes
from bridge.protocol.errors import StorageError

__all__ = ["Listening", "bounds", "listen"]

log = structlog.get_logger("bridge.app")

_BACKLOG = 1024
_SURPLUS = 512


@dataclass(frozen=True, slots=True)
class Listening:
    """A leg that listens; ``handshakes`` takes its connections where it speaks TLS."""

    server: asyncio.Server
    handshakes: Handshakes | None

    @property
    def port(self) -> int:
        """Give the port, where any free one was asked for."""
        found: int = self.server.sockets[0].getsockname()[1]
        return found

    def close(self) -> None:
        """Take no new connections."""
        self.server.close()
        if self.handshakes is not None:
            self.handshakes.close()


def bounds(limits: LimitsConfig, *, connections: int, people: bool) -> Bounds:
    """Give what a leg's door keeps; only where clients are ``people`` are those of one address counted."""
    clients = limits.client_connections if people else None
    most = min(limits.connections, connections)
    return Bounds(most, most // 2 + _SURPLUS, clients, limits.header, limits.head, limits.idle)


async def listen(
    stack: contextlib.AsyncExitStack,
    app: web.Application,
    door: Door,
    leg: LegConfig | AdminLegConfig,
    *,
    limits: LimitsConfig,
    tls: ssl.SSLContext | None,
    grace: float,
) -> Listening:
    """Let a leg listen until the stack is left; what is under way then has its grace, in seconds.

    Raises:
        StorageError: it can't listen there.
    """
    options: dict[str, Any] = {
        "access_log": None,
        "auto_decompress": False,
        "keepalive_timeout": limits.keep_alive,
        "max_line_size": limits.header,
        "max_field_size": limits.header,
    }
    # What a browser asked for ends with it, polls above all. A callback goes on without Docs, since HumHub may be
    # storing; so does what HumHub asked for, whose result Docs keeps for the next time.
    runner = web.AppRunner(app, handler_cancellation=door.leg == "browser", shutdown_timeout=grace, **options)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    if runner.server is None:
        raise RuntimeError("a runner that is set up has its server")
    factory = connections_of(door, runner.server, **options)
    try:
        server = await asyncio.get_running_loop().create_server(
            factory, **_where(leg.listen), backlog=_BACKLOG, start_serving=tls is None
        )
    except OSError as error:
        raise StorageError(
            f"The {door.leg} leg can't listen on {leg.listen}: {error.strerror}.",
            remedy="Is something else listening there, or is it no address of this machine? "
            f"See legs.{door.leg}.listen.",
        ) from error
    stack.callback(server.close)
    # The loop passes over a socket that the system refuses to make, and listens nowhere then.
    if not server.sockets:
        raise StorageError(
            f"The {door.leg} leg can't listen on {leg.listen}: this system gives it no socket of that kind.",
            remedy="Is IPv6 switched off, an address family forbidden, or the number of open files used up? "
            f"See legs.{door.leg}.listen.",
        )
    handshakes = Handshakes(door, factory, tls) if tls is not None else None
    if handshakes is not None:
        handshakes.listen([bound.fileno() for bound in server.sockets], _BACKLOG)
        stack.push_async_callback(handshakes.end)
    watching = asyncio.create_task(door.watch())
    stack.push_async_callback(_end, watching)
    log.info("listening", leg=door.leg, address=str(leg.listen), url=str(getattr(leg, "url", "")) or None)
    return Listening(server, handshakes)


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait((task,))


def _where(listen: Listen) -> dict[str, Any]:
    """Give the address as the loop takes it; ``[::]`` is every address, of which it would leave IPv4's out."""
    if ":" not in listen.host or not listen.everywhere or not socket.has_dualstack_ipv6():
        return {"host": listen.host, "port": listen.port}
    every = socket.create_server((listen.host, listen.port), family=socket.AF_INET6, dualstack_ipv6=True)
    return {"sock": every}
