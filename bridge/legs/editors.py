"""Docs' own traffic with browsers, below ``docs.path`` on the browser leg: assets, files, the editor's connection.

Only what an editor needs is served, named route by route; commands, conversion and Docs' own pages never are. Docs
builds its addresses from the Host and the three forwarded headers that are set on all of it, the websocket's handshake
included, so that nothing in the bodies needs rewriting. HumHub's cookies, which a browser sends here too, stay behind.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from dataclasses import dataclass
from enum import Enum, auto
from functools import partial
from typing import Final
from urllib.parse import parse_qs

import structlog
from aiohttp import web
from multidict import CIMultiDict

from bridge.legs.endings import note_end, note_refusal
from bridge.legs.middleware import client_of, note, note_passed, raw_target
from bridge.legs.state import CLOCK, ENGINES, LIMITS, POLLS, SAVES, SOCKETS, TOPOLOGY
from bridge.opening import Opening
from bridge.protocol.engineio import check_query, pass_packet, pass_payload, session_id
from bridge.protocol.errors import BadRequestError, BridgeError, NoRouteError, OverloadError, RefusedError, StorageError
from bridge.protocol.headers import AUTHORIZATION, answerable, forwardable, set_forwarded
from bridge.protocol.keys import key_of_file
from bridge.protocol.tokens import BEARER, LIFETIME
from bridge.protocol.urls import FILES, VERSION, with_shard
from bridge.sites import Node, Site
from bridge.transport.relay import read_request, request_body, stream
from bridge.transport.websocket import relay_websocket

__all__ = ["Kind", "recognise", "routes"]

log = structlog.get_logger(__name__)

# Docs answers a handshake in about a hundred bytes.
_HANDSHAKE: Final = 64 * 1024


class Kind(Enum):
    """What a path below ``docs.path`` is."""

    ASSET = auto()
    FILE = auto()
    UPLOAD = auto()
    DOCUMENT = auto()
    CONNECTION = auto()


@dataclass(frozen=True, slots=True)
class Target:
    """A path that an editor may ask for; ``key`` is the document's, None for what belongs to none."""

    kind: Kind
    key: str | None


_KEY: Final = r"(?P<key>[0-9A-Za-z._=-]{1,128})"
_READ: Final = frozenset(("GET", "HEAD"))
_ALLOWED: Final = tuple(
    (Kind[kind], methods, re.compile(VERSION + pattern))
    for kind, methods, pattern in (
        ("ASSET", _READ, r"/(?:web-apps|sdkjs|sdkjs-plugins|fonts|dictionaries)/.*"),
        ("ASSET", _READ, r"/(?:plugins\.json|themes\.json|document_editor_service_worker\.js)"),
        ("FILE", _READ, FILES + ".+"),
        # As in a file's path, a number follows the key.
        ("FILE", _READ, r"/printfile/(?P<key>[0-9A-Za-z._=-]{1,128}?)(?:_\d+)?/[^/]+"),
        ("DOCUMENT", _READ | {"POST"}, rf"/downloadfile/{_KEY}"),
        ("UPLOAD", frozenset(("POST",)), rf"/(?:downloadas|savefile|upload)/{_KEY}"),
        ("CONNECTION", frozenset(("GET", "POST")), rf"/doc/{_KEY}/c/"),
    )
)


def recognise(method: str, path: str) -> Target:
    """Give what ``path``, raw and below ``docs.path``, is to an editor.

    Raises:
        NoRouteError: editors don't ask for it.
    """
    for kind, methods, pattern in _ALLOWED:
        match = pattern.fullmatch(path)
        if match is not None and method in methods:
            key = match.groupdict().get("key")
            return Target(kind, key_of_file(path) if kind == Kind.FILE and key is None else key)
    remedy = "Editors don't ask for it. If one of yours does, it is newer than this release: see CHANGELOG.md."
    raise NoRouteError("ONLYOFFICE Docs serves no such thing to browsers.", remedy=remedy, target=path)


