"""Lets a leg listen: its application behind its door, with its limits, on its address."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from typing import Any

import structlog
from aiohttp import web

from bridge.config import AdminLegConfig, LegConfig, LimitsConfig, Listen
from bridge.legs.connection import connections_of
from bridge.legs.door import Bounds, Door
from bridge.protocol.errors import StorageError

__all__ = ["bounds", "listen"]

log = structlog.get_logger("bridge.app")

_BACKLOG = 1024
_SURPLUS = 512


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
) -> asyncio.Server:
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
    try:
        server = await asyncio.get_running_loop().create_server(
            connections_of(door, runner.server, **options),
            **_where(leg.listen),
            ssl=tls,
            ssl_handshake_timeout=limits.head if tls else None,
            backlog=_BACKLOG,
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
    watching = asyncio.create_task(door.watch())
    stack.push_async_callback(_end, watching)
    log.info("listening", leg=door.leg, address=str(leg.listen), url=str(getattr(leg, "url", "")) or None)
    return server


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait((task,))


def _where(listen: Listen) -> dict[str, Any]:
    """Give the address as the loop takes it; ``[::]`` is every address, of which it would leave IPv4's out."""
    if ":" not in listen.host or not listen.everywhere or not socket.has_dualstack_ipv6():
        return {"host": listen.host, "port": listen.port}
    every = socket.create_server((listen.host, listen.port), family=socket.AF_INET6, dualstack_ipv6=True)
    return {"sock": every}
