"""A bridge between two fakes, on which recorded exchanges are played: each side signs as the recording did, or anew."""

from __future__ import annotations

import dataclasses
import io
import json
import re
import zipfile
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import jwt
from aiohttp import web
from multidict import CIMultiDict

from bridge.app import running
from bridge.config import DocsJwt, KeyRingConfig
from bridge.protocol.secret import Secret
from tests.flows.expected import Party, heard, shown
from tests.flows.recorded import Json
from tests.legs.fakes import (
    DOCS_SECRET,
    HUMHUB_SECRET,
    INNER_SECRET,
    Bridge,
    Respond,
    configuration,
    serving,
    with_site,
)

OTHER_SECRET = "another-secret-0123456789abcdef0123456789"
WRONG_SECRET = "nobodys-secret-0123456789abcdef0123456789"

# What the tests' own client would add to a recorded request.
NOTHING_ADDED = ("User-Agent", "Accept", "Accept-Encoding", "Content-Type")

_TOKEN = re.compile(r"eyJ[\w-]+\.[\w-]+\.[\w-]+")
_HOP = ("host", "content-length", "connection", "transfer-encoding", "keep-alive")
_OF_A_SERVER = (*_HOP, "date", "server")
_KINDS = {"html": "text/html; charset=utf-8", "txt": "text/plain", "pdf": "application/pdf", "zip": "application/zip"}

# As in the recordings, and one in which Docs has a secret and a header of its own.
SIDES = {"as-recorded": Party(DOCS_SECRET), "docs-apart": Party(OTHER_SECRET, "X-Docs-Jwt")}


def unchanged(claims: Json) -> Json:
    return claims


@dataclasses.dataclass
class Stage:
    """A bridge whose clock the test sets, HumHub and Docs as fakes, and how Docs signs."""

    bridge: Bridge
    clock: list[float]
    docs: Party

    @property
    def docs_url(self) -> str:
        return str(self.bridge.config.legs.docs.url).rstrip("/")

    @property
    def humhub_url(self) -> str:
        return str(self.bridge.config.legs.humhub.url).rstrip("/")

    def cleared(self) -> Stage:
        """Forget what both sides got."""
        self.bridge.humhub.seen.clear()
        self.bridge.docs.seen.clear()
        return self

    def to_humhub(self) -> list[Json]:
        """Give what HumHub has got since the last look."""
        party = Party(HUMHUB_SECRET, authority=self.bridge.humhub.url.removeprefix("http://"))
        found = [shown(seen, party) for seen in self.bridge.humhub.seen]
        self.bridge.humhub.seen.clear()
        return found

    def to_docs(self) -> list[Json]:
        """Give what Docs has got since the last look."""
        party = dataclasses.replace(self.docs, authority=self.bridge.docs.url.removeprefix("http://"))
        found = [shown(seen, party) for seen in self.bridge.docs.seen]
        self.bridge.docs.seen.clear()
        return found

    async def ask(self, leg: str, path: str, method: str = "GET", **options: Any) -> Json:
        return heard(*await self.bridge.ask(leg, path, method, skip_auto_headers=NOTHING_ADDED, **options))

    async def pull(self, url: str) -> Json:
        """Fetch a file as HumHub does: the address as it stands, no token."""
        assert url.startswith(self.humhub_url + "/"), f"HumHub can't reach {url}"
        got = await self.ask("humhub", url.removeprefix(self.humhub_url))
        if "/file/" in url:
            # The body of a save, kept a moment ago.
            headers = got.get("headers", {})
            headers.update({name: "(now)" for name in headers if name.lower() in ("etag", "last-modified")})
        return got

    def from_docs(self, headers: list[list[str]], change: Callable[[Json], Json] = unchanged) -> dict[str, str]:
        """Give recorded headers of Docs, with its token, changed so, under the header that it has here."""
        kept = {name: self.signed(value, change) for name, value in headers if name.lower() not in _HOP}
        if self.docs.header != "Authorization" and kept.get("Authorization", "").startswith("Bearer "):
            kept[self.docs.header] = kept.pop("Authorization")
        return kept

    def signed(self, text: str, change: Callable[[Json], Json] = unchanged) -> str:
        """Sign the tokens of Docs in ``text`` anew for here."""
        return _TOKEN.sub(lambda found: signed_anew(found[0], self.docs.secret, change), text)


