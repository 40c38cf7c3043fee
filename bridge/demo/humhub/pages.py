"""HumHub's whole pages: login, stream, settings, errors, and redirects."""

from __future__ import annotations

import json
import re
from typing import Any

from bridge.demo.humhub import panels, wall
from bridge.demo.humhub.answers import Answer, html
from bridge.demo.humhub.call import Call
from bridge.demo.humhub.links import HOME
from bridge.demo.humhub.markup import attribute, fill
from bridge.demo.humhub.posts import Post

NONCE = re.compile(r"\{\{\s*nonce\s*\}\}")
SCRIPTS = ("humhub.js", "humhub.files.js")


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


def stream(call: Call, title: str, url: str) -> Answer:
    """Show a stream, whose posts the page's script asks for."""
    form = wall.post_form(call) if call.user is not None and call.user.member else ""
    return page(call, title, fill("stream", form=form, url=attribute(url)))


def entry(call: Call, post: Post) -> Answer:
    """Show one post by itself."""
    shown = wall.post(call, post, context="detail")
    return page(call, "Post", f'<div data-action-component="stream.SimpleStream" id="stream">{shown}</div>')


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
    """Lay a page out; an editor that waits in the session opens on it.

    A page change within the page (pjax) gets the content alone, and its title.
    """
    nonce = call.nonce_attribute()
    scripts = [f'<script src="{call.links.asset(name)}"{nonce}></script>' for name in SCRIPTS]
    if call.pjax:
        script = f"<script{nonce}>humhub.config.set({_config(call)});</script>"
        return html(f'<title>{attribute(title)} - HumHub</title>\n{script}\n<main class="wide">\n{content}\n</main>')
    text = fill(
        "layout",
        language=attribute(call.language),
        title=attribute(title),
        csrf=call.csrf_token(),
        icon=call.links.asset("icon.svg"),
        style=call.links.asset("humhub.css"),
        scripts="\n".join(scripts),
        nonce=nonce,
        body_class="bare" if bare else "device-desktop",
        top="" if bare else _top(call),
        main_class="narrow" if bare else "wide",
        content=content,
        config=_config(call),
        start=_start(call),
        tracking=_tracking(call),
    )
    return html(text, page=True)


def _tracking(call: Call) -> str:
    """Give the statistics code with the page's nonce in it, as HumHub's template language would."""
    code = call.hub.settings.tracking_code
    nonce = (call.session.nonce if call.session else None) or ""
    return NONCE.sub(attribute(nonce), code) + "\n" if code else ""


def _top(call: Call) -> str:
    user = call.user
    admin = call.links.to("onlyoffice/admin")
    shown = user is not None and user.admin and call.hub.settings.onlyoffice
    return fill(
        "top",
        home=attribute(call.links.to(HOME)),
        space=attribute(call.links.in_space("")),
        space_name=attribute(call.hub.space.name),
        files=attribute(call.links.in_space("cfiles/browse")),
        admin=f'<a href="{attribute(admin)}">ONLYOFFICE</a>' if shown else "",
        initials=attribute(panels.initials(user.name)) if user else "?",
        name=attribute(user.name) if user else "Guest",
        logout=attribute(call.links.to("user/auth/logout")),
        csrf=call.csrf_token(),
    )


def _config(call: Call) -> str:
    """Tell the page's scripts who looks at it, and where files are uploaded to and deleted."""
    links = call.links
    upload = {"url": links.to("file/file/upload"), "deleteUrl": links.to("file/file/delete")}
    config: dict[str, Any] = {"user": _known(call), "file": {"upload": upload}, "client": {"baseUrl": call.origin}}
    if call.route.startswith(("space/", "cfiles/", "post/")):
        config["content.container"] = {"guid": call.hub.space.guid}
    text = json.dumps(config, ensure_ascii=False, separators=(",", ":"))
    return text.replace("/", "\\/").replace("<", "\\u003C")


def _known(call: Call) -> dict[str, Any]:
    user = call.user
    if user is None:
        return {"isGuest": True, "locale": call.language}
    return {
        "id": user.number,
        "guid": user.guid,
        "disabled": False,
        "disabledText": None,
        "text": user.name,
        "subText": "System Administration" if user.admin else "",
        "image": call.links.asset("icon.svg"),
        "priority": 0,
        "link": call.links.of_user(user),
        "isGuest": False,
        "email": user.email,
        "locale": call.language,
    }


def _start(call: Call) -> str:
    if call.session is None or call.session.open_after is None:
        return ""
    url, call.session.open_after = call.session.open_after, None
    quoted = json.dumps(url).replace("<", "\\u003C")
    return f'humhub.ready(() => humhub.modal.get("onlyoffice-modal").load({quoted}));'
