"""The small HumHub itself: its state, its listener, and the way of a request through it.

A request becomes a `Call`, its route is looked up, and the steps run in HumHub's order: the file and its rights
(`early`), the login, the controller's headers (`dress`), CSRF, the action. Which headers an error has depends on how
far it came, and the recordings show that.
"""

from __future__ import annotations

import asyncio
import itertools
import secrets
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import jwt
from aiohttp import web

from bridge.demo.humhub import answers, assets, maintenance, pages, samples, sessions
from bridge.demo.humhub.answers import Answer, HumHubError, RestError
from bridge.demo.humhub.call import Call
from bridge.demo.humhub.cfiles import ROOT, CFile, CFiles
from bridge.demo.humhub.doorman import Doorman, within
from bridge.demo.humhub.faults import Faults, spoil
from bridge.demo.humhub.files import FileStore, HumHubFile
from bridge.demo.humhub.formats import mime_of
from bridge.demo.humhub.links import Links
from bridge.demo.humhub.outgoing import Outgoing
from bridge.demo.humhub.people import Space, User, everyone
from bridge.demo.humhub.posts import Post, Posts
from bridge.demo.humhub.receiving import receive
from bridge.demo.humhub.routes import Route, find, table
from bridge.demo.humhub.sending import finish, send
from bridge.demo.humhub.sessions import Session, Sessions
from bridge.demo.humhub.settings import HumHubSettings
from bridge.demo.humhub.track import TrackCall
from bridge.demo.humhub.uploads import UploadCall


