"""The admin leg's API of kept saves: the commands ``humhub-bridge saves …``, by HTTP, and with the same objects."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Final

import structlog
from aiohttp import web

from bridge.legs.files import saved
from bridge.legs.middleware import client_of, note
from bridge.legs.state import CLOCK, SAVES, TOPOLOGY
from bridge.protocol.errors import BadRequestError, ConflictError
from bridge.saves.desk import Desk, tell_of_loss
from bridge.saves.standing import UNDELIVERED, brief
from bridge.store.records import Entry, State

__all__ = ["routes"]

log = structlog.get_logger(__name__)

_MOST: Final = 1000
_ALL: Final = "all"


async def listed(request: web.Request) -> web.Response:
    """List saves, the oldest first: what waits and what is dead, or what is in each ``?state=``, or ``all``."""
    states = _states(request.query.getall("state", []))
    site, key = request.query.get("site"), request.query.get("key")
    entries, more = await _desk(request).list(states, site=site, key=key, limit=_limit(request))
    return web.json_response({"saves": [brief(entry) for entry in entries], "more": more})


async def shown(request: web.Request) -> web.Response:
    """Say everything about one save; its body is read and compared with what was saved."""
    standing = await _desk(request).standing(_identity(request))
    _note(request, standing.entry)
    return web.json_response(standing.json())


async def body(request: web.Request) -> web.StreamResponse:
    """Give the body of one save, as a file to be kept and never a page to be shown."""
    desk = _desk(request)
    entry = await desk.entry(_identity(request))
    _note(request, entry)
    path = desk.bodies.path(entry.id)
    if not path.exists():
        raise ConflictError("Its body is gone.")
    return await saved(request, entry, path, name=f"{entry.id}.{_extension(entry)}")


async def deliver(request: web.Request) -> web.Response:
    """Make one save due now, a dead letter too. What comes of it is seen by asking for it again."""
    standing = await _desk(request).deliver(_identity(request), sure=_says_yes(request))
    entry = standing.entry
    _note(request, entry)
    log.warning("save to be delivered by hand", site=entry.site, key=entry.key, entry=entry.id, by=_by(request))
    request.app[SAVES].courier.wake()
    return web.json_response(standing.json(), status=HTTPStatus.ACCEPTED)


async def discard(request: web.Request) -> web.Response:
    """Delete one save for good; only with ``?yes=true``."""
    desk = _desk(request)
    entry = await desk.entry(_identity(request))
    _note(request, entry)
    if not _says_yes(request):
        raise ConflictError(f"{tell_of_loss(entry)} Say ?yes=true if you mean it.")
    left = await desk.discard(entry.id, by=f"by {_by(request)}")
    was = entry.state.value
    log.warning("save discarded", site=entry.site, key=entry.key, entry=entry.id, was=was, by=_by(request))
    return web.json_response(brief(left))


def _desk(request: web.Request) -> Desk:
    saves = request.app[SAVES]
    names = {site.name for site in request.app[TOPOLOGY].sites}
    return Desk(saves.index, saves.spool.bodies, request.app[CLOCK], names)


def _identity(request: web.Request) -> str:
    return request.match_info["id"]


def _note(request: web.Request, entry: Entry) -> None:
    note(request, site=entry.site, key=entry.key, entry=entry.id)


def _by(request: web.Request) -> str:
    return f"{client_of(request).address} on the admin leg"


def _says_yes(request: web.Request) -> bool:
    return request.query.get("yes") == "true"


def _extension(entry: Entry) -> str:
    """Give the file's extension, as far as it is one: Docs' word for it goes into a header."""
    given = entry.filetype or ""
    return given if given.isascii() and given.isalnum() else "bin"


def _states(names: Sequence[str]) -> tuple[State, ...]:
    if _ALL in names:
        return tuple(State)
    try:
        return tuple(State(name) for name in names) or UNDELIVERED
    except ValueError:
        known = ", ".join([*State, _ALL])
        raise BadRequestError(f"There is no such state of a save; there are {known}.") from None


def _limit(request: web.Request) -> int:
    text = request.query.get("limit", str(_MOST))
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= _MOST:
        raise BadRequestError(f"The limit is a number from 1 to {_MOST}.")
    return int(text)


def routes() -> list[web.RouteDef]:
    """List what the API serves."""
    return [
        web.get("/api/saves", listed),
        web.get("/api/saves/{id}", shown),
        web.get("/api/saves/{id}/body", body),
        web.post("/api/saves/{id}/deliver", deliver),
        web.delete("/api/saves/{id}", discard),
    ]
