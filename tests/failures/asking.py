"""What each party asks of the bridge, route by route, over raw sockets; and what it gets."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Final

import jwt

from tests.failures.faults import Good
from tests.legs.fakes import DOCS_SECRET, HUMHUB_SECRET, INNER_SECRET, NOW
from tests.legs.pages import config_of, page, signed

__all__ = ["GOOD", "ROUTES", "Got", "Request", "ask", "exchange", "got_of"]

DOCX: Final = b"PK\x03\x04" + bytes(range(256)) * 12
_PATIENCE: Final = 8.0


@dataclass(frozen=True)
class Request:
    """A request as it goes over the wire; ``leg`` is where."""

    leg: str
    target: str
    method: str = "GET"
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None

    def wire(self) -> bytes:
        headers = {"Host": "social.test", **self.headers}
        if self.body is not None:
            headers["Content-Length"] = str(len(self.body))
        headers.setdefault("Connection", "close")
        lines = [f"{self.method} {self.target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
        return "\r\n".join([*lines, "", ""]).encode() + (self.body or b"")


@dataclass(frozen=True)
class Got:
    """An answer as it came over the wire; without a status, none came.

    ``whole`` says that it ended as it should, ``late`` that the bridge never was done with it.
    """

    status: int | None
    headers: dict[str, str]
    body: bytes
    whole: bool
    late: bool = False

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def exchange(route: str, fault: str) -> str:
    """Give the name of an exchange: a document's key, too."""
    return f"at.{route}.{fault}"


def _doc(**claims: object) -> str:
    return jwt.encode(claims, INNER_SECRET)


def _from_docs(name: str, path: str) -> dict[str, str]:
    claims = {"payload": {"url": f"http://docs.bridge.test:8000{path}"}, "iat": int(NOW), "exp": int(NOW) + 300}
    return {"X-Docs-Jwt": f"Bearer {jwt.encode(claims, DOCS_SECRET)}"}


def _download(name: str) -> Request:
    path = f"/onlyoffice/backend/download?doc={_doc(key=name, userGuid='u1')}"
    return Request("docs", path, headers=_from_docs(name, path))


def _empty_file(name: str) -> Request:
    path = f"/onlyoffice/backend/empty-file?doc={_doc(isEmpty=True, userGuid=name)}"
    return Request("docs", path, headers=_from_docs(name, path))


def _result_for_docs(name: str) -> Request:
    path = f"/cache/files/data/{name}_1/output.docx/output.docx?md5=a&expires=9"
    return Request("docs", path, headers=_from_docs(name, path))


def _callback(name: str, status: int = 2) -> Request:
    fields: dict[str, Any] = {"key": name, "status": status, "users": ["u1"]}
    if status == 2:
        path = f"/cache/files/data/{name}_1/output.docx/output.docx?md5=a&expires=9"
        fields |= {"url": f"http://browser.bridge.test:8000/ds{path}", "filetype": "docx"}
    token = jwt.encode({**fields, "iat": int(NOW), "exp": int(NOW) + 300}, DOCS_SECRET)
    path = f"/onlyoffice/backend/track?doc={_doc(key=name, userGuid='u1')}"
    return Request(
        "docs", path, "POST", {"Content-Type": "application/json"}, json.dumps({**fields, "token": token}).encode()
    )


def _from_humhub(path: str, fields: dict[str, Any], **headers: str) -> Request:
    body = json.dumps({**fields, "token": jwt.encode(fields, HUMHUB_SECRET)}).encode()
    return Request("humhub", path, "POST", {"Content-Type": "application/x-www-form-urlencoded", **headers}, body)


def _conversion(name: str, path: str = "/converter") -> Request:
    url = f"http://docs.bridge.test:8000/onlyoffice/backend/download?doc={_doc(key='k1', userGuid='u1')}"
    return _from_humhub(path, {"key": name, "url": url, "filetype": "odt", "outputtype": "docx", "async": False})


_SCRIPT: Final = {"X-Requested-With": "XMLHttpRequest"}
_WEBSOCKET: Final = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}

ROUTES: Final[dict[str, Callable[[str], Request]]] = {
    # a browser
    "page": lambda name: Request("browser", f"/dashboard/{name}"),
    "script": lambda name: Request("browser", f"/live/{name}", headers=_SCRIPT),
    "upload": lambda name: Request("browser", f"/file/file/upload?f={name}", "POST", body=b"x" * 200_000),
    "editor": lambda name: Request("browser", f"/onlyoffice/open?guid={name}", headers=_SCRIPT),
    "asset": lambda name: Request("browser", f"/ds/web-apps/{name}.js"),
    "image": lambda name: Request("browser", f"/ds/cache/files/data/{name}_1/media/image1.png?md5=a"),
    "pdf": lambda name: Request("browser", f"/ds/downloadfile/{name}"),
    "download-as": lambda name: Request("browser", f"/ds/downloadas/{name}?cmd=x", "POST", body=b"{}"),
    "websocket": lambda name: Request(
        "browser", f"/ds/doc/{name}/c/?EIO=4&transport=websocket", headers=dict(_WEBSOCKET)
    ),
    "handshake": lambda name: Request("browser", f"/ds/doc/{name}/c/?EIO=4&transport=polling"),
    "poll": lambda name: Request("browser", f"/ds/doc/{name}/c/?EIO=4&transport=polling&sid={name}"),
    "push": lambda name: Request("browser", f"/ds/doc/{name}/c/?EIO=4&transport=polling&sid={name}", "POST", body=b"3"),
    # Docs
    "download": _download,
    "empty-file": _empty_file,
    "result": _result_for_docs,
    "save": _callback,
    "delivery": _callback,
    "news": lambda name: _callback(name, 1),
    # HumHub
    "convert": _conversion,
    "convert-xml": lambda name: _conversion(name, "/ConvertService.ashx"),
    "command": lambda name: _from_humhub("/coauthoring/CommandService.ashx", {"c": "info", "key": name}),
    "converted": lambda name: Request("humhub", f"/cache/files/data/{name}_1/output.docx/output.docx?md5=a"),
    "health": lambda name: Request("humhub", f"/healthcheck?{name}"),
}

