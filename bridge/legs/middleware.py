"""What every leg does with every request: admit it, name it, answer its errors, and write one line about it.

Theory of operation
-------------------
Three middlewares, from the outside in:

1. :func:`observe` gives the request an id, and at its end writes the canonical log line and counts it. Handlers add to
   the line with :func:`note`.
2. :func:`answer_errors` turns whatever a handler raises into the shape that the client expects (``answers.py``). Once
   the head of an answer has left there is no shape any more: the connection is cut.
3. :func:`admit` refuses what has more than one reading (absolute-form targets, odd Hosts, ambiguous paths) and who
   isn't allowed, and says who the client is: what a forwarder states counts only from a trusted one.

The router runs before them, on the same raw path; a handler is reached only through :func:`admit`.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import secrets
import time
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

import structlog
from aiohttp import web
from aiohttp.http import SERVER_SOFTWARE
from aiohttp.typedefs import Handler, Middleware

from bridge.legs.answers import Failure, Kind, answer, kind_of
from bridge.legs.clients import Client, Network, identify, peer_of, within
from bridge.legs.connection import Connection
from bridge.legs.door import Door
from bridge.protocol.errors import BadRequestError, BridgeError, OverloadError, RefusedError, TokenError, UpstreamError
from bridge.protocol.headers import REQUEST_ID
from bridge.protocol.paths import normalise
from bridge.transport.memory import HELD, Held, Memory
from bridge.transport.relay import CUT, PATIENCE, cut, transfer_of
from bridge.watch.metrics import Metrics

__all__ = ["ID", "Entrance", "client_of", "note", "note_passed", "raw_target", "shared"]

log = structlog.get_logger("bridge.request")

_METHODS: Final = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))
_LEFT: Final = "client-left"
_CLOSED: Final = "closed"
# What the metrics are counted by, or the request itself says. An error's details may hold what a client wrote: that
# never takes their place.
_LABELS: Final = frozenset(("leg", "site", "outcome", "method", "path", "status"))
_SANE_ID: Final = re.compile(r"[0-9A-Za-z._-]{8,64}")


@dataclass(frozen=True, slots=True)
class Entrance:
    """What a leg knows of its clients before it knows them.

    Args:
        leg: its name.
        kind: the shape of errors that have no route's.
        error: what the field ``error`` of a message holds.
        allow: client networks that may call; none is all.
        trust: networks whose forwarded headers count.
        metrics: where requests are counted.
        door: who may be in at once; without one, everybody.
        memory: what bodies that are read whole may take at once, on the whole leg; without one, anything.
        idle: how long a client's body may stop coming, in seconds.
    """

    leg: str
    kind: Kind
    error: bool | int
    allow: tuple[Network, ...]
    trust: tuple[Network, ...]
    metrics: Metrics
    door: Door | None = None
    memory: Memory | None = None
    idle: float = 60.0


_CLIENT: Final = web.RequestKey("client", Client)
ID: Final = web.RequestKey("request id", str)
_NOTES: Final[web.RequestKey[dict[str, Any]]] = web.RequestKey("notes", dict)
_STARTED: Final = web.RequestKey("head sent", bool)


def client_of(request: web.BaseRequest) -> Client:
    """Give the client of an admitted request."""
    return request[_CLIENT]


def note(request: web.BaseRequest, **fields: Any) -> None:
    """Add fields to the request's log line; None leaves one out."""
    request[_NOTES].update({name: value for name, value in fields.items() if value is not None})


def note_passed(request: web.BaseRequest, status: int, upstream: str) -> None:
    """Note who says what goes on as it is: an upstream's own refusal is no failure, and its own error isn't ours."""
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        remedy = "It is its own error, passed on as it is: see its log, or that of a proxy before it."
        why = "The server behind the bridge answered with an error."
        note(request, failed=True, upstream=upstream, upstream_status=status, why=why, remedy=remedy)
    elif status >= HTTPStatus.BAD_REQUEST:
        note(request, failed=False, upstream=upstream, upstream_status=status)


