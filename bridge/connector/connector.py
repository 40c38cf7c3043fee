"""The integration itself: what HumHub's module does, done here for one site, whatever keeps its documents.

Every call acts as the visitor who asks: what they may is the storage's to say, each time anew.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Final

from bridge.connector.blanks import blank
from bridge.connector.contents import upload_name
from bridge.connector.converting import Conversions
from bridge.connector.keys import Keys, fresh
from bridge.connector.links import Link, Purpose
from bridge.connector.menu import KINDS
from bridge.connector.storage import Storage, StoredFile, Upload, Visitor
from bridge.connector.visits import visit_of, visitor_of
from bridge.connector.words import msgid, words
from bridge.protocol.errors import BadRequestError, ClientError, NoRouteError, UpstreamError
from bridge.protocol.formats import Format, by_name
from bridge.protocol.secret import Secret
from bridge.saves import rules
from bridge.saves.bodies import Bodies
from bridge.saves.docs import Commands
from bridge.sites import Site, Topology
from bridge.store.documents import Document, Visit
from bridge.store.index import Index
from bridge.store.records import Record, State

__all__ = ["Closed", "Connector", "Opening"]

# How long a page that is closed waits for its save, and between two looks, in seconds.
_PATIENCE: Final = 20.0
_LOOK: Final = 0.2
# How often a session at the storage is kept from ending while its document is open, in seconds. PHP's own last for 24
# minutes.
_TOUCH: Final = 600.0

_WAITS: Final = msgid("{name} could not be stored yet. Your edit is kept and stored as soon as possible.")
_BESIDE: Final = msgid("Somebody else changed the file while you edited it. Your edit is in {second}.")


@dataclass(frozen=True, slots=True)
class Opening:
    """A document that is about to be opened by ``visitor``: ``file`` under ``document.key``.

    ``download`` and ``callback`` are the addresses that ONLYOFFICE Docs gets, ``page`` is the page's own capability.
    """

    visitor: Visitor
    file: StoredFile
    document: Document
    format: Format
    writes: bool
    download: str
    callback: str
    page: str


@dataclass(frozen=True, slots=True)
class Closed:
    """What became of a document that somebody closed: is it stored, and as which file; ``before`` was its guid."""

    saved: bool
    file: StoredFile
    before: str
    notice: str | None


@dataclass(frozen=True, slots=True)
class Connector:
    """Creates, opens and closes the documents of one site; ``conversions`` converts them."""

    topology: Topology
    site: Site
    storage: Storage
    index: Index
    bodies: Bodies
    keys: Keys
    commands: Commands
    conversions: Conversions
    secret: Secret
    clock: Callable[[], float]
    touched: dict[str, float] = field(default_factory=dict)

    async def create(self, visitor: Visitor, kind: str, name: str, place: str) -> StoredFile:
        """Store an empty document of a kind, in the visitor's language.

        Raises:
            BadRequestError: there is no such kind.
        """
        if kind not in KINDS:
            raise BadRequestError("There is no such kind of document.", kind=kind[:20])
        stem = name.strip().removesuffix(f".{kind}").strip(" .") or words(visitor.language)(KINDS[kind])
        content = blank(kind, visitor.language)
        async with self.bodies.lent(_once(content), filetype=kind, promised=len(content)) as (body, path):
            upload = Upload(path, body.size, body.sha256)
            stored = await self.storage.add(visitor, place, upload_name(stem, f".{kind}"), upload)
        # Its handle is needed when it is opened: some storages don't say of a new file whose it is.
        await self.index.documents.claim(fresh(self.site.name, stored))
        return stored

    async def look(self, visitor: Visitor, guid: str, place: str) -> tuple[StoredFile, Format]:
        """Give a file and its format.

        Raises:
            BadRequestError: ONLYOFFICE Docs doesn't open such files.
        """
        known = await self.index.documents.latest(self.site.name, guid)
        file = await self.storage.look(visitor, guid, place, known.handle if known is not None else {})
        format_ = by_name(PurePosixPath(file.name).suffix)
        if format_ is None:
            raise BadRequestError(msgid("ONLYOFFICE Docs does not open this kind of file."), name=file.name)
        return file, format_

    async def open(self, visitor: Visitor, file: StoredFile, format_: Format, *, writes: bool) -> Opening:
        """Give a file that was looked at just now its key, and remember who opens it.

        Raises:
            OverloadError: it is being saved at this moment.
        """
        document = await self.keys.of(visitor, file)
        link = Link(
            site=self.site.name,
            key=document.key,
            guid=file.guid,
            place=file.place,
            version=file.version,
            visitor=visitor.id,
            writes=writes,
        )
        now, base = self.clock(), self.site.base_path
        download = link.target(self.secret, Purpose.DOWNLOAD, base, now=now)
        callback = link.target(self.secret, Purpose.CALLBACK, base, now=now)
        node = self.topology.node_for(document.key)
        await self.index.documents.opened(document, self._visit(visitor), writes=writes)
        await self.index.remember(self.site.name, document.key, target=callback, node=node.name)
        return Opening(
            visitor,
            file,
            document,
            format_,
            writes,
            self.topology.docs_url(self.site, download),
            self.topology.docs_url(self.site, callback),
            link.mint(self.secret, Purpose.PAGE, now=now),
        )

    async def close(self, capability: str) -> Closed:
        """Have what is unsaved in a page's document saved, and say what became of it.

        Raises:
            RefusedError: the capability is none of ours, or over.
            NoRouteError: the document, or who opened it, is no longer known.
        """
        link, document, visitor = await self._opened(capability)
        node = self.topology.node_for(link.key)
        before = (await self._record(link)).arrived
        until = asyncio.get_running_loop().time() + _PATIENCE
        comes = link.writes and await self.commands.force_save(node, link.key)
        while True:
            record = await self._record(link)
            busy = bool(record.callbacks) or record.flight is not None
            if not busy and (record.arrived > before or not comes):
                break
            if asyncio.get_running_loop().time() > until:
                break
            await asyncio.sleep(_LOOK)
        document = await self.index.documents.document(self.site.name, link.key) or document
        file = await self.storage.look(visitor, document.guid, document.place, document.handle)
        return Closed(_is_saved(record), file, link.guid, self._notice(record, document, visitor))

    async def state(self, capability: str, headers: Mapping[str, str]) -> str | None:
        """Give what the page of an open document is to say, if anything; raises as :meth:`close` does.

        ``headers`` are those of the page's request: who has a document open is still here, and their session goes on.
        """
        link, document, visitor = await self._opened(capability)
        await self._stay(visitor, headers)
        return self._notice(await self._record(link), document, visitor)

    async def _stay(self, visitor: Visitor, headers: Mapping[str, str]) -> None:
        """Have somebody's session at the storage go on while they edit: nothing else asks for anything meanwhile."""
        now = self.clock()
        if self.touched.get(visitor.id, 0.0) > now - _TOUCH:
            return
        self.touched[visitor.id] = now
        with contextlib.suppress(ClientError, UpstreamError):  # what that means is said when it is saved
            await self.seen(await self.storage.visitor(headers))
        for identity in [one for one, when in self.touched.items() if when < now - 2 * _TOUCH]:
            del self.touched[identity]

    def _notice(self, record: Record, document: Document, visitor: Visitor) -> str | None:
        say, newest = words(visitor.language), record.newest
        if document.second:
            return say(_BESIDE, second=document.name)
        if newest is not None and newest.state in (State.WAITING, State.DEAD) and newest.tries:
            return say(_WAITS, name=document.name)
        return None

    async def seen(self, visitor: Visitor) -> Visit | None:
        """Note that somebody is here whom the bridge acts for; None for who has never opened anything.

        What waits for their session is delivered by it.
        """
        known = await self.index.documents.visit(self.site.name, visitor.id)
        visit = self._visit(visitor)
        if known is not None and known != visit:
            await self.index.documents.visited(visit)
            if known.cookies != visit.cookies:
                await self.index.hurry(self.site.name, due=self.clock())
        return known

    async def visited(self, visitor: Visitor) -> None:
        """Note that somebody asks for something for which Docs will come back in their name."""
        await self.index.documents.visited(self._visit(visitor))

    def _visit(self, visitor: Visitor) -> Visit:
        return visit_of(self.site.name, self.storage.lasting(visitor))

    async def visitor(self, identity: str) -> Visitor:
        """Give somebody who was here before, to act for them.

        Raises:
            NoRouteError: nobody of that id was.
        """
        visit = await self.index.documents.visit(self.site.name, identity)
        if visit is None:
            raise NoRouteError(msgid("Who opened this document is no longer known."), visitor=identity)
        return visitor_of(visit)

    async def _opened(self, capability: str) -> tuple[Link, Document, Visitor]:
        link = Link.redeem(self.secret, Purpose.PAGE, capability, site=self.site.name, now=self.clock())
        document = await self.index.documents.document(self.site.name, link.key)
        if document is None:
            raise NoRouteError(msgid("This document is no longer known."), key=link.key)
        return link, document, await self.visitor(link.visitor)

    async def _record(self, link: Link) -> Record:
        return await self.index.read(self.site.name, link.key)


def _is_saved(record: Record) -> bool:
    return rules.served(record) is None and record.flight is None


async def _once(content: bytes) -> AsyncIterator[bytes]:
    yield content
