"""The editor's own connection, by websocket and polling: what it may say of its document, and what Docs gets of it."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from typing import Any

import aiohttp
import jwt
import pytest
from aiohttp import WSMsgType, web
from structlog.testing import capture_logs

from bridge.config import Config, KeyRingConfig
from bridge.protocol.secret import Secret
from tests.legs.editing import BASE, HUB, ok, ok_text, without_docs_secret
from tests.legs.fakes import DOCS_SECRET, HUMHUB_SECRET, NOW, Bridge, Start, claims_of, doc

SOCKET = "/ds/doc/k1/c/?shardkey=k1&EIO=4&transport=websocket"
POLL = "/ds/doc/k1/c/?shardkey=k1&EIO=4&transport=polling"


def auth(**changes: Any) -> str:
    """Give an auth message as an editor sends it on the front door."""
    command = {"c": "open", "id": "k1", "url": f"{BASE}/download?doc={doc()}", "format": "docx", "title": "t"}
    claims = {
        "document": {"key": "k1", "url": command["url"]},
        "editorConfig": {"callbackUrl": f"{BASE}/track?doc={doc()}"},
    }
    message = {
        "type": "auth",
        "docid": "k1",
        "documentCallbackUrl": f"{BASE}/track?doc={doc()}",
        "token": "fghhfgsjdgfjs",
        "openCmd": {**command, **changes.pop("openCmd", {})},
        "jwtOpen": jwt.encode(claims, DOCS_SECRET),
        **changes,
    }
    return "42" + json.dumps(["message", message])


class Echo:
    """A Docs that notes each message, answers it in kind, and closes when told."""

    def __init__(self) -> None:
        self.heard: list[Any] = []
        self.closed: tuple[int | None, str | None] = (None, None)
        self.handshake: web.BaseRequest | None = None

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        self.handshake = request
        socket = web.WebSocketResponse(protocols=("b", "c"), max_msg_size=200 << 20)
        await socket.prepare(request)
        async for message in socket:
            self.heard.append(message.data)
            if message.data == "close":
                await socket.close(code=4001, message=b"as told")
            elif message.type is WSMsgType.TEXT:
                await socket.send_str(f"re:{message.data[:200]}")
            else:
                await socket.send_bytes(message.data)
        self.closed = (socket.close_code, None)
        return socket


async def test_a_websocket_is_relayed_with_its_protocol_codes_and_addresses(bridge: Bridge) -> None:
    bridge.docs.respond = echo = Echo()
    headers = {"Host": "office.test", "Cookie": "PHPSESSID=x"}
    async with bridge.http.ws_connect(
        bridge.leg("browser", SOCKET), protocols=("a", "c"), headers=headers, compress=15
    ) as socket:
        assert socket.protocol == "c"
        assert socket.compress == 0
        await socket.send_str(auth())
        assert (await socket.receive_str()).startswith('re:42["message"')
        await socket.send_bytes(b"\x00\x01")
        assert await socket.receive_bytes() == b"\x00\x01"
        await socket.send_str("close")
        closing = await socket.receive()
        assert (closing.data, closing.extra) == (4001, "as told")
    assert echo.handshake is not None
    sent = echo.handshake.headers
    assert sent["Host"] == sent["X-Forwarded-Host"] == "office.test"
    assert sent["X-Forwarded-Prefix"] == "/ds"
    assert not {"Cookie", "Sec-WebSocket-Extensions"} & set(sent)
    assert echo.handshake.raw_path == SOCKET.removeprefix("/ds")


async def test_the_browsers_close_reaches_docs(bridge: Bridge) -> None:
    bridge.docs.respond = echo = Echo()
    socket = await bridge.http.ws_connect(bridge.leg("browser", SOCKET))
    await socket.close(code=4005)
    async with asyncio.timeout(5):
        while echo.closed[0] is None:  # noqa: ASYNC110 - the fake tells
            await asyncio.sleep(0.01)
    assert echo.closed[0] == 4005


async def test_a_refused_handshake_stays_an_http_answer(bridge: Bridge) -> None:
    bridge.docs.answers(web.Response(status=400, text='{"code":3,"message":"Bad request"}'))
    with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
        await bridge.http.ws_connect(bridge.leg("browser", SOCKET))
    assert caught.value.status == 400


async def test_docs_away_is_a_plain_502_before_the_browser_is_accepted(start: Start) -> None:
    bridge = await start()

    async def cutting(request: web.BaseRequest) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.close()
        return web.Response()

    bridge.docs.answers(cutting)
    with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
        await bridge.http.ws_connect(bridge.leg("browser", SOCKET))
    assert caught.value.status == 502


REFUSED = [
    auth(docid="k2"),
    auth(documentCallbackUrl="http://evil.test/"),
    auth(documentCallbackUrl=f"{BASE}/track?doc={doc(key='k2')}"),
    auth(openCmd={"url": "http://169.254.169.254/"}),
    auth(openCmd={"id": "k2"}),
    auth(openCmd={"url": "http://docs.bridge.test:8000/s/social/dashboard"}),
    auth(jwtOpen=jwt.encode({"document": {"key": "k2"}}, DOCS_SECRET)),
    auth(jwtOpen=None, jwtSession="s.e.s", documentCallbackUrl="http://evil.test/"),
    "42" + auth()[2:].replace('"auth"', '"\\u0061uth"').replace(BASE, "http://evil.test"),
    "42/," + auth(docid="k2")[2:],
    '40{"data":{},"token":"' + jwt.encode({"document": {"key": "k2"}}, DOCS_SECRET) + '"}',
]


@pytest.mark.parametrize("packet", REFUSED, ids=range(len(REFUSED)))
async def test_no_other_document_and_no_foreign_address_gets_to_docs(bridge: Bridge, packet: str) -> None:
    bridge.docs.respond = echo = Echo()
    async with bridge.http.ws_connect(bridge.leg("browser", SOCKET)) as socket:
        await socket.send_str(auth())
        await socket.receive_str()
        await socket.send_str(packet)
        await socket.receive_str()
    assert echo.heard[0] == auth()
    assert "evil" not in echo.heard[1]
    assert "refused" in echo.heard[1]
    bridge.docs.answers(ok())
    status, _, _ = await bridge.ask("browser", POLL + "&sid=x", "POST", data=f"2\x1e{packet}\x1e{auth()}")
    assert status == 200
    sent = bridge.docs.seen[-1].body.decode()
    assert sent.startswith("2\x1e4")
    assert "refused" in sent
    assert packet not in sent


async def test_a_session_may_come_back_with_its_own_addresses(bridge: Bridge) -> None:
    bridge.docs.respond = echo = Echo()
    again = auth(jwtOpen=None, jwtSession="s.e.s", openCmd={})
    async with bridge.http.ws_connect(bridge.leg("browser", SOCKET)) as socket:
        for packet in (
            '40{"token":null,"session":"s.e.s"}',
            again,
            '42["message",{"type":"saveChanges","changes":"auth"}]',
        ):
            await socket.send_str(packet)
            await socket.receive_str()
            assert echo.heard[-1] == packet


async def test_polling_passes_as_it_is(bridge: Bridge) -> None:
    bridge.docs.answers(ok(**{"Content-Type": "text/plain; charset=UTF-8"}))
    body = f'40{{"token":"x"}}\x1e{auth()}\x1e3'
    headers = {"Content-Type": "text/plain;charset=UTF-8"}
    status, answer, _ = await bridge.ask("browser", POLL + "&sid=a-b", "POST", data=body, headers=headers)
    assert (status, answer) == (200, b"docs")
    seen = bridge.docs.seen[0]
    assert seen.body.decode() == body
    assert seen.target == (POLL + "&sid=a-b").removeprefix("/ds")
    assert seen.headers["Content-Type"] == headers["Content-Type"]
    assert (await bridge.ask("browser", POLL + "&sid=a-b"))[0] == 200


# --- three settings: browsers have HumHub's page from HumHub itself ---


def two_sites(config: Config) -> Config:
    """Give the second of two sites a secret of its own."""
    ring = KeyRingConfig(secrets=(Secret(OTHER_SECRET),))
    other = dataclasses.replace(config.sites[0], name="other", hosts=("other.test",), jwt=ring)
    return dataclasses.replace(config, sites=(config.sites[0], other))


OTHER_SECRET = "other-secret-0123456789abcdef0123456789"


def direct(root: str = HUB, secret: str = HUMHUB_SECRET, **changes: Any) -> str:
    """Give an auth message as an editor sends it with HumHub's own configuration."""
    claims = {
        "document": {"key": "k1", "url": f"{root}/download?doc={doc()}", "permissions": {"edit": True}},
        "editorConfig": {"callbackUrl": f"{root}/track?doc={doc()}", "mode": "edit"},
        "exp": int(NOW) + 77,
    }
    command = {"url": claims["document"]["url"]}  # type: ignore[index] # it is an object
    callback = f"{root}/track?doc={doc()}"
    token = jwt.encode(claims, secret)
    return auth(jwtOpen=token, openCmd=command, documentCallbackUrl=callback, **changes)


