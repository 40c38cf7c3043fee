"""Files for browsers and storages: `/cache/files/…` behind signed links, and the routes of editors beside them."""

from __future__ import annotations

import json
import re
import time
from dataclasses import dataclass
from email.utils import formatdate
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import aiohttp
from aiohttp import web

from bridge.demo.docs import answers, changes, faults, formats, links, ooxml, pdf, tokens
from bridge.demo.docs.outgoing import CallError

if TYPE_CHECKING:
    from pathlib import Path

    from bridge.demo.docs.faults import Faults
    from bridge.demo.docs.outgoing import Outgoing
    from bridge.demo.docs.session import Session
    from bridge.demo.docs.settings import DocsSettings
    from bridge.demo.docs.shelf import Shelf

_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
_FILE_NAME = re.compile(r"[^\w .()-]")


@dataclass(slots=True)
class Files:
    """The file routes of one small Docs server."""

    settings: DocsSettings
    shelf: Shelf
    faults: Faults
    outgoing: Outgoing
    sessions: dict[str, Session]

    async def cached(self, request: web.Request) -> web.StreamResponse:
        """Serve a signed link: single ranges, HEAD, the client's own name for the file."""
        if request.method not in {"GET", "HEAD"}:
            return answers.front(405)
        raw_path = request.raw_path.split("?", 1)[0]
        if not self.shelf.linker.check(raw_path, request.query, time.time()):
            return answers.front(403)
        path = self.shelf.find(unquote(raw_path).removeprefix("/cache/files/").rpartition("/")[0])
        if path is None:
            return answers.cannot(request)
        fault = self.faults.take("file") if path.suffix != ".bin" else None
        if fault is not None:

            async def true_body() -> tuple[bytes, str]:
                return path.read_bytes(), _type(path)

            return await faults.misbehave(fault, request, true_body)
        return _serve(request, path)

    async def save_as(self, request: web.Request) -> web.StreamResponse:
        """`/downloadas/{key}?cmd=`: convert what is open now and answer with a link to it."""
        session, wanted = self._for_editor(request)
        output = str(wanted.get("outputformat") or session.filetype).lower()
        try:
            source = formats.sniff(self._now(session), session.filetype)
            data = formats.convert(source, output)
        except (formats.CantConvertError, ooxml.CorruptError):
            return answers.json_answer({"type": "save", "status": "err", "data": -3})
        folder = self.shelf.new_version(session.key)
        self.shelf.put(f"{folder}/output.{output}", data)
        name = f"{str(wanted.get('title') or session.title or 'document').rsplit('.', 1)[0]}.{output}"
        link = self._link(request, f"{folder}/output.{output}", name, session.key)
        return answers.json_answer({"type": "save", "status": "ok", "data": link, "filetype": output})

    async def take(self, request: web.Request) -> web.StreamResponse:
        """`/savefile/{key}?cmd=`: keep what the browser made itself, and answer with a link to it."""
        session, wanted = self._for_editor(request)
        output = _FILE_NAME.sub("", str(wanted.get("outputformat") or session.filetype))
        folder = self.shelf.new_version(session.key)
        self.shelf.put(f"{folder}/output.{output}", await request.read())
        link = self._link(request, f"{folder}/output.{output}", f"output.{output}", session.key)
        return answers.json_answer({"type": "save", "status": "ok", "data": link, "filetype": output})

    async def upload(self, request: web.Request) -> web.StreamResponse:
        """`/upload/{key}`: an image for the document, under a session token in the header."""
        session = self._session(request, tokens.from_header(request.headers.get(self.settings.header)))
        suffix = "png" if "png" in request.content_type else "jpg"
        folder = self.shelf.new_version(session.key)
        self.shelf.put(f"{folder}/media/image1.{suffix}", await request.read())
        link = self._link(request, f"{folder}/media/image1.{suffix}", f"image1.{suffix}", session.key)
        return answers.json_answer({f"media/image1.{suffix}": link})

    async def printed(self, request: web.Request) -> web.StreamResponse:
        """`/printfile/{key}_{n}/{filename}?token=`: the document as it is now, as a PDF in the browser."""
        session = self._session(request, request.query.get("token"))
        body = pdf.make(formats.text_of(formats.sniff(self._now(session), session.filetype)))
        headers = {"Content-Disposition": "inline", "Content-Type": "application/pdf"}
        return web.Response(body=body, headers=headers)

    async def original(self, request: web.Request) -> web.StreamResponse:
        """`/downloadfile/{key}`: the document itself, fetched anew, under the configuration's token in the header."""
        try:
            url = self._configured(request)
        except (tokens.BadToken, KeyError, TypeError):
            return web.Response(status=403)
        wanted = {"Range": request.headers["Range"]} if "Range" in request.headers else {}
        try:
            body, headers = await self.outgoing.get(url, wanted)
        except (CallError, aiohttp.ClientError, OSError) as error:
            status = error.status if isinstance(error, CallError) and error.status else 502
            return web.Response(status=status)
        answer = {"Content-Type": headers.get("Content-Type", "application/octet-stream")}
        status = 206 if "Content-Range" in headers else 200
        if status == 206:
            answer["Content-Range"] = headers["Content-Range"]
        return web.Response(status=status, body=body, headers=answer)

    def _configured(self, request: web.Request) -> str:
        """Return where the configuration's token says that the document is; without a secret a header says it."""
        if not self.settings.secret:
            return unquote(request.headers["X-Url"])
        claims = tokens.verify(tokens.from_header(request.headers.get(self.settings.header)), self.settings.secret)
        return str(claims["document"]["url"])

    def _for_editor(self, request: web.Request) -> tuple[Session, dict[str, Any]]:
        try:
            wanted = json.loads(request.query.get("cmd", "{}"))
        except ValueError as error:
            raise web.HTTPBadRequest from error
        if not isinstance(wanted, dict):
            raise web.HTTPBadRequest
        return self._session(request, wanted.get("tokenSession")), wanted

    def _session(self, request: web.Request, token: object) -> Session:
        try:
            claims = tokens.verify(token, self.settings.session_key)
            key = claims["document"]["key"]
        except (tokens.BadToken, KeyError, TypeError) as error:
            raise web.HTTPForbidden from error
        session = self.sessions.get(key)
        # A print's path has a number after the key.
        named = request.match_info["key"]
        if session is None or session.blocks is None or (named != key and named.rpartition("_")[0] != key):
            raise web.HTTPForbidden
        return session

    def _now(self, session: Session) -> bytes:
        blocks, opened = session.blocks, session.opened
        if blocks is None or opened is None or not blocks.history:
            return session.source
        texts = {block: changes.from_units(text) for block, text in blocks.texts.items()}
        return formats.written(session.source, opened.kind, texts, blocks.order)

    def _link(self, request: web.Request, path: str, name: str, key: str) -> str:
        base = links.base_url(request.headers)
        lifetime = self.settings.link_lifetime
        return self.shelf.linker.link(base, path, name, lifetime=lifetime, now=time.time(), shard=key)


