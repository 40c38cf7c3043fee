"""HumHub's whole pages: login, stream, settings, errors, and redirects."""

from __future__ import annotations

import json

from bridge.demo.humhub import panels
from bridge.demo.humhub.answers import Answer, html
from bridge.demo.humhub.call import Call
from bridge.demo.humhub.links import HOME
from bridge.demo.humhub.markup import attribute, fill
from bridge.demo.humhub.posts import Post


def redirect(call: Call, target: str) -> Answer:
    """Redirect; AJAX is told by X-Redirect, without a Location."""
    answer = Answer(status=302)
    answer.headers["X-Redirect" if call.ajax else "Location"] = target
    return answer


def login(call: Call, *, name: str = "", wrong: str = "") -> Answer:
    content = fill(
        "login",
        action=attribute(call.links.to("user/auth/login")),
        csrf=call.csrf_token(),
        invalid=" is-invalid" if wrong else "",
        username=attribute(name),
        wrong=attribute(wrong),
    )
    return page(call, "Login", content, bare=True)


def error(call: Call, status: int, message: str) -> Answer:
    """Show an error page; it opens the session that its CSRF token needs."""
    call.open_session()
    content = fill("error", message=attribute(message), home=attribute(call.links.to(HOME)))
    answer = page(call, "Error", content, bare=call.user is None)
    answer.status = status
    return answer


def stream(call: Call, title: str, posts: list[Post], *, form: bool) -> Answer:
    content = panels.post_form(call) if form else ""
    content += '<div id="stream">' + "".join(panels.post(call, post) for post in posts) + "</div>"
    if not posts:
        content += '<p class="panel empty">Nothing here that you may read.</p>'
    return page(call, title, content)


def settings(call: Call) -> Answer:
    own, note = call.hub.settings, ""
    if call.hub.connection_note is not None:
        kind, text = call.hub.connection_note
        note = f'<div class="alert alert-{kind}" role="alert">{attribute(text)}</div>'
    content = fill(
        "settings",
        note=note,
        action=attribute(call.links.to("onlyoffice/admin")),
        csrf=call.csrf_token(),
        server_url=attribute(own.server_url),
        secret=attribute(own.secret),
        header="" if own.header == "Authorization" else attribute(own.header),
        internal_server_url=attribute(own.internal_server_url),
        storage_url=attribute(own.storage_url),
    )
    return page(call, "Administration", content)


def page(call: Call, title: str, content: str, *, bare: bool = False) -> Answer:
    """Lay a page out; an editor that waits in the session opens on it."""
    text = fill(
        "layout",
        title=attribute(title),
        csrf=call.csrf_token(),
        icon=call.links.asset("icon.svg"),
        style=call.links.asset("humhub.css"),
        script=call.links.asset("humhub.js"),
        nonce=call.nonce_attribute(),
        body_class="bare" if bare else "device-desktop",
        top="" if bare else _top(call),
        main_class="narrow" if bare else "wide",
        content=content,
        config=_config(call),
        start=_start(call),
    )
    return html(text, page=True)


def _top(call: Call) -> str:
    user = call.user
    admin = call.links.to("onlyoffice/admin")
    return fill(
        "top",
        home=attribute(call.links.to(HOME)),
        space=attribute(call.links.in_space("")),
        space_name=attribute(call.hub.space.name),
        admin=f'<a href="{attribute(admin)}">ONLYOFFICE</a>' if user and user.admin else "",
        initials=attribute(panels.initials(user.name)) if user else "?",
        name=attribute(user.name) if user else "Guest",
        logout=attribute(call.links.to("user/auth/logout")),
        csrf=call.csrf_token(),
    )


def _config(call: Call) -> str:
    user = call.user
    known = {"id": user.number, "guid": user.guid, "email": user.email} if user else {}
    text = json.dumps({"user": {"isGuest": user is None, **known}}, separators=(",", ":"))
    return text.replace("/", "\\/").replace("<", "\\u003C")


def _start(call: Call) -> str:
    if call.session is None or call.session.open_after is None:
        return ""
    url, call.session.open_after = call.session.open_after, None
    quoted = json.dumps(url).replace("<", "\\u003C")
    return f'humhub.ready(() => humhub.modal.get("onlyoffice-modal").load({quoted}));'
