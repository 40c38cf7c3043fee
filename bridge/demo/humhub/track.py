"""The callback from Docs, with the module's checks and its faults.

The module trusts the token that it verified, never the key inside; it fetches `url` as it stands, without token or
limit, and stores whatever the answer holds, an error page too. The content is stored first, then the key is cleared.
"""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from bridge.demo.humhub import tokens
from bridge.demo.humhub.answers import Answer, HumHubError, InternalError, as_json, html
from bridge.demo.humhub.call import Call
from bridge.demo.humhub.faults import Fault
from bridge.demo.humhub.files import Body
from bridge.demo.humhub.outgoing import FetchError

SAVES = (2, 3, 6)
STATUSES = (0, 1, 2, 3, 4, 6)


@dataclass(slots=True)
class TrackCall:
    """What became of one callback; `stored` is the SHA-1 of the body that was stored."""

    status: Any = None
    key: str | None = None
    """The file's key, by `doc=`."""
    url: str | None = None
    users: tuple[str, ...] = ()
    userdata: str | None = None
    answered: int = 0
    message: str | None = None
    stored: str | None = None
    size: int = 0
    begun: float = field(default_factory=time.monotonic)
    stored_at: float | None = None
    version: Path | None = None
    """What was stored, as it lies on disk."""
    halved: bool = False
    """Whether the server died over it and only half of it is there."""
    given_up: bool = False
    """Whether a proxy has answered meanwhile."""


class SaveError(Exception):
    """A save that the module answers with its own JSON and a 500."""


async def track(call: Call) -> Answer:
    """Answer a callback."""
    note = TrackCall(key=call.the_file().key)
    call.hub.tracks.append(note)
    patience = call.fault.impatient if call.fault is not None else None
    if patience is None:
        return await _noted(call, note)
    work = asyncio.create_task(_noted(call, note))
    call.hub.at_work.add(work)
    work.add_done_callback(call.hub.at_work.discard)
    done, _ = await asyncio.wait({work}, timeout=patience)
    note.given_up = not done
    return work.result() if done else html("<html><head><title>504 Gateway Time-out</title></head></html>", status=504)


async def _noted(call: Call, note: TrackCall) -> Answer:
    try:
        answer = await _track(call, note)
    except HumHubError as error:
        note.answered, note.message = error.status, error.message
        raise
    note.answered = answer.status
    return answer


async def _track(call: Call, note: TrackCall) -> Answer:
    data = _claims(call, _parse(await call.request.read()))
    note.status, note.url, note.users = data.get("status"), data.get("url"), tuple(data.get("users") or ())
    note.userdata = data.get("userdata")
    if note.status not in STATUSES:
        raise InternalError(f"status {note.status}")
    if note.status not in SAVES:
        return as_json({"error": 0})
    try:
        await _save(call, note, data)
    except (SaveError, FetchError, OSError) as error:
        note.message = str(error)
        return as_json({"error": 1, "message": note.message}, 500)
    return as_json({"error": 0})


def _parse(body: bytes) -> dict[str, Any]:
    try:
        data = json.loads(body)
    except ValueError as error:
        raise HumHubError(400, "Could not parse json") from error
    if not isinstance(data, dict):
        raise HumHubError(400, "Could not parse json")
    return data


def _claims(call: Call, data: dict[str, Any]) -> dict[str, Any]:
    """Take what the token says, from the body before the header, wrapped or flat; nothing else counts."""
    if not call.hub.settings.secret:
        return data
    claims = tokens.verify(call, data.get("token") or tokens.header_token(call))
    payload = claims.get("payload")
    return payload if isinstance(payload, dict) else claims


async def _save(call: Call, note: TrackCall, data: dict[str, Any]) -> None:
    file, fault = call.the_file(), call.fault or Fault()
    body = await call.hub.outgoing.fetch(await _source(call, data))
    if fault.after_fetch or not body.size:
        body.discard()
        raise SaveError("Disk full" if fault.after_fetch else f"Could not save onlyoffice document: {data['url']}")
    if fault.slow:
        await asyncio.sleep(fault.slow)
    if time.monotonic() - note.begun > call.hub.settings.longest_request:
        # Nothing may come between this and the storing: whoever counts on the limit may be storing something newer.
        body.discard()
        await _break(call, note, "cut", "the request took too long")
    file.key_locked = data["status"] == 6
    note.halved = fault.dies == "writing"
    _store(call, note, body.halved() if note.halved else body)
    if fault.dies in {"writing", "stored"}:
        await _die(call)
    if fault.after_store is not None:
        file.key_locked = False
        await _break(call, note, fault.after_store, "failed after the content was stored")
    if data["status"] != 6:
        file.key = None
    file.key_locked = False
    if fault.dies == "cleared":
        await _die(call)
    author = call.hub.user_by_guid(note.users[0]) if note.users else None
    if author is not None:
        file.author = author.username


def _store(call: Call, note: TrackCall, body: Body) -> None:
    call.hub.store.replace(call.the_file(), body)
    note.stored, note.size, note.version, note.stored_at = body.sha1, body.size, call.the_file().path, time.monotonic()


async def _break(call: Call, note: TrackCall, how: str, why: str) -> NoReturn:
    """Fail in the middle: with a 500, or by a connection that is cut."""
    if how == "cut" and not note.given_up and call.request.transport is not None:
        call.request.transport.abort()
        await asyncio.sleep(0)
    raise InternalError(why)


async def _die(call: Call) -> None:
    """Take the whole server down at this moment."""
    call.the_file().key_locked = False
    call.hub.die()
    await asyncio.Event().wait()


async def _source(call: Call, data: dict[str, Any]) -> str:
    """Return what to fetch: `url`, or, where the type differs from the file's, what a conversion gives."""
    file = call.the_file()
    for name in ("url", "filetype"):
        if name not in data:
            raise SaveError(f'Undefined array key "{name}"')
    url, have, want = str(data["url"]), str(data["filetype"]).lower(), file.extension
    if have == want:
        return url
    key = f"{await call.document_key()}{int(time.time())}"
    result = await call.hub.outgoing.convert(url, from_ext=have, to_ext=want, key=key, run_async=False)
    if "fileUrl" not in result:
        raise SaveError('Undefined array key "fileUrl"')
    return str(result["fileUrl"])
