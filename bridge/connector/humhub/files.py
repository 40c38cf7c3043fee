"""What is done with files in one place of HumHub, whichever way it is asked: look, find, store, delete.

Theory of operation. Which files a place holds, and what may be done with them, is asked of HumHub each time: a
browser's word for either is a question. A file's version is HumHub's ETag, a digest of the content, so that files are
compared without being fetched.

*Folders.* HumHub stores a new content under the same name as a new version of the file. It finds that file by its name,
without regard to case and accents, so the file's name is read just before, a name that another file could be taken for
is not sent at all, and the guid in the answer tells which one was hit. What is deleted from a folder HumHub keeps:
who made it, and admins, go on seeing it, but nowhere.

*Posts.* Their files can't be replaced: the new one is attached, then the old one deleted. If that fails, both are
there, the edit with them, and the log says so; :meth:`Files.find` tries again.

*No place.* A fresh upload belongs to nobody's post: only who made it sees it, and HumHub deletes it after a day. HumHub
doesn't say who made it, so its handle does. Its replacement is another fresh upload. The old one stays, as it may have
been posted meanwhile.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Final

import structlog

from bridge.connector.humhub.pages import Listed, Listing
from bridge.connector.humhub.ways import Digests, Head, Sent, Way
from bridge.connector.storage import SignedOutError, StoredFile, Upload
from bridge.connector.words import msgid
from bridge.protocol.errors import ClientError, ConflictError, NoRouteError, RefusedError, UpstreamError
from bridge.protocol.filenames import are_alike, cleaned, free_name, is_made_of
from bridge.protocol.places import NOWHERE, Kind, Place

__all__ = ["Files"]

log = structlog.get_logger(__name__)

# So many files are looked at, at most, for the one that holds an upload.
_CANDIDATES: Final = 20


@dataclass(frozen=True, slots=True)
class _Right:
    """A file as its place lists it, and what may be done with it; ``away`` says that the place has it no more."""

    listed: Listed | None
    may_write: bool
    away: bool = False


class Files:
    """The files of one place, to one visitor; ``text`` is how the place was called, ``visitor`` their id."""

    def __init__(self, way: Way, place: Place, text: str, *, visitor: str, site: str) -> None:
        self._way = way
        self._place = place
        self._text = text
        self._site = site
        self._made: Mapping[str, Any] = {"by": visitor} if place.kind is Kind.NONE else {}

    async def look(self, guid: str, handle: Mapping[str, Any]) -> StoredFile:
        """Give a file as it is now."""
        head = await self._way.head(self._place, guid)
        if self._place.kind is Kind.NONE:
            mine = handle.get("by") == self._made["by"]
            return self._file(guid, head, may_write=mine, handle=self._made if mine else {})
        right, item = await self._right(guid), handle.get("item")
        if right.away and self._place.kind is Kind.FOLDER and isinstance(item, int):
            await self._check_kept(guid, item)
        file = self._file(guid, head, may_write=right.may_write, listed=right.listed)
        return replace(file, away=right.away)

    async def find(self, file: StoredFile, upload: Upload) -> StoredFile | None:
        """Give the file that holds these bytes: itself, or one that has its name or one made of it."""
        digests = await asyncio.to_thread(Digests.of, upload)
        listing = await self._listing()
        for guid in _candidates(listing, file, upload, digests):
            head = await self._held(guid, upload, digests)
            if head is None:
                continue
            old, new = listing.find(file.guid), listing.find(guid)
            if self._place.kind is Kind.POST and old is not None and old != new and old.name == head.name:
                await self._delete_replaced(old, listing)
            return self._file(guid, head, may_write=True, listed=new, handle=self._made)
        return None

    async def add(self, name: str, upload: Upload) -> StoredFile:
        """Store a new file under a name that no other in the place can be taken for."""
        digests = await asyncio.to_thread(Digests.of, upload)
        listing = await self._way.listing(self._place)
        free = free_name(name, [listed.name for listed in listing.files])
        file = await self._sent(await self._way.send(self._place, free, upload, listing), upload, digests)
        if listing.find(file.guid) is None:
            return file
        return self._strayed(file, "a new file", listing)

    async def replace(self, file: StoredFile, upload: Upload) -> StoredFile:
        """Store a new content of a file.

        Raises:
            ConflictError: it is no longer here, or another file could be hit.
        """
        digests = await asyncio.to_thread(Digests.of, upload)
        listing = await self._way.listing(self._place)
        if self._place.kind is Kind.NONE:
            sent = await self._way.send(self._place, cleaned(file.name), upload, listing)
            return await self._sent(sent, upload, digests)
        old = listing.find(file.guid)
        if old is None:
            raise ConflictError(f"{file.name} is no longer where it was: it was moved or deleted.", guid=file.guid)
        form = await self._way.form(self._place, listing, old)
        if self._place.kind is Kind.FOLDER:
            _refuse_twins(old, form.name, listing)
        sent = await self._way.send(self._place, form.name, upload, replace(listing, token=form.token))
        stored = await self._sent(sent, upload, digests)
        if self._place.kind is Kind.POST:
            await self._delete_replaced(old, listing)
        elif stored.guid != file.guid:
            return self._strayed(stored, "a file's new content", listing)
        return stored

    async def remove(self, file: StoredFile) -> None:
        """Delete a file."""
        listing = await self._way.listing(self._place)
        listed = Listed(file.guid, file.name) if self._place.kind is Kind.NONE else listing.find(file.guid)
        if listed is None:
            raise NoRouteError(f"{file.name} is no longer where it was.", guid=file.guid)
        await self._way.delete(self._place, listed, listing)

    # --- asking -----------------------------------------------------------------------------------------------------

    async def _right(self, guid: str) -> _Right:
        """Say whether a file is here, and whether it may be changed."""
        listed = None
        try:
            listing = await self._way.listing(self._place)
            listed = listing.find(guid)
            if listed is None:
                return _Right(None, may_write=False, away=True)
            await self._way.form(self._place, listing, listed)
        except SignedOutError:
            raise
        except (RefusedError, NoRouteError):
            return _Right(listed, may_write=False)
        return _Right(listed, may_write=True)

    async def _check_kept(self, guid: str, item: int) -> None:
        """Tell a file that was moved from one that was deleted, which its author and admins go on seeing.

        Raises:
            NoRouteError: it was deleted.
        """
        if not await self._way.is_kept(self._place, guid, item):
            raise NoRouteError(msgid("There is no such file in HumHub."), upstream=self._site)

    async def _listing(self) -> Listing:
        """List what may be listed."""
        try:
            return Listing(()) if self._place.kind is Kind.NONE else await self._way.listing(self._place)
        except SignedOutError:
            raise
        except (RefusedError, NoRouteError):
            return Listing(())

    async def _held(self, guid: str, upload: Upload, digests: Digests) -> Head | None:
        """Look at a file that may hold an upload; None if it doesn't, or can't be looked at."""
        try:
            head = await self._way.head(self._place, guid)
            return head if await self._holds(guid, head, upload, digests) else None
        except SignedOutError:
            raise
        except (RefusedError, NoRouteError):
            return None

    async def _holds(self, guid: str, head: Head, upload: Upload, digests: Digests) -> bool:
        """Say whether a file holds an upload: by its version, or, where that is no digest that we know, its bytes."""
        if head.version == digests.etag:
            return True
        if head.size not in (None, upload.size):
            return False
        digest = hashlib.sha256()
        async with self._way.read(self._place, guid) as content:
            async for chunk in content.chunks:
                digest.update(chunk)
        return digest.hexdigest() == upload.sha256

    # --- what came of it --------------------------------------------------------------------------------------------

    def _file(
        self,
        guid: str,
        head: Head,
        *,
        may_write: bool,
        listed: Listed | None = None,
        handle: Mapping[str, Any] | None = None,
    ) -> StoredFile:
        item = {"item": listed.item} if listed is not None and listed.item is not None else {}
        return StoredFile(
            guid=guid,
            place=self._text,
            name=head.name,
            size=head.size or 0,
            version=head.version,
            may_write=may_write,
            mime=head.mime,
            url="" if self._place.kind is Kind.NONE else self._place.page,
            handle={**(handle or {}), **item},
        )

    async def _sent(self, sent: Sent, upload: Upload, digests: Digests) -> StoredFile:
        """See what HumHub has under the guid that it answered.

        Raises:
            RefusedError: it isn't attached to its post, which HumHub doesn't say of itself.
        """
        head, listed = await self._way.head(self._place, sent.guid), Listed(sent.guid, sent.name, item=sent.item)
        if self._place.kind is Kind.POST:
            listing = await self._way.listing(self._place)
            if listing.find(sent.guid) is None:
                with suppress(ClientError, UpstreamError):
                    await self._way.delete(NOWHERE, listed, listing)
                raise RefusedError(msgid("HumHub took the file and didn't attach it to the post."), upstream=self._site)
        ours = await self._holds(sent.guid, head, upload, digests)
        file = self._file(sent.guid, head, may_write=True, listed=listed, handle=self._made)
        return replace(file, version=file.version if ours else "", raw=sent.raw)

    def _strayed(self, stored: StoredFile, wanted: str, before: Listing) -> StoredFile:
        """Say that HumHub did not do with a folder's file what it was to do: its name has changed since it was read."""
        hit = before.find(stored.guid) is not None
        log.warning(
            "an upload went to another file",
            site=self._site,
            wanted=wanted,
            hit="another file" if hit else "a new file",
            guid=stored.guid,
            remedy="What the file held before is among its versions in HumHub." if hit else None,
        )
        return replace(stored, stray=True)

    async def _delete_replaced(self, old: Listed, listing: Listing) -> None:
        """Delete a post's file of which a newer one is attached; the edit is stored, whether or not that succeeds."""
        try:
            await self._way.delete(self._place, old, listing)
        except NoRouteError:
            return
        except (ClientError, UpstreamError) as error:
            log.warning(
                "a post has a file from before an edit beside the edited one",
                site=self._site,
                guid=old.guid,
                why=error.message,
                remedy="Delete it in HumHub, where the post is edited.",
            )


def _candidates(listing: Listing, file: StoredFile, upload: Upload, digests: Digests) -> list[str]:
    """Give the files that may hold an upload: the one that it was for, then others of its name."""
    name = cleaned(file.name)
    named = [listed for listed in listing.files if listed.guid != file.guid and is_made_of(listed.name, name)]
    own = listing.find(file.guid) or Listed(file.guid, file.name)
    return [
        listed.guid
        for listed in (own, *named)
        if listed.guid and listed.size in (None, upload.size) and digests.sha1.startswith(listed.sha1)
    ][:_CANDIDATES]


def _refuse_twins(file: Listed, name: str, listing: Listing) -> None:
    """See that no other file of a folder can be taken for one.

    Raises:
        ConflictError: one can.
    """
    twin = next((other for other in listing.files if other.guid != file.guid and are_alike(other.name, name)), None)
    if twin is not None:
        raise ConflictError(
            f"HumHub can't tell {name} from {twin.name}, which is in the same folder.",
            guid=file.guid,
            twin=twin.guid,
            remedy="Rename one of them in HumHub.",
        )
