"""Logging in and out."""

from __future__ import annotations

import hmac

from bridge.demo.humhub import pages
from bridge.demo.humhub.answers import Answer
from bridge.demo.humhub.call import Call
from bridge.demo.humhub.links import HOME


async def login(call: Call) -> Answer:
    if call.request.method != "POST":
        return pages.login(call)
    name = call.form.get("Login[username]", "")
    user = next((user for user in call.hub.users.values() if name in (user.username, user.email)), None)
    given = call.form.get("Login[password]", "")
    if user is None or not hmac.compare_digest(user.password.encode(), given.encode()):
        return pages.login(call, name=name, wrong="User or Password incorrect.")
    return _enter(call, user.username, remember=call.form.getall("Login[rememberMe]", ["0"])[-1] == "1")


def _enter(call: Call, username: str, *, remember: bool) -> Answer:
    """Begin a new session under a new id, as HumHub does at a login, with a new CSRF token."""
    old = call.open_session()
    target = old.notes.get("return") or call.links.to(HOME)
    call.hub.sessions.end(old)
    call.set_cookies.clear()
    session = call.session = call.hub.sessions.start()
    session.username = username
    call.set_cookie("PHPSESSID", session.id)
    answer = pages.redirect(call, target if "//" in target else call.origin + target)
    call.user = call.hub.users[username]
    call.nonce, old.nonce = old.nonce, None
    if remember:
        session.notes["remember"] = "1"
    else:
        call.set_cookie("_identity", "deleted", 0)
    call.csrf = None
    call.csrf_token()
    return answer


async def logout(call: Call) -> Answer:
    if call.session is not None:
        call.hub.sessions.end(call.session)
        call.session = None
    call.user = None
    call.set_cookie("_identity", "deleted", 0)
    return pages.redirect(call, call.origin + call.links.to("user/auth/login"))
