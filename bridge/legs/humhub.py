"""The humhub leg: conversion, commands and files of ONLYOFFICE Docs, for HumHub."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from aiohttp import web
from multidict import CIMultiDict

from bridge import hop
from bridge.legs import files
from bridge.legs.answers import Kind, answers_as
from bridge.legs.middleware import note, raw_target
from bridge.legs.state import CLOCK, LIMITS, TOPOLOGY
from bridge.protocol.errors import BadAnswerError, RefusedError, UpstreamTimeoutError
from bridge.protocol.headers import forwardable
from bridge.protocol.keys import key_of_file
from bridge.protocol.messages import Command, Conversion, parse_object
from bridge.protocol.signatures import is_page
from bridge.protocol.urls import docs_file, with_shard
from bridge.sites import Node
from bridge.transport.relay import read_request, stream
from bridge.transport.upstream import Answer, Timeouts

__all__ = ["routes"]

# A synchronous conversion may last minutes; HumHub's own limit ends it before this.
_CONVERSION = Timeouts(first_byte=600.0)
_ANSWER_LIMIT = 8 << 20
# Commands over the edits that Docs keeps for every site; HumHub's module uses none of them.
_FORGOTTEN = frozenset(("getForgottenList", "getForgotten", "deleteForgotten"))
_FILE_STATUSES = (HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT, HTTPStatus.NOT_MODIFIED)


@answers_as(Kind.CONVERSION)
async def convert(request: web.Request) -> web.StreamResponse:
    """Verify a conversion, map its file outward and its result inward."""
    topology, now = request.app[TOPOLOGY], request.app[CLOCK]()
    site = files.site_of(request)
    message = hop.read_conversion(site, await _message(request), request.headers, now=now)
    note(request, key=message.key)
    fields = message.outbound(lambda url: hop.file_for_docs(topology, site, url))
    node = topology.node_for(message.key)
    raw = await _call(request, node, f"/converter?shardkey={quote(message.key)}", fields)
    answer = Conversion.answer(raw, lambda url: hop.file_for_humhub(topology, site, url))
    note(request, conversion=answer.get("error") or answer.get("percent"))
    return web.json_response(answer)


@answers_as(Kind.COMMAND)
async def command(request: web.Request) -> web.StreamResponse:
    """Verify a command and relay it to the node of its document."""
    topology, now = request.app[TOPOLOGY], request.app[CLOCK]()
    site = files.site_of(request)
    message = hop.read_command(site, await _message(request), request.headers, now=now)
    note(request, key=message.key, command=message.name)
    if message.name in _FORGOTTEN and len(topology.sites) > 1:
        raise RefusedError("With several sites, forgotten files are no single site's to read or delete.")
    node = topology.node_for(message.key or "")
    shard = f"?shardkey={quote(message.key)}" if message.key else ""
    raw = await _call(request, node, f"/coauthoring/CommandService.ashx{shard}", message.fields)
    return web.json_response(Command.answer(raw, lambda url: hop.file_for_humhub(topology, site, url)))


async def _message(request: web.Request) -> dict[str, Any]:
    """Read a message of HumHub: JSON, whatever its label says."""
    return parse_object(await read_request(request, request.app[LIMITS].body))


async def _call(request: web.Request, node: Node, target: str, fields: dict[str, Any]) -> bytes:
    """Sign ``fields`` for Docs and give the body of its answer."""
    topology, now = request.app[TOPOLOGY], request.app[CLOCK]()
    body, headers = hop.wire_for_docs(topology.rings.inbox, fields, now=now)
    note(request, node=node.name)
    async with node.upstream.request(
        "POST", target, headers=CIMultiDict(headers), body=body, timeouts=_CONVERSION
    ) as answer:
        if answer.status == HTTPStatus.GATEWAY_TIMEOUT:
            raise UpstreamTimeoutError(
                "ONLYOFFICE Docs does not answer the call in time.",
                remedy="A proxy before Docs cuts long conversions (its own nginx after 60 s): raise its read time-out.",
                upstream=node.name,
            )
        if answer.status != HTTPStatus.OK:
            raise BadAnswerError(
                "ONLYOFFICE Docs does not answer the call.", upstream=node.name, answered=answer.status
            )
        return await answer.read(_ANSWER_LIMIT)


@answers_as(Kind.FILE)
async def file(request: web.Request) -> web.StreamResponse:
    """Relay a file of Docs, such as a conversion's result; anything but the file is an error with an empty body.

    HumHub's module stores any body that it gets as the document.
    """
    files.site_of(request)
    path, _, query = docs_file(raw_target(request)).partition("?")
    key = key_of_file(path)
    node = request.app[TOPOLOGY].node_for(key)
    note(request, node=node.name, key=key)
    headers = forwardable(request.headers)
    for name in ("Cookie", "Authorization", "Accept-Encoding"):
        headers.popall(name, None)
    headers["Accept-Encoding"] = "identity"
    target = f"{path}?{with_shard(query, key)}"
    async with node.upstream.request(request.method, target, headers=headers) as answer:
        check_result(answer, path)
        return await stream(request, answer, headers=files.headers(answer))


def check_result(answer: Answer, path: str) -> None:
    """See that an answer of Docs is the file at ``path``, and not a page about it.

    Raises:
        BadAnswerError: it isn't.
    """
    page = is_page(answer.media_type, path.rpartition(".")[2])
    if answer.status not in _FILE_STATUSES or answer.content_length == 0 or page:
        raise BadAnswerError(
            "ONLYOFFICE Docs does not give the file.",
            answered=answer.status,
            content_type=answer.media_type,
            length=answer.content_length,
        )


@answers_as(Kind.FILE)
async def body(request: web.Request) -> web.StreamResponse:
    """Serve an edited file to HumHub, which pulls it while it answers the callback."""
    return await files.pull(request)


async def healthcheck(request: web.Request) -> web.StreamResponse:
    """Relay Docs' ``/healthcheck``; HumHub's module takes only the literal ``true`` for healthy."""
    files.site_of(request)
    node = request.app[TOPOLOGY].nodes[0]
    note(request, node=node.name)
    async with node.upstream.request("GET", "/healthcheck", headers=CIMultiDict()) as answer:
        said = (await answer.read(_ANSWER_LIMIT)).strip()
    healthy = answer.status == HTTPStatus.OK and said == b"true"
    return web.Response(text="true" if healthy else "false", status=HTTPStatus.OK)


def routes() -> list[web.RouteDef]:
    """List what the humhub leg serves, for the only site at the root and for each below ``/s/{site}``."""
    table: list[web.RouteDef] = []
    for root in ("", "/s/{site}"):
        table += [
            web.post(f"{root}/converter", convert),
            web.post(f"{root}/command", command),
            web.post(f"{root}/coauthoring/CommandService.ashx", command),
            web.get(f"{root}/healthcheck", healthcheck),
            web.get(f"{root}/cache/files/{{path:.+}}", file),
            web.get(f"{root}/file/{{capability}}", body),
        ]
    return table
