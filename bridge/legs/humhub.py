"""The humhub leg: conversion, commands and files of ONLYOFFICE Docs, for HumHub."""

from __future__ import annotations

import asyncio
import dataclasses
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, quote

from aiohttp import web
from multidict import CIMultiDict

from bridge import hop
from bridge.legs import files, results
from bridge.legs.answers import Kind, answers_as, asked_shape, conversion
from bridge.legs.middleware import note, raw_target
from bridge.legs.state import CLOCK, LIMITS, TOPOLOGY
from bridge.protocol.errors import BadAnswerError, NoRouteError, RefusedError, UpstreamError, UpstreamTimeoutError
from bridge.protocol.messages import Command, Conversion, parse_object
from bridge.sites import Node, Site
from bridge.transport.relay import read_request

__all__ = ["routes"]

_HEALTH = 10.0
_SICK = "See whether all services of ONLYOFFICE Docs run, and their logs."
_HEALTHY = 64 << 10
_ANSWER_LIMIT = 8 << 20
# Commands over the edits that Docs keeps for every site; HumHub's module uses none of them.
_FORGOTTEN = frozenset(("getForgottenList", "getForgotten", "deleteForgotten"))


@answers_as(Kind.CONVERSION)
async def convert(request: web.Request) -> web.StreamResponse:
    """Verify a conversion, map its file outward and its result inward; Docs is always asked for JSON."""
    topology, now = request.app[TOPOLOGY], request.app[CLOCK]()
    site = _with_module(request)
    message = hop.read_conversion(site, await _message(request), request.headers, now=now)
    note(request, key=message.key)
    fields = message.outbound(lambda url: hop.file_for_docs(topology, site, url))
    node = topology.node_for(message.key)
    raw = await _call(request, node, f"/converter?shardkey={quote(message.key)}", fields)
    answer = Conversion.answer(raw, lambda url: hop.file_for_humhub(topology, site, url))
    note(request, conversion=answer.get("error") or answer.get("percent"))
    return conversion(answer, asked_shape(request))


@answers_as(Kind.COMMAND)
async def command(request: web.Request) -> web.StreamResponse:
    """Verify a command and relay it to the node of its document."""
    topology, now = request.app[TOPOLOGY], request.app[CLOCK]()
    site = _with_module(request)
    message = hop.read_command(site, await _message(request), request.headers, now=now)
    note(request, key=message.key, command=message.name)
    if message.name in _FORGOTTEN and len(topology.sites) > 1:
        raise RefusedError("With several sites, forgotten files are no single site's to read or delete.")
    node = topology.node_for(message.key or "")
    shard = f"?shardkey={quote(message.key)}" if message.key else ""
    raw = await _call(request, node, f"/coauthoring/CommandService.ashx{shard}", message.fields)
    return web.json_response(Command.answer(raw, lambda url: hop.file_for_humhub(topology, site, url)))


def _with_module(request: web.Request) -> Site:
    """Give the site that a call names; where the bridge itself is the integration, no module could have sent it."""
    site = files.site_of(request)
    if site.connector is not None:
        remedy = "Uninstall the module, or write mode: relay for this site."
        raise NoRouteError("The HumHub of this site has no ONLYOFFICE module.", remedy=remedy)
    return site


async def _message(request: web.Request) -> dict[str, Any]:
    """Read a message of HumHub: JSON, whatever its label says, or, as Docs does, the query where there is no body."""
    raw = await read_request(request, request.app[LIMITS].body)
    if raw:
        return parse_object(raw)
    return dict(parse_qsl(raw_target(request).partition("?")[2], keep_blank_values=True))


