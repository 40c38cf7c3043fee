"""An editor without a browser, for tests and the demo's story: opens, types, saves, leaves over a real websocket."""

from __future__ import annotations

import asyncio
import json
import secrets
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from yarl import URL

Message = dict[str, Any]


class RefusedError(Exception):
    """The connection was refused: `code` as the server gave it."""

    def __init__(self, code: int | None, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code


@dataclass(slots=True)
class Typist:
    """One user's editor; `base` is where the browser finds Docs (with a prefix, if there is one).

    typist = Typist(http, "http://…/ds", config)
    await typist.open()
    await typist.write("p0", "Hello")
    await typist.leave()
    """

    http: aiohttp.ClientSession
    base: str
    config: Message
    """The editor's configuration, its token included."""
    headers: dict[str, str] = field(default_factory=dict)
    session: str | None = None
    session_id: str | None = None
    epoch: str | None = None
    rev: int = 0
    texts: dict[str, str] = field(default_factory=dict)
    messages: list[Message] = field(default_factory=list)
    content: Message = field(default_factory=dict)
    _socket: aiohttp.ClientWebSocketResponse | None = None
    _reader: asyncio.Task[None] | None = None
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    _refusal: RefusedError | None = None
    _changes: int = 0
    _id: str = field(default_factory=lambda: secrets.token_hex(4))

    @property
    def key(self) -> str:
        return str(self.config["document"]["key"])

    async def connect(self) -> None:
        """Connect, and be let in or refused."""
        url = URL(self.base) / "doc" / self.key / "c" / ""
        url = url.with_query(shardkey=self.key, EIO="4", transport="websocket")
        self._refusal = None
        self._socket = await self.http.ws_connect(url, headers=self.headers, max_msg_size=0)
        self._reader = asyncio.create_task(self._read(self._socket))
        await self.wait_for("license")

    async def open(self) -> None:
        """Connect, authenticate and load the document; raise RefusedError where that fails."""
        await self.connect()
        await self.send(self.auth_message())
        message = await self.wait_for("authChanges", "updateversion", "err")
        if message["type"] == "documentOpen":
            raise RefusedError(None, f"{message['data']['status']} {message['data']['data']}")

    def auth_message(self) -> Message:
        document, editor = self.config["document"], self.config.get("editorConfig", {})
        user = editor.get("user", {})
        message = {
            "type": "auth",
            "docid": self.key,
            "documentCallbackUrl": editor.get("callbackUrl"),
            "token": "fghhfgsjdgfjs",
            "user": {"id": user.get("id"), "username": user.get("name"), "indexUser": -1},
            "permissions": document.get("permissions", {}),
            "mode": editor.get("mode"),
            "sessionId": self.session_id,
        }
        if self.session is not None:
            return {**message, "jwtSession": self.session, "epoch": self.epoch, "rev": self.rev}
        command = {
            "c": "open",
            "id": self.key,
            "userid": user.get("id"),
            "format": document.get("fileType"),
            "url": document.get("url"),
            "title": document.get("title"),
        }
        return {**message, "openCmd": command, "jwtOpen": self.config.get("token")}

    async def send(self, message: Message) -> None:
        await self._raw(f"42{json.dumps(['message', message])}")

    async def write(self, block: str, text: str, at: int | None = None) -> None:
        """Insert a text into a block (at its end) and wait until the server has acknowledged it."""
        before = self.texts.get(block, "")
        at = len(before) if at is None else at
        await self.change({"do": "splice", "block": block, "at": at, "length": 0, "text": text})

    async def change(self, op: Message, change_id: str | None = None) -> None:
        """Send one change and wait until it is acknowledged."""
        if change_id is None:
            self._changes += 1
            change_id = f"{self._id}-{self._changes}"
        await self.send({"type": "saveChanges", "base": self.rev, "change": {"id": change_id, **op}})
        await self.wait_for("unSaveLock", "changeRefused")

    async def force_save(self) -> bool:
        """Press the button; say whether the storage took the save."""
        await self.send({"type": "forceSaveStart"})
        message = await self.wait_for("forceSave")
        return bool(message["messages"]["success"])

    async def leave(self) -> None:
        """Close the editor as a browser does that closes its page."""
        if self._socket is not None and not self._socket.closed:
            await self._raw("41")
        await self.drop()

    async def drop(self) -> None:
        """Lose the connection without a word."""
        if self._socket is not None:
            await self._socket.close()
        if self._reader is not None:
            self._reader.cancel()
            await asyncio.gather(self._reader, return_exceptions=True)

    async def wait_for(self, *kinds: str, timeout: float = 10) -> Message:  # noqa: ASYNC109 - a test's own patience
        """Return the next message of one of these types (or openings with this status), taking what came before it."""
        async with asyncio.timeout(timeout):
            while True:
                while self.messages:
                    message = self.messages.pop(0)
                    data = message.get("data")
                    status = data.get("status") if isinstance(data, dict) else None
                    if message.get("type") in kinds or status in kinds:
                        return message
                if self._refusal is not None:
                    raise self._refusal
                self._news.clear()
                await self._news.wait()

    async def _raw(self, packet: str) -> None:
        if self._socket is None:
            raise RefusedError(None, "not connected")
        await self._socket.send_str(packet)

    async def _read(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        async for message in socket:
            await self._packet(str(message.data))
        if self._refusal is None:
            self._refusal = RefusedError(None, "the connection is closed")
        self._news.set()

    async def _packet(self, packet: str) -> None:
        if packet.startswith("0"):
            hello = {"data": self.auth_message(), "token": self.config.get("token"), "session": self.session}
            await self._raw(f"40{json.dumps(hello)}")
        elif packet.startswith("2"):
            await self._raw(f"3{packet[1:]}")
        elif packet.startswith("44"):
            answer = json.loads(packet[2:])
            self._refusal = RefusedError((answer.get("data") or {}).get("code"), answer["message"])
            self._news.set()
        elif packet.startswith("42"):
            message = json.loads(packet[2:])[1]
            await self._take(message)
            self.messages.append(message)
            self._news.set()

    async def _take(self, message: Message) -> None:
        match message["type"]:
            case "auth":
                self.session, self.session_id = message["jwt"], message["sessionId"]
            case "documentOpen" if message["data"]["status"] == "ok":
                await self._load(message["data"]["data"]["Editor.bin"])
            case "authChanges" | "saveChanges":
                for change in message["changes"]:
                    self._apply(change)
            case "unSaveLock":
                self._apply(message["change"])
            case "drop":
                self._refusal = RefusedError(message["code"], message["description"])

    async def _load(self, url: str) -> None:
        # Asked for at the base that is known to be reachable: the host in the link is the browser's.
        link = URL(url, encoded=True)
        path = link.raw_path_qs[link.raw_path_qs.index("/cache/files/") :]
        async with self.http.get(URL(self.base + path, encoded=True)) as answer:
            answer.raise_for_status()
            self.content = await answer.json(content_type=None)
        self.epoch, self.rev = self.content["epoch"], 0
        self.texts = {block["id"]: block["text"] for block in self.content["blocks"]}

    def _apply(self, change: Message) -> None:
        if change["index"] < self.rev:
            return
        self.rev = change["index"] + 1
        block = change.get("block", "")
        if change["do"] == "splice":
            text = self.texts.get(block, "")
            self.texts[block] = text[: change["at"]] + change["text"] + text[change["at"] + change["length"] :]
        elif change["do"] == "add":
            self.texts[block] = change["text"]
        elif change["do"] == "drop":
            self.texts.pop(block, None)
