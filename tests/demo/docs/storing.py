"""A storage that misbehaves as the recording one did: `?mode=` says how a download goes."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import io
import zipfile
from dataclasses import dataclass, field
from functools import cache
from urllib.parse import urlsplit

from aiohttp import web

from bridge.demo.docs import ooxml
from tests.demo.docs.rig import Storage, breaks, document

_CONTENT = """<?xml version="1.0"?><office:document-content
 xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0"
 xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0"
 xmlns:table="urn:oasis:names:tc:opendocument:xmlns:table:1.0"
 xmlns:draw="urn:oasis:names:tc:opendocument:xmlns:drawing:1.0"><office:body>{body}</office:body></office:document-content>"""


def opendocument(kind: str, body: str) -> bytes:
    """Make a minimal OpenDocument file of a kind: text, spreadsheet, presentation."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("mimetype", f"application/vnd.oasis.opendocument.{kind}")
        archive.writestr("content.xml", _CONTENT.format(body=body))
    return out.getvalue()


def odt() -> bytes:
    return opendocument("text", "<text:p>First line</text:p><text:p>Second <text:span>line</text:span></text:p>")


@cache
def sample_files() -> dict[str, bytes]:
    """Return a document of each kind that the recordings ask for."""
    docx = document("First line", "Second line")
    return {
        "/file/base.docx": docx,
        "/file/base.xlsx": ooxml.from_table([["a", "1"], ["b", "2"]]),
        "/file/base.pptx": ooxml.from_slides([["Title", "Text"]]),
        "/file/base.odt": odt(),
        "/file/base.txt": b"plain",
        "/file/garbage.docx": b"\x00\x01garbage" * 50,
        "/file/ba se ü.docx": docx,
        "/file/b a+seü.docx": docx,
        "/file/held": docx,
        "/file/": docx,
    }


@dataclass
class Modes:
    """Answers downloads by their `mode`."""

    storage: Storage
    sequences: dict[str, list[str]] = field(default_factory=dict)
    _open: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self._open.set()

    def hold(self) -> None:
        """Let downloads of `held` and of asynchronous conversions hang."""
        self._open.clear()

    def release(self) -> None:
        self._open.set()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        mode = request.query.get("mode", "ok")
        if request.path == "/file/held" or "async" in request.query.get("t", ""):
            await self._open.wait()
        if mode.startswith("seq:"):
            left = self.sequences.setdefault(request.query["t"], mode[4:].split(","))
            mode = left.pop(0)
        return await self._answer(request, mode)

    async def _answer(self, request: web.Request, mode: str) -> web.StreamResponse:
        body = self.storage.files.get(request.path, b"")
        kind, _, size = mode.partition(":")
        if kind.startswith(("302", "307")):
            return self._redirect(request, kind)
        if kind.isdigit():
            return web.Response(status=int(kind))
        if kind in _STREAMED:
            return await _stream(request, kind, body, int(size or 0))
        if kind == "close":
            return await breaks(request)
        if kind == "hang":
            await asyncio.sleep(3)
        answers = {
            "hang": web.Response(),
            "empty": web.Response(),
            "html": web.Response(text="<!DOCTYPE html><html><body>Sign in</body></html>", content_type="text/html"),
            "gzip": web.Response(body=gzip.compress(body), headers={"Content-Encoding": "gzip"}),
        }
        return answers.get(kind) or web.Response(body=body, content_type="application/octet-stream")

    def _redirect(self, request: web.Request, kind: str) -> web.Response:
        test, port = request.query["t"], urlsplit(self.storage.url).port
        where = {
            "302rel": f"{request.path}?t={test}&redirected=rel",
            "302host": f"http://localhost:{port}{request.path}?t={test}&redirected=otherhost",
            "302loop": request.raw_path,
        }
        fallback = f"{self.storage.url}{request.path}?t={test}&redirected=1"
        return web.Response(status=int(kind[:3]), headers={"Location": where.get(kind, fallback)})


_STREAMED = frozenset({"big", "bigchunk", "trunc", "chunked", "slow"})
_PAST_THE_LIMIT = b"x" * 400_000


async def _stream(request: web.Request, kind: str, body: bytes, size: int) -> web.StreamResponse:
    """Send a body in pieces: too big, cut short, or merely slow."""
    response = web.StreamResponse()
    if kind in {"big", "trunc"}:
        response.content_length = size or len(body)
    else:
        response.enable_chunked_encoding()
    await response.prepare(request)
    shown = {"big": _PAST_THE_LIMIT, "bigchunk": _PAST_THE_LIMIT, "trunc": body[:100]}.get(kind, body)
    with contextlib.suppress(ConnectionResetError):  # Docs hangs up on what is too big
        for at in range(0, len(shown), 65536):
            await response.write(shown[at : at + 65536])
            await asyncio.sleep(0.05 if kind == "slow" else 0)
    if kind in {"big", "trunc"} and request.transport is not None:
        request.transport.close()
    return response
