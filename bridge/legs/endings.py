"""How an editor's websocket ends or is refused, as its log line says it."""

from __future__ import annotations

from typing import Final

from aiohttp import WSCloseCode, web

from bridge.legs.middleware import note, note_passed
from bridge.transport.relay import transfer_of

__all__ = ["note_end", "note_refusal"]

# By its code, how one ends that nobody wanted to end: outcome, why, remedy.
_ENDS: Final[dict[int, tuple[str, str, str]]] = {
    WSCloseCode.BAD_GATEWAY: (
        "lost",
        "The server behind the bridge broke the websocket off.",
        "Was it restarted, or does a proxy before it end what is silent? Editors come back by themselves.",
    ),
    WSCloseCode.MESSAGE_TOO_BIG: (
        "too-large",
        "A message on the websocket is too large.",
        "Raise limits.websocket_message, if it is an editor's.",
    ),
    WSCloseCode.PROTOCOL_ERROR: (
        "malformed",
        "What came on the websocket is none.",
        "Does a proxy between change what passes? Editors come back by themselves.",
    ),
}
# Source: engine.io's errors; 3 is a handshake that came without Upgrade.
_NO_UPGRADE: Final = b'"code":3'
_NO_WEBSOCKET: Final = "Does a proxy before Docs pass Upgrade and Connection on? Editors go on by polling meanwhile."


def note_end(request: web.BaseRequest, upstream: str) -> None:
    """Note it where a relayed websocket didn't end because somebody wanted it to."""
    if (how := _ENDS.get(transfer_of(request).code or 0)) is not None:
        outcome, why, remedy = how
        note(request, outcome=outcome, failed=True, upstream=upstream, why=why, remedy=remedy)


def note_refusal(request: web.BaseRequest, response: web.StreamResponse, upstream: str) -> None:
    """Note what Docs answered in place of a websocket, if it did."""
    note_passed(request, response.status, upstream)
    said = response.body if isinstance(response, web.Response) else None
    if isinstance(said, bytes) and _NO_UPGRADE in said:
        note(request, failed=True, why="ONLYOFFICE Docs sees no websocket.", remedy=_NO_WEBSOCKET)
