"""Making a call of a request: its route, and whose it is by the session or by the cookie that remembers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from bridge.demo.humhub import sessions, words
from bridge.demo.humhub.call import Call
from bridge.demo.humhub.routes import named

if TYPE_CHECKING:
    from bridge.demo.humhub.server import SmallHumHub


def receive(hub: SmallHumHub, request: web.Request) -> Call:
    links = hub.links()
    cookies = sessions.read_cookies(request.headers.getall("Cookie", []))
    route, argument = named(links.route_of(request.path, request.query.getall("r", [None])[-1]) or "")
    call = Call(hub, request, route, argument, links, cookies)
    call.session = hub.sessions.find(cookies.get("PHPSESSID"))
    call.csrf = hub.sessions.unseal(cookies.get("_csrf"))
    if call.session is not None:
        call.user = hub.user(call.session.username)
    if call.user is None:
        _remember(call)
    words.language.set(call.language)
    return call


def _remember(call: Call) -> None:
    """Log in by the `_identity` cookie."""
    sealed = call.hub.sessions.unseal(call.cookies.get("_identity"))
    for user in call.hub.users.values():
        if sealed is not None and user.auth_key in sealed:
            call.user = user
            session = call.open_session()
            session.username = user.username
            session.notes["remember"] = "1"
