"""Which document key a content has: one for all who open the same content, another when it changed.

Theory of operation. The store claims a key for a version of a file as one transaction, so of people who open a file at
once all get one. What makes it harder is a save on its way: the storage has a new version already, and we haven't
heard. Whoever opens the file then must join the session that saved, so a version that isn't known is looked at closely
while the key has a save under way.
"""

from __future__ import annotations

import asyncio
import dataclasses
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from bridge.connector.contents import holds_ours
from bridge.connector.storage import Storage, StoredFile, Visitor
from bridge.connector.words import msgid
from bridge.protocol.errors import OverloadError
from bridge.saves import rules
from bridge.store.documents import Document
from bridge.store.index import Index
from bridge.store.records import Record, State

__all__ = ["Keys", "fresh"]

# How long an open waits for a save that is on its way, and between two looks, in seconds.
_PATIENCE: Final = 20.0
_LOOK: Final = 0.2


@dataclass(frozen=True, slots=True)
class Keys:
    """Gives the contents of one site's files their keys; ``settle`` finds out about an attempt that nobody makes."""

    site: str
    storage: Storage
    index: Index
    settle: Callable[[str], Awaitable[bool]]

    async def of(self, visitor: Visitor, file: StoredFile) -> Document:
        """Give the key of a file as it was looked at just now.

        Raises:
            OverloadError: a save of it is on its way for too long.
        """
        until = asyncio.get_running_loop().time() + _PATIENCE
        while True:
            known = await self.index.documents.current(self.site, file.guid)
            if known is None or known.version == file.version:
                break
            record = await self.index.read(self.site, known.key)
            if record.flight is None:
                if await self._is_unheard(visitor, file, record):
                    known = dataclasses.replace(known, version=file.version)
                    await self.index.documents.keep(known)
                break
            if asyncio.get_running_loop().time() > until:
                raise OverloadError(
                    msgid("This document is being saved at this moment. Please try again."), key=known.key
                )
            if not (rules.is_adrift(record) and await self.settle(known.key)):
                await asyncio.sleep(_LOOK)
            file = await self.storage.look(visitor, file.guid, file.place, file.handle)
        return await self.index.documents.claim(fresh(self.site, file), there=file.may_write)

    async def _is_unheard(self, visitor: Visitor, file: StoredFile, record: Record) -> bool:
        newest = record.newest
        waits = newest is not None and newest.state is State.WAITING
        return waits and await holds_ours(self.storage, visitor, file, record)


def fresh(site: str, file: StoredFile) -> Document:
    """Give a document of its own to a content. HumHub's module makes keys of the same shape."""
    handle: Mapping[str, Any] = dict(file.handle)
    return Document(
        site=site,
        key=secrets.token_hex(10),
        guid=file.guid,
        place=file.place,
        name=file.name,
        version=file.version,
        handle=handle,
    )
