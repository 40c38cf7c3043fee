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
from typing import Final
from urllib.parse import parse_qs

from aiohttp import web
from multidict import CIMultiDict

from bridge.legs.middleware import client_of, note, raw_target
from bridge.legs.state import CLOCK, LIMITS, POLLS, SAVES, SOCKETS, TOPOLOGY
from bridge.protocol.engineio import AuthGuard, check_query, screen
from bridge.protocol.errors import BadRequestError, NoRouteError, OverloadError, RefusedError
from bridge.protocol.headers import AUTHORIZATION, answerable, forwardable, set_forwarded
from bridge.protocol.keys import key_of_file
from bridge.protocol.tokens import LIFETIME, from_header
from bridge.protocol.urls import VERSION, with_shard
from bridge.sites import Node, Site
from bridge.transport.relay import read_request, request_body, stream
from bridge.transport.websocket import relay_websocket

__all__ = ["Kind", "recognise", "routes"]


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
        ("FILE", _READ, r"/cache/files/.+"),
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
            return Target(kind, key_of_file(path) if "/cache/files/" in path else key)
    raise NoRouteError("ONLYOFFICE Docs serves no such thing to browsers.", path=path)


async def editor(request: web.Request) -> web.StreamResponse:
    """Relay what an editor asks of Docs."""
    topology = request.app[TOPOLOGY]
    site = topology.site_for_host(client_of(request).host)
    note(request, site=site.name)
    path, mark, query = raw_target(request).removeprefix(topology.docs_path).partition("?")
    target = recognise(request.method, path)
    node = topology.node_for(target.key or path)
    note(request, node=node.name, key=target.key)
    if target.kind is Kind.CONNECTION:
        return await connection(request, site, node, target.key or "", path + mark + query)
    headers = outbound(request)
    if target.kind is Kind.DOCUMENT:
        resign(request, headers, target.key or "")
    body = request_body(request, request.app[LIMITS].body)
    wire = path + mark + (with_shard(query, target.key) if target.key else query)
    async with node.upstream.request(request.method, wire, headers=headers, body=body) as answer:
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


def resign(request: web.Request, headers: CIMultiDict[str], key: str) -> None:
    """Put the configuration's token, which an editor sends to get its PDF, under the secret that Docs expects there.

    Source: Docs verifies ``/downloadfile`` with its inbox secret and header; the editor has the browser's token.

    Raises:
        TokenError: the token doesn't hold.
        RefusedError: it is for another document than the path.
    """
    rings, now = request.app[TOPOLOGY].rings, request.app[CLOCK]()
    headers.popall("X-Url", None)
    authorization = headers.popall(AUTHORIZATION, [])
    if not rings.browser.signs or not authorization:
        return
    claims = from_header(rings.browser, {AUTHORIZATION: authorization[0]}, now=now, header=AUTHORIZATION)
    document = claims.get("document")
    if not isinstance(document, dict) or document.get("key") != key:
        raise RefusedError("The token is for another document.", key=key)
    if rings.inbox.signs:
        name, value = rings.inbox.bearer({"exp": int(now) + LIFETIME, **claims})
        headers[name] = value


async def connection(request: web.Request, site: Site, node: Node, key: str, target: str) -> web.StreamResponse:
    """Relay the editor's own connection, by websocket or polling; what it says of its document is looked at.

    What is refused reaches Docs as something meaningless, so that Docs refuses it in its own words: an HTTP error would
    look like a broken network to the editor, which tries for ever then.
    """
    path, _, query = target.partition("?")
    check_query(query)
    topology = request.app[TOPOLOGY]
    guard = AuthGuard(key, lambda url, named: topology.leads_docs_to(site, url, named))
    headers, target = outbound(request), f"{path}?{with_shard(query, key)}"
    sessions, said = request.app[SAVES].sessions, parse_qs(query)
    if "websocket" in said["transport"]:
        with contextlib.ExitStack() as opened:
            async with sessions.beginning(key):
                opened.enter_context(sessions.socket(key))
            return await relay_websocket(
                request,
                node.upstream,
                target,
                headers,
                sockets=request.app[SOCKETS],
                max_message=request.app[LIMITS].websocket_message,
                guard=guard,
                on_refused=lambda error: _note_refusal(request, error),
                beginning=lambda: _settled(request, key),
            )
    if "sid" not in said:
        async with sessions.beginning(key):
            sessions.polled(key)
    sessions.polled(key)
    if request.method == "POST":
        screened = screen(guard, await _packets(request))
        if screened.refused is not None:
            _note_refusal(request, screened.refused)
        if screened.opens:
            await _settled(request, key)
        return await _exchange(request, node, target, headers, screened.body)
    return await _poll(request, node, target, headers)


async def _settled(request: web.Request, key: str) -> None:
    """Settle a key once more: a handshake may be minutes older than the message that asks for the document."""
    async with request.app[SAVES].sessions.beginning(key):
        pass


async def _exchange(
    request: web.Request, node: Node, target: str, headers: CIMultiDict[str], body: bytes | None
) -> web.StreamResponse:
    async with node.upstream.request(request.method, target, headers=headers, body=body) as answer:
        return await stream(request, answer, headers=inbound(answerable(answer.headers)))


async def _poll(request: web.Request, node: Node, target: str, headers: CIMultiDict[str]) -> web.StreamResponse:
    """Relay a poll, which Docs answers when it has something to say; a graceful stop doesn't wait for that."""
    with request.app[POLLS].hold() as stop:
        polling = asyncio.ensure_future(_exchange(request, node, target, headers, None))
        try:
            await asyncio.wait((polling, stop), return_when=asyncio.FIRST_COMPLETED)
        finally:
            if not polling.done():
                polling.cancel()
                await asyncio.wait((polling,))
    if polling.cancelled():
        raise OverloadError("The bridge is being restarted; the editor comes back by itself.")
    return polling.result()


async def _packets(request: web.Request) -> bytes:
    """Read a polling body, which has to be looked at and so may not be packed."""
    if request.headers.get("Content-Encoding", "identity") != "identity":
        raise BadRequestError("A polling request is sent unpacked.")
    return await read_request(request, request.app[LIMITS].websocket_message)


def _note_refusal(request: web.Request, error: RefusedError) -> None:
    note(request, outcome="refused", failed=True, **error.details)


def routes(docs_path: str) -> list[web.RouteDef]:
    """List what browsers reach of Docs: everything below ``docs_path`` comes to :func:`recognise`."""
    return [web.route("*", docs_path + "/{path:.*}", editor)]
