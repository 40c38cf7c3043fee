"""One error tree in, each party's shape out.

=====================  ==========================================================================================
who asked              what an error looks like
=====================  ==========================================================================================
a browser              a small readable page
a script in a page     ``{"error":true,"message":…,"request_id":…}``, as HumHub's own errors are
Docs, a callback       ``{"error":1,"message":…,"request_id":…}``, with 200 in place of a 5xx, which Docs would repeat
Docs or HumHub, file   an empty body: HumHub's module stores any body that it gets as the document
an unknown path, GET   the same
HumHub, Docs' file     an empty body that breaks off: the module takes nothing, too, for the file that was converted
HumHub, conversion     200 ``{"error":-8}`` and the like, in JSON or XML as it was asked for, ONLYOFFICE's own codes;
                       never ``"error":0`` there
HumHub, command        200 ``{"error":6}`` and the like
=====================  ==========================================================================================

A client is told what is wrong; what to do about it stands in the log, beside the same request id.
"""

from __future__ import annotations

import enum
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from html import escape
from http import HTTPStatus
from string import Template
from typing import Any, Final, TypeVar

from aiohttp import web

from bridge.protocol.errors import (
    BadRequestError,
    BridgeError,
    ClientError,
    CrowdedError,
    OverloadError,
    TokenError,
    UpstreamError,
    UpstreamTimeoutError,
)
from bridge.protocol.shapes import Shape, labelled, shape_of, written

__all__ = ["Failure", "Kind", "answer", "answers_as", "asked_shape", "conversion", "kind_of"]

_RETRY_AFTER: Final = "2"


class Kind(enum.Enum):
    """What a route's client expects in place of an answer."""

    PAGE = enum.auto()
    MESSAGE = enum.auto()
    CALLBACK = enum.auto()
    FILE = enum.auto()
    RESULT = enum.auto()
    CONVERSION = enum.auto()
    CONVERSION_XML = enum.auto()
    COMMAND = enum.auto()


@dataclass(frozen=True, slots=True)
class Failure:
    """What went wrong, as far as clients are told."""

    status: int
    reason: str
    message: str
    error: BridgeError | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, error: BaseException) -> Failure:
        """Read any exception; one that isn't ours or the server's is a fault of our own, of which nothing is told."""
        if isinstance(error, BridgeError):
            retry = {"Retry-After": _RETRY_AFTER} if isinstance(error, OverloadError | CrowdedError) else {}
            return cls(error.status, error.reason, error.said or error.message, error, retry)
        if isinstance(error, web.HTTPException):
            kept = {
                name: error.headers[name]
                for name in ("Allow", "Content-Range", "WWW-Authenticate")
                if name in error.headers
            }
            return cls(error.status, f"http-{error.status}", f"{error.reason}.", None, kept)
        return cls(HTTPStatus.INTERNAL_SERVER_ERROR, "internal", "The bridge has met an error of its own.")


_Handler = TypeVar("_Handler", bound=Callable[..., Awaitable[web.StreamResponse]])
_KINDS: Final[dict[object, Kind]] = {}


def answers_as(kind: Kind) -> Callable[[_Handler], _Handler]:
    """Mark a handler with what its clients expect in place of an answer."""

    def mark(handler: _Handler) -> _Handler:
        _KINDS[handler] = kind
        return handler

    return mark


def kind_of(request: web.Request, otherwise: Kind) -> Kind:
    """Give what the client of a request expects: its route's kind, or the leg's.

    A GET that no route takes may be HumHub's or Docs' for a file, at an address that a proxy between has changed: what
    is said to it would become the document.
    """
    kind = _KINDS.get(request.match_info.handler, otherwise)
    unknown = isinstance(request.match_info.http_exception, web.HTTPNotFound)
    if kind is Kind.MESSAGE and request.method == "GET" and unknown:
        return Kind.FILE
    if kind is Kind.CONVERSION and asked_shape(request) is Shape.XML:
        return Kind.CONVERSION_XML
    return Kind.MESSAGE if kind is Kind.PAGE and _is_script(request) else kind


def asked_shape(request: web.Request) -> Shape:
    """Give the shape in which a conversion's answer is asked for."""
    return shape_of(request.path, ",".join(request.headers.getall("Accept", ())) or None)


