"""The connector on the browser leg: what HumHub's pages ask of it, and the editor's own page.

Everything lies below ``onlyoffice-bridge/`` on HumHub's own host, so that HumHub's cookies come along: each call acts
as that user, and HumHub says what they may. What changes something is a POST with JSON, which no foreign page can send;
the editor's page can be framed by HumHub's own pages alone.
"""

from __future__ import annotations

import contextlib
import functools
import json
from collections.abc import Awaitable, Callable, Iterator
from hashlib import sha256
from http import HTTPStatus
from importlib import resources
from typing import Any, Final

from aiohttp import web

from bridge.connector.configuration import Mode
from bridge.connector.menu import menu
from bridge.connector.people import language_of
from bridge.connector.storage import StoredFile
from bridge.connector.words import Words, msgid, words
from bridge.legs import browser
from bridge.legs.answers import Kind, answers_as
from bridge.legs.asked import OPENED, Asked
from bridge.legs.directory import give_file, list_files, meet
from bridge.legs.editor_page import open_document
from bridge.legs.middleware import client_of, note, raw_target
from bridge.legs.state import CONNECTORS, TOPOLOGY
from bridge.protocol.errors import (
    BadRequestError,
    BridgeError,
    ClientError,
    NoRouteError,
    OverloadError,
    UpstreamError,
)
from bridge.protocol.menus import CONNECTOR_PATH

__all__ = ["routes"]

_STATIC: Final = {
    "menu.js": "text/javascript",
    "menu.css": "text/css",
    "editor.js": "text/javascript",
    "editor.css": "text/css",
    "icon.svg": "image/svg+xml",
    "list.js": "text/javascript",
    "list.css": "text/css",
}

_Handler = Callable[[Asked], Awaitable[web.StreamResponse]]


@answers_as(Kind.PAGE)
async def editor(request: web.Request) -> web.StreamResponse:
    """Answer with the editor's page, or with one that says why there is none."""
    return await connector(request)


@answers_as(Kind.MESSAGE)
async def connector(request: web.Request) -> web.StreamResponse:
    """Answer what is asked of a site's connector; a site that has none has HumHub's own word on it."""
    site = request.app[TOPOLOGY].site_for_host(client_of(request).host)
    found = request.app[CONNECTORS].get(site.name)
    path = raw_target(request).partition("?")[0]
    base = site.base_path + CONNECTOR_PATH
    if found is None or not path.startswith(base):
        return await browser.page(request)
    note(request, site=site.name)
    handlers = {**_HANDLERS, **_DIRECTORY} if site.directory is not None else _HANDLERS
    handler = handlers.get((request.method, path.removeprefix(base)))
    if handler is None:
        raise NoRouteError("The bridge has no such page.", target=path)
    with _speaking(request):
        return await handler(Asked(request, site, found, base))


@answers_as(Kind.PAGE)
async def page(request: web.Request) -> web.StreamResponse:
    """Answer what is no connector's: HumHub does, or the list of the documents where a site is a directory."""
    site = request.app[TOPOLOGY].site_for_host(client_of(request).host)
    if site.directory is None:
        return await browser.page(request)
    note(request, site=site.name)
    if request.method not in ("GET", "HEAD"):
        raise web.HTTPMethodNotAllowed(request.method, ("GET", "HEAD"))
    found = request.app[CONNECTORS][site.name]
    with _speaking(request):
        return await list_files(Asked(request, site, found, site.base_path + CONNECTOR_PATH))


@contextlib.contextmanager
def _speaking(request: web.Request) -> Iterator[None]:
    """Have what goes wrong said in the language of the page that asks."""
    try:
        yield
    except BridgeError as error:
        error.said = error.said or _told(error, words(language_of(request.headers)))
        raise


def _told(error: BridgeError, say: Words) -> str:
    """Say what is wrong with a request as it is; of what is wrong with a server, or with the bridge, the log tells."""
    if isinstance(error, ClientError | OverloadError):
        return say(error.message)
    if isinstance(error, UpstreamError):
        return say(msgid("The server can't be reached. Try again in a moment."))
    return say(msgid("Please try again in a moment. Nothing is lost."))


# --- what doesn't change --------------------------------------------------------------------------------------------


async def _static(asked: Asked) -> web.StreamResponse:
    name = raw_target(asked.request).partition("?")[0].removeprefix(asked.base)
    return _cached(asked.request, _content(name), _STATIC[name])


@functools.cache
def _content(name: str) -> bytes:
    return resources.files("bridge.connector").joinpath("static", name).read_bytes()


async def _menu(asked: Asked) -> web.StreamResponse:
    """Say what the menus offer, in the language of HumHub's page."""
    lossy = asked.site.connector.lossy_edit if asked.site.connector is not None else ()
    # Whatever is asked for, there are only so many languages to answer in.
    language = words(asked.request.query.get("lang", "")[:35]).language
    return _cached(asked.request, _said(language, lossy), "application/json")