def as_docs_gets_it(packet: str, name: str = "social") -> None:
    """See that an auth message is mapped to the docs leg and signed for Docs."""
    message = json.loads(packet[2:])[1]
    base = BASE.replace("social", name)
    assert message["documentCallbackUrl"] == f"{base}/track?doc={doc()}"
    assert message["openCmd"]["url"] == f"{base}/download?doc={doc()}"
    assert claims_of(message["jwtOpen"], DOCS_SECRET) == {
        "document": {"key": "k1", "url": message["openCmd"]["url"], "permissions": {"edit": True}},
        "editorConfig": {"callbackUrl": message["documentCallbackUrl"], "mode": "edit"},
        "exp": int(NOW) + 77,
    }


@pytest.mark.parametrize(("name", "secret"), [("social", HUMHUB_SECRET), ("other", OTHER_SECRET)])
async def test_humhubs_own_configuration_is_signed_for_docs_and_remembered(
    start: Start, name: str, secret: str
) -> None:
    bridge = await start(two_sites)
    bridge.docs.respond = echo = Echo()
    headers = {"Host": "browser.bridge.test:8000"}
    with capture_logs() as lines:
        async with bridge.http.ws_connect(bridge.leg("browser", SOCKET), headers=headers) as socket:
            await socket.send_str(direct(HUB.replace("social", name), secret))
            await socket.receive_str()
        async with asyncio.timeout(5):
            while not any(line.get("status") == 101 for line in lines):  # noqa: ASYNC110 - the log tells
                await asyncio.sleep(0.01)
    as_docs_gets_it(echo.heard[0], name)
    assert {line["site"] for line in lines if line.get("status") == 101} == {name}
    assert bridge.remembered("k1") == [(name, f"/onlyoffice/backend/track?doc={doc()}")]