def raw_target(request: web.BaseRequest) -> str:
    """Give path and query as they came over the wire."""
    return request.raw_path


def shared(entrance: Entrance) -> list[Middleware]:
    """Give the middlewares of a leg, from the outside in."""

    @web.middleware
    async def observe(request: web.Request, handler: Handler) -> web.StreamResponse:
        request[ID] = _request_id(request, entrance)
        request[_NOTES] = {}
        request[PATIENCE] = entrance.idle
        held = Held(entrance.memory) if entrance.memory is not None else None
        if held is not None:
            request[HELD] = held
        connection = request.protocol if isinstance(request.protocol, Connection) else None
        if connection is not None:
            connection.begin()
        started = time.perf_counter()
        response: web.StreamResponse | None = None
        try:
            response = await handler(request)
        except asyncio.CancelledError:
            _note_cancelled(request, entrance)
            raise
        finally:
            if held is not None:
                held.release()
            if connection is not None:
                connection.end(request)
                note(request, why=connection.cut_off)
            _write_line(request, entrance, response, time.perf_counter() - started)
        return response

    @web.middleware
    async def answer_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except Exception as error:  # noqa: BLE001 - the one place that sees everything
            return _answered(request, entrance, error)

    @web.middleware
    async def admit(request: web.Request, handler: Handler) -> web.StreamResponse:
        client = request[_CLIENT] = _admitted(request, entrance)
        with _place_for(request, client, entrance):
            return await handler(request)

    return [observe, answer_errors, admit]


async def name_answer(request: web.BaseRequest, response: web.StreamResponse) -> None:
    """Put the request's id on every answer as it is sent, streams and websockets included."""
    request[_STARTED] = True
    if response.headers.get("Server") == SERVER_SOFTWARE:
        # Which library answers is nobody's business; an upstream's own name stays.
        del response.headers["Server"]
    if ID not in request:
        # The server itself refused it, before any middleware: an Expect that it doesn't know.
        request[ID] = secrets.token_hex(8)
        log.warning("request", request_id=request[ID], client=peer_of(request), status=response.status)
    response.headers[REQUEST_ID] = request[ID]


def _request_id(request: web.BaseRequest, entrance: Entrance) -> str:
    given = request.headers.get(REQUEST_ID, "")
    if _SANE_ID.fullmatch(given) and within(peer_of(request), entrance.trust):
        return given
    return secrets.token_hex(8)


def _admitted(request: web.BaseRequest, entrance: Entrance) -> Client:
    target = raw_target(request)
    if not target.startswith("/") or "#" in target:
        raise BadRequestError("The request's target is not a path.", target=target[:200])
    if request.method not in _METHODS:
        raise web.HTTPMethodNotAllowed(request.method, _METHODS)
    normalise(target.partition("?")[0])
    client = identify(request, entrance.trust)
    if entrance.allow and not within(client.address, entrance.allow):
        raise RefusedError(
            "This address is not allowed here.",
            remedy=f"Add its network to legs.{entrance.leg}.allow, if it should be.",
            client=client.address,
        )
    return client


def _answered(request: web.Request, entrance: Entrance, error: Exception) -> web.StreamResponse:
    if isinstance(error, web.HTTPException) and error.status < HTTPStatus.BAD_REQUEST:
        return error
    if isinstance(error, BridgeError):
        _note_failure(request, entrance, error)
    elif isinstance(error, ConnectionError):
        note(request, outcome=_LEFT)
    else:
        note(request, outcome=Failure.of(error).reason, failed=True)
        if not isinstance(error, web.HTTPException):
            log.error("unexpected error", request_id=request[ID], exc_info=error)
    if request.get(_STARTED) or isinstance(error, ConnectionError):
        cut(request, error)
        raise ConnectionResetError("the answer was cut") from error
    kind = kind_of(request, entrance.kind)
    response = answer(Failure.of(error), kind, error=entrance.error, request_id=request[ID])
    if isinstance(request.protocol, Connection) and request.protocol.over:
        response.force_close()
    return response