async def editor(request: web.Request) -> web.StreamResponse:
    """Relay what an editor asks of Docs."""
    topology = request.app[TOPOLOGY]
    sites = topology.sites_for_editors(client_of(request).host)
    if len(sites) == 1:
        note(request, site=sites[0].name)
    path, mark, query = raw_target(request).removeprefix(topology.docs_path).partition("?")
    target = recognise(request.method, path)
    node = topology.node_for(target.key or path)
    note(request, node=node.name, key=target.key)
    if target.kind is Kind.CONNECTION:
        return await connection(request, sites, node, target.key or "", path + mark + query)
    headers = outbound(request)
    if target.kind is Kind.DOCUMENT:
        resign(request, headers, _opening(request, sites, target.key or "", {}))
    body = request_body(request, request.app[LIMITS].body)
    wire = path + mark + (with_shard(query, target.key) if target.key else query)
    async with node.upstream.request(request.method, wire, headers=headers, body=body) as answer:
        note_passed(request, answer.status, answer.upstream)
        return await stream(request, answer, headers=inbound(answerable(answer.headers)))


def outbound(request: web.Request) -> CIMultiDict[str]:
    """Give the headers that Docs gets: the browser's own Host, validated, and what tells Docs its address."""
    client = client_of(request)
    headers = forwardable(request.headers)
    headers.popall("Cookie", None)
    headers["Host"] = client.host
    prefix = request.app[TOPOLOGY].docs_path
    set_forwarded(headers, client=client.address, proto=client.proto, host=client.host, prefix=prefix)
    return headers


def inbound(headers: CIMultiDict[str]) -> CIMultiDict[str]:
    """Give the headers that the browser gets: cookies on HumHub's host are HumHub's alone."""
    headers.popall("Set-Cookie", None)
    return headers


def resign(request: web.Request, headers: CIMultiDict[str], opening: Opening) -> None:
    """Put the configuration's token, which an editor sends to get its PDF, under the secret that Docs expects there.

    Source: Docs verifies ``/downloadfile`` with its inbox secret and header; the editor has the browser's token. A Docs
    without a secret takes the file's URL from ``X-Url``, which is percent-encoded once more.

    Raises:
        TokenError: the token doesn't hold.
        RefusedError: it is for another document than the path, or the URL is no site's.
    """
    inbox, where = request.app[TOPOLOGY].rings.inbox, f"header {AUTHORIZATION}"
    url = headers.popall("X-Url", [""])[0].replace("%25", "%")
    said = headers.popall(AUTHORIZATION, [""])[0]
    if said.startswith(BEARER):
        claims, _ = opening.configuration(said.removeprefix(BEARER).strip(), where)
        named = claims.get("document", claims)
        if not isinstance(named, dict) or not isinstance(named.get("url"), str):
            raise RefusedError("The token names no document to send.", where=where)
        url = named["url"]
        if inbox.signs:
            # HumHub and the bridge give every token an end; whoever gives none has it end all the same.
            name, value = inbox.bearer({"exp": int(opening.clock()) + LIFETIME, **claims})
            headers[name] = value
    if not inbox.signs and url:
        headers["X-Url"] = opening.document(url, "header X-Url").replace("%", "%25")


async def connection(
    request: web.Request, sites: tuple[Site, ...], node: Node, key: str, target: str
) -> web.StreamResponse:
    """Relay the editor's own connection, by websocket or polling; what it says of its document is looked at.

    What is refused reaches Docs as something meaningless, so that Docs refuses it in its own words: an HTTP error would
    look like a broken network to the editor, which tries for ever then.
    """
    path, _, query = target.partition("?")
    check_query(query)
    opened: dict[str, str] = {}
    opening = _opening(request, sites, key, opened)
    headers, target = outbound(request), f"{path}?{with_shard(query, key)}"
    sessions, said = request.app[SAVES].sessions, parse_qs(query)
    engines = request.app[ENGINES]
    for sid in said.get("sid", ()):
        engines.check(sid, key)
    if "websocket" in said["transport"]:
        with contextlib.ExitStack() as held:
            async with sessions.beginning(key):
                held.enter_context(sessions.presence.socket(key))
            held.callback(note_end, request, node.name)
            response = await relay_websocket(
                request,
                node.upstream,
                target,
                headers,
                sockets=request.app[SOCKETS],
                max_message=request.app[LIMITS].websocket_message,
                idle=request.app[LIMITS].websocket_idle,
                screen=partial(pass_packet, opening),
                beginning=lambda: _begin(request, key, opened),
            )
            note_refusal(request, response, node.name)
            return response
    if "sid" not in said:
        async with sessions.beginning(key):
            sessions.presence.polled(key)
        if request.method == "GET":
            return await _handshake(request, node, target, headers, key)
    sessions.presence.polled(key)
    if request.method == "POST":
        passed = pass_payload(opening, await _packets(request))
        if passed.opens:
            await _begin(request, key, opened)
        return await _exchange(request, node, target, headers, passed.data)
    return await _poll(request, node, target, headers)