class SmallHumHub:
    """A HumHub with one space, its files and four users, with ONLYOFFICE's module or without, in one process."""

    def __init__(self, settings: HumHubSettings, directory: Path) -> None:
        self.settings = settings
        self.space = Space()
        self.store = FileStore(directory)
        self.users: dict[str, User] = everyone()
        contents = itertools.count(1)
        self.cfiles = CFiles(contents)
        self.posts = Posts(contents)
        self.shares: dict[str, tuple[str, str]] = {}
        """Secret of a share to the file's guid and the mode."""
        self.tracks: list[TrackCall] = []
        self.uploads: list[UploadCall] = []
        """Every uploaded file, in the order in which it was there whole."""
        self.impersonations: dict[str, tuple[str, int]] = {}
        """Token of the rest module to a username and when it expires."""
        self.faults = Faults()
        self.sessions = Sessions()
        self.outgoing = Outgoing(self)
        self.internal_secret = secrets.token_urlsafe(32)
        self.clock: Callable[[], float] = time.time
        self.connection_note: tuple[str, str] | None = None
        """What the module's settings page last found: "success" or "danger", and a text."""
        self._routes: dict[str, Route] = table()
        self._runner: web.AppRunner | None = None
        self._server: asyncio.Server | None = None
        self._address = ("127.0.0.1", 0)
        self.at_work: set[asyncio.Task[Any]] = set()
        self.died = asyncio.Event()
        """Set when a fault killed the server."""

    # State, as tests and the demo set it

    @property
    def files(self) -> dict[str, HumHubFile]:
        return self.store.by_guid

    def user(self, username: str | None) -> User | None:
        return self.users.get(username or "")

    def user_by_guid(self, guid: str | None) -> User | None:
        return next((user for user in self.users.values() if user.guid == guid), None)

    def add_file(self, name: str, content: bytes, *, owner: str = "admin", guid: str | None = None) -> HumHubFile:
        """Put a file into HumHub that isn't on a post yet."""
        extension = name.rpartition(".")[2].lower()
        return self.store.add(name, owner, mime_of(extension), self.store.receive_bytes(content), guid=guid)

    def add_cfile(self, name: str, content: bytes, *, owner: str = "admin", folder: int = ROOT) -> CFile:
        """Put a file into a folder of the space."""
        return self.cfiles.add(self.add_file(name, content, owner=owner), folder)

    def forget(self, file: HumHubFile) -> None:
        """Delete a file, and what of the space is nothing without it."""
        self.posts.detach(file)
        if file.cfile is not None:
            self.cfiles.entries.pop(file.cfile, None)
        self.store.remove(file)

    def add_post(
        self, user: str, text: str, files: list[HumHubFile] | None = None, *, number: int | None = None
    ) -> Post:
        """Write a post; its files become the space's."""
        return self.posts.add(user, text, files or [], number=number)

    def document_hash(self, key: str | None, user_guid: str | None, *, empty: bool = False) -> str:
        """Sign what `doc=` carries: HumHub's own secret, no expiry."""
        claims: dict[str, Any] = {}
        if key:
            claims["key"] = key
        if user_guid:
            claims["userGuid"] = user_guid
        if empty:
            claims["isEmpty"] = True
        return jwt.encode(claims, self.internal_secret, algorithm="HS256")

    def links(self) -> Links:
        return Links(self.settings, self.space)

    # Lifetime

    @property
    def url(self) -> str:
        host, port = self._address
        return f"http{'s' if self.settings.tls else ''}://{host}:{port}{self.settings.base_path}"

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> None:
        """Listen; port 0 takes a free one."""
        app = web.Application(client_max_size=0)
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(
            app, access_log=None, handle_signals=False, auto_decompress=False, shutdown_timeout=1
        )
        await self._runner.setup()
        server = self._runner.server
        if server is None:
            raise RuntimeError("the listener could not be set up")
        self._server = await asyncio.get_running_loop().create_server(
            lambda: Doorman(self._admits, server), host, port, ssl=self.settings.tls
        )
        name = self._server.sockets[0].getsockname()
        self._address = (name[0], name[1])

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    def die(self) -> None:
        """Be dead to the world at once: nobody is answered any more."""
        if self._server is not None:
            self._server.close()
            self._server = None
        if self._runner is not None and self._runner.server is not None:
            for connection in self._runner.server.connections:
                if connection.transport is not None:
                    connection.transport.abort()
        self.died.set()

    async def kill(self) -> None:
        """End in the middle of everything; files, keys and users stay, as on disk, and `start` begins again."""
        self.die()
        running = list(self.at_work)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        await self.stop()
        self.died.clear()
        for file in self.files.values():
            file.key_locked = False

    def _admits(self, address: str) -> bool:
        return within(address, self.settings.clients)

    # A request's way

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        """Serve, and know what is to be dropped when the server is killed."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101  # a handler always runs in one
        self.at_work.add(task)
        try:
            return await self._serve(request)
        finally:
            self.at_work.discard(task)

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        asset = assets.find(request, self.settings)
        if asset is not None:
            return asset
        call = receive(self, request)
        call.fault = self.faults.take(call.route, request.method)
        if call.fault is not None:
            spoiled = await spoil(request, call.fault)
            if spoiled is not None:
                return spoiled
        answer, dresses = await self._answer(call)
        if call.session is not None and call.session.notes.get("remember") and call.user is not None:
            call.set_cookie("_identity", self.sessions.identity(call.user), sessions.REMEMBER)
        finish(call, answer, dresses=dresses)
        return await send(call, answer)

    async def _answer(self, call: Call) -> tuple[Answer, int]:
        """Run the route; return its answer and how often the controllers' headers are set."""
        route = find(self._routes, call.route, self.settings)
        try:
            answer = await self._run(call, route)
        except HumHubError as error:
            return self._error(call, error), int(call.dressed) + (not call.format_is_json)
        return answer, 1 if call.dressed else 0

    async def _run(self, call: Call, route: Route | None) -> Answer:
        if route is None:
            raise HumHubError(404, "Page not found.")
        if route.early is not None:
            route.early(call)
            call.key = call.file.key if call.file else None
        if self.settings.maintenance and not maintenance.admits(call):
            return maintenance.send_away(call)
        if route.login and call.user is None:
            return self._to_login(call, route)
        await call.read_form()
        call.format_is_json = route.json
        if route.dressed:
            call.dress()
        if route.csrf:
            call.check_csrf()
        answer = await route.handler(call)
        self._reopen_session(call, answer)
        return answer

    def _to_login(self, call: Call, route: Route) -> Answer:
        target = call.origin + call.links.to("user/auth/login")
        if not call.ajax:
            call.open_session().notes["return"] = str(call.request.rel_url)
        answer = pages.redirect(call, target)
        if route.json:
            answer.content_type, answer.body = answers.JSON, b"null"
        return answer

    def _error(self, call: Call, error: HumHubError) -> Answer:
        if isinstance(error, RestError):
            answer = answers.as_json({"code": error.status, "message": error.message, **error.more}, error.status)
        elif call.format_is_json:
            answer = answers.plain_json_error(error.status, error.message)
        elif call.ajax:
            answer = answers.as_json({"error": True, "message": error.message}, error.status)
        else:
            answer = pages.error(call, error.status, error.message)
        answer.headers.update(error.headers)
        answer.reopens_session = answer.forgets_cache_rules = "Cache-Control" in error.headers
        self._reopen_session(call, answer)
        return answer

    @staticmethod
    def _reopen_session(call: Call, answer: Answer) -> None:
        """Send the session's cookie again, as HumHub does around files."""
        if answer.reopens_session and call.session is not None and not call.set_cookies:
            call.set_cookie("PHPSESSID", call.session.id)

    def reconfigure(self, **changes: Any) -> None:
        """Change some settings, as the module's settings page does."""
        self.settings = replace(self.settings, **changes)

    def session_of(self, user: User) -> Session:
        """Open a session for a user without the login page."""
        session = self.sessions.start()
        session.username = user.username
        return session

    def seed_samples(self) -> None:
        """Fill the space with sample documents."""
        samples.seed(self)
