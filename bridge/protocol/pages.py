"""HumHub's pages as browsers ask for them: which route a request reaches, in every spelling that HumHub takes.

HumHub finds a route in the path, also behind its base path, ``index.php/`` and a space's or user's prefix, and in the
parameter ``r``, whichever its settings are; a controller's ``index`` may be left out. PHP decodes parameter names and
takes the last of several. What is recognised here is never less than HumHub takes: a page that is taken for more than
it is costs little.
"""

from __future__ import annotations

import enum
import re
import unicodedata
from dataclasses import dataclass
from urllib.parse import parse_qsl, quote, unquote, urlencode

from bridge.protocol.urls import php_name

__all__ = ["Asked", "Page", "info_target", "names_backend", "names_route", "page_of", "spelt_once"]


class Page(enum.StrEnum):
    """The module's routes for browsers in which it may make a document key (all of them, by its source)."""

    OPEN = "onlyoffice/open"
    CONVERT = "onlyoffice/convert/convert"


_INDEX = re.compile("/index$", re.IGNORECASE)


def page_of(path: str, query: str) -> Page | None:
    """Say which of the pages a browser's request reaches, by its raw path and query; None for any other.

    A prefix before the route counts for nothing: where it is none of HumHub's, the page itself tells.
    """
    spelt = [_route(unquote(path)), *map(_route, _values(query, "r"))]
    return next((page for page in Page if any(route.endswith(f"/{page}") for route in spelt)), None)


def names_backend(path: str, query: str) -> bool:
    """Say whether a browser's request would reach one of the module's backend routes, in any spelling HumHub takes."""
    return names_route(path, query, "onlyoffice/backend")


def names_route(path: str, query: str, route: str) -> bool:
    """Say whether a browser's request would reach ``route`` or what is below it, wherever in the path it stands."""
    spelt = [unquote(path), *_values(query, "r")]
    return any(f"/{route}/" in re.sub(r"[/\\]+", "/", f"/{text}/").lower() for text in spelt)


@dataclass(frozen=True, slots=True)
class Asked:
    """The file that an open or a conversion names: by the secret of a share link, which comes first, or by its guid."""

    share: str
    guid: str

    @classmethod
    def parse(cls, query: str) -> Asked:
        """Read a raw query; what isn't there, or is empty to PHP, is empty."""
        share, guid = (["", *_values(query, name)][-1] for name in ("share", "guid"))
        return cls("" if share == "0" else share, guid)


def spelt_once(text: str) -> str:
    """Spell a guid or secret so that two which HumHub's database takes for equal are equal.

    It compares without regard to case, accents and blanks at the end.
    """
    return re.sub(r"[^0-9a-z]", "", unicodedata.normalize("NFKD", text).casefold())


def info_target(path: str, share: str) -> str:
    """Give the target of ``get-info`` beside a request's ``open``, for a share link: it tells the guid of its file."""
    asked = urlencode({"share": share})
    if page_of(path, "") is Page.OPEN:
        return f"{_INDEX.sub('', path.rstrip('/'))}/get-info?{asked}"
    return f"{path}?r={quote(f'{Page.OPEN}/get-info', safe='')}&{asked}"


def _route(text: str) -> str:
    return _INDEX.sub("", f"/{text.strip('/')}".lower())


def _values(query: str, name: str) -> list[str]:
    return [value for key, value in parse_qsl(query, keep_blank_values=True) if php_name(key) == name]
