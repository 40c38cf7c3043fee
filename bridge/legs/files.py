"""What the legs share about files: which headers of one go on, and how a saved body is served."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from email.message import Message
from http import HTTPStatus
from pathlib import Path, PurePosixPath
from typing import IO, Final

from aiohttp import web
from multidict import CIMultiDict

from bridge.legs.middleware import note
from bridge.legs.state import SAVES, TOPOLOGY
from bridge.protocol.errors import StorageError
from bridge.sites import Site
from bridge.store.records import Entry
from bridge.transport.relay import cut, transfer_of
from bridge.transport.upstream import Answer

__all__ = ["extension", "headers", "pull", "saved", "site_of"]

_CHUNK: Final = 256 << 10
_LOOK: Final = "Look at the disk under saves.directory: humhub-bridge saves show says whether the file is whole."

# A session cookie or a policy of the server that gave the file is nothing to the one that gets it.
_KEPT = (
    "Content-Type",
    "Content-Encoding",
    "Content-Disposition",
    "Content-Range",
    "Accept-Ranges",
    "ETag",
    "Last-Modified",
    "Cache-Control",
)


def headers(answer: Answer) -> CIMultiDict[str]:
    """Give the headers of a file's answer that the other side gets."""
    return CIMultiDict((name, answer.headers[name]) for name in _KEPT if name in answer.headers)


def extension(answer: Answer) -> str:
    """Give the extension of the file name that an answer states, in lower case; empty without one."""
    message = Message()
    message["Content-Disposition"] = answer.headers.get("Content-Disposition", "")
    return PurePosixPath(message.get_filename() or "").suffix.removeprefix(".").lower()


def site_of(request: web.Request) -> Site:
    """Give the site that a route with ``/s/{site}`` names, or the only one.

    Raises:
        NoRouteError: no such site, or none named where there are several.
    """
    site = request.app[TOPOLOGY].site_named(request.match_info.get("site"))
    note(request, site=site.name)
    return site


async def pull(request: web.Request) -> web.StreamResponse:
    """Serve the body of a save under way by its capability; that it was pulled whole is noted before its last byte."""
    attempts = request.app[SAVES].attempts
    found = await attempts.pull(site_of(request).name, request.match_info["capability"])
    note(request, key=found.entry.key, entry=found.entry.id)
    response = await saved(request, found.entry, found.path, before_end=lambda: attempts.pulled(found))
    if request.method != "HEAD":
        attempts.given(found)
    return response


async def saved(
    request: web.Request,
    entry: Entry,
    path: Path,
    *,
    before_end: Callable[[], Awaitable[None]] | None = None,
    name: str | None = None,
) -> web.StreamResponse:
    """Serve a saved body straight from disk: with length, single ranges, HEAD, in constant memory.

    ``before_end`` is awaited before the body's last byte leaves; if it raises, that byte never does. With a ``name``,
    a browser keeps it under that, and never shows it.
    """
    file = await asyncio.to_thread(_opened, path, entry)
    try:
        span = _range_of(request, entry.size)
        response = _head(entry, span)
        if name is not None:
            response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
            response.headers["X-Content-Type-Options"] = "nosniff"
        await response.prepare(request)
        if request.method != "HEAD":
            await _send(request, response, file, span, before_end if span.stop == entry.size else None)
        await response.write_eof()
    except web.HTTPException:
        raise  # no such range: nothing has been sent
    except BaseException as error:
        cut(request, error)
        raise
    finally:
        file.close()
    transfer_of(request).complete = True
    return response


def _opened(path: Path, entry: Entry) -> IO[bytes]:
    try:
        file = path.open("rb", buffering=0)
    except OSError as error:
        raise StorageError(
            "The saved file can't be read.", remedy=_LOOK, entry=entry.id, what=error.strerror
        ) from error
    if os.fstat(file.fileno()).st_size != entry.size:
        file.close()
        raise StorageError("The saved file is not as long as it was.", remedy=_LOOK, entry=entry.id, size=entry.size)
    return file


def _range_of(request: web.Request, size: int) -> range:
    """Give the bytes that are asked for: all of them, or one range.

    Raises:
        HTTPRequestRangeNotSatisfiable: no such range, or several of them.
    """
    try:
        wanted = request.http_range
    except ValueError:
        raise _unsatisfiable(size) from None
    start, stop, _ = wanted.indices(size)
    if "Range" in request.headers and start >= stop:
        raise _unsatisfiable(size)
    return range(start, stop)


def _unsatisfiable(size: int) -> web.HTTPRequestRangeNotSatisfiable:
    return web.HTTPRequestRangeNotSatisfiable(headers={"Content-Range": f"bytes */{size}"})


def _head(entry: Entry, span: range) -> web.StreamResponse:
    whole = len(span) == entry.size
    response = web.StreamResponse(
        status=HTTPStatus.OK if whole else HTTPStatus.PARTIAL_CONTENT,
        headers={
            "Content-Type": "application/octet-stream",
            "Cache-Control": "no-store",
            "Accept-Ranges": "bytes",
            "ETag": f'"{entry.sha256}"',
        },
    )
    if not whole:
        response.headers["Content-Range"] = f"bytes {span.start}-{span.stop - 1}/{entry.size}"
    response.content_length = len(span)
    return response


async def _send(
    request: web.Request,
    response: web.StreamResponse,
    file: IO[bytes],
    span: range,
    before_end: Callable[[], Awaitable[None]] | None,
) -> None:
    transfer = transfer_of(request)
    for at in range(span.start, span.stop, _CHUNK):
        size = min(_CHUNK, span.stop - at)
        chunk = await asyncio.to_thread(os.pread, file.fileno(), size, at)
        if len(chunk) != size:
            raise StorageError("The saved file is not as long as it was.", remedy=_LOOK)
        if at + size == span.stop and before_end is not None:
            await response.write(chunk[:-1])
            await before_end()
            chunk = chunk[-1:]
        await response.write(chunk)
        transfer.bytes_out += size
