"""Sending an answer: HumHub's headers, gzip for pages, files in pieces, and the faults that a test planned."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator
from http import HTTPStatus

from aiohttp import web

from bridge.demo.humhub.answers import HTML, Answer, Piece
from bridge.demo.humhub.call import Call
from bridge.demo.humhub.faults import Fault

CHUNK = 64 * 1024
REASONS = {416: "Requested range unsatisfiable"}
CONTENT_SECURITY = (
    "default-src *; connect-src  *; font-src 'self' https://* http://* *; frame-src https://* http://* *; "
    "img-src https://* http://* * data:; object-src 'self'; script-src 'nonce-{nonce}' 'self' https://* http://* * "
    "'unsafe-inline' 'report-sample'; style-src * https://* http://* * 'unsafe-inline'; block-all-mixed-content;"
)
NO_STORE = {
    "Expires": "Thu, 19 Nov 1981 08:52:00 GMT",
    "Cache-Control": "no-store, no-cache, must-revalidate",
    "Pragma": "no-cache",
}
DRESS = {
    "Strict-Transport-Security": "max-age=31536000",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer-when-downgrade",
    "X-Permitted-Cross-Domain-Policies": "master-only",
    "X-Frame-Options": "sameorigin",
}


def finish(call: Call, answer: Answer, *, dresses: int) -> None:
    """Add what every answer of HumHub has; an error page after a controller sets its headers twice."""
    headers = answer.headers
    headers["Server"] = "nginx"
    if call.session is not None and not answer.forgets_cache_rules:
        for name, value in NO_STORE.items():
            headers.setdefault(name, value)
    if call.dressed and not call.ajax:
        headers["Content-Security-Policy"] = CONTENT_SECURITY.format(nonce=call.nonce)
    for name, value in DRESS.items():
        for _ in range(dresses):
            headers.add(name, value)
    for cookie in call.set_cookies:
        headers.add("Set-Cookie", cookie)


async def send(call: Call, answer: Answer) -> web.StreamResponse:
    """Send an answer, with the call's fault where there is one."""
    fault = call.fault or Fault()
    if fault.late:
        await asyncio.sleep(fault.late)
    response = web.StreamResponse(status=answer.status, reason=_reason(answer.status), headers=answer.headers)
    if answer.content_type:
        response.headers["Content-Type"] = answer.content_type
    _encode(call, answer, response)
    if answer.status == HTTPStatus.NOT_MODIFIED:
        await response.prepare(call.request)
        return response
    if isinstance(answer.body, Piece) or fault.lie:
        response.content_length = (0 if fault.empty else answer.length) + fault.lie
    else:
        response.enable_chunked_encoding()
    await response.prepare(call.request)
    if call.request.method != "HEAD" and not await _body(response, answer, fault):
        return _hang_up(call, response)
    await response.write_eof()
    return response


def _encode(call: Call, answer: Answer, response: web.StreamResponse) -> None:
    accepted = call.request.headers.get("Accept-Encoding", "")
    if isinstance(answer.body, bytes) and answer.body and answer.content_type == HTML and "gzip" in accepted:
        answer.body = gzip.compress(answer.body)
        response.headers["Content-Encoding"] = "gzip"


async def _body(response: web.StreamResponse, answer: Answer, fault: Fault) -> bool:
    """Write the body; False where it is not what the head promised, so that the connection must end."""
    size, pause = fault.trickle or (CHUNK, 0)
    left = 0 if fault.empty else answer.length
    if fault.cut_after is not None:
        left = min(left, fault.cut_after)
    async for chunk in _chunks(answer.body, size):
        if left <= 0:
            break
        await response.write(chunk[:left])
        left -= len(chunk)
        if pause:
            await asyncio.sleep(pause)
    return fault.cut_after is None and not fault.lie


async def _chunks(body: bytes | Piece, size: int) -> AsyncIterator[bytes]:
    if isinstance(body, bytes):
        for start in range(0, len(body), size):
            yield body[start : start + size]
        return
    with body.path.open("rb") as file:
        file.seek(body.start)
        left = body.length
        while left > 0:
            chunk = file.read(min(size, left))
            if not chunk:
                return
            left -= len(chunk)
            yield chunk


def _hang_up(call: Call, response: web.StreamResponse) -> web.StreamResponse:
    """End the connection where the client would wait for more; what was written is sent first."""
    if call.request.transport is not None:
        call.request.transport.close()
    return response


def _reason(status: int) -> str:
    return REASONS.get(status) or HTTPStatus(status).phrase
