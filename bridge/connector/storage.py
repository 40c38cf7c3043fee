"""Where documents live: one small interface, behind which are HumHub and a local directory.

Theory of operation. Every call acts as somebody, with what they came with: what they may not do there can't be done
through the bridge either. A file is named by its guid and lies in a place; both are the storage's own words, and so is
its version, of which only one thing is known: another content has another one. HumHub can't replace a post's
attachment, so :meth:`Storage.replace` may give a file with another guid; and it replaces a file in a folder by its
name, so it may hit another file than was meant, which is said of the result (``stray``).

An upload may be cut off, or its answer lost, when the storage has it already. :meth:`Storage.find` tells: it looks for
the very bytes.
"""

from __future__ import annotations

import asyncio
import os
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from bridge.protocol.errors import RefusedError, StorageError

__all__ = ["Content", "SignedOutError", "Storage", "StoredFile", "Upload", "Visitor"]

_CHUNK: Final = 256 << 10
_DISK: Final = "Look at the disk under saves.directory: humhub-bridge saves show says whether the file is whole."


class SignedOutError(RefusedError):
    """Nobody is signed in, or what they came with no longer counts, and no key stands in for it."""

    status = 401
    reason = "signed-out"


@dataclass(frozen=True, slots=True, kw_only=True)
class Visitor:
    """Somebody who asks.

    ``id`` names them for good, ``number`` is what HumHub's rest module knows them by; ``language`` is a tag such as
    ``de`` or ``en-US``, ``image`` the address of a picture. ``cookies`` is the Cookie header that they came with, with
    nothing in it but the storage's own; empty for somebody who has gone.
    """

    id: str
    name: str
    language: str = "en"
    image: str = ""
    number: int | None = None
    cookies: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFile:
    """A file as it is now, to somebody.

    ``version`` changes with the content. ``away`` says that it is no longer in the place that was named, so that nobody
    may change it there. ``url`` is where people find the file among others, as a path on the
    storage's own host. ``handle`` is what the storage wants to be told of it again, as JSON. ``stray`` says of a
    replaced file that another one was hit, or a new one made. ``raw`` is what the storage said of it when it was
    uploaded, for the page that takes it up.
    """

    guid: str
    place: str
    name: str
    size: int
    version: str
    may_write: bool
    away: bool = False
    mime: str = "application/octet-stream"
    url: str = ""
    handle: Mapping[str, Any] = field(default_factory=dict)
    stray: bool = False
    raw: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Content:
    """A file on its way: its version, its length in bytes where it is known, and its bytes."""

    version: str
    size: int | None
    chunks: AsyncIterator[bytes]


async def _nothing() -> None:
    """Note nothing."""


@dataclass(frozen=True, slots=True)
class Upload:
    """A file on our disk that is to be stored. ``before_end`` is awaited before its last byte leaves.

    If that raises, the byte never does. ``sha256`` is of the whole, in hex.
    """

    path: Path
    size: int
    sha256: str
    before_end: Callable[[], Awaitable[None]] = _nothing

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """Give the bytes, in constant memory. Between two pieces no file is open: whoever asks may never come back.

        Raises:
            StorageError: the file can't be read, or isn't as long as it was.
        """
        at = 0
        while at < self.size:
            chunk = await asyncio.to_thread(self._piece, at)
            at += len(chunk)
            if at == self.size:
                if len(chunk) > 1:
                    yield chunk[:-1]
                await self.before_end()
                chunk = chunk[-1:]
            yield chunk

    def _piece(self, at: int) -> bytes:
        try:
            with self.path.open("rb", buffering=0) as file:
                chunk = os.pread(file.fileno(), min(_CHUNK, self.size - at), at)
        except OSError as error:
            raise StorageError("The saved file can't be read.", what=error.strerror, remedy=_DISK) from error
        if not chunk:
            raise StorageError("The saved file is not as long as it was.", size=self.size, remedy=_DISK)
        return chunk


class Storage(ABC):
    """Each call raises :class:`SignedOutError` where the visitor's credentials no longer count.

    :class:`~bridge.protocol.errors.NoRouteError` is raised for what isn't there any more,
    :class:`~bridge.protocol.errors.RefusedError` for what mustn't be read or done, and an
    :class:`~bridge.protocol.errors.UpstreamError` where the storage can't be asked or doesn't say:
    :class:`~bridge.protocol.errors.UnreachableError` if nothing was sent.
    """

    @abstractmethod
    async def visitor(self, headers: Mapping[str, str], place: str = "") -> Visitor:
        """Give who sent a request with these headers; ``place`` is one that they come from, if it is known."""

    def lasting(self, visitor: Visitor) -> Visitor:
        """Give somebody with what may be remembered of them: what no longer counts once they have signed out."""
        return visitor

    @abstractmethod
    async def look(
        self, visitor: Visitor, guid: str, place: str, handle: Mapping[str, Any] | None = None
    ) -> StoredFile:
        """Give a file as it is now, and whether the visitor may change it; ``handle`` is of an earlier look."""

    @abstractmethod
    def read(
        self, visitor: Visitor, guid: str, place: str = "", handle: Mapping[str, Any] | None = None
    ) -> AbstractAsyncContextManager[Content]:
        """Open a file's content; it is never a page, an empty answer or a part in the file's place.

        ``place`` and ``handle`` are as they were looked at last, where that is known: some ways need them.
        """

    @abstractmethod
    async def find(self, visitor: Visitor, file: StoredFile, upload: Upload) -> StoredFile | None:
        """Give the file that holds these very bytes, if an earlier upload in the place of ``file`` came through.

        Without a guid, a file of that name in that place is looked for, or of the name that :meth:`add` makes of it.
        """

    @abstractmethod
    async def add(self, visitor: Visitor, place: str, name: str, upload: Upload) -> StoredFile:
        """Store a new file; where there is one of that name already, under a free one that is much like it."""

    @abstractmethod
    async def replace(self, visitor: Visitor, file: StoredFile, upload: Upload) -> StoredFile:
        """Store a new content of ``file``, which was looked at just now, and give it as it is afterwards.

        Its version is empty where somebody else has changed it since.
        """

    @abstractmethod
    async def remove(self, visitor: Visitor, file: StoredFile) -> None:
        """Delete a file."""

    @abstractmethod
    async def is_there(self) -> bool:
        """Say whether the storage answers, whatever it says."""
