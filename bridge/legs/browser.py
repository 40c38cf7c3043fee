"""The browser leg: HumHub's pages, the editor page among them; Docs' own traffic is in ``editors.py``.

HumHub sees the browser's own Host, so that its links and redirects are right without being rewritten. Its backend
routes are for Docs alone and are refused here in every spelling.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from http import HTTPStatus

import structlog
from aiohttp import web
from multidict import CIMultiDict

from bridge import hop
from bridge.legs import saveas
from bridge.legs.middleware import client_of, note, note_passed, raw_target
from bridge.legs.opens import Turn
from bridge.legs.state import CLOCK, LIMITS, OPENS, SAVES, TOPOLOGY
from bridge.protocol.editor import rewrite
from bridge.protocol.errors import NoRouteError, StorageError
from bridge.protocol.headers import answerable, forwardable, set_forwarded
from bridge.protocol.menus import CONNECTOR_PATH, Injects, injector, nonce_of, tag, takes_menus
from bridge.protocol.notice import waiting_notice
from bridge.protocol.pages import Asked, Page, info_target, names_backend, page_of, spelt_once
from bridge.protocol.saveas import names_saveas
from bridge.protocol.urls import homeward
from bridge.saves import rules
from bridge.sites import Site
from bridge.transport.memory import HELD
from bridge.transport.relay import request_body, send, stream
from bridge.transport.upstream import Answer

__all__ = ["page", "routes"]

log = structlog.get_logger(__name__)

_INFO = 64 << 10
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
    match page_of(path, query):
        case None:
            return await _relayed(request, site, target)
        case Page.OPEN if request.method == "GET":
            return await _in_turn(request, site, lambda: _editor(request, site, target))
        case _:
            return await _in_turn(request, site, lambda: _unseen(request, site, target), alone=True)


async def _relayed(request: web.Request, site: Site, target: str) -> web.StreamResponse:
    path, _, query = target.partition("?")
    saving_as = names_saveas(path, query)
    body = await saveas.form(request, site) if saving_as else request_body(request, request.app[LIMITS].body)
    headers, menus = _outbound(request), site.connector is not None and site.connector.menus
    if menus:
        _ask_for_what_can_be_read(headers)
    async with site.upstream.request(request.method, target, headers=headers, body=body) as answer:
        note_passed(request, answer.status, answer.upstream)
        if menus and (injects := _injects(request, site, answer)) is not None:
            note(request, menus=True)
            pieces = _through(injects, answer)
            return await send(request, pieces, headers=_changed(_inbound(request, site, answer)), length=None)
        return await stream(request, answer, headers=_inbound(request, site, answer))


def _injects(request: web.Request, site: Site, answer: Answer) -> Injects | None:
    """Give what puts the menus' script into a page of a HumHub without the module; None for what is no whole page."""
    if not takes_menus(answer.status, answer.headers, method=request.method, asked=request.headers):
        return None
    source = f"{site.base_path}{CONNECTOR_PATH}menu.js"
    nonce = nonce_of(answer.headers.getall("Content-Security-Policy", ()))
    return injector(tag(source, nonce), answer.headers.get("Content-Encoding", ""))


async def _through(injects: Injects, answer: Answer) -> AsyncIterator[bytes]:
    while chunk := await answer.chunk():
        if piece := injects.feed(chunk):
            yield piece
    if piece := injects.end():
        yield piece


def _ask_for_what_can_be_read(headers: CIMultiDict[str]) -> None:
    """Ask for no coding but gzip, the one that HumHub knows: what isn't asked for needn't be undone."""
    headers["Accept-Encoding"] = "gzip" if "gzip" in headers.get("Accept-Encoding", "") else "identity"


async def _unseen(request: web.Request, site: Site, target: str) -> tuple[web.StreamResponse, None]:
    """Relay what may make a document key and doesn't show it."""
    return await _relayed(request, site, target), None


async def _editor(request: web.Request, site: Site, target: str) -> tuple[web.StreamResponse, str | None]:
    """Relay the editor's page, rewritten, and give the document key that it shows, if it does."""
    headers = _outbound(request)
    _ask_for_what_can_be_read(headers)
    deadline = site.upstream.timeouts.whole
    async with site.upstream.request("GET", target, headers=headers, deadline=deadline) as answer:
        kind = answer.media_type
        note_passed(request, answer.status, answer.upstream)
        limit = request.app[LIMITS].page
        raw = (
            await answer.read_within(limit, request.get(HELD))
            if answer.status == HTTPStatus.OK and kind == "text/html"
            else None
        )
        if raw is None:
            if answer.status == HTTPStatus.OK:
                _note_unchanged(request, site, f"it is {kind or 'of no type'}, or longer than {limit} bytes")
            return await stream(request, answer, headers=_inbound(request, site, answer)), None
        page, key = await _rewritten(request, site, answer, raw)
        return web.Response(body=page, headers=_changed(answerable(answer.headers))), key


