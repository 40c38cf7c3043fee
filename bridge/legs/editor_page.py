"""The editor's own page on the browser leg, by itself or in a frame of HumHub's page."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from bridge.connector.configuration import Mode, Opened, configuration, device_for, mode_for, mode_of
from bridge.connector.page import EditorPage, editor_page, headers_for_page, message_for, message_page
from bridge.connector.people import language_of
from bridge.connector.storage import Visitor
from bridge.connector.words import words
from bridge.legs.asked import OPENED, Asked
from bridge.legs.middleware import ID, client_of, note
from bridge.legs.state import CLOCK, TOPOLOGY
from bridge.protocol.errors import BridgeError
from bridge.protocol.tokens import LIFETIME

__all__ = ["open_document"]


async def open_document(asked: Asked) -> web.StreamResponse:
    """Open a document: the page that has its editor, or the one that says why it doesn't open."""
    query, language = asked.request.query, language_of(asked.request.headers)
    try:
        visitor = await asked.visitor(query.get("place", ""))
        language = visitor.language
        return await _opened(asked, visitor)
    except BridgeError as error:
        details = {"why": error.message, "remedy": error.remedy, **error.details}
        note(asked.request, outcome=error.reason, failed=True, **details)
        say, framed = words(language), query.get("frame") == "1"
        message = message_for(error, say, sign_in=asked.sign_in, back=f"{asked.site.base_path}/")
        text = message_page(
            message,
            base=asked.base.rstrip("/"),
            language=language,
            framed=framed,
            close=say("Close"),
            request_id=asked.request[ID],
        )
        return web.Response(text=text, status=error.status, content_type="text/html", headers=headers_for_page())


async def _opened(asked: Asked, visitor: Visitor) -> web.StreamResponse:
    query, say = asked.request.query, words(visitor.language)
    lossy = asked.site.connector.lossy_edit if asked.site.connector is not None else ()
    file, format_ = await asked.connector.look(visitor, query.get("guid", ""), query.get("place", ""))
    chosen = mode_for(format_, mode_of(query.get("mode", "view")), may_write=file.may_write, lossy=lossy)
    best = mode_for(format_, Mode.EDIT, may_write=file.may_write, lossy=lossy).mode
    opening = await asked.connector.open(visitor, file, format_, writes=chosen.mode is not Mode.VIEW)
    note(asked.request, key=opening.document.key, mode=chosen.mode.value)
    framed = query.get("frame") == "1"
    opened = Opened(
        key=opening.document.key,
        url=opening.download,
        callback_url=opening.callback,
        title=file.name,
        format=format_,
        visitor=visitor,
        mode=chosen.mode,
        device=device_for(asked.request.headers.get("User-Agent", ""), query.get("type", "")),
        may_edit=best is Mode.EDIT,
        framed=framed,
        back=f"{asked.origin}{file.url}" if file.url else "",
    )
    config = _signed(asked, configuration(opened, say))
    page = EditorPage(
        config=config,
        document=opening.page,
        base=asked.base.rstrip("/"),
        docs=asked.request.app[TOPOLOGY].docs_path,
        language=visitor.language,
        framed=framed,
        back=opened.back or f"{asked.site.base_path}/",
        edit=asked.address(file, Mode.EDIT, framed=framed) if best is Mode.EDIT else "",
        notice=say(chosen.why) if chosen.why else "",
    )
    response = web.Response(text=editor_page(page, say), content_type="text/html", headers=headers_for_page())
    secure = client_of(asked.request).proto == "https"
    response.set_cookie(OPENED, "1", path=asked.base, httponly=True, samesite="Lax", secure=secure)
    return response


def _signed(asked: Asked, config: dict[str, Any]) -> dict[str, Any]:
    """Sign a configuration for Docs: what stands in it is what counts there, whatever a page makes of it."""
    ring = asked.request.app[TOPOLOGY].rings.browser
    if not ring.signs:
        return config
    return {**config, "token": ring.sign({**config, "exp": int(asked.request.app[CLOCK]()) + LIFETIME})}