async def test_another_secret_is_refused_by_docs_and_named_in_the_log(bridge: Bridge) -> None:
    bridge.docs.respond = echo = Echo()
    with capture_logs() as lines:
        async with bridge.http.ws_connect(bridge.leg("browser", SOCKET)) as socket:
            await socket.send_str(direct(secret=OTHER_SECRET))
            await socket.receive_str()
        async with asyncio.timeout(5):
            while not lines:  # noqa: ASYNC110 - the log tells
                await asyncio.sleep(0.01)
    assert '"jwtOpen":"refused"' in echo.heard[0]
    assert (lines[0]["outcome"], lines[0]["why"]) == ("refused", "signature")
    assert "sites[0].jwt" in lines[0]["remedy"]


async def test_an_auth_split_over_frames_and_segments_is_one_message(bridge: Bridge) -> None:
    bridge.docs.respond = echo = Echo()
    listen = bridge.config.legs.browser.listen
    reader, writer = await asyncio.open_connection(listen.host, listen.port)
    writer.write(
        f"GET {SOCKET} HTTP/1.1\r\nHost: office.test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
    )
    assert b"101" in (await reader.readuntil(b"\r\n\r\n")).splitlines()[0]
    text = direct().encode()
    pieces = [text[at : at + 100] for at in range(0, len(text), 100)]
    for number, piece in enumerate(pieces):
        first, last = number == 0, number == len(pieces) - 1
        head = bytes([(0x80 if last else 0) | (0x1 if first else 0x0), 0x80 | len(piece), 0, 0, 0, 0])
        frame = head + piece
        for part in (frame[:1], frame[1:3], frame[3:]):
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(0)
    await reader.readexactly(2)
    writer.close()
    as_docs_gets_it(echo.heard[0])


