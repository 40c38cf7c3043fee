"""What HumHub's pages and answers say: who is signed in, which files lie in a place, what became of an upload.

Pages are made for people and change: only what HumHub's own scripts read of them is read here, ``data-`` attributes
and the configuration in the page's head. Sources are the recordings, named where a fact is not plain to see.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Any, Final
from urllib.parse import parse_qs, unquote, urlsplit

__all__ = [
    "Listed",
    "Listing",
    "Person",
    "etag_of",
    "file_name",
    "folder_listing",
    "leads_to_login",
    "person",
    "post_listing",
    "rest_file",
    "said",
]

_CONFIG: Final = "humhub.config.set("
_SHA1: Final = re.compile(r"[?&]hash_sha1=([0-9a-f]+)")
_ITEM: Final = re.compile("file_([1-9][0-9]*)")
_LOGIN: Final = re.compile(r"/?user/auth/login/?")
_LONGEST: Final = 300


@dataclass(frozen=True, slots=True)
class Person:
    """Who is signed in, the token of their forms, and the ``link`` to their profile, as HumHub spells it."""

    id: str
    number: int
    name: str
    language: str
    image: str
    link: str
    token: str


@dataclass(frozen=True, slots=True)
class Listed:
    """A file among those of a place.

    ``item`` is what a folder's file is called in cfiles, ``number`` what the rest module knows its content by. ``sha1``
    is the beginning of the content's, ``may_change`` what the list says of it. What isn't said is None, or empty.
    """

    guid: str
    name: str
    mime: str = ""
    item: int | None = None
    number: int | None = None
    size: int | None = None
    sha1: str = ""
    may_change: bool | None = None


@dataclass(frozen=True, slots=True)
class Listing:
    """The files of a place, and where HumHub gives it, the token of its form."""

    files: tuple[Listed, ...]
    token: str = ""

    def find(self, guid: str) -> Listed | None:
        """Give a file by its guid."""
        return next((file for file in self.files if file.guid == guid), None)


# --- pages --------------------------------------------------------------------------------------------------------


def person(page: str) -> Person | None:
    """Say who is signed in, by any whole page of HumHub's; None for a guest, or a page that isn't HumHub's."""
    users = (config.get("user") for config in _configs(page))
    user: dict[str, Any] = next((user for user in users if isinstance(user, dict)), {})
    if user.get("isGuest") is not False or not isinstance(user.get("guid"), str) or not isinstance(user.get("id"), int):
        return None
    token = next((tag["content"] for tag in _tags(page, "meta") if tag.get("name") == "csrf-token"), "")
    text = {name: str(user.get(name) or "") for name in ("text", "locale", "image", "link")}
    return Person(user["guid"], user["id"], text["text"], text["locale"] or "en", text["image"], text["link"], token)


def folder_listing(markup: str) -> Listing:
    """Read the list of a folder's files; folders, and files of posts among them, are left out."""
    parser = _Rows()
    parser.feed(markup)
    parser.close()
    return Listing(tuple(parser.rows))


def post_listing(markup: str) -> Listing:
    """Read the form in which a post is edited."""
    files = [
        Listed(
            file["guid"],
            str(file.get("name") or ""),
            str(file.get("mimeType") or ""),
            size=_number(file.get("size")),
            sha1=_sha1(file.get("url")),
        )
        for tag in _tags(markup, "div")
        if tag.get("data-ui-widget") == "file.Preview"
        for file in _list(tag.get("data-ui-init"))
        if isinstance(file, dict) and isinstance(file.get("guid"), str)
    ]
    return Listing(tuple(files), _form_token(markup))


def rest_file(row: object, item: int | None = None) -> Listed | None:
    """Read a file as the rest module tells of it; None if it isn't one."""
    if not isinstance(row, dict) or not isinstance(row.get("guid"), str):
        return None
    name, mime = str(row.get("file_name") or ""), str(row.get("mime_type") or "")
    size, number, sha1 = _number(row.get("size")), _number(row.get("id")), _sha1(row.get("url"))
    return Listed(row["guid"], name, mime, item=item, number=number, size=size, sha1=sha1)


def file_name(form: str) -> tuple[str, str] | None:
    """Give the name in the form in which a folder's file is edited, and the form's token; None if it's no such form."""
    for tag in _tags(form, "input"):
        if tag.get("name") == "File[file_name]":
            return tag.get("value", ""), _form_token(form)
    return None


