"""An editor's websocket that Docs refuses, loses or spoils: what the browser hears, and what the line says."""

from __future__ import annotations

import asyncio
import base64
import dataclasses
import hashlib
import re
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

import aiohttp
import pytest
import pytest_asyncio
from structlog.typing import EventDict

from bridge.app import running
from bridge.config import Config
from tests.failures.playing import Lines, logged, waiting
from tests.legs.fakes import NOW, configuration

pytestmark = pytest.mark.asyncio(loop_scope="module")

_SILENCE: Final = 0.5
_LARGEST: Final = 1000
_HANDSHAKE: Final = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"

Play = Callable[[str, asyncio.StreamWriter], None]


def _accepted(key: str) -> bytes:
    digest = hashlib.sha1(f"{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11".encode(), usedforsecurity=False).digest()
    return f"{_HANDSHAKE}Sec-WebSocket-Accept: {base64.b64encode(digest).decode()}\r\n\r\n".encode()


def _accepting(then: Callable[[asyncio.StreamWriter], None]) -> Play:
    def play(key: str, writer: asyncio.StreamWriter) -> None:
        writer.write(_accepted(key) + _text(b"0{}"))
        then(writer)

    return play


def _saying(answer: bytes) -> Play:
    return lambda _, writer: writer.write(answer)


def _refusing(body: bytes) -> Play:
    return _saying(b"HTTP/1.1 400 Bad Request\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))


def _text(data: bytes, opcode: int = 1) -> bytes:
    length = bytes([len(data)]) if len(data) < 126 else b"\x7e" + struct.pack(">H", len(data))
    return bytes([0x80 | opcode]) + length + data


def _reset(writer: asyncio.StreamWriter) -> None:
    wire: socket.socket = writer.get_extra_info("socket")
    asyncio.get_running_loop().call_later(0.1, _abort, wire, writer)


def _abort(wire: socket.socket, writer: asyncio.StreamWriter) -> None:
    wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


PLAYS: Final[dict[str, Play]] = {
    "says-nothing-more": _accepting(lambda _: None),
    "resets": _accepting(_reset),
    "closes-without-a-word": _accepting(lambda writer: writer.close()),
    "closes": _accepting(lambda writer: writer.write(_text(struct.pack(">H", 4001) + b"bye", 8))),
    "sends-too-much": _accepting(lambda writer: writer.write(_text(b"x" * (_LARGEST + 1)))),
    "sends-no-frame": _accepting(lambda writer: writer.write(b"\x83\x00\x00")),
    "accepts-another-key": _saying(_accepted("x")),
    "accepts-nothing": _saying(f"{_HANDSHAKE}\r\n".encode()),
    "sees-no-upgrade": _refusing(b'{"code":3,"message":"Bad request"}'),
    "knows-no-session": _refusing(b'{"code":1,"message":"Session ID unknown"}'),
}

# What the browser hears, the code of a close or the status of a refusal; outcome and level of the line; and why.
EXPECTED: Final = {
    "says-nothing-more": (1014, "lost", "warning", "broke the websocket off"),
    "resets": (1014, "lost", "warning", "broke the websocket off"),
    "closes-without-a-word": (1014, "lost", "warning", "broke the websocket off"),
    "closes": (4001, "closed", "info", ""),
    "sends-too-much": (1009, "too-large", "warning", "is too large"),
    "sends-no-frame": (1002, "malformed", "warning", "is none"),
    "accepts-another-key": (502, "bad-answer", "warning", "doesn't speak HTTP"),
    "accepts-nothing": (502, "bad-answer", "warning", "doesn't speak HTTP"),
    "sees-no-upgrade": (400, "http-400", "warning", "sees no websocket"),
    "knows-no-session": (400, "http-400", "info", ""),
}


async def docs(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        key = re.search(r"(?i)sec-websocket-key: (\S+)", head)
        if key is None:
            writer.write(b'HTTP/1.1 200 OK\r\nContent-Length: 21\r\nConnection: close\r\n\r\n{"error":0,"keys":[]}')
            return
        name = re.search(r"/doc/([a-z-]+)/c/", head)
        assert name is not None
        PLAYS[name[1]](key[1], writer)
        await reader.read()
    except (ConnectionError, asyncio.IncompleteReadError):
        pass
    finally:
        writer.close()


@dataclasses.dataclass
class Place:
    config: Config
    log: Lines

    async def heard(self, name: str) -> tuple[int, EventDict]:
        """Open a websocket, and give how it ended, and its one line."""
        url = f"http://{self.config.legs.browser.listen}/ds/doc/{name}/c/?EIO=4&transport=websocket"
        async with aiohttp.ClientSession() as session, asyncio.timeout(10):
            try:
                async with session.ws_connect(url) as browser:
                    while not browser.closed:
                        with suppress(TimeoutError):
                            await browser.receive(_SILENCE / 4)
                            continue
                        await browser.send_str("3")
                    code = browser.close_code or 0
            except aiohttp.WSServerHandshakeError as refused:
                code = refused.status
            while not self.log.of(name, None):  # noqa: ASYNC110 - the log tells
                await asyncio.sleep(0.01)
        (line,) = self.log.of(name, None)
        return code, line


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def place(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Place]:
    server = await asyncio.start_server(docs, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    directory: Path = tmp_path_factory.mktemp("websockets")
    config = waiting(configuration(directory, url, url), 5.0, 5.0)
    limits = dataclasses.replace(config.limits, websocket_idle=_SILENCE, websocket_message=_LARGEST)
    config = dataclasses.replace(config, limits=limits)
    async with logged() as log, server, running(config, clock=lambda: NOW):
        yield Place(config, log)


async def test_each_end_of_a_websocket_is_heard_and_said(place: Place) -> None:
    heard = dict(zip(PLAYS, await asyncio.gather(*map(place.heard, PLAYS)), strict=True))
    found = {name: (code, line["outcome"], line["log_level"]) for name, (code, line) in heard.items()}
    assert found == {name: row[:3] for name, row in EXPECTED.items()}
    assert [name for name, (_, line) in heard.items() if EXPECTED[name][3] not in line.get("why", "")] == []
    for name, (_, line) in heard.items():
        if line["log_level"] == "warning":
            assert line["remedy"], name
            assert line["upstream"] == "docs-1", name
        if line["status"] == 101:
            assert line["code"] == EXPECTED[name][0], name
    assert place.log.foreign == []
