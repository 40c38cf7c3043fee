"""The small ONLYOFFICE Docs: one object that a test or the demo starts and stops."""

from __future__ import annotations

import asyncio
import ipaddress
from typing import TYPE_CHECKING, Any

from aiohttp import web

from bridge.demo.docs import answers, assets, faults
from bridge.demo.docs.callbacks import Callback, Caller
from bridge.demo.docs.commands import Commands
from bridge.demo.docs.conversions import Conversions
from bridge.demo.docs.downloads import Download, Downloader
from bridge.demo.docs.editors import Editors
from bridge.demo.docs.files import Files
from bridge.demo.docs.links import Linker
from bridge.demo.docs.opening import Opener
from bridge.demo.docs.outgoing import Outgoing
from bridge.demo.docs.saving import Saver
from bridge.demo.docs.shelf import Shelf
from bridge.demo.docs.tasks import Tasks
from bridge.demo.docs.wire import MAX_PAYLOAD, Wire

if TYPE_CHECKING:
    from pathlib import Path

    from aiohttp.typedefs import Handler

    from bridge.demo.docs.session import Session, Version
    from bridge.demo.docs.settings import DocsSettings

_SOME_VERSION = r"/{version:\d+\.\d+\.\d+-[0-9A-Za-z]+}/"
_VERSION = r"/{version:(?:\d+\.\d+\.\d+-[0-9A-Za-z]+/)?}"
_PRIVATE = ("/info/{tail:.*}", "/internal/{tail:.*}", "/example{tail:(/.*)?}", "/welcome{tail:(/.*)?}", "/docbuilder")


