"""Builds one application a leg, and owns every lifetime: what starts, in which order, and how it ends.

Theory of operation
-------------------
:func:`running` opens what the legs need (the save directory, the upstreams' clients), then the legs themselves: admin
first, so that a supervisor sees the process, then humhub and docs, browser last, so that nobody comes in before all can
be answered. Upstreams are not dialled: one that comes later is served when it is there.

It ends the other way round. The browser and docs legs stop listening and finish what they have: websockets are closed
with 1001, so that editors come back to the next process; running saves end. Meanwhile the humhub leg stays, because
HumHub pulls the saved bodies there. What isn't done after the grace is cut, and Docs tries its callback again.
"""

from __future__ import annotations

import asyncio
import contextlib
import resource
import signal
import time
from asyncio import sslproto
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import structlog
from aiohttp import web

from bridge.config import Config
from bridge.connector.building import connectors, recipient
from bridge.legs import admin, connector, docs, editors, humhub
from bridge.legs.answers import Kind
from bridge.legs.door import Door
from bridge.legs.engines import Engines
from bridge.legs.listener import Listening, bounds, listen
from bridge.legs.middleware import Entrance, name_answer, shared
from bridge.legs.opens import Opens
from bridge.legs.state import (
    CLOCK,
    CONNECTORS,
    ENGINES,
    LIMITS,
    METRICS,
    OPENS,
    POLLS,
    SAVES,
    SOCKETS,
    TOPOLOGY,
    Limits,
)
from bridge.protocol.errors import ConfigurationError
from bridge.saves.saves import Saves, open_saves
from bridge.saves.steps import Observer, unobserved
from bridge.sites import Topology, open_topology
from bridge.transport.memory import Memory
from bridge.transport.tls import Certificates
from bridge.transport.websocket import LiveSockets
from bridge.watch.metrics import Metrics

__all__ = ["allow_connections", "running", "serve"]

log = structlog.get_logger(__name__)

# How long requests that are under way at the end may go on, in seconds, on the legs where nothing is lost by a cut.
_GRACE = 10.0
_FILES = 65536
_TLS_BUFFER = 32 << 10
# Of them, what is left for the other legs, the store and the saves; and the fewest connections that make sense.
_OTHERS = 1024
_FEW = 64


@contextlib.asynccontextmanager
async def running(
    config: Config,
    *,
    clock: Callable[[], float] = time.time,
    steps: Observer = unobserved,
    certificates: Certificates | None = None,
) -> AsyncIterator[None]:
    """Run the bridge inside the block: all legs listen when it is entered, everything has ended when it is left.

    ``clock`` gives the time, in seconds since the epoch; ``steps`` hears of each step of each save; ``certificates`` is
    for who wants to have them looked at.

    Raises:
        ConfigurationError: it asks for what this release doesn't have.
        StorageError: the save directory can't be written, or a leg can't listen.
    """
    async with contextlib.AsyncExitStack() as stack:
        common = await _common(config, clock, steps, certificates or Certificates(), stack)
        await _listen(stack, config, common, "admin", _admin(config, common))
        await _listen(stack, config, common, "humhub", _leg(config, common, "humhub"))
        guarded = await stack.enter_async_context(contextlib.AsyncExitStack())
        outer = [
            await _listen(guarded, config, common, name, _leg(config, common, name)) for name in ("docs", "browser")
        ]
        try:
            async with common.certificates.working(), common.saves.working():
                yield
        finally:
            await _end(outer, common)


async def _end(servers: list[Listening], common: _Common) -> None:
    """Take no new connections on the outer legs, and send editors away so that they come back to the next process."""
    for server in servers:
        server.close()
    common.sockets.stop()
    common.polls.stop()
    await common.sockets.ended()


def _entrance(config: Config, common: _Common, name: str, kind: Kind, *, error: bool | int) -> Entrance:
    """Give what a leg keeps of its own, so that no other leg's load is its."""
    leg, limits = getattr(config.legs, name), config.limits
    bound = bounds(limits, connections=common.files, people=name == "browser")
    door = Door(name, kind, error, leg.trust_forwarded_from, bound, common.metrics)
    common.metrics.connected(name, door.__len__)
    memory = Memory(limits.memory)
    common.doors[name] = door
    return Entrance(name, kind, error, leg.allow, leg.trust_forwarded_from, common.metrics, door, memory, limits.idle)


def _leg(config: Config, common: _Common, name: str) -> web.Application:
    routes, kind, error = {
        "humhub": (humhub.routes(), Kind.MESSAGE, 1),
        "docs": (docs.routes(), Kind.MESSAGE, 1),
        "browser": (
            [*editors.routes(config.docs.path), *connector.routes()],
            Kind.PAGE,
            True,
        ),
    }[name]
    app = web.Application(middlewares=shared(_entrance(config, common, name, kind, error=error)))
    limits = config.limits
    app[TOPOLOGY] = common.topologies[name]
    app[SAVES] = common.saves
    app[OPENS] = common.opens
    app[SOCKETS] = common.sockets
    app[POLLS] = common.polls
    app[ENGINES] = Engines()
    app[CLOCK] = common.clock
    app[METRICS] = common.metrics
    app[CONNECTORS] = connectors(common.topologies[name], common.saves)
    app[LIMITS] = Limits(
        body=limits.body,
        page=limits.page,
        websocket_message=limits.websocket_message,
        websocket_idle=limits.websocket_idle,
        download=limits.download,
        conversion=limits.conversion,
    )
    app.on_response_prepare.append(name_answer)
    app.add_routes(routes)
    return app