def _note_failure(request: web.BaseRequest, entrance: Entrance, error: BridgeError) -> None:
    details = {f"asked_{name}" if name in _LABELS else name: it for name, it in error.details.items()}
    if isinstance(error, UpstreamError):
        details.setdefault("upstream", request[_NOTES].get("node") or request[_NOTES].get("site"))
    note(request, outcome=error.reason, failed=True, **{"why": error.message, "remedy": error.remedy, **details})
    _count(entrance, error)


def _note_cancelled(request: web.BaseRequest, entrance: Entrance) -> None:
    """Say why the server ended a handler: the client left, we have cut it off, or its websocket was closed."""
    if isinstance(why := request.get(CUT), BridgeError):
        _note_failure(request, entrance, why)
    else:
        request[_NOTES].setdefault("outcome", _CLOSED if _is_open_websocket(request) else _LEFT)


def _place_for(request: web.BaseRequest, client: Client, entrance: Entrance) -> contextlib.AbstractContextManager[None]:
    connection = request.protocol
    if entrance.door is None or not isinstance(connection, Connection):
        return contextlib.nullcontext()
    return entrance.door.admitting(client.address, over=connection.over, counted=connection.address == client.address)


def _count(entrance: Entrance, error: BaseException) -> None:
    if isinstance(error, TokenError):
        entrance.metrics.token_refused(leg=entrance.leg, reason=str(error.details.get("why", "")))
    elif isinstance(error, OverloadError):
        entrance.metrics.turned_away(leg=entrance.leg, reason=str(error.details.get("over", "busy")))
    elif isinstance(error, UpstreamError):
        upstream = str(error.details.get("upstream", ""))
        entrance.metrics.upstream_failed(upstream=upstream, reason=error.reason)


def _write_line(request: web.Request, entrance: Entrance, response: web.StreamResponse | None, seconds: float) -> None:
    """Write the canonical line: everything about one request that its admin may ask for."""
    moved, notes = transfer_of(request), request[_NOTES]
    status = response.status if response is not None else None
    if status is None and _is_open_websocket(request):
        status = HTTPStatus.SWITCHING_PROTOCOLS.value
    sent = moved.bytes_out or (response.content_length or 0 if isinstance(response, web.Response) else 0)
    client = request.get(_CLIENT)
    fields = {
        "leg": entrance.leg,
        "method": request.method,
        "path": raw_target(request)[:2000],
        "status": status,
        "outcome": _outcome(status),
        "ms": round(seconds * 1000, 1),
        "bytes_in": moved.bytes_in,
        "bytes_out": sent,
        "client": client.address if client else peer_of(request),
        "request_id": request[ID],
        **({"code": moved.code} if moved.code is not None else {}),
        **notes,
    }
    ended = fields["outcome"] in (_LEFT, _CLOSED)
    well = ended or (status is not None and status < HTTPStatus.BAD_REQUEST)
    failed = fields.pop("failed", not well)
    (log.warning if failed else log.info)("request", **fields)
    entrance.metrics.request(
        leg=entrance.leg,
        site=str(notes.get("site", "")),
        outcome=str(fields["outcome"]),
        # How long a websocket lives says nothing of how long an answer takes.
        seconds=None if status == HTTPStatus.SWITCHING_PROTOCOLS else seconds,
        bytes_in=moved.bytes_in,
        bytes_out=sent,
    )


def _is_open_websocket(request: web.BaseRequest) -> bool:
    return bool(request.get(_STARTED)) and request.headers.get("Upgrade", "").lower() == "websocket"


def _outcome(status: int | None) -> str:
    if status is None:
        return "cut"
    if status == HTTPStatus.SWITCHING_PROTOCOLS:
        return _CLOSED
    return "ok" if status < HTTPStatus.BAD_REQUEST else f"http-{status}"
