"""How a test makes the small HumHub misbehave: a fault a route, for the next calls or for all.

humhub.faults.add("download", Fault(cut_after=1000))
humhub.faults.add("track", Fault(after_store="500"), times=None)
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import Literal

from aiohttp import web

ROUTES = {
    "download": "onlyoffice/backend/download",
    "empty-file": "onlyoffice/backend/empty-file",
    "track": "onlyoffice/backend/track",
    "open": "onlyoffice/open",
    "convert": "onlyoffice/convert/convert",
    "file": "file/file/download",
    "upload": "file/file/upload",
    "file upload": "file/file/upload",
    "file delete": "file/file/delete",
    "file view": "file/view",
    "post edit": "post/post/edit",
    "cfiles browse": "cfiles/browse",
    "cfiles list": "cfiles/browse/file-list",
    "cfiles entry": "cfiles/browse/load-entry",
    "cfiles edit": "cfiles/edit/file",
    "cfiles upload": "cfiles/upload",
    "cfiles import": "cfiles/upload/import",
    "cfiles delete": "cfiles/delete",
    "cfiles versions": "cfiles/version",
    "rest user": "api/v1/auth/current",
    "rest download": "api/v1/file/download/{id}",
    "rest file": "api/v1/cfiles/file/{id}",
    "rest folder": "api/v1/cfiles/folder/{id}",
    "rest files": "api/v1/cfiles/files/container/{id}",
    "rest upload": "POST api/v1/cfiles/files/container/{id}",
    "rest post": "api/v1/post/{id}",
    "rest attach": "api/v1/post/{id}/upload-files",
    "login": "user/auth/login",
    "dashboard": "dashboard/dashboard",
}


@dataclass(frozen=True, slots=True)
class Fault:
    """One way to go wrong; without any field set, nothing does."""

    status: int | None = None
    """Answer at once with this status and an HTML error page; nothing else happens."""
    said: str | None = None
    """With `status`: answer this JSON, or nothing where it is empty, in place of the page."""
    page: bool = False
    """Answer 200 with an HTML page that isn't what was asked for."""
    redirect: str | None = None
    """Answer 302 to this URL."""
    hang: float | None = None
    """Wait so many seconds, then break the connection; nothing else happens."""
    late: float = 0
    """Do the work, then wait so many seconds before the answer."""
    cut_after: int | None = None
    """Break the connection after so many bytes of the body."""
    empty: bool = False
    """Answer with the right head and no body."""
    lie: int = 0
    """Promise so many bytes more than the body has (fewer, if negative); the connection then ends."""
    trickle: tuple[int, float] | None = None
    """Send so many bytes at a time with so many seconds between."""
    after_store: str | None = None
    """Track and uploads: the body is stored (and the key is kept), then `500` is answered or the answer is `cut`."""
    after_fetch: bool = False
    """Track only: the URL is fetched whole, then 500 without storing."""
    slow: float = 0
    """Track and uploads: what came is stored so many seconds later, whether somebody still waits or not."""
    impatient: float | None = None
    """Track only: a proxy before HumHub answers 504 after so many seconds, and the work goes on."""
    dies: Literal["writing", "stored", "cleared"] | None = None
    """Track only: the whole server is killed, with half of the body stored, with the body stored and the key kept, or
    with the key cleared and no answer sent. It is to be tidied up (`kill`) and started again. Uploads know `stored`."""


@dataclass(slots=True)
class _Planned:
    fault: Fault
    times: int | None


class Faults:
    """The faults that are planned, by route; `*` is any route."""

    def __init__(self) -> None:
        self._planned: dict[str, deque[_Planned]] = {}

    def add(self, route: str, fault: Fault, *, times: int | None = 1) -> None:
        """Plan a fault for the next `times` calls of a route, or, with None, for all until `clear`."""
        self._planned.setdefault(ROUTES.get(route, route), deque()).append(_Planned(fault, times))

    def clear(self, route: str | None = None) -> None:
        if route is None:
            self._planned.clear()
        else:
            self._planned.pop(ROUTES.get(route, route), None)

    def left(self, route: str) -> int:
        """Count the faults of a route that are still to happen."""
        return len(self._planned.get(ROUTES.get(route, route), ()))

    def take(self, route: str, method: str = "GET") -> Fault | None:
        for name in (f"{method} {route}", route, "*"):
            queue = self._planned.get(name)
            if queue:
                planned = queue[0]
                if planned.times is not None:
                    planned.times -= 1
                    if planned.times <= 0:
                        queue.popleft()
                return planned.fault
        return None


async def spoil(request: web.Request, fault: Fault) -> web.StreamResponse | None:
    """Answer with a fault that leaves nothing for the route to do; None for any other."""
    if fault.hang is not None:
        await asyncio.sleep(fault.hang)
        if request.transport is not None:
            request.transport.abort()
        return web.Response()
    if fault.redirect is not None:
        return web.Response(status=302, headers={"Location": fault.redirect}, text="")
    status = 200 if fault.page else fault.status
    if status is None:
        return None
    if fault.said is not None:
        return web.Response(status=status, text=fault.said, content_type="application/json")
    page = f"<!DOCTYPE html><html><head><title>HumHub</title></head><body><h1>{status}</h1></body></html>"
    return web.Response(status=status, text=page, content_type="text/html")