async def test_by_polling_the_same_packets_are_changed_the_same_way(bridge: Bridge) -> None:
    bridge.docs.answers(ok(**{"Content-Type": "text/plain; charset=UTF-8"}))
    token = json.loads(direct()[2:])[1]["jwtOpen"]
    connect = "40" + json.dumps({"data": {"type": "auth"}, "token": token, "session": None})
    body = f"3\x1e{connect}\x1e{direct()}\x1e2"
    status, _, _ = await bridge.ask("browser", POLL + "&sid=a", "POST", data=body.encode())
    assert status == 200
    first, connected, opened, last = bridge.docs.seen[0].body.decode().split("\x1e")
    assert (first, last) == ("3", "2")
    as_docs_gets_it(opened)
    sent = json.loads(connected[2:])
    assert sent == {"token": json.loads(opened[2:])[1]["jwtOpen"], "session": None}
    assert bridge.remembered("k1")


async def test_a_connection_by_polling_belongs_to_the_document_that_it_was_begun_for(bridge: Bridge) -> None:
    bridge.docs.answers(ok_text('0{"sid":"s1","upgrades":["websocket"]}'))
    status, body, _ = await bridge.ask("browser", POLL, headers={"Accept-Encoding": "gzip"})
    assert (status, body) == (200, b'0{"sid":"s1","upgrades":["websocket"]}')
    assert bridge.docs.seen[0].headers["Accept-Encoding"] == "identity"
    bridge.docs.answers(ok())
    assert (await bridge.ask("browser", POLL + "&sid=s1", "POST", data="3"))[0] == 200
    other = POLL.replace("k1", "k2") + "&sid=s1"
    assert (await bridge.ask("browser", other, "POST", data=direct()))[0] == 400
    assert (await bridge.ask("browser", other))[0] == 400
    bridge.docs.respond = echo = Echo()
    with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
        await bridge.http.ws_connect(bridge.leg("browser", SOCKET.replace("k1", "k2") + "&sid=s1"))
    assert caught.value.status == 400
    # The upgrade on its own document: what opens it may come only now, by the websocket.
    async with bridge.http.ws_connect(bridge.leg("browser", SOCKET + "&sid=s1")) as socket:
        for text in ("2probe", "5", direct()):
            await socket.send_str(text)
            await socket.receive_str()
    assert echo.heard[:2] == ["2probe", "5"]
    as_docs_gets_it(echo.heard[2])


async def test_a_docs_without_a_secret_gets_the_configuration_in_plain_fields(start: Start) -> None:
    bridge = await start(without_docs_secret)
    bridge.docs.respond = echo = Echo()
    async with bridge.http.ws_connect(bridge.leg("browser", SOCKET)) as socket:
        await socket.send_str(direct())
        await socket.receive_str()
    message = json.loads(echo.heard[0][2:])[1]
    assert "jwtOpen" not in message
    assert message["openCmd"]["url"] == f"{BASE}/download?doc={doc()}"
    assert message["permissions"] == {"edit": True}


@pytest.mark.parametrize(
    "query",
    ["EIO=4&transport=polling&j=0", "EIO=3&transport=polling", "transport=polling", "EIO=4&transport=flash", ""],
)
async def test_other_protocols_are_refused(bridge: Bridge, query: str) -> None:
    status, _, _ = await bridge.ask("browser", f"/ds/doc/k1/c/?{query}")
    assert status in (400, 403)
    assert bridge.docs.seen == []


async def test_a_packed_polling_body_is_refused_since_it_cannot_be_looked_at(bridge: Bridge) -> None:
    status, _, _ = await bridge.ask("browser", POLL, "POST", data=b"x", headers={"Content-Encoding": "gzip"})
    assert status == 400
    assert bridge.docs.seen == []


async def test_a_large_message_passes(bridge: Bridge) -> None:
    bridge.docs.respond = echo = Echo()
    async with bridge.http.ws_connect(bridge.leg("browser", SOCKET), max_msg_size=0) as socket:
        text = '42["message",{"type":"saveChanges","changes":"' + "x" * (20 << 20) + '"}]'
        await socket.send_str(text)
        await socket.receive_str()
    assert echo.heard == [text]


async def test_an_editor_that_leaves_is_no_warning(bridge: Bridge) -> None:
    bridge.docs.respond = Echo()
    with capture_logs() as lines:
        socket = await bridge.http.ws_connect(bridge.leg("browser", SOCKET))
        await socket.close()
        async with asyncio.timeout(5):
            while not lines:  # noqa: ASYNC110 - the log tells
                await asyncio.sleep(0.01)
    assert lines[0]["log_level"] == "info"
    assert (lines[0]["outcome"], lines[0]["status"]) == ("closed", 101)