def _is_script(request: web.Request) -> bool:
    if request.headers.get("X-Requested-With", "").lower() == "xmlhttprequest":
        return True
    accepted = request.headers.get("Accept", "")
    return "application/json" in accepted and "text/html" not in accepted


def answer(failure: Failure, kind: Kind, *, error: bool | int, request_id: str) -> web.StreamResponse:
    """Put a failure into the shape that its client expects.

    ``error`` is what the field of that name holds in a message: true for browsers, 1 for Docs.
    """
    match kind:
        case Kind.FILE:
            return web.Response(status=failure.status, headers=failure.headers)
        case Kind.RESULT:
            return _broken(failure)
        case Kind.CONVERSION | Kind.CONVERSION_XML:
            shape = Shape.JSON if kind is Kind.CONVERSION else Shape.XML
            return conversion({"error": _conversion_code(failure.error)}, shape)
        case Kind.COMMAND:
            return web.json_response({"error": _command_code(failure.error)})
        case Kind.MESSAGE | Kind.CALLBACK:
            message = {"error": error, "message": failure.message, "request_id": request_id}
            repeated = kind is Kind.CALLBACK and failure.status >= HTTPStatus.INTERNAL_SERVER_ERROR
            status = HTTPStatus.OK if repeated else failure.status
            return web.json_response(message, status=status, headers=failure.headers)
        case Kind.PAGE:
            return _page(failure, request_id)


def conversion(fields: Mapping[str, Any], shape: Shape) -> web.Response:
    """Answer as the conversion service does, always with 200."""
    return web.Response(body=written(fields, shape).encode(), headers={"Content-Type": labelled(shape)})


def _broken(failure: Failure) -> web.StreamResponse:
    """Promise a byte and hang up: HumHub's HTTP client takes a short body for an error, and no status for one.

    Source: the module stores the body of any status in the file's place; curl's error 18 it throws (recorded).
    """
    response = web.StreamResponse(status=failure.status, headers=failure.headers)
    response.content_length = 1
    response.force_close()
    return response


def _conversion_code(error: BridgeError | None) -> int:
    """Give the conversion service's code. Source: ONLYOFFICE API, conversion errors; observed for -7 and -8."""
    match error:
        case TokenError():
            return -8
        case ClientError():
            return -7
        case UpstreamTimeoutError():
            return -2
        case _:
            return -1


def _command_code(error: BridgeError | None) -> int:
    """Give the command service's code. Source: ONLYOFFICE API, command errors."""
    match error:
        case TokenError():
            return 6
        case BadRequestError():
            return 5
        case _:
            return 3


_PAGE: Final = Template("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title>
<style>
body { margin: 0; font: 16px/1.5 system-ui, sans-serif; color: #24292f; background: #f6f7f9; }
main { max-width: 34rem; margin: 12vh auto; padding: 2rem 2.5rem; background: #fff; border: 1px solid #dfe3e8;
  border-radius: 8px; }
h1 { margin: 0 0 .5rem; font-size: 1.25rem; }
p { margin: .5rem 0; }
small { color: #5f6871; }
@media (prefers-color-scheme: dark) {
  body { color: #e6e8ea; background: #17191c; }
  main { background: #212429; border-color: #3a3f45; }
  small { color: #a3abb4; }
}
</style>
</head>
<body>
<main>
<h1>$title</h1>
<p>$message</p>
<p>$hint</p>
<p><small>Request $request_id</small></p>
</main>
</body>
</html>
""")


def _page(failure: Failure, request_id: str) -> web.Response:
    upstream = isinstance(failure.error, UpstreamError | OverloadError) or failure.status >= HTTPStatus.BAD_GATEWAY
    hint = (
        "Please try again in a moment. If it stays like this, tell your administrator the request below."
        if upstream
        else "If a link brought you here, tell your administrator the request below."
    )
    page = _PAGE.substitute(
        title=escape("Not available right now" if upstream else _title(failure.status)),
        message=escape(failure.message),
        hint=hint,
        request_id=escape(request_id),
    )
    headers = {
        **failure.headers,
        "Cache-Control": "no-store",
        "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'",
    }
    return web.Response(text=page, status=failure.status, content_type="text/html", headers=headers)


def _title(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"
