# ruff: noqa: D102 - what a call does is said once, at Recipient
"""The connector's storage as a recipient: a save is an upload, as the one who edited last.

Theory of operation. A session's last save that is, by Docs' own word, what the forced one before it was, is stored
already: closing a window saves at once, and a second version of it would help nobody. Before any other upload the file
is looked at:

- it holds these very bytes: an earlier attempt came through after all, and nothing is uploaded;
- it is as the session's key expects it, or holds a save of this key whose arrival nobody heard of: it is replaced;
- anything else: somebody changed it meanwhile. It is never overwritten: the edit becomes a second file beside it, the
  key goes on with that one, and everybody who edits is told.

The storage decides who may do what, as that person. Who edited last comes first; where they may no longer write, or
their session is over and no key stands in for it, the others who edit are tried, whose work is in the same file. If
nobody may, the save waits: it is a finding, and not lost.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

import structlog

from bridge.connector.attempt import Attempt
from bridge.connector.contents import brings_nothing_new, holds_ours, second_name
from bridge.connector.links import Link
from bridge.connector.storage import SignedOutError, Storage, StoredFile, Upload, Visitor
from bridge.connector.visits import visitor_of
from bridge.connector.words import msgid
from bridge.protocol.errors import (
    BridgeError,
    ConflictError,
    NoRouteError,
    RefusedError,
    TooLargeError,
    UnreachableError,
)
from bridge.protocol.messages import Callback, Status
from bridge.saves import rules
from bridge.saves.attempts import Attempts, Pull
from bridge.saves.flights import End
from bridge.saves.recipient import Recipient
from bridge.saves.standing import users_of
from bridge.saves.steps import Step
from bridge.saves.track import Told
from bridge.store.documents import Document, Documents
from bridge.store.records import Flight, Record

__all__ = ["Uploads"]

log = structlog.get_logger(__name__)

# An action of a callback. Source: ONLYOFFICE API, callback handler.
_JOINS: Final = 1

_EXPORT: Final = "The edit is kept: humhub-bridge saves list, and saves export to get it."
_SECOND: Final = msgid("While you edited {name}, somebody else changed it. Your edit was kept as {second}.")
_STRAY: Final = msgid("{name} was renamed or moved while you edited it. Your edit was kept as {second}.")
_ENDS: Final[dict[type[BridgeError], End]] = {TooLargeError: End.REFUSED, UnreachableError: End.UNSENT}
_SLOW: Final = "Raise saves.attempt, or see why HumHub is so slow: its log, and its web server's."
_SIGN_IN: Final = "Their next visit delivers it. With sites[].rest.secret, saves need no session any more."


@dataclass(frozen=True, slots=True)
class Uploads(Recipient):
    """Uploads the saves of one site. ``drop`` puts somebody out of a session, by its key and their id."""

    site: str
    storage: Storage
    documents: Documents
    attempts: Attempts
    drop: Callable[[str, str], Awaitable[None]]

    async def take(self, record: Record, flight: Flight, callback: Callback | None) -> Told:
        entry = record.entry(flight.entry)
        if entry is None:
            return Told(End.UNSENT, "the save is no longer known")
        try:
            async with asyncio.timeout(self.attempts.lifetime):
                document = await self._document(record)
                if document is None:
                    return Told(End.GONE, "which file this save belongs to isn't known", {"remedy": _EXPORT})
                attempt = Attempt(record, entry, flight, document)
                if brings_nothing_new(record, entry, callback):
                    await self._keep(attempt, attempt.expected, second=document.second)
                    return Told(End.CONFIRMED)
                return await self._told(attempt)
        except TimeoutError:
            return Told(End.UNREAD, "the upload took longer than saves.attempt", {"remedy": _SLOW})
        except BridgeError as error:
            # Where it may be stored all the same, that is looked at before the next attempt.
            end = next((end for kind, end in _ENDS.items() if isinstance(error, kind)), End.UNREAD)
            return Told(end, error.message, error.about)

    async def _told(self, attempt: Attempt) -> Told:
        refusal, gone = Told(End.REFUSED, "nobody is known who may save it", {"remedy": _EXPORT}), None
        async for visitor in self._writers(attempt):
            try:
                await self._store(attempt, visitor)
            except NoRouteError as error:
                gone = Told(End.GONE, f"the file is no longer there: {error.message}", {"remedy": _EXPORT})
            except SignedOutError as error:
                why = f"the session of {visitor.name} is over: {error.message}"
                refusal = Told(End.REFUSED, why, {**error.details, "remedy": error.remedy or _SIGN_IN})
            except RefusedError as error:
                why = f"{visitor.name} may not save it: {error.message}"
                refusal = Told(End.REFUSED, why, {**error.details, "remedy": error.remedy or _EXPORT})
                if isinstance(error, _NoRightError):
                    await self._put_out(attempt.document.key, visitor)
            else:
                return Told(End.CONFIRMED)
        return gone or refusal

    async def _writers(self, attempt: Attempt) -> AsyncIterator[Visitor]:
        """Give who may have saved: the last author first, then the others, the latest first."""
        writers = await self.documents.writers(self.site, attempt.document.key)
        authors = users_of(attempt.entry)
        for visit in sorted(writers, key=lambda visit: visit.id not in authors):
            yield visitor_of(visit)

    async def _store(self, attempt: Attempt, visitor: Visitor) -> None:
        """Have the save stored, and note what its key stands for from now on."""
        document, upload = attempt.document, self._upload(attempt)
        # A save that was never tried, and that no earlier process can have tried, is nowhere yet.
        found = await self.storage.find(visitor, attempt.expected, upload) if attempt.entry.tries else None
        if found is not None:
            await self._keep(attempt, found, second=document.second)
            return
        file = await self._look(document, visitor)
        if file.away:
            await self._store_beside(attempt, visitor, file, upload, _STRAY)
            return
        unchanged = file.version == document.version and bool(file.version)
        if not (unchanged or await holds_ours(self.storage, visitor, file, attempt.record)):
            await self._store_beside(attempt, visitor, file, upload, _SECOND)
            return
        try:
            stored = await self._sent(attempt, self.storage.replace(visitor, file, upload))
        except ConflictError:
            await self._store_beside(attempt, visitor, file, upload, _STRAY)
            return
        await self._keep(attempt, stored, second=document.second or stored.stray)
        if stored.stray:
            await self._tell_all(document, _STRAY, name=file.name, second=stored.name)

    async def _look(self, document: Document, visitor: Visitor) -> StoredFile:
        """Look at the file of a document, which somebody is about to change."""
        try:
            file = await self.storage.look(visitor, document.guid, document.place, document.handle)
        except SignedOutError:
            raise
        except RefusedError as error:
            raise _NoRightError(error.message, remedy=error.remedy, **error.details) from error
        if not (file.may_write or file.away):
            raise _NoRightError(f"They have no right to change {file.name}.")
        return file

    async def _store_beside(
        self, attempt: Attempt, visitor: Visitor, file: StoredFile, upload: Upload, text: str
    ) -> None:
        """Keep an edit of a file that was changed meanwhile as a second one; of a repeated attempt, the same one."""
        name = second_name(file.name, visitor, kept=attempt.entry.kept)
        wanted = dataclasses.replace(file, guid="", name=name, version="")
        stored = await self.storage.find(visitor, wanted, upload)
        if stored is None:
            stored = await self._sent(attempt, self.storage.add(visitor, file.place, name, upload))
        await self._keep(attempt, stored, second=True)
        log.warning(
            "a file was changed or moved while it was edited; the edit is a second file",
            site=self.site,
            key=attempt.document.key,
            guid=file.guid,
            second=stored.guid,
        )
        await self._tell_all(attempt.document, text, name=file.name, second=stored.name)

    async def _sent(self, attempt: Attempt, sending: Awaitable[StoredFile]) -> StoredFile:
        """Await an upload, and say how far it is."""
        self.attempts.observe(Step.PULLING, self.site, attempt.document.key)
        stored = await sending
        self.attempts.observe(Step.GIVEN, self.site, attempt.document.key)
        return stored

    async def _keep(self, attempt: Attempt, stored: StoredFile, *, second: bool) -> None:
        """Note what the key stands for; one that another content has taken over since doesn't take it back."""
        before = attempt.document
        goes_on = before.current or stored.guid != before.guid
        document = dataclasses.replace(
            before,
            guid=stored.guid,
            place=stored.place,
            name=stored.name,
            version=stored.version,
            handle=stored.handle,
            second=second,
            current=goes_on and not rules.clears(attempt.flight.status),
        )
        await self.documents.keep(document)

    async def _tell_all(self, document: Document, text: str, **arguments: str) -> None:
        for visit in await self.documents.writers(self.site, document.key):
            await self.documents.tell(self.site, visit.id, text, **arguments)

    def _upload(self, attempt: Attempt) -> Upload:
        entry = attempt.entry
        pull = Pull(entry, self.attempts.bodies.path(entry.id), attempt.flight.number)
        return Upload(pull.path, entry.size, entry.sha256, before_end=lambda: self.attempts.pulled(pull))

    async def _document(self, record: Record) -> Document | None:
        """Give what a key stands for; where that was lost, as its latest callback's capability says it."""
        known = await self.documents.document(self.site, record.key)
        if known is not None:
            return known
        link = Link.of_target(record.target or "")
        if link is None:
            return None
        # What the file holds now isn't known to be what was edited, so it is not replaced.
        return Document(site=self.site, key=record.key, guid=link.guid, place=link.place, name="", version="")

    # --- what became of it, and news --------------------------------------------------------------------------------

    async def knows_key(self, record: Record) -> bool | None:
        """Look whether the storage holds what the attempt in question brought: then its session has ended."""
        flight = record.flight
        entry = record.entry(flight.entry) if flight is not None else None
        if flight is None or entry is None:
            return None
        try:
            document = await self._document(record)
            if document is None:
                return None
            attempt = Attempt(record, entry, flight, document)
            found = await self._found(attempt)
        except BridgeError as error:
            log.info("a storage doesn't say what it holds", site=self.site, key=record.key, why=error.message)
            return None
        return found

    async def _found(self, attempt: Attempt) -> bool | None:
        known: bool | None = None
        async for visitor in self._writers(attempt):
            try:
                found = await self.storage.find(visitor, attempt.expected, self._upload(attempt))
            except (RefusedError, NoRouteError):
                continue
            if found is not None:
                await self._keep(attempt, found, second=attempt.document.second)
                return False
            known = True
        return known

    async def hear(self, record: Record, callback: Callback) -> Told:
        """See that who joins may still do so: Docs' own tokens let an editor come back for weeks."""
        document = await self.documents.document(self.site, record.key)
        if callback.status == Status.EDITED and document is not None:
            for identity in _joining(callback.fields):
                await self._check(document, identity)
        return Told(End.CONFIRMED)

    async def _check(self, document: Document, identity: str) -> None:
        visit = await self.documents.visit(self.site, identity)
        if visit is None:
            return
        try:
            await self.storage.look(visitor_of(visit), document.guid, document.place, document.handle)
        except SignedOutError:
            return  # who closed HumHub goes on editing; what they may is asked again when it is saved
        except (RefusedError, NoRouteError):
            await self._put_out(document.key, visitor_of(visit))

    async def _put_out(self, key: str, visitor: Visitor) -> None:
        log.warning("somebody may no longer have a document open", site=self.site, key=key, visitor=visitor.id)
        try:
            await self.drop(key, visitor.id)
        except BridgeError as error:
            log.warning("somebody stays in a session", site=self.site, key=key, why=error.message)

    async def is_there(self) -> bool:
        return await self.storage.is_there()


class _NoRightError(RefusedError):
    """Somebody who edits may not, or may no longer, change the file."""


def _joining(fields: dict[str, Any]) -> list[str]:
    actions = fields.get("actions")
    found = actions if isinstance(actions, list) else []
    return [
        str(one["userid"]) for one in found if isinstance(one, dict) and one.get("type") == _JOINS and "userid" in one
    ]
