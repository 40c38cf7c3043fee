"""The browser leg: HumHub's pages, the editor page among them; Docs' own traffic is in ``editors.py``.

HumHub sees the browser's own Host, so that its links and redirects are right without being rewritten. Its backend
routes are for Docs alone and are refused here in every spelling.
"""

from __future__ import annotations

import re
import zlib
from dataclasses import replace
from http import HTTPStatus
from urllib.parse import parse_qsl

import structlog
from aiohttp import web
from multidict import CIMultiDict

from bridge import hop
from bridge.legs import saveas
from bridge.legs.middleware import client_of, note, raw_target
from bridge.legs.state import CLOCK, LIMITS, SAVES, TOPOLOGY
from bridge.protocol.editor import rewrite
from bridge.protocol.errors import NoRouteError, StorageError
from bridge.protocol.headers import answerable, forwardable, set_forwarded
from bridge.protocol.notice import waiting_notice
from bridge.protocol.saveas import names_saveas
from bridge.protocol.urls import names_backend
from bridge.saves import rules
from bridge.sites import Site
from bridge.transport.memory import HELD
from bridge.transport.relay import request_body, stream
from bridge.transport.upstream import Answer

__all__ = ["page", "routes"]

log = structlog.get_logger(__name__)

_OPEN = re.compile(r"(?:/index\.php)?/onlyoffice/open/?", re.IGNORECASE)
_CODINGS = {"": None, "identity": None, "gzip": 31, "x-gzip": 31, "deflate": 47}


async def page(request: web.Request) -> web.StreamResponse:
    """Relay HumHub, with its backend routes left out and the editor page rewritten."""
    site = request.app[TOPOLOGY].site_for_host(client_of(request).host)
    note(request, site=site.name)
    target = raw_target(request)
    path, _, query = target.partition("?")
    if names_backend(path, query):
        raise NoRouteError(
            "That route of HumHub is for ONLYOFFICE Docs.",
            remedy="Docs must use the docs leg: set the module's storage address to legs.docs.url.",
        )
    if request.method == "GET" and opens_editor(path, query, base_path=site.base_path):
        return await _editor(request, site, target)
    saving_as = names_saveas(path, query)
    body = await saveas.form(request, site) if saving_as else request_body(request, request.app[LIMITS].body)
    async with site.upstream.request(request.method, target, headers=_outbound(request), body=body) as answer:
        return await stream(request, answer, headers=answerable(answer.headers))


async def _editor(request: web.Request, site: Site, target: str) -> web.StreamResponse:
    headers = _outbound(request)
    # What isn't asked for needn't be undone: gzip is the one coding that HumHub knows.
    takes_gzip = "gzip" in headers.get("Accept-Encoding", "")
    headers["Accept-Encoding"] = "gzip" if takes_gzip else "identity"
    async with site.upstream.request("GET", target, headers=headers) as answer:
        kind = answer.media_type
        limit = request.app[LIMITS].page
        raw = (
            await answer.read_within(limit, request.get(HELD))
            if answer.status == HTTPStatus.OK and kind == "text/html"
            else None
        )
        if raw is None:
            if answer.status == HTTPStatus.OK:
                log.warning("editor page passed on as it is", site=site.name, content_type=kind, limit=limit)
            return await stream(request, answer, headers=answerable(answer.headers))
        return web.Response(body=await _rewritten(request, site, answer, raw), headers=_page_headers(answer))


async def _rewritten(request: web.Request, site: Site, answer: Answer, raw: bytes) -> bytes:
    """Give the page with its editor configuration signed for Docs, in the coding that it came in."""
    coding = answer.headers.get("Content-Encoding", "").strip().lower()
    page = _decoded(raw, coding, request.app[LIMITS].page)
    if page is None:
        log.warning("editor page passed on as it is", site=site.name, coding=coding)
        return raw
    if (held := request.get(HELD)) is not None:
        held.take(len(page))
    client, opened, servers = client_of(request), list[tuple[str, str]](), list[str]()
    edits = hop.editor_edits(
        request.app[TOPOLOGY],
        site,
        origin=f"{client.proto}://{client.host}",
        now=request.app[CLOCK](),
        opened=lambda key, target: opened.append((key, target)),
        server=servers.append,
    )
    edited = rewrite(page, edits)
    note(request, editor=edited is not None)
    if edited is None:
        return raw
    for server in servers[:1]:
        await saveas.learn(request, site, server)
    for key, target in tuple(opened):
        if await _opens_what_waits(request, site, key, target):
            edited = rewrite(page, replace(edits, notice=lambda _, lang: waiting_notice(lang))) or edited
    return edited if _CODINGS[coding] is None else _encoded(edited, coding)


async def _opens_what_waits(request: web.Request, site: Site, key: str, target: str) -> bool:
    """Remember how a document is saved, and say whether its newest save still waits for HumHub."""
    note(request, key=key)
    index, node = request.app[SAVES].index, request.app[TOPOLOGY].node_for(key)
    try:
        await index.remember(site.name, key, target=target, node=node.name)
        return rules.served(await index.read(site.name, key)) is not None
    except StorageError as error:
        # The document opens all the same; its first callback is remembered.
        log.error("an opened document is not remembered", site=site.name, key=key, why=error.message)
        return False


def _decoded(raw: bytes, coding: str, limit: int) -> bytes | None:
    """Undo a content coding; None for one that isn't known, is broken, or unpacks to more than ``limit`` bytes."""
    if coding not in _CODINGS:
        return None
    bits = _CODINGS[coding]
    if bits is None:
        return raw
    unpacker = zlib.decompressobj(bits)
    try:
        page = unpacker.decompress(raw, limit + 1)
    except zlib.error:
        return None
    return page if unpacker.eof and len(page) <= limit and not unpacker.unused_data else None


def _encoded(page: bytes, coding: str) -> bytes:
    packer = zlib.compressobj(wbits=15 if coding == "deflate" else 31)
    return packer.compress(page) + packer.flush()


def _page_headers(answer: Answer) -> CIMultiDict[str]:
    headers = answerable(answer.headers)
    # They vouch for bytes that have changed.
    for name in ("ETag", "Content-MD5", "Digest", "Last-Modified", "Accept-Ranges"):
        headers.popall(name, None)
    return headers


def _outbound(request: web.Request) -> CIMultiDict[str]:
    client = client_of(request)
    headers = forwardable(request.headers)
    headers["Host"] = client.host
    set_forwarded(headers, client=client.address, proto=client.proto, host=client.host)
    return headers


def opens_editor(path: str, query: str, *, base_path: str) -> bool:
    """Say whether a path is the module's ``onlyoffice/open``, pretty or plain: the one page with a configuration."""
    inner = path.removeprefix(base_path)
    if _OPEN.fullmatch(inner):
        return True
    routes = [value for name, value in parse_qsl(query) if name == "r"]
    return inner in ("/", "/index.php") and bool(routes) and routes[-1].strip("/").lower() == "onlyoffice/open"


def routes() -> list[web.RouteDef]:
    """List what of HumHub browsers reach: all of it; :func:`page` leaves the backend routes out."""
    return [web.route("*", "/{path:.*}", page)]
