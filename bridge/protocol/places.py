"""Where a file lies in HumHub, and HumHub's own routes beside that place.

A place comes from HumHub's page, by way of a browser: a folder is named by the address to which its files are uploaded,
a post by the one at which it is edited. It decides which of HumHub's routes are called as somebody, so nothing else is
taken for one. Of an address only what HumHub needs is kept: the container, a number, and how this HumHub spells its
addresses, which is ``/s/team/cfiles/upload?fid=1``, the same behind ``index.php``, or
``/index.php?r=cfiles%2Fupload&cguid=…&fid=1``; each below the site's base path.
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl, quote, urlencode

from bridge.protocol.errors import BadRequestError, RefusedError
from bridge.protocol.paths import normalise

__all__ = ["NOWHERE", "Kind", "Place", "Routes", "as_guid", "parse_place", "spellings"]

_SCRIPT: Final = "/index.php"
_LONGEST: Final = 2000
_GUID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_NUMBER: Final = re.compile(r"[1-9][0-9]{0,9}")
# A space's or user's name in a URL is nothing that HumHub would read on.
_PRETTY: Final = re.compile(r"(?P<container>/[su]/[^/?#;]{1,100})/(?P<route>[a-z]+(?:/[a-z]+){1,2})/?")


class Kind(enum.Enum):
    """What kind of place it is; in none, a file belongs to nothing yet, or nobody knows to what."""

    FOLDER = "fid"
    POST = "id"
    NONE = ""


# What names a place, and by which parameter.
_ROUTES: Final = {
    "cfiles/upload": Kind.FOLDER,
    "cfiles/upload/index": Kind.FOLDER,
    "cfiles/browse": Kind.FOLDER,
    "cfiles/browse/index": Kind.FOLDER,
    "post/post/edit": Kind.POST,
    "post/post/view": Kind.POST,
}


@dataclass(frozen=True, slots=True)
class Routes:
    """How a HumHub spells its addresses: below ``root``, which is the base path, in path or parameter ``r``."""

    root: str = ""
    pretty: bool = True

    def target(self, route: str, container: str = "", **parameters: str | int) -> str:
        """Give path and query of a route; ``container`` is ``/s/…``, ``/u/…``, or a guid where it goes by parameter."""
        if self.pretty:
            query = urlencode(parameters)
            return f"{self.root}{container}/{route}" + (f"?{query}" if query else "")
        where = {"cguid": container} if container else {}
        return f"{self.root}{_SCRIPT}?{urlencode({'r': route, **where, **parameters}, quote_via=quote, safe='')}"

    @property
    def dashboard(self) -> str:
        """Give the page that everybody has. HumHub has a rule for its pretty address alone (recorded)."""
        return self.target("dashboard" if self.pretty else "dashboard/dashboard")

    def file(self, guid: str) -> str:
        """Give the download of a file, whatever place it lies in."""
        return self.target("file/file/download", guid=guid)


def spellings(base_path: str) -> tuple[Routes, ...]:
    """Give how a HumHub may spell its addresses, the usual way first."""
    return (Routes(base_path), Routes(base_path, pretty=False), Routes(base_path + _SCRIPT))


@dataclass(frozen=True, slots=True)
class Place:
    """Where a file lies: a folder or post by its ``number``, in a space or at a user, or nowhere.

    Only the routes that its kind has are asked of it.
    """

    kind: Kind
    routes: Routes = Routes()
    container: str = ""
    number: int = 0

    @property
    def form(self) -> str:
        """Give the form in which a post is edited, by who may: it lists the post's files."""
        return self._at("post/post/edit", id=self.number)

    @property
    def page(self) -> str:
        """Give the page on which people see the place; a folder's lists its files."""
        if self.kind is Kind.FOLDER:
            return self._at("cfiles/browse/index", fid=self.number)
        return self._at("post/post/view", id=self.number)

    @property
    def upload(self) -> str:
        """Give what takes a new file, and in a folder a new content of one."""
        if self.kind is Kind.FOLDER:
            return self._at("cfiles/upload", fid=self.number)
        if self.kind is Kind.POST:
            post = r"humhub\modules\post\models\Post"
            return self.routes.target("file/file/upload", objectModel=post, objectId=self.number)
        return self.routes.target("file/file/upload")

    @property
    def delete(self) -> str:
        """Give what deletes files: a folder's by their items, others by their guid."""
        if self.kind is Kind.FOLDER:
            return self._at("cfiles/delete", fid=self.number)
        return self.routes.target("file/file/delete")

    def edit(self, item: int) -> str:
        """Give the form of a folder's file, which opens for who may change the file."""
        return self._at("cfiles/edit/file", id=f"file_{item}")

    def entry(self, item: int) -> str:
        """Give what shows one file of the space, whichever folder it is in."""
        return self._at("cfiles/browse/load-entry", id=f"file_{item}")

    def _at(self, route: str, **parameters: str | int) -> str:
        return self.routes.target(route, self.container, **parameters)


NOWHERE: Final = Place(Kind.NONE)
"""Where a file lies that belongs to nothing yet."""


def parse_place(text: str, base_path: str) -> Place:
    """Read a place, as path and query.

    Raises:
        BadRequestError: it can be read in more than one way.
        RefusedError: it is none of the places that there are.
    """
    if not text:
        return NOWHERE
    path, _, query = text.partition("?")
    if len(text) > _LONGEST or not path.startswith("/") or not query.isascii() or "#" in text:
        raise _no_place(text)
    normalise(path)
    pairs = parse_qsl(query, keep_blank_values=True)
    given = dict(pairs)
    # PHP takes the last of several, and more than one name for the same: nothing is left to choose between here.
    if not path.startswith(base_path + "/") or len(given) != len(pairs):
        raise _no_place(text)
    inner = path.removeprefix(base_path)
    if inner in ("/", _SCRIPT):
        return _plain(text, base_path, given)
    root = base_path
    if inner.startswith(_SCRIPT + "/"):
        root, inner = base_path + _SCRIPT, inner.removeprefix(_SCRIPT)
    found = _PRETTY.fullmatch(inner)
    if found is None:
        raise _no_place(text)
    return _place(text, Routes(root), found["container"], found["route"], given)


def as_guid(text: str) -> str:
    """Give a guid as HumHub writes it.

    Raises:
        BadRequestError: it is none.
    """
    if not _GUID.fullmatch(text):
        raise BadRequestError("That is no file of HumHub.", guid=text[:60])
    return text.lower()


def _plain(text: str, base_path: str, given: dict[str, str]) -> Place:
    route, container = given.pop("r", ""), given.pop("cguid", "")
    if not _GUID.fullmatch(container):
        raise _no_place(text)
    return _place(text, Routes(base_path, pretty=False), container, route.strip("/"), given)


def _place(text: str, routes: Routes, container: str, route: str, given: dict[str, str]) -> Place:
    kind = _ROUTES.get(route)
    if kind is None or given.keys() != {kind.value} or not _NUMBER.fullmatch(given[kind.value]):
        raise _no_place(text)
    return Place(kind, routes, container, int(given[kind.value]))


def _no_place(text: str) -> RefusedError:
    return RefusedError(
        "That is no folder or post of HumHub.",
        place=text[:200],
        remedy="Is HumHub in a sub-directory? Then set base_path of its site.",
    )