def _opening(request: web.Request, sites: tuple[Site, ...], key: str, opened: dict[str, str]) -> Opening:
    """Say what may be opened on a key; sites whose own token opens it go into ``opened``, with HumHub's track route."""

    def tell(site: Site, track: str) -> None:
        note(request, site=site.name)
        opened[site.name] = track

    def remark(error: BridgeError) -> None:
        note(request, outcome="refused", failed=True, remedy=error.remedy, **{"why": error.message, **error.details})

    topology, clock = request.app[TOPOLOGY], request.app[CLOCK]
    return Opening(topology=topology, sites=sites, key=key, clock=clock, opened=tell, remark=remark)


async def _begin(request: web.Request, key: str, opened: dict[str, str]) -> None:
    """Remember how the document is saved, and settle its key: a handshake may be minutes older than what opens it."""
    saves, node = request.app[SAVES], request.app[TOPOLOGY].node_for(key)
    while opened:
        site, track = opened.popitem()
        try:
            await saves.index.remember(site, key, target=track, node=node.name)
        except StorageError as error:
            # It opens all the same: its first callback is remembered.
            log.error("an opened document is not remembered", site=site, key=key, why=error.message)
    async with saves.sessions.beginning(key):
        pass


async def _handshake(
    request: web.Request, node: Node, target: str, headers: CIMultiDict[str], key: str
) -> web.StreamResponse:
    """Relay the beginning of a connection by polling, and hold what it is given to its key."""
    headers["Accept-Encoding"] = "identity"
    deadline = node.upstream.timeouts.whole
    async with node.upstream.request(request.method, target, headers=headers, deadline=deadline) as answer:
        note_passed(request, answer.status, answer.upstream)
        body = await answer.read(_HANDSHAKE)
        if (sid := session_id(body)) is not None:
            request.app[ENGINES].begin(sid, key)
        return web.Response(status=answer.status, headers=inbound(answerable(answer.headers)), body=body)


async def _exchange(
    request: web.Request, node: Node, target: str, headers: CIMultiDict[str], body: bytes | None
) -> web.StreamResponse:
    async with node.upstream.request(request.method, target, headers=headers, body=body) as answer:
        note_passed(request, answer.status, answer.upstream)
        return await stream(request, answer, headers=inbound(answerable(answer.headers)))


async def _poll(request: web.Request, node: Node, target: str, headers: CIMultiDict[str]) -> web.StreamResponse:
    """Relay a poll, which Docs answers when it has something to say; a graceful stop doesn't wait for that."""
    with request.app[POLLS].hold() as stop:
        polling = asyncio.ensure_future(_exchange(request, node, target, headers, None))
        try:
            await asyncio.wait((polling, stop), return_when=asyncio.FIRST_COMPLETED)
        finally:
            polling.cancel()
            await asyncio.wait((polling,))
            # Of one that was cut the line tells already.
            _ = polling.cancelled() or polling.exception()
    if polling.cancelled():
        raise OverloadError("The bridge is being restarted; the editor comes back by itself.")
    return polling.result()


async def _packets(request: web.Request) -> bytes:
    """Read a polling body, which has to be looked at and so may not be packed."""
    if request.headers.get("Content-Encoding", "identity") != "identity":
        raise BadRequestError("A polling request is sent unpacked.")
    return await read_request(request, request.app[LIMITS].websocket_message)


def routes(docs_path: str) -> list[web.RouteDef]:
    """List what browsers reach of Docs: everything below ``docs_path`` comes to :func:`recognise`."""
    return [web.route("*", docs_path + "/{path:.*}", editor)]
