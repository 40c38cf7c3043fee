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
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

import structlog
from aiohttp import web

from bridge.config import AdminLegConfig, Config, LegConfig, Mode
from bridge.legs import admin, browser, docs, editors, humhub
from bridge.legs.answers import Kind
from bridge.legs.engines import Engines
from bridge.legs.middleware import Entrance, name_answer, shared
from bridge.legs.state import CLOCK, ENGINES, LIMITS, METRICS, POLLS, SAVES, SOCKETS, TOPOLOGY, Limits
from bridge.protocol.errors import ConfigurationError, StorageError
from bridge.saves.saves import Saves, open_saves
from bridge.saves.steps import Observer, unobserved
from bridge.sites import Topology, open_topology
from bridge.transport.tls import server_context
from bridge.transport.websocket import LiveSockets
from bridge.watch.metrics import Metrics

__all__ = ["running", "serve"]

log = structlog.get_logger(__name__)

# How long requests that are under way at the end may go on, in seconds, on the legs where nothing is lost by a cut.
_GRACE = 10.0
_FILES = 65536


@contextlib.asynccontextmanager
async def running(
    config: Config, *, clock: Callable[[], float] = time.time, steps: Observer = unobserved
) -> AsyncIterator[None]:
    """Run the bridge inside the block: all legs listen when it is entered, everything has ended when it is left.

    ``clock`` gives the time, in seconds since the epoch; ``steps`` hears of each step of each save.

    Raises:
        ConfigurationError: it asks for what this release doesn't have.
        StorageError: the save directory can't be written, or a leg can't listen.
    """
    async with contextlib.AsyncExitStack() as stack:
        common = await _common(config, clock, steps, stack)
        legs = config.legs
        await _listen(stack, "admin", _admin(config, common), legs.admin, config)
        await _listen(stack, "humhub", _leg(config, common, "humhub", legs.humhub), legs.humhub, config)
        guarded = await stack.enter_async_context(contextlib.AsyncExitStack())
        outer = [
            await _listen(guarded, "docs", _leg(config, common, "docs", legs.docs), legs.docs, config),
            await _listen(guarded, "browser", _leg(config, common, "browser", legs.browser), legs.browser, config),
        ]
        try:
            async with common.saves.working():
                yield
        finally:
            await _end(outer, common)


async def _end(runners: list[web.AppRunner], common: _Common) -> None:
    """Take no new connections on the outer legs, and send editors away so that they come back to the next process."""
    for runner in runners:
        for site in list(runner.sites):
            await site.stop()
    common.sockets.stop()
    common.polls.stop()


def _leg(config: Config, common: _Common, name: str, leg: LegConfig) -> web.Application:
    routes, kind, error = {
        "humhub": (humhub.routes(), Kind.MESSAGE, 1),
        "docs": (docs.routes(), Kind.MESSAGE, 1),
        "browser": ([*editors.routes(config.docs.path), *browser.routes()], Kind.PAGE, True),
    }[name]
    entrance = Entrance(name, kind, error, leg.allow, leg.trust_forwarded_from, common.metrics)
    app = web.Application(middlewares=shared(entrance))
    limits = config.limits
    app[TOPOLOGY] = common.topology
    app[SAVES] = common.saves
    app[SOCKETS] = common.sockets
    app[POLLS] = common.polls
    app[ENGINES] = Engines()
    app[CLOCK] = common.clock
    app[METRICS] = common.metrics
    app[LIMITS] = Limits(limits.body, limits.page, limits.websocket_message, limits.download)
    app.on_response_prepare.append(name_answer)
    app.add_routes(routes)
    return app


def _admin(config: Config, common: _Common) -> web.Application:
    leg = config.legs.admin
    entrance = Entrance("admin", Kind.MESSAGE, True, leg.allow, leg.trust_forwarded_from, common.metrics)
    app = web.Application(middlewares=[*shared(entrance), admin.guard(leg.token)])
    app[METRICS] = common.metrics
    app[CLOCK] = common.clock
    app[TOPOLOGY] = common.topology
    app[SAVES] = common.saves
    app[admin.LATEST] = common.count_saves
    app[admin.CHECKS] = {"saves": common.saves.check, **admin.reachable(common.topology)}
    app.on_response_prepare.append(name_answer)
    app.add_routes(admin.routes())
    return app


