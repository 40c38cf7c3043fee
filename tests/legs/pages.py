"""HumHub's editor page, as much of it as counts."""

from __future__ import annotations

import json
from typing import Any

import jwt
from aiohttp import web

from bridge.protocol.editor import encode
from tests.legs.fakes import HUMHUB_SECRET, NOW, doc

__all__ = ["OPEN", "config_of", "found_in", "html", "page", "signed"]

OPEN = "/onlyoffice/open?guid=a&mode=edit"


def config_of(**changes: Any) -> dict[str, Any]:
    """Give a configuration as the module makes it."""
    link = f"?doc={doc()}"
    document = {
        "title": "Ü & <b>.docx",
        "key": "k1",
        "fileType": "docx",
        "url": f"http://s.test/onlyoffice/backend/download{link}",
    }
    editor = {"mode": "edit", "callbackUrl": f"http://s.test/onlyoffice/backend/track{link}", "user": {"id": "u1"}}
    return {"type": "desktop", "document": document, "editorConfig": editor, **changes}


def signed(config: dict[str, Any], secret: str = HUMHUB_SECRET, exp: float = NOW + 200) -> dict[str, Any]:
    return {**config, "token": jwt.encode({**config, "exp": int(exp)}, secret)}


def page(config: dict[str, Any], around: bytes = b"\xe4\xf6 ", api: dict[str, str] | None = None) -> bytes:
    api = api or {"saveasUrl": "http://social.test/onlyoffice/api/saveas", "other": "/relative"}
    return (
        around
        + b'<script src="http://ds.test/web-apps/apps/api/documents/api.js?shardKey=k1" nonce="n"></script>'
        + b"<div data-config='"
        + encode(config)
        + b"' data-api='"
        + encode(api)
        + b'\' data-x="1"></div>'
        + around
    )


def html(body: bytes, **headers: str) -> web.Response:
    return web.Response(body=body, headers={"Content-Type": "text/html; charset=UTF-8", "Set-Cookie": "a=b", **headers})


def found_in(body: bytes) -> tuple[dict[str, Any], dict[str, Any]]:
    config = json.loads(body.partition(b"data-config='")[2].partition(b"'")[0])
    return config, json.loads(body.partition(b"data-api='")[2].partition(b"'")[0])