def _admin(config: Config, common: _Common) -> web.Application:
    entrance = _entrance(config, common, "admin", Kind.MESSAGE, error=True)
    app = web.Application(middlewares=[*shared(entrance), admin.guard(config.legs.admin.token)])
    app[METRICS] = common.metrics
    app[CLOCK] = common.clock
    app[TOPOLOGY] = common.topologies["docs"]
    app[SAVES] = common.saves
    app[admin.LATEST] = common.count_saves
    app[admin.CHECKS] = {"saves": common.saves.check, **admin.reachable(common.topologies["docs"])}
    app.on_response_prepare.append(name_answer)
    app.add_routes(admin.routes())
    return app


async def _listen(
    stack: contextlib.AsyncExitStack, config: Config, common: _Common, name: str, app: web.Application
) -> Listening:
    leg = getattr(config.legs, name)
    return await listen(
        stack,
        app,
        common.doors[name],
        leg,
        limits=config.limits,
        tls=common.certificates.server(name, leg),
        grace=config.saves.deadline if name == "docs" else _GRACE,
    )


def _room(config: Config) -> int:
    """Give how many connections a leg can have: each may take two open files, half as many are surplus for a moment."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    room = config.limits.connections if soft == resource.RLIM_INFINITY else max(_FEW, (soft - _OTHERS) * 2 // 5)
    if room < config.limits.connections:
        log.warning(
            "fewer connections than configured: the system allows too few open files",
            connections=room,
            open_files=soft,
            remedy="Raise the limit (LimitNOFILE=65536 in the systemd unit), or lower limits.connections.",
        )
    return room


def allow_connections() -> None:
    """Take as many open files as the system lets us: a shell's 1024 are fewer than the editors of a large HumHub."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _FILES if hard == resource.RLIM_INFINITY else min(_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


async def serve(config: Config) -> None:
    """Run the bridge until SIGTERM or SIGINT; SIGHUP has it look at its certificates."""
    allow_connections()
    # Of what the loop reads into, for each TLS connection as long as it lives: 256 KiB, for records of 16 at most.
    sslproto.SSLProtocol.max_size = _TLS_BUFFER
    stop, certificates = asyncio.Event(), Certificates()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    loop.add_signal_handler(signal.SIGHUP, certificates.look)
    async with running(config, certificates=certificates):
        log.info("ready")
        await stop.wait()
        log.info("stopping", saves="running ones end", grace=config.saves.deadline)
    log.info("stopped")


@dataclass(frozen=True, slots=True)
class _Common:
    """What the legs have in common, and what each has of its own, by name.

    Each leg has upstream connections of its own: browsers that wait for a slow HumHub take none from the saves, which
    go out as the docs leg's.
    """

    topologies: Mapping[str, Topology]
    doors: dict[str, Door]
    certificates: Certificates
    files: int
    saves: Saves
    metrics: Metrics
    clock: Callable[[], float]
    sockets: LiveSockets
    polls: LiveSockets
    opens: Opens

    async def count_saves(self) -> None:
        """Bring the figures about saves up to date."""
        names = [site.name for site in self.topologies["docs"].sites]
        self.metrics.kept(await self.saves.index.totals(), names, now=self.clock())
        self.metrics.forgotten(self.saves.sweep.unknown)


async def _common(
    config: Config,
    clock: Callable[[], float],
    steps: Observer,
    certificates: Certificates,
    stack: contextlib.AsyncExitStack,
) -> _Common:
    """Open what the legs share, in the order in which it is needed."""
    _refuse_what_is_lacking(config)
    topologies = {name: await open_topology(config, stack, certificates) for name in ("browser", "docs", "humhub")}
    metrics, sockets = Metrics(), LiveSockets()
    saves = await open_saves(
        config,
        topologies["docs"],
        clock,
        observe=steps,
        ended=metrics.delivered,
        recipient=recipient,
        stack=stack,
    )
    metrics.watch(websockets=lambda: len(sockets))
    opens = await stack.enter_async_context(Opens())
    return _Common(topologies, {}, certificates, _room(config), saves, metrics, clock, sockets, LiveSockets(), opens)


def _refuse_what_is_lacking(config: Config) -> None:
    """Say at the start what the configuration may ask for and this release doesn't have.

    Raises:
        ConfigurationError: it asks for one of these.
    """
    lacking = (
        (not isinstance(config.saves.directory, Path), "an object store for saves", "saves.directory", "a directory"),
        (not config.store.url.startswith("sqlite:"), "a Redis store", "store.url", "its default"),
        (config.workers > 1, "several workers", "workers", "1"),
        (config.audit.file is not None, "an audit log", "audit.file", "null"),
        (config.traces.otlp is not None, "traces", "traces.otlp", "null"),
    )
    for asked, what, place, instead in lacking:
        if asked:
            raise ConfigurationError(f"This release does not have {what} yet.", remedy=f"Set {place} to {instead}.")