async def _listen(
    stack: contextlib.AsyncExitStack,
    name: str,
    app: web.Application,
    leg: LegConfig | AdminLegConfig,
    config: Config,
) -> web.AppRunner:
    """Let a leg listen until the stack is left; what is under way then has its grace."""
    runner = web.AppRunner(
        app,
        access_log=None,
        # What a browser asked for ends with it, polls above all. A callback goes on without Docs, since HumHub may be
        # storing; so does what HumHub asked for, whose result Docs keeps for the next time.
        handler_cancellation=name == "browser",
        auto_decompress=False,
        max_line_size=config.limits.header,
        max_field_size=config.limits.header,
        shutdown_timeout=config.saves.deadline if name == "docs" else _GRACE,
    )
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    site = web.TCPSite(runner, leg.listen.host, leg.listen.port, ssl_context=server_context(leg))
    try:
        await site.start()
    except OSError as error:
        raise StorageError(
            f"The {name} leg can't listen on {leg.listen}: {error.strerror}.",
            remedy=f"Is something else listening there, or is it no address of this machine? See legs.{name}.listen.",
        ) from error
    log.info("listening", leg=name, address=str(leg.listen), url=str(getattr(leg, "url", "")) or None)
    return runner


def _allow_connections() -> None:
    """Take as many open files as the system lets us: a shell's 1024 are fewer than the editors of a large HumHub."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _FILES if hard == resource.RLIM_INFINITY else min(_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


async def serve(config: Config) -> None:
    """Run the bridge until SIGTERM or SIGINT."""
    _allow_connections()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with running(config):
        log.info("ready")
        await stop.wait()
        log.info("stopping", saves="running ones end", grace=config.saves.deadline)
    log.info("stopped")


@dataclass(frozen=True, slots=True)
class _Common:
    """What the legs have in common."""

    topology: Topology
    saves: Saves
    metrics: Metrics
    clock: Callable[[], float]
    sockets: LiveSockets
    polls: LiveSockets

    async def count_saves(self) -> None:
        """Bring the figures about saves up to date."""
        names = [site.name for site in self.topology.sites]
        self.metrics.kept(await self.saves.index.totals(), names, now=self.clock())
        self.metrics.forgotten(self.saves.sweep.unknown)


async def _common(
    config: Config, clock: Callable[[], float], steps: Observer, stack: contextlib.AsyncExitStack
) -> _Common:
    """Open what the legs share, in the order in which it is needed."""
    _refuse_what_is_lacking(config)
    topology = await open_topology(config, stack)
    metrics, sockets = Metrics(), LiveSockets()
    saves = await open_saves(config, topology, clock, observe=steps, ended=metrics.delivered, stack=stack)
    metrics.watch(websockets=lambda: len(sockets))
    return _Common(topology, saves, metrics, clock, sockets, LiveSockets())


def _refuse_what_is_lacking(config: Config) -> None:
    """Say at the start what the configuration may ask for and this release doesn't have.

    Raises:
        ConfigurationError: it asks for one of these.
    """
    lacking = (
        (any(site.mode is Mode.CONNECTOR for site in config.sites), "the connector", "sites[].mode", "relay"),
        (not isinstance(config.saves.directory, Path), "an object store for saves", "saves.directory", "a directory"),
        (not config.store.url.startswith("sqlite:"), "a Redis store", "store.url", "its default"),
        (config.workers > 1, "several workers", "workers", "1"),
        (config.audit.file is not None, "an audit log", "audit.file", "null"),
        (config.traces.otlp is not None, "traces", "traces.otlp", "null"),
    )
    for asked, what, place, instead in lacking:
        if asked:
            raise ConfigurationError(f"This release does not have {what} yet.", remedy=f"Set {place} to {instead}.")
