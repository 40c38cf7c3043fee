"""The editor's own page, and the page that stands in its place where there is no editor.

Both are whole HTML pages without any script or style inside: the policy that goes with them forbids it. What
``static/editor.js`` needs stands in data attributes of the body, each of them escaped as HTML.

The editors' ``api.js`` comes from the same host, under the path of Docs, and puts an iframe of that host into the page,
which has a policy of its own. It sets the frame's looks by properties, which no policy for styles concerns, and an
empty attribute ``onmousewheel``: the policy lets in the empty script, by its hash, and no other (tried with the
``api.js`` of 7.4, and looked at in the newer published source).

Inside another page (``framed``, HumHub's with the menus) closing is said to that page, which then asks for the save;
alone, the page asks itself and goes back.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from html import escape
from string import Template
from typing import Any, Final
from urllib.parse import quote

from bridge.connector.storage import SignedOutError
from bridge.connector.tongues import tongue
from bridge.connector.words import msgid
from bridge.protocol.errors import BridgeError, ClientError, NoRouteError, RefusedError

__all__ = ["EditorPage", "Message", "editor_page", "headers_for_page", "message_for", "message_page"]

_API: Final = "web-apps/apps/api/documents/api.js"
_EMPTY_SCRIPT: Final = "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='"


@dataclass(frozen=True, slots=True, kw_only=True)
class EditorPage:
    """What an editor's page is made of.

    ``config`` is the signed configuration, ``document`` the capability with which the page asks about its document,
    ``base`` the path of the connector and ``docs`` that of Docs, both without a slash at the end. ``back`` is where
    closing leads, ``edit`` the address of this page for editing; each is empty where there is none. ``notice`` is shown
    at once. The page asks for news every ``every`` seconds, and is patient with an editor for ``patience`` of them.
    """

    config: Mapping[str, Any]
    document: str
    base: str
    docs: str
    language: str
    framed: bool = False
    back: str = ""
    edit: str = ""
    notice: str = ""
    every: float = 20
    patience: float = 30


@dataclass(frozen=True, slots=True)
class Message:
    """What is said in the editor's place: a title, a text, and perhaps where to go."""

    title: str
    text: str
    link: str = ""
    link_text: str = ""


# By the names that editor.js has for them.
_WORDS: Final = {
    "unreachable": msgid("The editor can't be reached at the moment. Nothing is lost: try again in a moment."),
    "failed": msgid("The document could not be opened."),
    "slow": msgid("The editor takes longer than usual. You can wait, or try again."),
    "outdated": msgid("Somebody has just saved this document. Try again in a moment to see its newest version."),
    "saving": msgid("Saving…"),
}


def headers_for_page() -> dict[str, str]:
    """Give the headers of a page: what it may load, who may frame it, and that nobody keeps it."""
    policy = {
        "default-src": "'none'",
        "script-src": f"'self' 'unsafe-hashes' {_EMPTY_SCRIPT}",
        "style-src": "'self'",
        "img-src": "'self'",
        "connect-src": "'self'",
        "frame-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'self'",
    }
    return {
        "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in policy.items()),
        "X-Frame-Options": "SAMEORIGIN",
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-store",
        "Referrer-Policy": "same-origin",
    }


def editor_page(page: EditorPage, say: Callable[[str], str]) -> str:
    """Write the page of an editor; ``say`` gives a sentence in the user's language."""
    document = page.config["document"]
    data = {
        "config": json.dumps(page.config, ensure_ascii=False, separators=(",", ":")),
        "document": page.document,
        "api": f"{page.docs}/{_API}?shardkey={quote(document['key'], safe='')}",
        "base": page.base,
        "back": page.back,
        "edit": page.edit,
        "framed": "1" if page.framed else "",
        "every": f"{page.every:g}",
        "patience": f"{page.patience:g}",
        "words": json.dumps({name: say(sentence) for name, sentence in _WORDS.items()}, ensure_ascii=False),
    }
    speech = tongue(page.language)
    return _EDITOR.substitute(
        language=speech.tag,
        direction="rtl" if speech.right_to_left else "ltr",
        base=escape(page.base),
        title=escape(document["title"]),
        data=" ".join(f'data-{name}="{escape(text)}"' for name, text in data.items() if text),
        notice=escape(page.notice),
        unsaid="" if page.notice else " hidden",
        opening=escape(say(msgid("Opening…"))),
        script=escape(say(msgid("Documents open only where JavaScript is switched on."))),
        again=escape(say(msgid("Try again"))),
        close=escape(say(msgid("Close"))),
        dismiss=escape(say(msgid("Dismiss"))),
    )