class SmallDocs:
    """A small Docs server with its web editor.

    For tests: `sessions` by key, `forgotten` copies, all `callbacks` and `downloads` with their attempts, `faults`.
    """

    def __init__(self, settings: DocsSettings, directory: Path) -> None:
        """Keep bodies below `directory`."""
        self.settings = settings
        self.sessions: dict[str, Session] = {}
        self.faults = faults.Faults()
        self._tasks = Tasks()
        self._outgoing = Outgoing(settings)
        self._downloader = Downloader(settings, self._outgoing)
        self._caller = Caller(settings, self._outgoing)
        self._shelf = Shelf(directory, Linker(f"link {settings.secret}"))
        self._wire = Wire(settings)
        self._saver = saver = Saver(settings, self._shelf, self._caller, self.faults, self._forget_session)
        opener = Opener(self._shelf, self._downloader)
        self._editors = Editors(settings, self._wire, self.sessions, opener, saver, self._tasks)
        self._editors.listen()
        self._commands = Commands(settings, self.sessions, saver, self._editors, self._shelf, self.faults, self._tasks)
        self._conversions = Conversions(settings, self._shelf, self._downloader, self.faults, self._tasks)
        self._files = Files(settings, self._shelf, self.faults, self._outgoing, self.sessions)
        self._runner: web.AppRunner | None = None
        self._server: asyncio.Server | None = None
        self._address = ("127.0.0.1", 0)
        self._running: set[asyncio.Task[Any]] = set()

    @property
    def forgotten(self) -> dict[str, Path]:
        return self._shelf.forgotten()

    @property
    def versions(self) -> list[Version]:
        return self._saver.versions

    @property
    def callbacks(self) -> list[Callback]:
        return self._caller.log

    @property
    def downloads(self) -> list[Download]:
        return self._downloader.log

    @property
    def url(self) -> str:
        host, port = self._address
        return f"http{'s' if self.settings.tls else ''}://{host}:{port}"

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> None:
        await self._outgoing.open()
        self._runner = web.AppRunner(self._app(), access_log=None, shutdown_timeout=0.5)
        await self._runner.setup()
        self._server = await asyncio.get_running_loop().create_server(
            self._accept, host, port, reuse_address=True, ssl=self.settings.tls
        )
        self._address = self._server.sockets[0].getsockname()[:2]
        self._editors.resume()

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        await self._wire.stop()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
        try:
            await self._tasks.stop()
        finally:
            await self._outgoing.close()

    async def kill(self) -> None:
        """End in the middle of everything; a new one that `inherits` goes on with what disk and database keep."""
        if self._server is not None:
            self._server.close()
            self._server = None
        if self._runner is not None and self._runner.server is not None:
            for connection in self._runner.server.connections:
                if connection.transport is not None:
                    connection.transport.abort()
        running = list(self._running)
        for task in running:
            task.cancel()
        await self._tasks.stop()
        await asyncio.gather(*running, return_exceptions=True)
        await self.stop()

    def inherit(self, killed: SmallDocs) -> None:
        """Take over the database of a killed server, before the start: who was in which document, and all changes."""
        self.sessions.update(killed.sessions)

    def _accept(self) -> asyncio.Protocol:
        return _Gate(self.settings.clients, self._runner)

    def _forget_session(self, session: Session) -> None:
        if self.sessions.get(session.key) is session:
            del self.sessions[session.key]

    def _app(self) -> web.Application:
        app = web.Application(middlewares=[self._known, _front], client_max_size=2 * MAX_PAYLOAD)
        app.add_routes(self._routes())
        return app

    @web.middleware
    async def _known(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Know what is to be dropped when the server is killed."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101  # a handler always runs in one
        self._running.add(task)
        try:
            return await handler(request)
        finally:
            self._running.discard(task)

    def _routes(self) -> list[web.RouteDef]:
        """Every route; the first that fits counts."""
        files, commands, conversions = self._files, self._commands.handle, self._conversions.handle
        # The path as the version-hash prefix leaves it; cached files and services have no such prefix.
        folders = "{path:(web-apps|sdkjs|sdkjs-plugins|fonts|dictionaries)(/.*)?}"
        return [
            web.route("*", _VERSION + r"doc/{tail:.*}", self._wire.handle),
            web.get(_VERSION + folders, assets.asset),
            web.get(_VERSION + "plugins.json", assets.plugins),
            web.get(_VERSION + "themes.json", assets.themes),
            web.get(_VERSION + "document_editor_service_worker.js", assets.service_worker),
            web.post(_VERSION + "downloadas/{key}", files.save_as),
            web.post(_VERSION + "savefile/{key}", files.take),
            web.post(_VERSION + "upload/{key}", files.upload),
            web.get(_VERSION + "printfile/{key}/{filename}", files.printed),
            web.get(_VERSION + "downloadfile/{key}", files.original),
            web.route("*", "/cache/files/{tail:.*}", files.cached),
            web.route("*", _SOME_VERSION + "cache/files/{tail:.*}", _bad_request),
            web.post("/command", commands),
            web.get("/coauthoring/CommandService.ashx", commands),
            web.post("/coauthoring/CommandService.ashx", commands),
            web.post("/converter", conversions),
            web.options("/converter", _only_post),
            web.get("/ConvertService.ashx", conversions),
            web.post("/ConvertService.ashx", conversions),
            web.get("/healthcheck", self._health),
            web.get("/index.html", assets.index),
            web.get("/baseurl", assets.base),
            web.get("/meta/config", assets.config),
            *(web.route("*", path, assets.harmless) for path in _PRIVATE),
            web.route("*", "/{tail:.*}", _missing),
        ]

    async def _health(self, request: web.Request) -> web.StreamResponse:
        fault = self.faults.take("health")
        if fault is None:
            return web.Response(text="true")

        async def fine() -> tuple[bytes, str]:
            return b"true", "text/plain"

        return await faults.misbehave(fault, request, fine)


class _Gate(asyncio.Protocol):
    """Decides on a connection before a byte is read: a stranger's is aborted."""

    def __init__(self, clients: str | None, runner: web.AppRunner | None) -> None:
        self._clients = ipaddress.ip_network(clients) if clients else None
        self._runner = runner

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        peer = transport.get_extra_info("peername")
        allowed = self._clients is None or ipaddress.ip_address(peer[0]) in self._clients
        if not (allowed and isinstance(transport, asyncio.Transport) and self._runner and self._runner.server):
            if isinstance(transport, asyncio.Transport):
                transport.abort()
            return
        protocol = self._runner.server()
        transport.set_protocol(protocol)
        protocol.connection_made(transport)


@web.middleware
async def _front(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Be the nginx before the server: its name on every answer."""
    response = await handler(request)
    if not response.prepared:
        response.headers["Server"] = "nginx"
    return response


async def _missing(request: web.Request) -> web.Response:
    return answers.cannot(request)


async def _bad_request(_request: web.Request) -> web.Response:
    return web.Response(status=400)


async def _only_post(_request: web.Request) -> web.Response:
    return web.Response(text="POST", content_type="text/html", charset="utf-8", headers={"Allow": "POST"})
