"""One window with the web editor in it, for locust: Docs' own connection, spoken by python-socketio without asyncio.

Theory of operation. Locust's users are greenlets, and so are the library's threads here. What Docs says lands in an
inbox; whoever waits for something takes messages out of it, in their order, until that has come. A connection that
breaks is a failure: a load run wants to know.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from queue import Empty, Queue
from typing import Any

import requests
import socketio
import socketio.exceptions
from yarl import URL

from bridge.demo.draft import Draft, Message
from bridge.demo.person import EditorPage
from tests.load.measuring import FailedError

_LOST = "(lost)"
_PAUSE = 0.2

_quiet = logging.getLogger("load.socketio")
_quiet.setLevel(logging.CRITICAL)


@dataclass(slots=True)
class Window:
    """An editor of an open modal.

    window = Window(page, verify=True, patience=60)
    window.connect()
    window.load()
    window.write("Hello")
    window.leave()
    """

    page: EditorPage
    verify: str | bool
    patience: float
    draft: Draft = field(default_factory=Draft)
    loaded: bool = False
    acknowledged: bool = False
    """Whether Docs has taken the latest `saveChanges`."""
    _lock: str = ""
    _socket: Any = None
    _http: requests.Session = field(default_factory=requests.Session)
    _inbox: Queue[Message] = field(default_factory=Queue)

    def connect(self) -> None:
        """Dial Docs through the bridge, and introduce the user; raise FailedError where Docs refuses."""
        # The websocket trusts whom the session trusts; the environment's own wishes would go before it.
        self._http.verify, self._http.trust_env = self.verify, False
        self._get(str(self.page.script))
        socket = socketio.Client(
            reconnection=False, handle_sigint=False, http_session=self._http, logger=_quiet, engineio_logger=_quiet
        )
        refusals: list[Any] = []
        socket.on("message", self._inbox.put)
        socket.on("connect_error", refusals.append)
        socket.on("disconnect", lambda reason: self._inbox.put({"type": _LOST, "reason": reason}))
        prefix = self.page.script.raw_path.partition("/web-apps/")[0]
        token = self.page.config.get("token")
        try:
            socket.connect(
                f"{self.page.script.origin()}?shardkey={self.page.key}",
                auth={"data": self._introduction(), "token": token, "session": None},
                transports=["websocket"],
                socketio_path=f"{prefix}/doc/{self.page.key}/c".lstrip("/"),
                wait_timeout=self.patience,
            )
        except socketio.exceptions.SocketIOError as error:
            raise FailedError(f"no connection to Docs: {refusals or error}") from error
        self._socket = socket
        socket.emit("message", self._introduction())

    def load(self) -> None:
        """Wait until the document is there."""
        self._until(lambda: self.loaded, "the document")

    def write(self, text: str) -> None:
        """Type at the document's end, and wait until Docs has acknowledged it."""
        self.draft.type(text, None, None)
        self._go_on()
        self._until(lambda: not self.draft.pending, "Docs to acknowledge a change")

    def replay(self, changes: tuple[Message, ...]) -> None:
        """Send what a real editor sent: ask for the save lock, then its messages, each until it is acknowledged."""
        for change in changes:
            if change.get("startSaveChanges", True):
                self._take_lock()
            self.acknowledged = False
            self._emit(change)
            self._until(lambda: self.acknowledged, "Docs to acknowledge a change")

    def _take_lock(self) -> None:
        """Ask for the lock that Docs gives to one editor at a time, until it is given."""
        while self._lock != "mine":
            self._lock = "asked"
            self._emit({"type": "isSaveLock"})
            self._until(lambda: self._lock != "asked", "the save lock")
            time.sleep(0 if self._lock == "mine" else _PAUSE)
        self._lock = ""

    def see(self, text: str) -> None:
        """Wait until a text stands in the document."""
        self._until(lambda: text in self.draft.text, f"“{text}” from the other window")

    def leave(self) -> None:
        """Close the editor properly; nothing where it wasn't open."""
        socket, self._socket = self._socket, None
        if socket is None:
            return
        try:
            if socket.connected:
                # socket.io's own goodbye; the library's `disconnect` may close the websocket before that has left.
                socket.eio.send("1")
                socket.eio.queue.join()
            socket.disconnect()
        except socketio.exceptions.SocketIOError:
            pass  # it is closed, which is what was wanted
        finally:
            self._http.close()

    def _introduction(self) -> Message:
        """Build what the editor says of itself."""
        document, editor = self.page.config["document"], self.page.config.get("editorConfig", {})
        user = editor.get("user", {})
        return {
            "type": "auth",
            "docid": self.page.key,
            "documentCallbackUrl": editor.get("callbackUrl"),
            "token": "fghhfgsjdgfjs",
            "user": {"id": user.get("id"), "username": user.get("name"), "indexUser": -1},
            "editorType": 0,
            "lastOtherSaveTime": -1,
            "block": [],
            "view": False,
            "isCloseCoAuthoring": False,
            "lang": editor.get("lang"),
            "permissions": document.get("permissions", {}),
            "mode": editor.get("mode"),
            "openCmd": {
                "c": "open",
                "id": self.page.key,
                "userid": user.get("id"),
                "format": document.get("fileType"),
                "url": document.get("url"),
                "title": document.get("title"),
                "lcid": 9,
                "nobase64": True,
            },
            "jwtOpen": self.page.config.get("token"),
            "encrypted": False,
            "supportAuthChangesAck": False,
        }

    def _take(self, message: Message) -> None:
        """Take what Docs says."""
        match message.get("type"):
            case "documentOpen":
                self._opened(message["data"])
            case "authChanges" | "saveChanges":
                if self.draft.epoch is not None:
                    self.draft.take(message["changes"])
                self.loaded = self.loaded or message["type"] == "authChanges"
            case "unSaveLock" | "savePartChanges":
                self.acknowledged = True
                if "change" in message:
                    self.draft.take([message["change"]])
            case "saveLock":
                self._lock = "another's" if message["saveLock"] else "mine"
            case "drop" | "changeRefused" | "error" | "disconnectReason":
                raise FailedError(f"Docs refused: {message}")
            case "(lost)":
                raise FailedError(f"the connection broke: {message['reason']}")
        self._go_on()

    def _opened(self, data: Message) -> None:
        """Load the document's content, as the editor does; of the real Docs' it is the file alone that is fetched."""
        if data.get("status") != "ok":
            raise FailedError(f"Docs does not open the document: {data.get('status')} {data.get('data')}")
        content = self._get(data["data"]["Editor.bin"])
        if content.startswith(b"{"):
            self.draft.load(json.loads(content))
        else:
            self.loaded = True

    def _go_on(self) -> None:
        change = self.draft.next_change() if self.draft.epoch is not None else None
        if change is not None:
            self._emit(change)

    def _emit(self, message: Message) -> None:
        if self._socket is None:
            raise FailedError("the connection to Docs is closed")
        try:
            self._socket.emit("message", message)
        except socketio.exceptions.SocketIOError as error:
            raise FailedError(f"the connection to Docs is broken: {error}") from error

    def _until(self, condition: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + self.patience
        while not condition():
            try:
                message = self._inbox.get(timeout=max(0.0, deadline - time.monotonic()))
            except Empty:
                raise FailedError(f"waited {self.patience:g} s for {what}") from None
            self._take(message)

    def _get(self, url: str) -> bytes:
        try:
            found = self._http.get(str(URL(url, encoded=True)), timeout=self.patience)
        except requests.RequestException as error:
            raise FailedError(str(error)) from error
        if found.status_code != 200:
            raise FailedError(f"{found.status_code} from {URL(url, encoded=True).path}")
        return bytes(found.content)
