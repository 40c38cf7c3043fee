"""A scripted editor: speaks the connection of Docs' web editor with python-socketio, and types.

Theory of operation. Everything is asked for at the address of Docs' script, as the page names it, just like the frame
of the real editor. A task owns the connection: it connects, authenticates, takes what comes, sends what was typed, and
does it all again when the connection breaks, as long as nobody closed the editor and Docs didn't refuse it. What isn't
acknowledged is sent again then.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import ssl
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import socketio
import socketio.exceptions
from yarl import URL

from bridge.demo.draft import Draft, Message
from bridge.demo.networks import BROWSERS

WEBSOCKET = ("websocket",)
POLLING = ("polling",)
UPGRADE = ("polling", "websocket")

_PATIENCE = 10.0
_BROKEN = "the connection to Docs is broken"
# What the editor's own task finds in its inbox besides Docs' messages.
_TYPED: Message = {"type": "(typed)"}
_LOST: Message = {"type": "(lost)"}

_quiet = logging.getLogger("bridge.demo.editor.socketio")
_quiet.setLevel(logging.CRITICAL)


class RefusedError(Exception):
    """Docs refused the editor; `code` as it gave it, such as 4006, or a word, such as `updateversion`."""

    def __init__(self, code: int | str | None, message: str) -> None:
        super().__init__(message if code is None else f"{code}: {message}")
        self.code = code


@dataclass(slots=True)
class Editor:
    """One window with the web editor in it; `script` is where the page loads api.js from.

    editor = Editor(config, "http://127.0.0.1:8080/ds/web-apps/apps/api/documents/api.js?shardKey=…")
    await editor.open()
    await editor.write("Hello")
    await editor.see("a word that someone else types")
    await editor.leave()
    """

    config: Message
    script: str
    transports: Sequence[str] = WEBSOCKET
    address: str = BROWSERS.resident
    trust: ssl.SSLContext | None = None
    draft: Draft = field(default_factory=Draft)
    people: list[str] = field(default_factory=list)
    warnings: list[int] = field(default_factory=list)
    title: str = ""
    """The name that somebody has given the document meanwhile."""
    connections: int = 0
    """How often this editor was let in."""
    session: str | None = None
    """Docs' own token; with it, a lost connection is resumed."""
    _session_id: str | None = None
    _ready: bool = False
    _saves: deque[bool] = field(default_factory=deque)
    _news: asyncio.Condition = field(default_factory=asyncio.Condition)
    _failure: Exception | None = None
    _closed: bool = False
    _task: asyncio.Task[None] | None = None
    _socket: Any = None
    _loops: list[asyncio.Task[None]] = field(default_factory=list)
    """The library's own tasks of connections that were ended."""
    _inbox: asyncio.Queue[Message] = field(default_factory=asyncio.Queue)
    _http: aiohttp.ClientSession | None = None

    # What a user does

    async def open(self, within: float = _PATIENCE) -> None:
        """Load the script, connect, and wait until the document is there; raise RefusedError where it isn't."""
        self._http = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(local_addr=(self.address, 0), ssl=self.trust or True),
            cookie_jar=aiohttp.DummyCookieJar(),
            middlewares=(_read_answers,),
        )
        try:
            await self._load_script(self._http)
            self._task = asyncio.create_task(self._live())
            await self._until(lambda: self._ready, within)
        except BaseException:
            await self.drop()
            raise

    async def write(self, text: str, block: str | None = None, at: int | None = None) -> None:
        """Type a text at the end of the document or of a block, or at a position, and wait until Docs has it."""
        self.type(text, block, at)
        await self.settled()

    def type(self, text: str, block: str | None = None, at: int | None = None) -> None:
        """Type without waiting; what can't be sent now is sent later."""
        self.draft.type(text, block, at)
        self._inbox.put_nowait(_TYPED)

    async def settled(self, within: float = _PATIENCE) -> None:
        """Wait until Docs has acknowledged everything that was typed."""
        await self._until(lambda: not self.draft.pending, within)

    async def see(self, text: str, within: float = _PATIENCE) -> None:
        """Wait until a text stands in the document."""
        await self._until(lambda: text in self.text, within)

    async def hear_of(self, title: str, within: float = _PATIENCE) -> None:
        """Wait until the document has another name."""
        await self._until(lambda: self.title == title, within)

    async def meet(self, count: int, within: float = _PATIENCE) -> None:
        """Wait until so many people are in the document."""
        await self._until(lambda: len(self.people) == count, within)

    async def be_back(self, connections: int, within: float = _PATIENCE) -> None:
        """Wait until the editor has been let in so many times."""
        await self._until(lambda: self.connections >= connections and self._ready, within)

    async def force_save(self, within: float = _PATIENCE) -> bool:
        """Press the button "Save"; say whether the storage took it."""
        await self.settled(within)
        self._saves.clear()
        await self._emit({"type": "forceSaveStart"})
        await self._until(lambda: bool(self._saves), within)
        return self._saves.popleft()

    async def leave(self) -> None:
        """Close the editor properly."""
        self._closed = True
        socket = self._socket
        if socket is not None and socket.connected:
            # socket.io's own goodbye; the library's `disconnect` may close the websocket before that has left.
            await socket.eio.send("1")
            await asyncio.wait_for(socket.eio.queue.join(), _PATIENCE)
            await self._hang_up()
        await self.drop()

    async def drop(self) -> None:
        """Vanish without a word, as a browser does that is killed."""
        self._closed = True
        if self._http is not None and self._http.connector is not None:
            await self._http.connector.close()
        if self._task is not None:
            await _end(self._task)
            self._task = None
        await _end(*self._loops)
        if self._http is not None:
            await self._http.close()

    @property
    def text(self) -> str:
        """The document as this editor has it, block by block."""
        return self.draft.text

    @property
    def key(self) -> str:
        return str(self.config["document"]["key"])

    @property
    def transport(self) -> str:
        """The transport that is in use now."""
        return str(self._socket.transport()) if self._socket is not None else ""

    # The connection

    async def _load_script(self, http: aiohttp.ClientSession) -> None:
        async with http.get(URL(self.script, encoded=True)) as answer:
            text = await answer.text()
            if answer.status != 200 or "DocsAPI" not in text:
                raise RefusedError(answer.status, f"no editor's script at {answer.url.origin()}{answer.url.path}")

    async def _live(self) -> None:
        """Be connected until the editor is closed or refused."""
        pauses = _pauses()
        while not self._closed and self._failure is None:
            self._inbox = asyncio.Queue()
            try:
                await self._connect(self._inbox)
                await self._emit(self.auth_message())
                while (message := await self._inbox.get()) is not _LOST:
                    await self._take(message)
                pauses = _pauses()
            except RefusedError as error:
                self._failure = error
            except (socketio.exceptions.SocketIOError, aiohttp.ClientError, OSError) as error:
                if not self.connections:
                    self._failure = RefusedError(None, f"{_BROKEN}: {error}")
            finally:
                self._ready, self.draft.flying = False, None
                await self._hang_up()
            await self._tell()
            await asyncio.sleep(next(pauses))

    async def _connect(self, inbox: asyncio.Queue[Message]) -> None:
        socket = socketio.AsyncClient(
            reconnection=False,
            handle_sigint=False,
            http_session=self._http,
            logger=_quiet,
            engineio_logger=_quiet,
            websocket_extra_options={"max_msg_size": 0},
        )
        refusals: list[Any] = []
        socket.on("message", inbox.put_nowait)
        socket.on("connect_error", refusals.append)
        socket.on("disconnect", lambda _reason: inbox.put_nowait(_LOST))
        self._socket = socket
        script = URL(self.script, encoded=True)
        prefix = script.raw_path.partition("/web-apps/")[0]
        try:
            await socket.connect(
                f"{script.origin()}?shardkey={self.key}",
                auth={"data": self.auth_message(), "token": self.config.get("token"), "session": self.session},
                transports=list(self.transports),
                socketio_path=f"{prefix}/doc/{self.key}/c".lstrip("/"),
                wait_timeout=_PATIENCE,
            )
        except socketio.exceptions.ConnectionError:
            for refusal in refusals:
                if isinstance(refusal, dict) and isinstance(refusal.get("data"), dict):
                    raise RefusedError(refusal["data"].get("code"), str(refusal.get("message"))) from None
            raise

    async def _hang_up(self) -> None:
        socket, self._socket = self._socket, None
        if socket is not None:
            loops = (socket.eio.read_loop_task, socket.eio.write_loop_task)
            self._loops = [loop for loop in (*self._loops, *loops) if loop is not None and not loop.done()]
            await socket.eio.disconnect(abort=True)

    def auth_message(self) -> Message:
        """Build what the editor says of itself: first with the configuration's token, later with Docs' own."""
        document, editor = self.config["document"], self.config.get("editorConfig", {})
        user = editor.get("user", {})
        message: Message = {
            "type": "auth",
            "docid": self.key,
            "documentCallbackUrl": editor.get("callbackUrl"),
            "token": "fghhfgsjdgfjs",
            "user": {"id": user.get("id"), "username": user.get("name"), "indexUser": -1},
            "permissions": document.get("permissions", {}),
            "mode": editor.get("mode"),
            "sessionId": self._session_id,
        }
        if self.draft.epoch is not None:
            return {**message, "jwtSession": self.session, "epoch": self.draft.epoch, "rev": self.draft.rev}
        command = {
            "c": "open",
            "id": self.key,
            "userid": user.get("id"),
            "format": document.get("fileType"),
            "url": document.get("url"),
            "title": document.get("title"),
        }
        return {**message, "openCmd": command, "jwtOpen": self.config.get("token")}

    async def _emit(self, message: Message) -> None:
        socket = self._socket
        if socket is None:
            raise ConnectionError(_BROKEN)
        await socket.emit("message", message)

    # What Docs says

    async def _take(self, message: Message) -> None:
        kind = message.get("type")
        if kind == "documentOpen":
            await self._opened(message["data"])
        elif kind in {"authChanges", "saveChanges", "unSaveLock", "changeRefused"}:
            self._change(message)
        else:
            self._hear(message)
        if self._ready and (change := self.draft.next_change()) is not None:
            await self._emit(change)
        await self._tell()

    def _change(self, message: Message) -> None:
        """Take what happened to the document's text."""
        match message["type"]:
            case "authChanges":
                self.draft.take(message["changes"])
                self._ready = True
            case "saveChanges":
                self.draft.take(message["changes"])
            case "unSaveLock":
                self.draft.take([message["change"]])
            case "changeRefused":
                raise RefusedError("changeRefused", str(message.get("message", "")))

    def _hear(self, message: Message) -> None:
        """Take what happened around it."""
        match message["type"]:
            case "auth":
                self.session, self._session_id = message["jwt"], message["sessionId"]
                self.connections += 1
                self._greet(message["participants"])
            case "connectState":
                self._greet(message["participants"])
            case "forceSaveStart" if message["messages"]["code"] != 0:
                self._saves.append(False)
            case "forceSave":
                self._saves.append(bool(message["messages"]["success"]))
            case "warning":
                self.warnings.append(message["code"])
            case "meta":
                self.title = str(message["messages"]["title"])
            case "drop":
                raise RefusedError(message["code"], message["description"])

    def _greet(self, participants: list[Message]) -> None:
        self.people = [str(one["username"]) for one in participants]

    async def _opened(self, data: Message) -> None:
        if data["status"] != "ok":
            raise RefusedError(data["status"], str(data["data"]))
        if self._http is None:
            raise ConnectionError(_BROKEN)
        async with self._http.get(URL(data["data"]["Editor.bin"], encoded=True)) as answer:
            answer.raise_for_status()
            self.draft.load(await answer.json(content_type=None))

    async def _until(self, condition: Callable[[], bool], within: float) -> None:
        try:
            async with asyncio.timeout(within), self._news:
                while not condition():
                    if self._failure is not None:
                        raise self._failure
                    await self._news.wait()
        except TimeoutError:
            raise TimeoutError(f"waited {within:g} s in vain; the document has {self.text[:500]!r}") from None

    async def _tell(self) -> None:
        async with self._news:
            self._news.notify_all()


async def _read_answers(request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Read the answers to what is posted, which python-engineio leaves: one that comes late would be left unclosed."""
    answer = await send(request)
    if request.method == "POST":
        await answer.read()
    return answer


async def _end(*tasks: asyncio.Task[None]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _pauses() -> Iterator[float]:
    """Yield how long to wait before each further attempt."""
    return itertools.chain((0.05, 0.1, 0.2, 0.4), itertools.repeat(0.5))
