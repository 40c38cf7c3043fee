"""Save as: the form that a browser posts to HumHub's module, and the file in it, put where the module looks for one.

The module takes a file only on the host of its setting ``serverUrl``, puts ``internalServerUrl`` in the place of that
setting, and fetches what comes of it (source: ``ApiController``, ``replaceDocumentServerUrlToInternal``). Browsers know
the file by another address. Of theirs, path and query are used, and only if it is a file of Docs: through this door
nobody sends HumHub anywhere else.
"""

from __future__ import annotations

from urllib.parse import quote_plus, unquote_plus

from bridge.protocol.errors import BadAnswerError, BadRequestError
from bridge.protocol.keys import key_of_file
from bridge.protocol.pages import names_route
from bridge.protocol.urls import docs_file, php_name

__all__ = ["names_saveas", "placed"]

_URL = "url"


def names_saveas(path: str, query: str) -> bool:
    """Say whether a browser's request would reach the module's save as."""
    return names_route(path, query, "onlyoffice/api/saveas")


def placed(form: bytes, server: str) -> bytes:
    """Give the posted form with its file below ``server``, the module's ``serverUrl``; every other byte stays.

    Raises:
        BadRequestError: it names no file, or several.
        RefusedError: what it names is no file of Docs.
        BadAnswerError: the module, set to such a ``serverUrl``, takes no file from anywhere.
    """
    parts = form.split(b"&")
    named = [number for number, part in enumerate(parts) if php_name(_decoded(part.partition(b"=")[0])) == _URL]
    # PHP takes the last of several, and a bracket makes a list of it.
    if len(named) != 1 or _decoded(parts[named[0]].partition(b"=")[0]) != _URL:
        raise BadRequestError("Save as names exactly one file.")
    file = docs_file(_decoded(parts[named[0]].partition(b"=")[2]))
    key_of_file(file)
    if not server.lower().startswith(("http://", "https://")):
        raise BadAnswerError(
            "HumHub has no whole address of ONLYOFFICE Docs, and saves nothing under another name without one.",
            remedy="Set the module's ONLYOFFICE Docs address to {legs.browser.url}{docs.path}.",
            server=server,
        )
    parts[named[0]] = b"url=" + quote_plus(server + file).encode()
    return b"&".join(parts)


def _decoded(part: bytes) -> str:
    return unquote_plus(part.decode("latin-1"))