@functools.cache
def _said(language: str, lossy: tuple[str, ...]) -> bytes:
    return json.dumps(menu(language, lossy)).encode()


def _cached(request: web.Request, content: bytes, kind: str) -> web.StreamResponse:
    tag = sha256(content).hexdigest()[:32]
    response = web.Response(body=content, content_type=kind, charset="utf-8")
    response.headers["Cache-Control"] = "no-cache"
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.etag = tag
    given = request.if_none_match or ()
    if any(each.value in (tag, "*") for each in given):
        return web.Response(status=HTTPStatus.NOT_MODIFIED, headers={"ETag": f'"{tag}"', "Cache-Control": "no-cache"})
    return response


# --- what pages ask for ---------------------------------------------------------------------------------------------


async def _create(asked: Asked) -> web.StreamResponse:
    message = await asked.message()
    kind, name, place = (_text(message, field) for field in ("kind", "name", "place"))
    visitor = await asked.visitor(place)
    file = await asked.connector.create(visitor, kind, name, place)
    return web.json_response({"file": _file(file), "open": asked.address(file, Mode.EDIT)})


async def _close(asked: Asked) -> web.StreamResponse:
    closed = await asked.connector.close(_text(await asked.message(), "document"))
    said = {"saved": closed.saved, "file": _file(closed.file), "before": closed.before, "notice": closed.notice}
    return web.json_response(said)


async def _state(asked: Asked) -> web.StreamResponse:
    capability = asked.request.query.get("document", "")
    return web.json_response({"notice": await asked.connector.state(capability, asked.request.headers)})


async def _convert(asked: Asked) -> web.StreamResponse:
    message = await asked.message()
    guid, place, to = (_text(message, field) for field in ("guid", "place", "to"))
    visitor, connector = await asked.visitor(place), asked.connector
    await connector.visited(visitor)
    instead = message.get("instead") is True
    progress = await connector.conversions.convert(visitor, guid, place, to, instead=instead)
    file = {"file": _file(progress.file)} if progress.file is not None else {}
    return web.json_response({"percent": progress.percent, **file})


async def _notices(asked: Asked) -> web.StreamResponse:
    if OPENED not in asked.request.cookies:
        return web.json_response({"notices": []})
    visitor, documents = await asked.visitor(""), asked.connector.index.documents
    await asked.connector.seen(visitor)
    say = words(visitor.language)
    notices = [
        {"id": each.id, "text": say(each.text, **each.arguments)}
        for each in await documents.notices(asked.site.name, visitor.id)
    ]
    return web.json_response({"notices": notices})


async def _read(asked: Asked) -> web.StreamResponse:
    read = (await asked.message()).get("read")
    numbers = [each for each in read if isinstance(each, int)] if isinstance(read, list) else []
    visitor = await asked.visitor("")
    await asked.connector.index.documents.read(asked.site.name, visitor.id, numbers)
    return web.json_response({"notices": []})


def _text(message: dict[str, Any], name: str) -> str:
    value = message.get(name, "")
    if not isinstance(value, str):
        raise BadRequestError(f"The field {name} is not text.", field=name)
    return value


def _file(file: StoredFile) -> dict[str, Any]:
    """Give a file as pages know it."""
    return {
        "guid": file.guid,
        "name": file.name,
        "size": file.size,
        "mime": file.mime,
        "url": file.url,
        "place": file.place,
        "humhub": dict(file.raw) or None,
    }


_HANDLERS: Final[dict[tuple[str, str], _Handler]] = {
    **{("GET", name): _static for name in ("menu.js", "menu.css", "editor.js", "editor.css", "icon.svg")},
    ("GET", "menu.json"): _menu,
    ("GET", "open"): open_document,
    ("GET", "state"): _state,
    ("GET", "notices"): _notices,
    ("POST", "notices"): _read,
    ("POST", "create"): _create,
    ("POST", "close"): _close,
    ("POST", "convert"): _convert,
}


_DIRECTORY: Final[dict[tuple[str, str], _Handler]] = {
    **{("GET", name): _static for name in ("list.js", "list.css")},
    ("GET", "file"): give_file,
    ("POST", "me"): meet,
}


def routes() -> list[web.RouteDef]:
    """List what browsers reach of the connector, and of HumHub; which site has one, and where, the handler sees."""
    return [
        web.route("*", "/{path:(?:.+/)?onlyoffice-bridge/open}", editor),
        web.route("*", "/{path:(?:.+/)?onlyoffice-bridge/[^/]*}", connector),
        web.route("*", "/{path:.*}", page),
    ]