async def _rewritten(request: web.Request, site: Site, answer: Answer, raw: bytes) -> tuple[bytes, str | None]:
    """Give the page with its editor configuration signed for Docs, in the coding that it came in, and its key."""
    coding = answer.headers.get("Content-Encoding", "").strip().lower()
    page = _decoded(raw, coding, request.app[LIMITS].page)
    if page is None:
        _note_unchanged(request, site, f"it can't be unpacked: Content-Encoding {coding[:50]!r}")
        return raw, None
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
        return raw, None
    for server in servers[:1]:
        await saveas.learn(request, site, server)
    for key, target in tuple(opened):
        if await _opens_what_waits(request, site, key, target):
            edited = rewrite(page, replace(edits, notice=lambda _, lang: waiting_notice(lang))) or edited
    packed = edited if _CODINGS[coding] is None else _encoded(edited, coding)
    return packed, opened[0][0] if opened else None


def _note_unchanged(request: web.Request, site: Site, what: str) -> None:
    note(request, outcome="not-rewritten", failed=True, why="The editor's page is passed on as it is.", what=what)
    note(request, upstream=site.name, remedy="See what HumHub answers there. If it's too long, raise limits.page.")


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


def _changed(headers: CIMultiDict[str]) -> CIMultiDict[str]:
    """Leave out the headers that vouch for bytes which have changed."""
    for name in ("ETag", "Content-MD5", "Digest", "Last-Modified", "Accept-Ranges"):
        headers.popall(name, None)
    return headers


def _inbound(request: web.Request, site: Site, answer: Answer) -> CIMultiDict[str]:
    """Give HumHub's headers to the browser; a redirect, AJAX's own kind too, leads to where the browser is."""
    client, headers = client_of(request), answerable(answer.headers)
    for name in ("Location", "X-Redirect"):
        if name in headers:
            headers[name] = homeward(headers[name], origin=f"{client.proto}://{client.host}", inner=site.inner)
    return headers


def _outbound(request: web.Request) -> CIMultiDict[str]:
    client = client_of(request)
    headers = forwardable(request.headers)
    headers["Host"] = client.host
    set_forwarded(headers, client=client.address, proto=client.proto, host=client.host)
    return headers


async def _in_turn(
    request: web.Request,
    site: Site,
    asked: Callable[[], Awaitable[tuple[web.StreamResponse, str | None]]],
    *,
    alone: bool = False,
) -> web.StreamResponse:
    """Ask HumHub for a page in which it may make a document key, when it is this one's turn (see ``opens.py``)."""
    file = await _file(request, site)
    if file is None:
        return (await asked())[0]

    async def ask(turn: Turn) -> tuple[web.StreamResponse, str | None]:
        note(request, waited_ms=round(turn.waited * 1000, 1) or None)
        return await asked()

    limits = site.upstream.timeouts
    return await request.app[OPENS].ask(file, ask, patience=limits.connect + limits.first_byte, alone=alone)


async def _file(request: web.Request, site: Site) -> tuple[str, str] | None:
    """Say which file an open is about; None if it is about none, or only leads to the page that will open it."""
    path, _, query = raw_target(request).partition("?")
    asked = Asked.parse(query)
    if "X-Requested-With" not in request.headers or not (asked.share or asked.guid):
        return None
    if not asked.share:
        return site.name, spelt_once(asked.guid)
    opens, share = request.app[OPENS], spelt_once(asked.share)
    guid = opens.file_of(site.name, share)
    if guid is None:
        guid = await _shared(request, site, info_target(path, asked.share))
        if guid is None:
            return site.name, f"share:{share}"
        opens.learn(site.name, share, guid)
    return site.name, guid


async def _shared(request: web.Request, site: Site, target: str) -> str | None:
    """Ask HumHub, as this browser, which file a share link is of."""
    headers = _outbound(request)
    headers["Accept-Encoding"] = "identity"
    async with site.upstream.request("GET", target, headers=headers) as answer:
        raw = await answer.read_within(_INFO) if answer.status == HTTPStatus.OK else None
    try:
        return spelt_once(json.loads(raw)["file"]["guid"]) if raw is not None else None
    except (ValueError, KeyError, TypeError):
        log.warning("a share link's file is not known: others may get another key", site=site.name, target=target)
        return None


def routes() -> list[web.RouteDef]:
    """List what of HumHub browsers reach: all of it; :func:`page` leaves the backend routes out."""
    return [web.route("*", "/{path:.*}", page)]
