"""HumHub as a storage: whatever is done there is done as the visitor.

Theory of operation. Each call goes with the visitor's session while it lasts; when it is over, by HumHub's rest module
with its key, where there is one (``ways.py``). What is done is the same either way, and ``files.py``'s.

Who somebody is, HumHub's own page tells. That is remembered for a moment; what they may do is asked each time.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Final, TypeVar

from bridge.connector.humhub.answers import KEYLESS
from bridge.connector.humhub.files import Files
from bridge.connector.humhub.rest import Rest
from bridge.connector.humhub.session import Session, Spelling
from bridge.connector.humhub.ways import Way
from bridge.connector.storage import Content, SignedOutError, Storage, StoredFile, Upload, Visitor
from bridge.connector.words import msgid
from bridge.protocol.places import Place, as_guid, parse_place
from bridge.protocol.secret import Secret
from bridge.saves.module import answers
from bridge.sites import Site

__all__ = ["HumHubStorage"]

T = TypeVar("T")

# How long it is known who somebody is, in seconds: an open asks more than once.
_KNOWN: Final = 30.0
_REMEMBERED: Final = 4096
# HumHub's own take some 400 bytes; of what else browsers bring, a balancer may want something.
_COOKIES: Final = 8 << 10
_OWN: Final = ("PHPSESSID=", "_csrf=", "_identity=")
_OURS: Final = ("onlyoffice_bridge=", "bridge_")
_SIGN_IN: Final = "Sign in to HumHub, in this browser."


class HumHubStorage(Storage):
    """Keeps the documents of one site in its HumHub.

    Args:
        site: which one.
        clock: seconds since the epoch.
        secret: the key of HumHub's rest module.
        limit: how long an upload may last, in seconds.
    """

    def __init__(self, site: Site, clock: Callable[[], float], secret: Secret | None, *, limit: float = 300.0) -> None:
        self._site = site
        self._clock = clock
        self._secret = secret
        self._limit = limit
        self._spelling = Spelling(site.base_path)
        self._known = _Memory[tuple[float, Visitor]]()

    async def visitor(self, headers: Mapping[str, str], place: str = "") -> Visitor:
        """Give who sent a request. A guest is nobody, also where HumHub lets guests in: an editor needs to be told."""
        cookies = _kept(headers.get("Cookie", ""))
        where = self._place(place)
        if not cookies:
            raise SignedOutError(msgid("You are not signed in to HumHub."), remedy=_SIGN_IN)
        known = self._known.get(_mark(cookies))
        if known is not None and known[0] > self._clock():
            return known[1]
        try:
            person = await self._session(cookies, None).person(where)
        except SignedOutError as error:
            # They are here themselves: no key is to stand in for them.
            raise SignedOutError(error.message, **{**error.details, "remedy": _SIGN_IN}) from None
        visitor = Visitor(
            id=person.id,
            name=person.name,
            language=person.language,
            image=person.image,
            number=person.number,
            cookies=cookies,
        )
        self._known[_mark(cookies)] = (self._clock() + _KNOWN, visitor)
        return visitor

    def lasting(self, visitor: Visitor) -> Visitor:
        """Leave out the cookie with which HumHub signs somebody in anew: it would outlive their signing out."""
        pairs = [pair for pair in visitor.cookies.split("; ") if not pair.partition("=")[0].endswith("_identity")]
        return dataclasses.replace(visitor, cookies="; ".join(pairs))

    async def look(
        self, visitor: Visitor, guid: str, place: str, handle: Mapping[str, Any] | None = None
    ) -> StoredFile:
        """Give a file as it is now; it may be changed where HumHub's own form for that opens to the visitor."""
        guid = as_guid(guid)
        return await self._as(visitor, lambda way: self._files(way, visitor, place).look(guid, handle or {}), handle)

    @asynccontextmanager
    async def read(
        self, visitor: Visitor, guid: str, place: str = "", handle: Mapping[str, Any] | None = None
    ) -> AsyncIterator[Content]:
        """Open a file's content."""
        guid, where = as_guid(guid), self._place(place)
        async with AsyncExitStack() as stack:
            yield await self._as(visitor, lambda way: stack.enter_async_context(way.read(where, guid)), handle)

    async def find(self, visitor: Visitor, file: StoredFile, upload: Upload) -> StoredFile | None:
        """Give the file that holds these bytes; of a post's file that was replaced, the old one is deleted, too."""
        return await self._as(
            visitor, lambda way: self._files(way, visitor, file.place).find(file, upload), file.handle
        )

    async def add(self, visitor: Visitor, place: str, name: str, upload: Upload) -> StoredFile:
        """Store a new file under a name that no other in its place can be taken for."""
        return await self._as(visitor, lambda way: self._files(way, visitor, place).add(name, upload))

    async def replace(self, visitor: Visitor, file: StoredFile, upload: Upload) -> StoredFile:
        """Store a new content of a file.

        Raises:
            ConflictError: it is no longer in its place, or another file could be hit.
        """
        return await self._as(
            visitor, lambda way: self._files(way, visitor, file.place).replace(file, upload), file.handle
        )

    async def remove(self, visitor: Visitor, file: StoredFile) -> None:
        """Delete a file, where it still is in its place."""
        await self._as(visitor, lambda way: self._files(way, visitor, file.place).remove(file), file.handle)

    async def is_there(self) -> bool:
        """Say whether HumHub answers, whatever it says."""
        return await answers(self._site)

    # --- as whom ----------------------------------------------------------------------------------------------------

    async def _as(
        self, visitor: Visitor, work: Callable[[Way], Awaitable[T]], handle: Mapping[str, Any] | None = None
    ) -> T:
        """Do some work with the visitor's session while it lasts, then by the rest module's key."""
        over = SignedOutError(msgid("Your session at HumHub is over."), remedy=KEYLESS, upstream=self._site.name)
        if visitor.cookies:
            try:
                return await work(self._session(visitor.cookies, visitor.number))
            except SignedOutError as error:
                over = error
            # Who was here a moment ago has signed out: the key is for who has gone.
            known = self._known.pop(_mark(visitor.cookies), None)
            if known is not None and known[0] > self._clock():
                raise over
        if not self._secret or visitor.number is None:
            raise over
        item = (handle or {}).get("item")
        return await work(
            Rest(
                self._site,
                self._secret,
                visitor.number,
                clock=self._clock,
                limit=self._limit,
                item=item if isinstance(item, int) else None,
            )
        )

    def _session(self, cookies: str, number: int | None) -> Session:
        return Session(self._site, self._spelling, cookies, number, self._limit)

    def _files(self, way: Way, visitor: Visitor, place: str) -> Files:
        return Files(way, self._place(place), place, visitor=visitor.id, site=self._site.name)

    def _place(self, text: str) -> Place:
        return parse_place(text, self._site.base_path)


class _Memory(OrderedDict[str, T]):
    """What is remembered of the latest few."""

    def __setitem__(self, key: str, value: T) -> None:
        super().__setitem__(key, value)
        self.move_to_end(key)
        if len(self) > _REMEMBERED:
            self.popitem(last=False)


def _mark(cookies: str) -> str:
    """Name cookies without keeping them."""
    return hashlib.sha256(cookies.encode()).hexdigest()


def _kept(header: str) -> str:
    """Give the cookies that HumHub is asked with later: its own, then what there is room for, and none of ours."""
    found = [pair.strip() for pair in header.split(";") if not pair.strip().startswith(_OURS)]
    whole = [pair for pair in found if "=" in pair and pair.isascii() and pair.isprintable()]
    kept, room = list[str](), _COOKIES
    for pair in sorted(whole, key=lambda pair: not pair.startswith(_OWN)):
        if len(pair) + 2 <= room:
            room -= len(pair) + 2
            kept.append(pair)
    return "; ".join(kept)