def _form_token(form: str) -> str:
    return next((tag.get("value", "") for tag in _tags(form, "input") if tag.get("name") == "_csrf"), "")


def _configs(page: str) -> Iterator[dict[str, Any]]:
    """Give what the page's scripts are configured with; calls of another shape are passed over."""
    decoder, at = json.JSONDecoder(), 0
    while (at := page.find(_CONFIG, at)) >= 0:
        at += len(_CONFIG)
        try:
            found, _ = decoder.raw_decode(page, at)
        except (ValueError, RecursionError):
            continue
        if isinstance(found, dict):
            yield found


def _tags(markup: str, name: str) -> list[dict[str, str]]:
    parser = _Tags(name)
    parser.feed(markup)
    parser.close()
    return parser.found


class _Tags(HTMLParser):
    """Collects the attributes of all elements of a name."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name = name
        self.found: list[dict[str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == self._name:
            self.found.append({name: value or "" for name, value in attrs})


class _Rows(HTMLParser):
    """Collects the files in a folder's table.

    A row's first link is the file's. It has the name as an attribute, or, where some module opens files of its type,
    as its text alone.
    """

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[Listed] = []
        self._open: dict[str, str] = {}
        self._text: list[str] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "tr":
            self._open = given
        elif tag == "a" and "data-cfiles-item" in self._open and self._text is None:
            self._open |= given
            self._text = []

    def handle_data(self, data: str) -> None:
        if self._text is not None:
            self._text.append(data)

    def handle_endtag(self, tag: str) -> None:
        if tag != "a" or self._text is None:
            return
        text, row, self._text, self._open = "".join(self._text).strip(), self._open, None, {}
        item, guid = _ITEM.fullmatch(row["data-cfiles-item"]), _guid_in(row.get("data-cfiles-url", ""))
        if item is not None and guid:
            name, mime = row.get("data-file-name", text), row.get("data-file-mime", "")
            sha1, may_change = _sha1(row.get("href")), "data-cfiles-editable" in row
            self.rows.append(Listed(guid, name, mime, item=int(item[1]), sha1=sha1, may_change=may_change))


def _guid_in(url: str) -> str:
    """Give the guid in the address by which cfiles hands out a file: a parameter, or the last part of the route."""
    parts = urlsplit(url)
    query = parse_qs(parts.query)
    return (query.get("guid") or query.get("r") or [unquote(parts.path)])[0].rpartition("/")[2]


def _sha1(url: object) -> str:
    found = _SHA1.search(url) if isinstance(url, str) else None
    return found[1] if found else ""


def _list(text: str | None) -> list[Any]:
    try:
        found = json.loads(text or "[]")
    except ValueError:
        return []
    return found if isinstance(found, list) else []


def _number(value: object) -> int | None:
    return int(value) if isinstance(value, int) or (isinstance(value, str) and value.isdecimal()) else None


# --- answers ------------------------------------------------------------------------------------------------------


def said(raw: bytes) -> str:
    """Give what HumHub says is wrong, where it says so for people; its shapes of an error differ from route to route.

    An answer of several uploads tells of the first that failed.
    """
    try:
        answer = json.loads(raw)
    except (ValueError, RecursionError):
        return ""
    if isinstance(answer, dict):
        files = answer.get("files")
        failed = [file for file in files if isinstance(file, dict)] if isinstance(files, list) else []
        whole = next((file.get("errors") for file in failed if file.get("error")), answer.get("errors"))
        return _words(whole) or _words(answer.get("message"))
    return ""


def _words(value: object) -> str:
    match value:
        case str():
            return value.strip()[:_LONGEST]
        case list():
            return " ".join(filter(None, map(_words, value)))[:_LONGEST]
        case Mapping():
            return _words(list(value.values()))
        case _:
            return ""


def leads_to_login(location: str) -> bool:
    """Say whether a redirect leads to where people sign in: HumHub's way to say that nobody is."""
    parts = urlsplit(location)
    routes = parse_qs(parts.query).get("r", [])
    return any(_LOGIN.fullmatch(route) for route in routes) or parts.path.rstrip("/").endswith("/user/auth/login")


def etag_of(md5: str) -> str:
    """Give the ETag that HumHub gives to a content, by its MD5 in hex (recorded; any other is its web server's)."""
    digest = hashlib.sha1(md5.encode(), usedforsecurity=False).digest()
    return base64.b64encode(digest).decode().rstrip("=")
