"""URLs that cross the boundaries: recognised by their route, whatever host they carry, and put together anew.

Where a call goes is configuration. Of a URL inside a message only its path and query are used, only if they are one of
the few routes named here, and only on the site or node that is configured. Raw text stays raw: a target keeps its
percent-encoding from one side to the other, since signatures and secure links are made over it.
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass
from urllib.parse import SplitResult, parse_qsl, urlsplit

from yarl import URL

from bridge.protocol.errors import BadRequestError, RefusedError
from bridge.protocol.headers import parse_host
from bridge.protocol.paths import normalise

__all__ = [
    "FILES",
    "VERSION",
    "Backend",
    "BackendTarget",
    "api_script",
    "backend_target",
    "docs_file",
    "homeward",
    "php_name",
    "server_of",
    "sibling",
    "split",
    "with_shard",
]


class Backend(enum.StrEnum):
    """The module's routes for ONLYOFFICE Docs, as HumHub's router names them."""

    DOWNLOAD = "onlyoffice/backend/download"
    EMPTY = "onlyoffice/backend/empty-file"
    TRACK = "onlyoffice/backend/track"


@dataclass(frozen=True, slots=True)
class BackendTarget:
    """One of the backend routes as it goes on the wire: ``target`` is path and query, raw, base path included."""

    route: Backend
    target: str
    doc: str


# Docs' static files and API carry an optional version: /9.0.4-5f1e…/web-apps/…
VERSION = r"(?:/\d+(?:\.\d+)*-[0-9A-Za-z]+)?"
_API_PATH = "/web-apps/apps/api/documents/api.js"
_API = re.compile(re.escape(_API_PATH))
_SHARD = re.compile(r"(?:(?<=&)|^)shard[kK]ey=[^&]*")
_ROUTE = re.compile(r"(onlyoffice(?:/|%2[fF])backend(?:/|%2[fF]))(?:download|empty-file|track)")
_ORIGIN = re.compile("(https?)://([^/?#]+)", re.IGNORECASE)
# Docs keeps its files on disk, or in an object store, which it offers under another name. Source: storage-base.
FILES = r"/(?:storage-)?cache/files/"
_FILE = re.compile(FILES + r"[^?#]+")


def split(url: str) -> SplitResult:
    """Take an absolute http(s) URL, or a path with its query, apart without changing a byte of it.

    Raises:
        BadRequestError: it is neither.
    """
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise BadRequestError("A URL in the message is malformed.", url=url[:200]) from error
    if parts.scheme not in ("http", "https", "") or bool(parts.scheme) != bool(parts.netloc):
        raise BadRequestError("A URL in the message is no http address.", url=url[:200])
    # urlsplit drops tabs and line ends from what it returns; a URL that has them is two URLs to two readers.
    if any(ord(sign) <= ord(" ") for sign in url):
        raise BadRequestError("A URL in the message holds white space.", url=url[:200])
    return parts


def backend_target(path: str, query: str, *, base_path: str) -> BackendTarget | None:
    """Recognise one of the backend routes under ``base_path``, pretty or as ``index.php?r=…``; None for anything else.

    Args:
        path: raw path, in normal form.
        query: raw query without its question mark.
        base_path: the site's, without a trailing slash.

    Raises:
        RefusedError: the route is there and the ``doc`` isn't there exactly once.
    """
    if not path.startswith(base_path + "/"):
        return None
    inner = path[len(base_path) :]
    pairs = parse_qsl(query, keep_blank_values=True)
    if inner in ("/index.php", "/"):
        routes = [value for name, value in pairs if name == "r"]
        name = routes[0].strip("/") if len(routes) == 1 else ""
    else:
        name = inner.strip("/")
    if name not in (route.value for route in Backend):
        return None
    docs = [value for key, value in pairs if key == "doc"]
    # PHP takes the last of several: one that is checked here and another that HumHub obeys is how rules are bypassed.
    if len(docs) != 1 or any(php_name(key) in ("r", "doc") and key not in ("r", "doc") for key, _ in pairs):
        raise RefusedError("The link must name exactly one document.", path=path)
    return BackendTarget(Backend(name), f"{path}?{query}", docs[0])


def sibling(target: str, route: Backend) -> str:
    """Give the target of another backend route for the same document: routes differ in their last word alone."""
    last = route.value.rpartition("/")[2]
    return _ROUTE.sub(lambda found: found[1] + last, target, count=1)


def homeward(url: str, *, origin: str, inner: URL) -> str:
    """Put a redirect of HumHub to itself onto the origin that the browser uses, where it leads anywhere else.

    That is to ``inner``, the address by which the bridge alone calls it (its port behind the browser's own name is how
    a web server before HumHub writes that), and to http where the browser came by https, which HumHub believes only of
    trusted hosts. Never from https to http: that would go round in circles. Anything else stays as it is.
    """
    found = _ORIGIN.match(url)
    if found is None:
        return url
    try:
        named, here, there = _place(found[0]), _place(origin), _place(str(inner.origin()))
    except BadRequestError:
        return url
    rest = url[found.end() :]
    if named[1:] == here[1:]:
        return origin + rest if (named[0], here[0]) == ("http", "https") else url
    if named[1:] not in (there[1:], (here[1], there[2])):
        return url
    return origin + rest.removeprefix(inner.raw_path.rstrip("/"))


def _place(origin: str) -> tuple[str, str, int | None]:
    """Give scheme, host and port, which is None where it is the scheme's own."""
    scheme, _, authority = origin.lower().partition("://")
    host, port = parse_host(authority)
    return scheme, host, None if port == {"http": 80, "https": 443}[scheme] else port


def php_name(name: str) -> str:
    """Give the name that PHP files a query parameter under: leading blanks and what follows a NUL or bracket go."""
    return re.split(r"[\0\[]", name.lstrip(" "), maxsplit=1)[0]


def docs_file(url: str) -> str:
    """Give path and query of a Docs file, from ``/cache/files/`` on, whatever prefix, version and host come before.

    Source: a secure link's md5 covers expiry and path; host, prefix, file name and shard key may change. Docs answers
    400 to a version before the path (recorded).

    Raises:
        RefusedError: it is no file of Docs.
    """
    parts = split(url)
    found = _FILE.search(parts.path)
    if found is None:
        raise RefusedError("The message names a file that is none of ONLYOFFICE Docs'.", url=url[:200])
    return normalise(found[0]) + (f"?{parts.query}" if parts.query else "")


def api_script(source: str) -> str | None:
    """Give path and query of Docs' ``api.js`` inside a script's source, or None for another script."""
    try:
        parts = split(source)
    except BadRequestError:
        return None
    found = _API.search(parts.path)
    if found is None or found.end() != len(parts.path):
        return None
    return found[0] + (f"?{parts.query}" if parts.query else "")


def server_of(source: str) -> str | None:
    """Give what stands before ``api.js`` in a script's source: the module's ``serverUrl``. None for another script."""
    return source[: source.index(_API_PATH)] if api_script(source) is not None else None


def with_shard(query: str, key: str) -> str:
    """Put the document's own key where a raw query has a shard key: a file's URL can name another document's."""
    return _SHARD.sub(f"shardkey={key}", query)
