"""Uploads: their parts go straight to disk, and each file is noted, so that a test can tell what was stored when.

HumHub has the whole request before it looks at anything; what is larger than PHP's limit it gets without its files.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from aiohttp import BodyPartReader
from aiohttp.multipart import MultipartReader

from bridge.demo.humhub.answers import InternalError
from bridge.demo.humhub.call import Call
from bridge.demo.humhub.faults import Fault
from bridge.demo.humhub.files import Body, HumHubFile
from bridge.demo.humhub.formats import mime_of

# Source: the file module's fileNameValidationPattern.
REFUSED_IN_NAMES = re.compile(r'[\x00-\x1f\x80-\xa0<>"/:*?|{}\[\]\\]')
CHUNK = 256 * 1024
UNITS = ((1000**3, "GB"), (1000**2, "MB"), (1000, "kB"), (1, "B"))


@dataclass(slots=True)
class UploadCall:
    """What became of one uploaded file."""

    route: str
    """As the fault of that name: `cfiles upload`, `file upload`, `rest upload`, `rest attach`."""
    who: str | None
    how: str
    """Whether a `cookie` or a `rest` token said who it is."""
    name: str
    sha1: str
    size: int
    at: float = field(default_factory=time.monotonic)
    guid: str | None = None
    replaced: bool = False
    """Whether it is a new version of a file that was there."""
    stored_at: float | None = None
    refused: str | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """One file of an upload: `name` as it was sent, the last part of it at most."""

    name: str
    mime: str
    body: Body
    note: UploadCall

    @property
    def clean(self) -> str:
        """The name that HumHub gives the file."""
        return REFUSED_IN_NAMES.sub("_", self.name)


async def receive(call: Call, route: str, *, how: str = "cookie") -> list[Part]:
    """Read all parts: files to disk, fields into the call's form."""
    limit = call.hub.settings.post_limit
    if limit is not None and (call.request.content_length or 0) > limit:
        return []
    if not call.request.content_type.startswith("multipart/"):
        return []
    parts = []
    reader = await call.request.multipart()
    while (part := await reader.next()) is not None:
        if isinstance(part, MultipartReader):
            continue
        if part.name in ("files[]", "files") and part.filename is not None:
            parts.append(await _keep(call, part, route, how))
        elif part.name:
            content = b"".join([chunk async for chunk in _chunks(part)])
            call.form.add(part.name, content.decode(errors="replace"))
    return parts


async def _keep(call: Call, part: BodyPartReader, route: str, how: str) -> Part:
    name = (part.filename or "").rpartition("/")[2] or "file"
    body = await call.hub.store.receive(_chunks(part))
    mime = part.headers.get("Content-Type") or mime_of(name.rpartition(".")[2].lower())
    note = UploadCall(route, call.user.username if call.user else None, how, name, body.sha1, body.size)
    call.hub.uploads.append(note)
    return Part(name, mime, body, note)


async def _chunks(part: BodyPartReader) -> AsyncIterator[bytes]:
    while chunk := await part.read_chunk(CHUNK):
        yield chunk


def refusal(call: Call, part: Part) -> str | None:
    """Say why HumHub doesn't take a file, or nothing where it does; what is refused is gone."""
    limit = call.hub.settings.upload_limit
    if limit is None or part.body.size <= limit:
        return None
    part.body.discard()
    shown = next(f"{limit / size:.3f}".rstrip("0").rstrip(".") + f" {unit}" for size, unit in UNITS if limit >= size)
    part.note.refused = f'The file "{part.name}" is too big. Its size cannot exceed {shown}.'
    return part.note.refused


async def before_storing(call: Call, parts: list[Part]) -> None:
    """Wait as a fault says; what was uploaded is stored later, whether somebody still waits or not.

    But not after HumHub's longest request, and nothing may come between this and the storing: whoever counts on that
    limit may be storing something newer.
    """
    await asyncio.sleep((call.fault or Fault()).slow)
    longest = call.hub.settings.longest_request
    if any(time.monotonic() - part.note.at > longest for part in parts):
        for part in parts:
            part.body.discard()
        if call.request.transport is not None:
            call.request.transport.abort()
        raise InternalError("the request took too long")


def stored(part: Part, file: HumHubFile, *, replaced: bool = False) -> None:
    """Note what has been stored."""
    part.note.guid, part.note.replaced, part.note.stored_at = file.guid, replaced, time.monotonic()


async def after_storing(call: Call) -> None:
    """Go wrong as a fault says, with everything stored."""
    fault = call.fault or Fault()
    if fault.dies == "stored":
        call.hub.die()
        await asyncio.Event().wait()
    if fault.after_store == "cut" and call.request.transport is not None:
        call.request.transport.abort()
        await asyncio.sleep(0)
    if fault.after_store is not None:
        raise InternalError("failed after the file was stored")