_HTML: Final = Good(b"<!DOCTYPE html><html><body>" + b"<p>x</p>" * 300 + b"</body></html>", "text/html; charset=UTF-8")
_DOCUMENT: Final = Good(DOCX)
# Long enough to trickle for longer than anything may last.
_PAD: Final = b" " * 120
_RESULT = f"http://docs.docs.lan/cache/files/data/conv_k1_1/output.docx/output.docx?md5=a&pad={'x' * 400}"
GOOD: Final[dict[str, Good]] = {
    "page": _HTML,
    "script": Good(json.dumps({"events": [os.fsencode("x").decode()] * 50}).encode(), "application/json"),
    "upload": Good(b'{"files":[{"guid":"g","error":false}]}', "application/json"),
    "editor": Good(page(signed(config_of())), "text/html; charset=UTF-8"),
    "asset": Good(b"var x = 1;" * 100, "application/javascript"),
    "image": Good(b"\x89PNG\r\n" + bytes(3000), "image/png"),
    "pdf": Good(b"%PDF-1.7\n" + bytes(3000), "application/pdf"),
    "download-as": Good(b'{"type":"save","status":"ok","data":"%s"}' % (b"x" * 300), "application/json"),
    "handshake": Good(b'0{"sid":"s1","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000}', "text/plain"),
    "poll": Good(b'42["message",{"type":"cursor","data":"%s"}]' % (b"x" * 300), "text/plain"),
    "push": Good(b"ok" + _PAD + b".", "text/html"),
    "websocket": Good(b'{"code":1,"message":"Session ID unknown"}', "application/json"),
    "download": _DOCUMENT,
    "empty-file": _DOCUMENT,
    "result": _DOCUMENT,
    "save": _DOCUMENT,
    "delivery": Good(b'{"error":0}' + _PAD, "application/json"),
    "news": Good(b'{"error":0}' + _PAD, "application/json"),
    "convert": Good(
        json.dumps({"endConvert": True, "percent": 100, "fileType": "docx", "fileUrl": _RESULT}).encode(),
        "application/json",
    ),
    "convert-xml": Good(
        json.dumps({"endConvert": True, "percent": 100, "fileType": "docx", "fileUrl": _RESULT}).encode(),
        "application/json",
    ),
    "command": Good(b'{"key":"k1","error":0}' + _PAD, "application/json"),
    "converted": _DOCUMENT,
    "health": Good(b"true" + _PAD, "text/plain"),
}


async def ask(port: int, request: Request) -> Got:
    """Ask, and read until the bridge is done, cuts, or stays silent for too long."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    raw, ended = bytearray(), False
    try:
        async with asyncio.timeout(_PATIENCE):
            writer.write(request.wire())
            while chunk := await reader.read(65536):
                raw += chunk
                if request.headers.get("Connection") == "Upgrade" and got_of(bytes(raw), ended=True).whole:
                    break  # a connection that isn't upgraded stays
        ended = True
    except ConnectionError:
        pass
    except TimeoutError:
        return replace(got_of(bytes(raw), ended=False), late=True)
    finally:
        writer.transport.abort()
    return got_of(bytes(raw), ended=ended, bodiless=request.method == "HEAD")


def got_of(raw: bytes, *, ended: bool, bodiless: bool = False) -> Got:
    head, mark, rest = raw.partition(b"\r\n\r\n")
    if not mark:
        assert not head, f"half a head: {head!r}"
        return Got(None, {}, b"", whole=False)
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    status = int(first.split()[1])
    if bodiless or status in (204, 304):
        return Got(status, headers, rest, whole=ended and not rest)
    if headers.get("transfer-encoding") == "chunked":
        body, whole = _unchunked(rest)
        return Got(status, headers, body, whole=whole and ended)
    if "content-length" in headers:
        return Got(status, headers, rest, whole=ended and len(rest) == int(headers["content-length"]))
    return Got(status, headers, rest, whole=ended)


def _unchunked(rest: bytes) -> tuple[bytes, bool]:
    body = b""
    while True:
        line, mark, rest = rest.partition(b"\r\n")
        if not mark:
            return body, False
        size = int(line, 16)
        if size == 0:
            return body, rest == b"\r\n"
        if len(rest) < size + 2:
            return body + rest[:size], False
        body, rest = body + rest[:size], rest[size + 2 :]
