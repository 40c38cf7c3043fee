# ruff: noqa: ARG002, D102 - what a call does is said once, at Storage
"""A directory as storage: the connector without any HumHub, for a few who trust each other.

A file is named by its path below the directory, a place is a path of a folder, and ``""`` is the directory itself.
Hidden files and links that lead elsewhere are not there. What people may is what the file system lets the bridge do: a
file without the right to write is only viewed. Who somebody is, they say themselves, once (``people.py``).

A new content is written beside the file, flushed, and takes its place at once; it does so only while the file is as it
was looked at, so nothing that somebody else stored is ever overwritten.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import mimetypes
import os
import secrets
import stat
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, Any, Final, TypeVar

from bridge.connector.people import who
from bridge.connector.storage import Content, Storage, StoredFile, Upload, Visitor
from bridge.connector.words import msgid
from bridge.protocol.errors import BadRequestError, ConflictError, NoRouteError, RefusedError, StorageError
from bridge.protocol.secret import Secret

__all__ = ["Local"]

T = TypeVar("T")

_CHUNK: Final = 256 << 10
# Who may do anything on this machine doesn't write what is meant to be read only, either.
_WRITE: Final = stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH
_UNKNOWN: Final = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class Local(Storage):
    """Keeps documents in ``directory``; ``secret`` signs who somebody said they are."""

    directory: Path
    secret: Secret
    clock: Callable[[], float]
    _changing: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def visitor(self, headers: Mapping[str, str], place: str = "") -> Visitor:
        return who(headers, self.secret, now=self.clock())

    async def look(
        self, visitor: Visitor, guid: str, place: str, handle: Mapping[str, Any] | None = None
    ) -> StoredFile:
        return await self._disk(lambda: self._look(guid))

    @contextlib.asynccontextmanager
    async def read(
        self, visitor: Visitor, guid: str, place: str = "", handle: Mapping[str, Any] | None = None
    ) -> AsyncIterator[Content]:
        file = await self._disk(lambda: self._path(guid).open("rb", buffering=0))
        try:
            status = os.fstat(file.fileno())
            yield Content(_version(status), status.st_size, _chunks(file, status.st_size))
        finally:
            file.close()

    async def find(self, visitor: Visitor, file: StoredFile, upload: Upload) -> StoredFile | None:
        return await self._disk(lambda: self._find(file, upload))

    async def add(self, visitor: Visitor, place: str, name: str, upload: Upload) -> StoredFile:
        folder = await self._disk(lambda: self._folder(place))
        async with self._written(folder, upload) as part:
            return await self._disk(lambda: self._link(part, folder, name))

    async def replace(self, visitor: Visitor, file: StoredFile, upload: Upload) -> StoredFile:
        path = await self._disk(lambda: self._path(file.guid))
        async with self._written(path.parent, upload) as part, self._changing:
            return await self._disk(lambda: self._exchange(part, path, file))

    async def remove(self, visitor: Visitor, file: StoredFile) -> None:
        async with self._changing:
            await self._disk(lambda: self._path(file.guid).unlink())

    async def is_there(self) -> bool:
        return await asyncio.to_thread(self.directory.is_dir)

    async def entries(self, place: str) -> tuple[list[str], list[StoredFile]]:
        """Give the folders and files of a place, by their names.

        Raises:
            NoRouteError: there is no such place.
        """
        return await self._disk(lambda: self._list(place))

    # --- on the disk ------------------------------------------------------------------------------------------------

    async def _disk(self, work: Callable[[], T]) -> T:
        """Do something with the disk, in a thread.

        Raises:
            NoRouteError: what it is about isn't there.
            RefusedError: the bridge itself may not do that.
            StorageError: anything else.
        """
        try:
            return await asyncio.to_thread(work)
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
            raise NoRouteError(msgid("This file is no longer there.")) from error
        except PermissionError as error:
            remedy = f"Give the bridge's user the right to it, below {self.directory}."
            raise RefusedError(msgid("The bridge may not do that with this file."), remedy=remedy) from error
        except OSError as error:
            remedy = f"Look at the space and the health of the disk of {self.directory}."
            raise StorageError(f"The directory of documents fails: {error.strerror}.", remedy=remedy) from error

    def _inside(self, inner: str) -> Path:
        parts = PurePosixPath(inner).parts
        if any(part.startswith(".") or "\0" in part for part in parts) or PurePosixPath(inner).is_absolute():
            raise NoRouteError(msgid("This file is no longer there."), path=inner[:200])
        root = self.directory.resolve()
        path = root.joinpath(*parts).resolve()
        if not path.is_relative_to(root):
            raise NoRouteError(msgid("This file is no longer there."), path=inner[:200])
        return path

    def _path(self, guid: str) -> Path:
        path = self._inside(guid)
        if not path.is_file():
            raise FileNotFoundError(guid)
        return path

    def _folder(self, place: str) -> Path:
        folder = self._inside(place)
        if not folder.is_dir():
            raise FileNotFoundError(place)
        return folder

    def _look(self, guid: str) -> StoredFile:
        return self._stored(self._path(guid))

    def _stored(self, path: Path) -> StoredFile:
        status, inner = path.stat(), path.relative_to(self.directory.resolve())
        place = "" if inner.parent == Path() else inner.parent.as_posix()
        return StoredFile(
            guid=inner.as_posix(),
            place=place,
            name=path.name,
            size=status.st_size,
            version=_version(status),
            may_write=bool(status.st_mode & _WRITE) and os.access(path, os.W_OK) and os.access(path.parent, os.W_OK),
            mime=mimetypes.guess_type(path.name)[0] or _UNKNOWN,
            url=f"/{place}" if place else "/",
        )

    def _list(self, place: str) -> tuple[list[str], list[StoredFile]]:
        folder, folders, files = self._folder(place), list[str](), list[StoredFile]()
        for path in sorted(folder.iterdir(), key=lambda path: path.name.casefold()):
            if path.name.startswith(".") or not path.resolve().is_relative_to(self.directory.resolve()):
                continue
            if path.is_dir():
                folders.append(path.name)
            elif path.is_file() and not path.is_symlink():
                files.append(self._stored(path))
        return folders, files

    def _find(self, file: StoredFile, upload: Upload) -> StoredFile | None:
        for path in self._candidates(file):
            if path.stat().st_size == upload.size and _digest(path) == upload.sha256:
                return self._stored(path)
        return None

    def _candidates(self, file: StoredFile) -> Iterator[Path]:
        """Give the file itself, or, without a guid, what :meth:`add` may have made of its name."""
        if file.guid:
            with contextlib.suppress(FileNotFoundError, NoRouteError):
                yield self._path(file.guid)
            return
        folder = self._folder(file.place)
        yield from (path for name in _names(file.name) if (path := folder / name).is_file())

    @contextlib.asynccontextmanager
    async def _written(self, folder: Path, upload: Upload) -> AsyncIterator[Path]:
        """Write an upload beside where it is to be, and flush it; what is left of it goes with the block."""
        part = folder / f".{secrets.token_hex(8)}.part"
        file = await self._disk(lambda: part.open("xb", buffering=0))
        try:
            with file:
                async for chunk in upload.chunks():
                    await self._disk(lambda chunk=chunk: _write(file, chunk))  # type: ignore[misc]
                await self._disk(lambda: os.fsync(file.fileno()))
            yield part
        finally:
            await asyncio.to_thread(part.unlink, missing_ok=True)

    def _link(self, part: Path, folder: Path, name: str) -> StoredFile:
        """Give a written file its name, or the next one that is free."""
        for free in _names(name):
            with contextlib.suppress(FileExistsError):
                (folder / free).hardlink_to(part)
                _flush(folder)
                return self._stored(folder / free)
        raise ConflictError(msgid("There are too many files of this name."), name=name)

    def _exchange(self, part: Path, path: Path, file: StoredFile) -> StoredFile:
        status = path.stat()
        if _version(status) != file.version:
            raise ConflictError("The file was changed meanwhile.", name=file.name)
        part.chmod(status.st_mode & 0o777)
        part.replace(path)
        _flush(path.parent)
        return self._stored(path)


def _names(name: str) -> Iterator[str]:
    path = PurePosixPath(name)
    if path.name != name or name.startswith("."):
        raise BadRequestError("This can't be a file's name.", name=name)
    yield name
    yield from (f"{path.stem} ({number}){path.suffix}" for number in range(2, 1000))


def _version(status: os.stat_result) -> str:
    return f"{status.st_ino:x}-{status.st_mtime_ns:x}-{status.st_size:x}"


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write(file: IO[bytes], chunk: bytes) -> None:
    view = memoryview(chunk)
    while view:
        view = view[file.write(view) :]


def _flush(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


async def _chunks(file: IO[bytes], size: int) -> AsyncIterator[bytes]:
    while size > 0:
        chunk = await asyncio.to_thread(file.read, min(_CHUNK, size))
        if not chunk:
            remedy = "Something wrote it while it was read: try again. If it stays like this, look at the disk."
            raise StorageError("The file is not as long as it was.", left=size, remedy=remedy)
        size -= len(chunk)
        yield chunk
