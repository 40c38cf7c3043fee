"""The list of a directory's documents: all that there is in the place of HumHub where a site is a directory.

It has the plain hooks that the menus' script looks for, so creating, opening and converting are the same as in HumHub.
"""

from __future__ import annotations

from html import escape
from http import HTTPStatus
from string import Template
from typing import Final
from urllib.parse import parse_qs, quote, unquote, urlencode

from aiohttp import web

from bridge.connector.local import Local
from bridge.connector.people import COOKIE, LASTS, introduce, language_of
from bridge.connector.storage import SignedOutError, StoredFile, Visitor
from bridge.connector.tongues import tongue
from bridge.connector.words import Words, msgid, words
from bridge.legs.asked import Asked
from bridge.legs.middleware import client_of, note, raw_target
from bridge.legs.state import CLOCK
from bridge.protocol.errors import NoRouteError
from bridge.transport.relay import read_request, send

__all__ = ["give_file", "list_files", "meet"]

_ENGLISH: Final = "en"
_FORM: Final = 4096
_THOUSAND: Final = 1000
_UNITS: Final = ("B", "kB", "MB", "GB")


async def list_files(asked: Asked) -> web.StreamResponse:
    """Show the files of a folder, or ask who somebody is."""
    request, language = asked.request, language_of(asked.request.headers)
    path = unquote(raw_target(request).partition("?")[0]).strip("/")
    try:
        visitor = await asked.visitor(path)
    except SignedOutError:
        return _page(asked, words(language), msgid("Who are you?"), _asking(asked, words(language)), language)
    folders, files = await _local(asked).entries(path)
    up = [("..", path.rpartition("/")[0])] if path else []
    inner = [(name, f"{path}/{name}".strip("/")) for name in folders]
    rows = [_folder(asked, name, at) for name, at in (*up, *inner)] + [_file(asked, file) for file in files]
    body = _listing(words(language), visitor, path, "".join(rows))
    return _page(asked, words(language), path or msgid("Documents"), body, language)


async def meet(asked: Asked) -> web.StreamResponse:
    """Take who somebody says they are, and go on to the list."""
    asked.check_origin()
    form = parse_qs((await read_request(asked.request, _FORM)).decode(errors="replace"))
    now = asked.request.app[CLOCK]()
    value = introduce(form.get("name", [""])[0], asked.connector.secret, now=now)
    response = web.Response(status=HTTPStatus.SEE_OTHER, headers={"Location": f"{asked.site.base_path}/"})
    secure = client_of(asked.request).proto == "https"
    response.set_cookie(COOKIE, value, max_age=LASTS, httponly=True, samesite="Lax", secure=secure)
    return response


async def give_file(asked: Asked) -> web.StreamResponse:
    """Give a file, to be kept and never shown."""
    guid = asked.request.query.get("guid", "")
    visitor, storage = await asked.visitor(""), _local(asked)
    file = await storage.look(visitor, guid, "")
    note(asked.request, file=file.guid)
    headers = {
        "Content-Type": file.mime,
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(file.name, safe='')}",
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-store",
    }
    async with storage.read(visitor, guid) as content:
        return await send(asked.request, content.chunks, headers=headers, length=content.size)


def _local(asked: Asked) -> Local:
    if not isinstance(asked.connector.storage, Local):
        raise NoRouteError("This site is no directory.")
    return asked.connector.storage


def _asking(asked: Asked, say: Words) -> str:
    return (
        f'<form method="post" action="{escape(asked.base)}me"><label>{escape(say(msgid("Your name")))} '
        f'<input name="name" required maxlength="60" autofocus autocomplete="name"></label> '
        f"<button>{escape(say(msgid('Go on')))}</button></form>"
    )


def _listing(say: Words, visitor: Visitor, path: str, rows: str) -> str:
    head = "".join(f"<th>{escape(say(name))}</th>" for name in (msgid("Name"), msgid("Size"), msgid("Actions")))
    return (
        f'<p class="who">{escape(visitor.name)}</p><div class="create" data-bridge-create="{escape(path)}"></div>'
        f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
    )


def _folder(asked: Asked, name: str, path: str) -> str:
    address = f"{asked.site.base_path}/{quote(path)}"
    return f'<tr><td><a href="{escape(address)}">{escape(name)}/</a></td><td></td><td></td></tr>'


def _file(asked: Asked, file: StoredFile) -> str:
    address = f"{asked.base}file?{urlencode({'guid': file.guid})}"
    hooks = f'data-bridge-file="{escape(file.guid)}" data-bridge-name="{escape(file.name)}"'
    writable = " data-bridge-writable" if file.may_write else ""
    return (
        f'<tr><td><a href="{escape(address)}" download>{escape(file.name)}</a></td><td>{_size(file.size)}</td>'
        f'<td {hooks} data-bridge-place="{escape(file.place)}"{writable}></td></tr>'
    )


def _size(size: float) -> str:
    unit = 0
    while size >= _THOUSAND and unit < len(_UNITS) - 1:
        size, unit = size / _THOUSAND, unit + 1
    return f"{size:.3g} {_UNITS[unit]}"


def _page(asked: Asked, say: Words, title: str, body: str, language: str) -> web.Response:
    speech = tongue(language if say.language != _ENGLISH or language.lower().startswith(_ENGLISH) else _ENGLISH)
    text = _PAGE.substitute(language=escape(speech.tag), base=escape(asked.base), title=escape(say(title)), body=body)
    headers = {
        "Content-Security-Policy": "default-src 'self'; frame-ancestors 'self'; form-action 'self'; base-uri 'none'",
        "X-Frame-Options": "SAMEORIGIN",
        "Cache-Control": "no-store",
    }
    return web.Response(text=text, content_type="text/html", headers=headers)


_PAGE: Final = Template("""<!doctype html>
<html lang="$language">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title>
<link rel="icon" href="${base}icon.svg">
<link rel="stylesheet" href="${base}list.css">
<script src="${base}menu.js" defer></script>
<script src="${base}list.js" defer></script>
</head>
<body>
<main>
<h1>$title</h1>
$body
</main>
</body>
</html>
""")
