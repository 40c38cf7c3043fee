"""What the tests of Docs' traffic with browsers share: addresses, answers, and Docs' secrets in other ways."""

from __future__ import annotations

import dataclasses

from aiohttp import web

from bridge.config import Config, DocsJwt, KeyRingConfig
from bridge.protocol.secret import Secret

__all__ = ["BASE", "HUB", "ok", "ok_text", "own_rings", "without_docs_secret"]

BASE = "http://docs.bridge.test:8000/s/social/onlyoffice/backend"
HUB = "https://social.test/onlyoffice/backend"


def ok(**headers: str) -> web.Response:
    return web.Response(body=b"docs", headers={"Set-Cookie": "docs=1", "X-Docs": "y", **headers})


def ok_text(text: str) -> web.Response:
    return web.Response(body=text.encode(), headers={"Content-Type": "text/plain; charset=UTF-8"})


def own_rings(config: Config) -> Config:
    """Give Docs a secret and a header of its own for each direction."""
    names = {"browser": "X-Browser", "inbox": "X-Inbox", "outbox": "X-Outbox"}
    rings = {
        name: KeyRingConfig(header=header, secrets=(Secret(f"{name}-secret-0123456789abcdef0123456789"),))
        for name, header in names.items()
    }
    return dataclasses.replace(config, docs=dataclasses.replace(config.docs, jwt=DocsJwt(**rings)))


def without_docs_secret(config: Config) -> Config:
    ring = KeyRingConfig(header="X-Docs-Jwt")
    return dataclasses.replace(
        config, docs=dataclasses.replace(config.docs, jwt=DocsJwt(browser=ring, inbox=ring, outbox=ring))
    )
