"""The one script tag that brings the connector's menus into HumHub's pages, put there while a page passes.

Which answers are pages is decided by :func:`takes_menus`, what the tag is by :func:`tag`, and an :class:`Injector` puts
it before the end of the head. Every other byte stays as it was; no more of a page is held than the few bytes in which a
name may be cut in two.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Mapping
from html import escape
from typing import Final, Protocol

from bridge.protocol.errors import BadAnswerError, CutError

__all__ = ["CONNECTOR_PATH", "Injector", "Injects", "Repacked", "injector", "nonce_of", "tag", "takes_menus"]

CONNECTOR_PATH: Final = "/onlyoffice-bridge/"
"""What everything of the connector lies below, on HumHub's own host."""

_LIMIT: Final = 256 << 10
_PIECE: Final = 256 << 10
_OK: Final = 200

# A comment, or an element whose content is text to a browser, hides what looks like the end of the head.
_NEXT: Final = re.compile(
    rb"<!(?=--)|<(?P<text>script|style|title|textarea|noscript|template)(?=[\s/>])|(?P<here></head|<body)(?=[\s/>])",
    re.IGNORECASE,
)
_SCRIPT_RULES: Final = ("script-src-elem", "script-src", "default-src")
_NONCE: Final = re.compile("'nonce-(?P<nonce>[^']+)'", re.IGNORECASE)
_COMMENT_END: Final = re.compile(rb"-->")
_LONGEST: Final = len(b"</textarea ")


def takes_menus(status: int, answered: Mapping[str, str], *, method: str, asked: Mapping[str, str]) -> bool:
    """Say whether an answer is a whole page of HumHub's, by its headers and those of the request.

    AJAX and pjax get parts of pages, and what has a `Content-Disposition` is a file that happens to be HTML.
    """
    kind = answered.get("Content-Type", "").partition(";")[0].strip().lower()
    part = "X-Requested-With" in asked or "X-PJAX" in asked
    seen = asked.get("Sec-Fetch-Dest", "document") in {"document", "iframe", "frame"}
    file = "Content-Disposition" in answered
    return method == "GET" and status == _OK and kind == "text/html" and seen and not part and not file


def nonce_of(policies: Iterable[str]) -> str | None:
    """Give the nonce that scripts of a page may have, by its `Content-Security-Policy` headers."""
    for policy in (one for header in policies for one in header.split(",")):
        sources = {words[0].lower(): words[1:] for words in map(str.split, reversed(policy.split(";"))) if words}
        ruling = next((name for name in _SCRIPT_RULES if name in sources), None)
        for source in sources.get(ruling or "", ()):
            if found := _NONCE.fullmatch(source):
                return found["nonce"]
    return None


def tag(source: str, nonce: str | None = None) -> bytes:
    """Write the element that loads the script at ``source``, after HumHub's own, as the page's policy lets it."""
    vouched = f' nonce="{escape(nonce)}"' if nonce else ""
    return f'<script src="{escape(source)}" defer{vouched}></script>'.encode("ascii", "xmlcharrefreplace")


class Injects(Protocol):
    """A page on its way: what is fed comes out again, sooner or later, with the tag in it."""

    def feed(self, chunk: bytes) -> bytes:
        """Take the next bytes, and give those that can go on."""
        ...

    def end(self) -> bytes:
        """Give what is left at the page's end."""
        ...


class Injector:
    """Puts ``tag`` before the end of a page's head, or before its body where no end of the head is written.

    Where neither comes within ``limit`` bytes, the page passes as it is. How the page is cut into chunks makes no
    difference.
    """

    def __init__(self, tag: bytes, limit: int = _LIMIT) -> None:
        self._tag = tag
        self._left = limit
        self._held = b""
        self._until: re.Pattern[bytes] | None = None
        self.injected = False

    def feed(self, chunk: bytes) -> bytes:
        """Take the next bytes, and give those that can go on."""
        if self.injected or self._left <= 0:
            return chunk
        page, done = self._held + chunk, 0
        while found := (self._until or _NEXT).search(page, done):
            if done + self._left < found.end():
                break
            if found.lastgroup == "here":
                self.injected = True
                self._held = b""
                return page[: found.start()] + self._tag + page[found.start() :]
            self._left -= found.end() - done
            done = found.end()
            self._until = self._end_of(found)
        return page[:done] + self._passed(page[done:])

    def end(self) -> bytes:
        """Give what is left at the page's end."""
        held, self._held = self._held, b""
        return held

    def _end_of(self, found: re.Match[bytes]) -> re.Pattern[bytes] | None:
        """Give what ends that which begins here; nothing, if this was an end."""
        if self._until is not None:
            return None
        text = found["text"]
        return _COMMENT_END if text is None else re.compile(rb"</%b(?=[\s/>])" % text, re.IGNORECASE)

    def _passed(self, rest: bytes) -> bytes:
        """Give of what holds nothing all but a last name or mark that may not be complete; it is looked at again."""
        cut = max(len(rest) - _LONGEST, 0)
        self._left -= cut
        if self._left <= 0:
            self._held = b""
            return rest
        self._held = rest[cut:]
        return rest[:cut]


class Repacked:
    """An injector for a page that is gzip-encoded: it is unpacked, and packed again."""

    def __init__(self, inner: Injector) -> None:
        self._inner = inner
        self._packer = zlib.compressobj(wbits=31)
        self._unpacker = zlib.decompressobj(wbits=31)
        self._begun = False

    def feed(self, chunk: bytes) -> bytes:
        """Take the next bytes, and give those that can go on.

        Raises:
            BadAnswerError: they can't be unpacked.
        """
        packed = b""
        while chunk:
            if self._unpacker.eof:
                self._unpacker = zlib.decompressobj(wbits=31)
            try:
                piece = self._unpacker.decompress(chunk, _PIECE)
            except zlib.error as error:
                what = f"gzip: {error}"
                raise BadAnswerError("HumHub's page is broken.", what=what, remedy="See HumHub's log.") from error
            chunk = self._unpacker.unconsumed_tail or self._unpacker.unused_data
            packed += self._packer.compress(self._inner.feed(piece))
            self._begun = True
        return packed

    def end(self) -> bytes:
        """Give what is left at the page's end.

        Raises:
            CutError: the page isn't whole.
        """
        if self._begun and not self._unpacker.eof:
            remedy = "HumHub broke off in the middle of a page: see its log, and its web server's."
            raise CutError("HumHub's page is not whole.", what="gzip: it ends before its end", remedy=remedy)
        return self._packer.compress(self._inner.end()) + self._packer.flush() if self._begun else b""


def injector(tag: bytes, coding: str) -> Injects | None:
    """Give an injector for a page with that `Content-Encoding`; None for one that isn't gzip and not plain."""
    match coding.strip().lower():
        case "" | "identity":
            return Injector(tag)
        case "gzip" | "x-gzip":
            return Repacked(Injector(tag))
        case _:
            return None
