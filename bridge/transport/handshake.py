"""A websocket handshake that the upstream refuses: its answer is kept, where the library would drop the body."""

from __future__ import annotations

from typing import Final

import aiohttp

from bridge.transport.answer import Refusal

__all__ = ["RefusedHandshake", "keep_refusal"]

_SMALL: Final = 64 * 1024  # what is kept of the body
_SWITCHING: Final = 101


class RefusedHandshake(Exception):  # noqa: N818 - an answer, not an error
    """An upstream's refusal, carried past the library's own check of the handshake."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.status)
        self.refusal = refusal


async def keep_refusal(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Carry a refused handshake's answer out, which the library would drop together with its body."""
    response = await handler(request)
    if response.status == _SWITCHING:
        return response
    body = bytearray()
    try:
        while len(body) < _SMALL and (chunk := await response.content.readany()):
            body += chunk
    finally:
        response.close()
    raise RefusedHandshake(Refusal(response.status, response.reason or "", response.headers, bytes(body[:_SMALL])))