async def _call(request: web.Request, node: Node, target: str, fields: dict[str, Any]) -> bytes:
    """Sign ``fields`` for Docs and give the body of its answer."""
    topology, now = request.app[TOPOLOGY], request.app[CLOCK]()
    body, headers = hop.wire_for_docs(topology.rings.inbox, fields, now=now)
    note(request, node=node.name)
    # A synchronous conversion may last minutes; HumHub's own limit may end it before.
    limit = request.app[LIMITS].conversion
    patient = dataclasses.replace(node.upstream.timeouts, first_byte=limit, setting="limits.conversion")
    async with node.upstream.request(
        "POST", target, headers=CIMultiDict(headers), body=body, timeouts=patient, deadline=patient.whole
    ) as answer:
        if answer.status == HTTPStatus.GATEWAY_TIMEOUT:
            raise UpstreamTimeoutError(
                "ONLYOFFICE Docs does not answer the call in time.",
                remedy="A proxy before Docs cuts long conversions (its own nginx after 60 s): raise its read time-out.",
                upstream=node.name,
            )
        if answer.status != HTTPStatus.OK:
            raise BadAnswerError(
                "ONLYOFFICE Docs does not answer the call.",
                upstream=node.name,
                upstream_status=answer.status,
                location=answer.headers.get("Location"),
                remedy="Is it really ONLYOFFICE Docs at this node's address? See its log, or a proxy's before it.",
            )
        return await answer.read(_ANSWER_LIMIT)


@answers_as(Kind.RESULT)
async def file(request: web.Request) -> web.StreamResponse:
    """Relay a file of Docs, such as a conversion's result, to HumHub."""
    files.site_of(request)
    return await results.relay(request)


@answers_as(Kind.FILE)
async def body(request: web.Request) -> web.StreamResponse:
    """Serve an edited file to HumHub, which pulls it while it answers the callback."""
    return await files.pull(request)


async def healthcheck(request: web.Request) -> web.StreamResponse:
    """Say whether every node is healthy; HumHub's module takes only the literal ``true`` for that."""
    files.site_of(request)
    nodes = request.app[TOPOLOGY].nodes
    healthy = await asyncio.gather(*map(_health, nodes))
    sick = {node.name: told for node, told in zip(nodes, healthy, strict=True) if told is not None}
    if sick:
        note(request, outcome="sick", failed=True, why="ONLYOFFICE Docs is not healthy.", upstream=", ".join(sick))
        for name, of_each in zip(("what", "remedy"), zip(*sick.values(), strict=True), strict=True):
            note(request, **{name: " ".join(dict.fromkeys(of_each))})
    return web.Response(text="false" if sick else "true")


async def _health(node: Node) -> tuple[str, str] | None:
    """Ask a node how it is: give what is wrong and what to do, or nothing."""
    limits = node.upstream.timeouts
    quick = dataclasses.replace(limits, first_byte=min(limits.first_byte, _HEALTH))
    deadline = limits.connect + quick.first_byte
    try:
        async with node.upstream.request(
            "GET", "/healthcheck", headers=CIMultiDict(), timeouts=quick, deadline=deadline
        ) as answer:
            raw = (await answer.read(_HEALTHY)).strip()
            if answer.status == HTTPStatus.OK and raw == b"true":
                return None
            return f"It answers {answer.status} {raw[:20]!r}.", _SICK
    except UpstreamError as error:
        return str(error.details.get("what") or error.message), error.remedy or _SICK


def routes() -> list[web.RouteDef]:
    """List what the humhub leg serves, for the only site at the root and for each below ``/s/{site}``."""
    table: list[web.RouteDef] = []
    for root in ("", "/s/{site}"):
        table += [
            web.post(f"{root}/converter", convert),
            web.get(f"{root}/ConvertService.ashx", convert, allow_head=False),
            web.post(f"{root}/ConvertService.ashx", convert),
            web.post(f"{root}/command", command),
            web.post(f"{root}/coauthoring/CommandService.ashx", command),
            web.get(f"{root}/healthcheck", healthcheck),
            web.get(f"{root}/{{bucket:(?:storage-)?cache}}/files/{{path:.+}}", file),
            web.get(f"{root}/file/{{capability}}", body),
        ]
    return table