def message_for(error: BridgeError, say: Callable[[str], str], *, sign_in: str = "", back: str = "") -> Message:
    """Say to a person why a document doesn't open; ``sign_in`` and ``back`` are addresses, empty where there are none.

    What is wrong with the bridge or its servers is the log's to tell; a request that can't be understood says why.
    """
    go_back = (back, say(msgid("Go back"))) if back else ("", "")
    if isinstance(error, SignedOutError):
        title, text = msgid("Please sign in"), msgid("You are not signed in. What was written is kept.")
        return Message(say(title), say(text), sign_in, say(msgid("Sign in")) if sign_in else "")
    if isinstance(error, RefusedError):
        title = msgid("You may not open this file")
        return Message(say(title), say(msgid("Ask whoever it belongs to, or your administrator.")), *go_back)
    if isinstance(error, NoRouteError):
        title = msgid("This file no longer exists")
        return Message(say(title), say(msgid("It was deleted, or put somewhere else.")), *go_back)
    if isinstance(error, ClientError):
        return Message(say(msgid("The document could not be opened.")), say(error.message), *go_back)
    title, text = msgid("Not available right now"), msgid("Please try again in a moment. Nothing is lost.")
    return Message(say(title), say(text), *go_back)


def message_page(message: Message, *, base: str, language: str, framed: bool, close: str, request_id: str = "") -> str:
    """Write a page that says ``message``; inside another page it has a button, ``close``, that shuts it there."""
    speech = tongue(language)
    link = f'<a class="way" href="{escape(message.link)}" target="_top">{escape(message.link_text)}</a>'
    return _MESSAGE.substitute(
        language=speech.tag,
        direction="rtl" if speech.right_to_left else "ltr",
        base=escape(base),
        framed=' data-framed="1"' if framed else "",
        title=escape(message.title),
        text=escape(message.text),
        link=link if message.link else "",
        close=f'<button type="button" class="way" id="close">{escape(close)}</button>' if framed else "",
        request=f"<p><small>{escape(request_id)}</small></p>" if request_id else "",
    )


_HEAD: Final = """<!doctype html>
<html lang="$language" dir="$direction">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1, interactive-widget=resizes-content">
<title>$title</title>
<link rel="icon" href="$base/icon.svg">
<link rel="stylesheet" href="$base/editor.css">
<script src="$base/editor.js" defer></script>
</head>
"""

_EDITOR: Final = Template(
    _HEAD
    + """<body $data>
<header id="bar"><h1 dir="auto">$title</h1><button type="button" id="close">$close</button></header>
<div id="notice" role="status"$unsaid>
<p dir="auto">$notice</p>
<button type="button" class="way" id="reload" hidden>$again</button>
<button type="button" id="dismiss" aria-label="$dismiss">&times;</button>
</div>
<main>
<div id="stage"><div id="editor"></div></div>
<div id="cover" role="status">
<p id="message">$opening</p>
<noscript><p>$script</p></noscript>
<p><button type="button" class="way" id="again" hidden>$again</button></p>
</div>
</main>
</body>
</html>
"""
)

_MESSAGE: Final = Template(
    _HEAD
    + """<body class="said"$framed>
<main class="card">
<h1>$title</h1>
<p>$text</p>
<p>$link $close</p>
$request
</main>
</body>
</html>
"""
)