def signed_anew(token: str, secret: str, change: Callable[[Json], Json] = unchanged) -> str:
    """Sign a recorded token with another secret, its claims as ``change`` gives them; a wrong one stays wrong."""
    claims = jwt.decode(token, options={"verify_signature": False})
    try:
        jwt.decode(token, DOCS_SECRET, algorithms=["HS256"], options={"verify_exp": False, "verify_iat": False})
    except jwt.InvalidSignatureError:
        secret = WRONG_SECRET
    return jwt.encode(change(claims), secret)


@asynccontextmanager
async def on_stage(directory: Path, docs: Party, **site: Any) -> AsyncIterator[Stage]:
    """Run a bridge whose only site is as ``site`` says, and whose Docs signs as ``docs``."""
    async with AsyncExitStack() as stack:
        humhub, node = [await stack.enter_async_context(serving()) for _ in range(2)]
        ring = KeyRingConfig(header=docs.header, secrets=(Secret(docs.secret),))
        config = with_site(**site)(configuration(directory, humhub.url, node.url))
        rings = DocsJwt(browser=ring, inbox=ring, outbox=ring)
        config = dataclasses.replace(config, docs=dataclasses.replace(config.docs, jwt=rings))
        clock = [0.0]
        await stack.enter_async_context(running(config, clock=lambda: clock[0]))
        await node.asked_by_the_bridge()
        http = await stack.enter_async_context(aiohttp.ClientSession(auto_decompress=False))
        yield Stage(Bridge(config, humhub, node, http), clock, docs)


def doc_of(key: Any) -> str:
    """Give HumHub's `doc=` for a document."""
    return jwt.encode({"key": key or "k1", "userGuid": "u1"}, INNER_SECRET)


def answering(response: Json, body: bytes | None = None) -> Respond:
    """Answer as recorded: status, each header, JSON; for a page of HTML one of our own, and ``body`` for a file."""
    headers = CIMultiDict((name, value) for name, value in response["headers"] if name.lower() not in _OF_A_SERVER)
    given = response.get("body")
    if body is None and "html" in headers.get("Content-Type", ""):
        body = b"<html><body>a page</body></html>"
    if body is None:
        body = given.encode() if isinstance(given, str) else json.dumps(given).encode() if given is not None else b""

    async def respond(_: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=response["status"], body=body, headers=headers)

    return respond


def file_of(filetype: str, size: int = 0, mark: str = "") -> bytes:
    """Give a small file of a type, at least ``size`` long; one with another ``mark`` has other bytes."""
    if filetype in ("txt", "csv", "html"):
        return f"text, with, commas{mark}".encode().ljust(size)
    if filetype == "pdf":
        return f"%PDF-1.7\n%{mark}\n%%EOF\n".encode().ljust(size, b"\n")
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
        for name in ("[Content_Types].xml", f"{filetype}/content.xml"):
            archive.writestr(zipfile.ZipInfo(name), f"<is-a>{filetype}{mark}</is-a>")
        archive.comment = b" " * max(0, size - packed.tell() - 400)
    return packed.getvalue()


async def files_of_docs(request: web.BaseRequest) -> web.StreamResponse:
    """Answer as Docs does for its files: by the type in the path, another file at each."""
    kind = request.path.rpartition(".")[2]
    return web.Response(
        body=file_of(kind, mark=request.path), headers={"Content-Type": _KINDS.get(kind, "application/octet-stream")}
    )