def _type(path: Path) -> str:
    return formats.TYPES.get(path.suffix[1:], "application/octet-stream")


def _serve(request: web.Request, path: Path) -> web.Response:
    stat = path.stat()
    etag = f'"{int(stat.st_mtime):x}-{stat.st_size:x}"'
    headers = {
        "Content-Type": _type(path),
        "Last-Modified": formatdate(stat.st_mtime, usegmt=True),
        "ETag": etag,
        "Content-Disposition": f"attachment; filename*=UTF-8''{_raw_query(request, 'filename')}",
    }
    if request.headers.get("If-None-Match") == etag:
        return web.Response(status=304, headers={"ETag": etag})
    found = _RANGE.fullmatch(request.headers.get("Range", ""))
    if found is None or not any(found.groups()):
        return web.Response(body=path.read_bytes(), headers={**headers, "Accept-Ranges": "bytes"})
    size = stat.st_size
    first, last = found.groups()
    start = int(first) if first else max(0, size - int(last))
    end = min(int(last), size - 1) if first and last else size - 1
    if start > end:
        return web.Response(status=416, headers={"Content-Range": f"bytes */{size}"})
    headers["Content-Range"] = f"bytes {start}-{end}/{size}"
    return web.Response(status=206, body=path.read_bytes()[start : end + 1], headers=headers)


def _raw_query(request: web.Request, name: str) -> str:
    """Return a query value as it stands in the request line: the front writes it back untouched."""
    for part in request.raw_path.partition("?")[2].split("&"):
        found, _, value = part.partition("=")
        if found == name:
            return value
    return ""
