"""Misbehaviour on order: tests make a route of the small Docs fail in one of the ways in which real servers fail.

    docs.faults.add("file", Fault("status", status=500), times=2)
    docs.faults.add("convert", Fault("page"))            # always, until cleared

Routes: `file` (links under /cache/files/), `convert`, `command`, `health`; besides, `assemble` makes saving fail inside
Docs (status 3 or 7).
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

Kind = Literal["status", "page", "redirect", "hang", "cut", "empty", "lie", "trickle", "fail"]

_PAGE = b"<!DOCTYPE html><html><head><title>Sign in</title></head><body><h1>Sign in</h1></body></html>"


@dataclass(frozen=True, slots=True)
class Fault:
    """One way to misbehave.

    status: an empty answer with `status`. page: an HTML page with `status`. redirect: a 302 to `location`.
    hang: no answer for `seconds`. cut: the true head, then the connection breaks in the body. empty: a 200, no body.
    lie: `Content-Length` is one more than the body. trickle: the true answer, spread over `seconds`.
    fail: for `assemble` only.
    """

    kind: Kind
    status: int = 200
    location: str = "/elsewhere"
    seconds: float = 3600.0


@dataclass(slots=True)
class Faults:
    """The faults on order, by route."""

    _orders: dict[str, list[tuple[Fault, float]]] = field(default_factory=dict)

    def add(self, route: str, fault: Fault, times: float = float("inf")) -> None:
        self._orders.setdefault(route, []).append((fault, times))

    def clear(self, route: str | None = None) -> None:
        """Behave again."""
        if route is None:
            self._orders.clear()
        else:
            self._orders.pop(route, None)

    def take(self, route: str) -> Fault | None:
        """Return the fault of this call, counting it."""
        orders = self._orders.get(route)
        if not orders:
            return None
        fault, times = orders[0]
        if times > 1:
            orders[0] = (fault, times - 1)
        else:
            orders.pop(0)
        return fault


async def misbehave(
    fault: Fault, request: web.Request, answer: Callable[[], Awaitable[tuple[bytes, str]]]
) -> web.StreamResponse:
    """Answer as the fault says; `answer` gives the true body and its type."""
    match fault.kind:
        case "page":
            return web.Response(status=fault.status, body=_PAGE, content_type="text/html")
        case "redirect":
            return web.Response(status=302, headers={"Location": fault.location}, body=b"moved")
        case "hang":
            await asyncio.sleep(fault.seconds)
            return web.Response(status=504)
        case "cut" | "lie" | "trickle":
            body, content_type = await answer()
            return await _stream(fault, request, body, content_type)
        case _:
            return web.Response(status=fault.status)


async def _stream(fault: Fault, request: web.Request, body: bytes, content_type: str) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": content_type})
    response.content_length = len(body) + (1 if fault.kind == "lie" else 0)
    await response.prepare(request)
    if fault.kind == "trickle":
        steps = 10
        for step in range(steps):
            await response.write(body[len(body) * step // steps : len(body) * (step + 1) // steps])
            await asyncio.sleep(fault.seconds / steps)
        await response.write_eof()
        return response
    await response.write(body[: len(body) // 2] if fault.kind == "cut" else body)
    if request.transport is not None:
        request.transport.close()
    return response
