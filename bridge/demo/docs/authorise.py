"""Who may open what: the editor's tokens, checked as Docs checks them.

`jwtSession`, made by Docs itself, goes before `jwtOpen`, the configuration's token. The claims of `jwtOpen` replace
what the plain message says (a plain `mode: view` may restrict); its `permissions` must be deeply equal. The token's
key is the one that is opened, whatever the path says. A session token holds no URLs: with it the plain ones count.
"""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bridge.demo.docs import shelf, tokens

if TYPE_CHECKING:
    from bridge.demo.docs.settings import DocsSettings

PERMISSIONS_DIFFER, EXPIRED, REFUSED = 4004, 4005, 4006

Message = dict[str, Any]


class Refused(Exception):  # noqa: N818 - reads as what it is
    """Not authorised; `code` is for the editor."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Grant:
    """What an auth message amounts to, once its token has had its say."""

    key: str
    user: str
    name: str
    view: bool
    callback: str | None
    url: str | None
    filetype: str
    title: str
    permissions: dict[str, Any]
    session_id: str = field(default_factory=lambda: secrets.token_hex(10))


def _verify(token: object, secret: str) -> tokens.Claims:
    try:
        return tokens.verify(token, secret)
    except tokens.ExpiredToken as error:
        raise Refused(EXPIRED, "token expired") from error
    except tokens.BadToken as error:
        raise Refused(REFUSED, "bad token") from error


def connect(auth: object, settings: DocsSettings) -> None:
    """Check the CONNECT packet; `session` goes before `token`, `data` is never read."""
    given: Message = auth if isinstance(auth, dict) else {}
    if given.get("session"):
        _verify(given["session"], settings.session_key)
    elif settings.secret or given.get("token"):
        _verify(given.get("token"), settings.secret)


def auth(message: Message, settings: DocsSettings) -> Grant:
    """Check an auth message; return what it grants."""
    if message.get("jwtSession"):
        claims = _verify(message["jwtSession"], settings.session_key)
        return _grant(message, claims, from_session=True)
    if not settings.secret and not message.get("jwtOpen"):
        return _grant(message, _plain(message), from_session=False)
    claims = _verify(message.get("jwtOpen"), settings.secret)
    _check(message, claims)
    return _grant(message, claims, from_session=False)


def _part(claims: Message, name: str) -> Message:
    part = claims.get(name)
    return part if isinstance(part, dict) else {}


def _plain(message: Message) -> Message:
    """Give what an auth without a token says, in the shape of a token's claims."""
    command = _part(message, "openCmd")
    named = {"key": message.get("docid"), "permissions": message.get("permissions"), "url": command.get("url")}
    return {
        "document": {**named, "fileType": command.get("format"), "title": command.get("title")},
        "editorConfig": {"callbackUrl": message.get("documentCallbackUrl"), "mode": message.get("mode")},
    }


def _check(message: Message, claims: tokens.Claims) -> None:
    document, editor = _part(claims, "document"), _part(claims, "editorConfig")
    if not isinstance(document.get("url"), str):
        raise Refused(REFUSED, "no document.url")
    if message.get("permissions", {}) != document.get("permissions", {}):
        raise Refused(PERMISSIONS_DIFFER, "other permissions")
    for plain, claim in (("documentCallbackUrl", "callbackUrl"), ("mode", "mode")):
        if message.get(plain) and claim not in editor:
            raise Refused(REFUSED, f"no editorConfig.{claim}")


def _grant(message: Message, claims: tokens.Claims, *, from_session: bool) -> Grant:
    document, editor, plain = _part(claims, "document"), _part(claims, "editorConfig"), _part(message, "openCmd")
    user = {**_part(message, "user"), **_part(editor, "user")}
    key = document.get("key")
    if not shelf.is_key(key):
        raise Refused(REFUSED, "no document.key")
    permissions = document.get("permissions") or {}
    filetype = str(document.get("fileType") or plain.get("format") or "docx").lower()
    # A form is filled in with no other right; of the other documents, nothing here is a field.
    fills = filetype == "pdf" and permissions.get("fillForms") is True
    modes = {editor.get("mode"), message.get("mode")} | ({"view"} if message.get("view") else set())
    return Grant(
        key=str(key),
        user=str(user.get("id") or "anonymous"),
        name=str(user.get("name") or user.get("username") or "Anonymous"),
        view="view" in modes or (permissions.get("edit") is False and not fills),
        callback=message.get("documentCallbackUrl") if from_session else editor.get("callbackUrl"),
        url=plain.get("url") if from_session else document["url"],
        filetype=filetype,
        title=str(document.get("title") or plain.get("title") or ""),
        permissions=permissions,
    )


def session_token(grant: Grant, settings: DocsSettings) -> str:
    """Make the token that Docs hands an editor: good for 30 days, without URLs."""
    claims = {
        "document": {"key": grant.key, "permissions": grant.permissions, "fileType": grant.filetype},
        "editorConfig": {"user": {"id": grant.user, "name": grant.name}, "mode": "view" if grant.view else "edit"},
    }
    return tokens.sign(claims, settings.session_key, time.time(), settings.image_lifetime)
