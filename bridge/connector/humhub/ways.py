"""Ways to act as somebody in HumHub: as they do with their session, or by the rest module with its key.

What both can do is little: list a place, look at a file, read, send and delete one. What is made of that is
``humhub.py``'s, and the same for both.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from bridge.connector.humhub.pages import Listed, Listing, etag_of
from bridge.connector.storage import Content, Upload
from bridge.protocol.errors import StorageError
from bridge.protocol.formats import by_name
from bridge.protocol.places import Place
from bridge.transport.upstream import Body

__all__ = ["Digests", "Form", "Head", "Sent", "Way", "mime_of", "upload_form"]

_CHUNK: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Head:
    """What HumHub says of a file as it hands it out; ``size`` in bytes, where it says so."""

    name: str
    size: int | None
    version: str
    mime: str


@dataclass(frozen=True, slots=True)
class Form:
    """What it takes to change a file: the name that it has at this moment, and the token of HumHub's form."""

    name: str
    token: str


@dataclass(frozen=True, slots=True)
class Sent:
    """What HumHub made of an upload; ``raw`` is its own answer, ``item`` what cfiles calls it, where that is said."""

    guid: str
    name: str
    item: int | None = None
    raw: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Digests:
    """What HumHub tells contents apart by: its ETag, and the beginning of a SHA-1 in hex."""

    etag: str
    sha1: str

    @classmethod
    def of(cls, upload: Upload) -> Digests:
        """Read the file; blocks.

        Raises:
            StorageError: it can't be read.
        """
        md5, sha1 = hashlib.md5(usedforsecurity=False), hashlib.sha1(usedforsecurity=False)
        try:
            with upload.path.open("rb") as file:
                while chunk := file.read(_CHUNK):
                    md5.update(chunk)
                    sha1.update(chunk)
        except OSError as error:
            remedy = "Look at the disk under saves.directory."
            raise StorageError("The saved file can't be read.", what=error.strerror, remedy=remedy) from error
        return cls(etag_of(md5.hexdigest()), sha1.hexdigest())


class Way(ABC):
    """Each call raises as :class:`~bridge.connector.storage.Storage`'s do."""

    @abstractmethod
    async def listing(self, place: Place) -> Listing:
        """List the files of a folder, or of a post that the user may edit."""

    @abstractmethod
    async def head(self, place: Place, guid: str) -> Head:
        """Look at a file."""

    @abstractmethod
    def read(self, place: Place, guid: str) -> AbstractAsyncContextManager[Content]:
        """Open a file's content."""

    @abstractmethod
    async def is_kept(self, place: Place, guid: str, item: int) -> bool:
        """Say whether a file that a folder has no more is in another one of its space; ``item`` is cfiles' for it."""

    @abstractmethod
    async def form(self, place: Place, listing: Listing, file: Listed) -> Form:
        """Give what it takes to change a listed file.

        Raises:
            RefusedError, NoRouteError: the user mustn't.
        """

    @abstractmethod
    async def send(self, place: Place, name: str, upload: Upload, listing: Listing) -> Sent:
        """Upload a file into a place, of which ``listing`` was got just now; empty for no place."""

    @abstractmethod
    async def delete(self, place: Place, file: Listed, listing: Listing) -> None:
        """Delete a file of a place."""


def mime_of(name: str) -> str:
    """Give the type of a file by its name. HumHub keeps the one that it is told (recorded)."""
    known = by_name(name.rpartition(".")[2])
    return known.mime if known is not None else "application/octet-stream"


@asynccontextmanager
async def upload_form(
    upload: Upload, name: str, fields: Mapping[str, str] | None = None
) -> AsyncIterator[tuple[str, Body]]:
    """Give a form that uploads one file as ``files[]``: its Content-Type, and its body, which is read as it leaves.

    Source: browsers' own encoding of names, which PHP takes (WHATWG, multipart).
    """
    boundary = f"----bridge{secrets.token_hex(16)}"
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{field}"\r\n\r\n{value}\r\n'
        for field, value in (fields or {}).items()
    ]
    quoted = name.replace("\r", "%0D").replace("\n", "%0A").replace('"', "%22")
    parts.append(
        f'--{boundary}\r\nContent-Disposition: form-data; name="files[]"; filename="{quoted}"\r\n'
        f"Content-Type: {mime_of(name)}\r\n\r\n"
    )
    before, after = "".join(parts).encode(), f"\r\n--{boundary}--\r\n".encode()
    form = _Multipart(before, upload.chunks(), after, upload.size)
    try:
        yield f"multipart/form-data; boundary={boundary}", form
    finally:
        await form.close()


class _Multipart(Body):
    """A form with one file of ``size`` bytes in it."""

    def __init__(self, before: bytes, file: AsyncGenerator[bytes, None], after: bytes, size: int) -> None:
        self.length = len(before) + size + len(after)
        self._chunks = self._all(before, file, after)
        self._file = file
        self._reading = asyncio.Lock()

    async def __anext__(self) -> bytes:
        async with self._reading:
            return await anext(self._chunks)

    async def close(self) -> None:
        """Let the file go. Who writes the body may be reading at this moment, for a call that has failed."""
        async with self._reading:
            await self._chunks.aclose()
            await self._file.aclose()

    @staticmethod
    async def _all(before: bytes, file: AsyncIterator[bytes], after: bytes) -> AsyncGenerator[bytes, None]:
        yield before
        async for chunk in file:
            yield chunk
        yield after
