"""The admin leg: alive, ready, metrics, kept saves. A bearer token guards it wherever it listens beyond loopback."""

from __future__ import annotations

import asyncio
import functools
import hmac
import ipaddress
import os
import time
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from pathlib import Path

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from multidict import CIMultiDict

from bridge.legs import admin_saves
from bridge.legs.state import METRICS
from bridge.protocol.errors import BadAnswerError, RefusedError, StorageError
from bridge.protocol.headers import host_of
from bridge.protocol.secret import Secret
from bridge.sites import Node, Site, Topology
from bridge.watch.metrics import CONTENT_TYPE

__all__ = ["CHECKS", "LATEST", "Check", "guard", "reachable", "routes"]

# A dependency's check: gives what to say of it, or raises what is wrong with it.
Check = Callable[[], Awaitable[str]]

# Brings the figures up to date that aren't counted as things happen.
LATEST: web.AppKey[Callable[[], Awaitable[None]]] = web.AppKey("LATEST")
CHECKS: web.AppKey[Mapping[str, Check]] = web.AppKey("CHECKS")

# What changes nothing.
_HARMLESS = frozenset(("GET", "HEAD", "OPTIONS"))
# A dependency that takes longer to say how it is can't do its work, in seconds.
_PATIENCE = 2.0
# How long an answer of the dependencies holds, in seconds: whoever asks oftener doesn't make the bridge dial more.
_FRESH = 1.0
# What /healthcheck answers is a word; an error page in its place needn't be read whole.
_HEALTH = 64 << 10


async def livez(_request: web.Request) -> web.Response:
    """Say that the process turns."""
    return web.json_response({"alive": True})


class _Readiness:
    """What the dependencies said last; asked again, side by side and once for all who wait, when that is old."""

    def __init__(self) -> None:
        self._found: dict[str, dict[str, object]] = {}
        self._until = 0.0
        self._asking = asyncio.Lock()

    async def readyz(self, request: web.Request) -> web.Response:
        """Say of each dependency whether it can do its work; 503 when one can't."""
        async with self._asking:
            if time.monotonic() >= self._until:
                checks = request.app[CHECKS]
                found = await asyncio.gather(*(_checked(check) for check in checks.values()))
                self._found = dict(zip(checks, found, strict=True))
                self._until = time.monotonic() + _FRESH
        ready = all(state["ok"] for state in self._found.values())
        return web.json_response({"ready": ready, "checks": self._found}, status=200 if ready else 503)


async def _checked(check: Check) -> dict[str, object]:
    try:
        async with asyncio.timeout(_PATIENCE):
            return {"ok": True, "detail": await check()}
    except TimeoutError:
        return {"ok": False, "detail": f"no answer within {_PATIENCE:.0f} s"}
    except Exception as error:  # noqa: BLE001 - whatever it is, the dependency isn't ready
        return {"ok": False, "detail": str(error)}


async def figures(request: web.Request) -> web.Response:
    """Give the figures for Prometheus."""
    await request.app[LATEST]()
    return web.Response(body=request.app[METRICS].page(), headers={"Content-Type": CONTENT_TYPE})


def reachable(topology: Topology) -> dict[str, Check]:
    """Give a check for each upstream."""
    sites = {f"site {site.name}": functools.partial(_ask_humhub, site) for site in topology.sites}
    nodes = {f"node {node.name}": functools.partial(_ask_docs, node) for node in topology.nodes}
    return {**sites, **nodes}


async def _ask_humhub(site: Site) -> str:
    """See that HumHub answers, whatever it says of the page, or that the directory in its place can be written."""
    if site.directory is not None:
        return await asyncio.to_thread(_look_at, site.directory)
    headers = CIMultiDict({"Host": site.host})
    async with site.upstream.request("HEAD", f"{site.base_path}/", headers=headers, deadline=_PATIENCE) as answer:
        if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise BadAnswerError(f"answers {answer.status}")
        return f"answers {answer.status}"


def _look_at(directory: Path) -> str:
    if not directory.is_dir() or not os.access(directory, os.R_OK | os.W_OK | os.X_OK):
        raise StorageError(f"{directory} is no directory that can be written")
    return "can be written"


async def _ask_docs(node: Node) -> str:
    """See that Docs calls itself healthy: it answers 200 to that question with true or false."""
    async with node.upstream.request("GET", "/healthcheck", deadline=_PATIENCE) as answer:
        said = (await answer.read(_HEALTH)).strip()
    if answer.status != HTTPStatus.OK or said != b"true":
        raise BadAnswerError(f"answers {answer.status} {said[:20]!r} instead of true")
    return "healthy"


def guard(token: Secret | None) -> Middleware:
    """Let only the token's bearers in; without a token, only who calls this machine by a loopback name.

    The Host is looked at because a page on the Internet can make a browser call 127.0.0.1 under a name of its own; who
    sends a call, because such a page can send one that changes something, though it never sees the answer.
    """

    @web.middleware
    async def admitted(request: web.Request, handler: Handler) -> web.StreamResponse:
        if token is not None:
            if not _bears(request, token):
                raise web.HTTPUnauthorized(headers={"WWW-Authenticate": "Bearer"})
        elif not _is_loopback(host_of(request.headers)[0]):
            raise RefusedError(
                "The admin leg is called by a loopback address.",
                remedy="Call it as 127.0.0.1 or localhost, or set legs.admin.token.",
            )
        if request.method not in _HARMLESS and _is_foreign(request):
            raise RefusedError("A page of another site may not change anything here.")
        return await handler(request)

    return admitted


def _is_foreign(request: web.Request) -> bool:
    """Say whether a browser tells that another site's page sends this; a program tells nothing."""
    fetched = request.headers.get("Sec-Fetch-Site")
    if fetched is not None:
        return fetched not in ("same-origin", "none")
    origin = request.headers.get("Origin")
    return origin is not None and origin.partition("://")[2].lower() != request.headers.get("Host", "").lower()


def _bears(request: web.Request, token: Secret) -> bool:
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    # A header may hold any bytes; the server keeps those that are no text as surrogates.
    said = given.strip().encode("utf-8", "surrogateescape")
    return scheme.lower() == "bearer" and hmac.compare_digest(said, token.reveal())


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def routes() -> list[web.RouteDef]:
    """List what the admin leg serves."""
    return [
        web.get("/livez", livez),
        web.get("/readyz", _Readiness().readyz),
        web.get("/metrics", figures),
        *admin_saves.routes(),
    ]
