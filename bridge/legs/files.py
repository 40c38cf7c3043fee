"""What the legs share about files: which headers of one go on, and how a saved body is served."""

from __future__ import annotations

from email.message import Message
from pathlib import PurePosixPath

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from multidict import CIMultiDict

from bridge.legs.middleware import note
from bridge.legs.state import ATTEMPTS, TOPOLOGY
from bridge.sites import Site
from bridge.transport.relay import transfer_of
from bridge.transport.upstream import Answer

__all__ = ["body", "extension", "headers", "site_of"]

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


class _Body(web.FileResponse):
    """A file that is sent inside its handler, so that its end is known there; the server asks for it once more."""

    _sent = False

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        if self._sent:
            return None
        writer = await super().prepare(request)
        self._sent = True
        return writer


async def body(request: web.Request) -> web.StreamResponse:
    """Serve the body of a save under way by its capability: complete, with length and ranges, straight from disk."""
    found = request.app[ATTEMPTS].body(site_of(request).name, request.match_info["capability"])
    response = _Body(found, headers={"Content-Type": "application/octet-stream", "Cache-Control": "no-store"})
    await response.prepare(request)
    if request.method != "HEAD":
        transfer_of(request).bytes_out = response.content_length or 0
    return response
