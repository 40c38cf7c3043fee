"""Edited files on disk: made durable before anything else happens with them.

A body is written under a temporary name, flushed to the disk, renamed, and its directory flushed; only then does it
exist. Beside each body ``<id>.body`` stands ``<id>.json``, which says what it is, for the admin who finds it.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import secrets
from collections.abc import AsyncIterable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from bridge.protocol.errors import StorageError, TooLargeError
from bridge.protocol.signatures import fits_signature

__all__ = ["Entry", "Spool"]

_HEAD = 16


@dataclass(frozen=True, slots=True)
class Entry:
    """One durable body. ``sha256`` is in hex, ``size`` in bytes."""

    id: str
    path: Path
    size: int
    sha256: str
    about: dict[str, Any]


class Spool:
    """The directory of bodies. ``max_size`` bounds one of them, in bytes."""

    def __init__(self, directory: Path, *, max_size: int) -> None:
        self.directory = directory
        self._max_size = max_size

    def open(self) -> None:
        """Make the directory where it is missing, readable by us alone.

        Raises:
            StorageError: it can't be made or written.
        """
        try:
            self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            probe = self.directory / f".probe-{secrets.token_hex(4)}"
            probe.touch(mode=0o600)
            probe.unlink()
        except OSError as error:
            raise StorageError(
                f"The save directory can't be written: {error.strerror}.",
                remedy=f"Give the bridge's user the right to write {self.directory} (saves.directory).",
            ) from error

    async def check(self) -> str:
        """Say that bodies can be kept.

        Raises:
            StorageError: they can't.
        """
        await asyncio.to_thread(self.open)
        number, size = await asyncio.to_thread(self.left)
        return f"{number} undelivered, {size} bytes"

    async def keep(self, body: AsyncIterable[bytes], *, filetype: str | None, about: dict[str, Any]) -> Entry:
        """Make a body durable and give its entry.

        Args:
            body: the file, in chunks; its errors pass through, and nothing of it is kept.
            filetype: its extension, by which its first bytes are looked at; None: not looked at.
            about: what the file beside it says, JSON.

        Raises:
            TooLargeError: it is over ``max_size``.
            StorageError: the disk refused it, or its first bytes belong to another type.
        """
        name = secrets.token_hex(12)
        temporary, final = self.directory / f"{name}.part", self.directory / f"{name}.body"
        try:
            size, sha256 = await self._write(temporary, body, filetype)
            entry = Entry(name, final, size, sha256, about)
            await asyncio.to_thread(self._publish, temporary, entry)
        except OSError as error:
            raise StorageError(
                f"The edited file can't be kept: {error.strerror}.",
                remedy=f"Look at the space and the rights of {self.directory} (saves.directory).",
            ) from error
        finally:
            if not final.exists():
                _remove(temporary, final.with_suffix(".json"))
        return entry

    async def _write(self, path: Path, body: AsyncIterable[bytes], filetype: str | None) -> tuple[int, str]:
        digest, size, head = hashlib.sha256(), 0, b""
        file = await asyncio.to_thread(_create, path)
        try:
            async for chunk in body:
                size += len(chunk)
                if size > self._max_size:
                    raise TooLargeError("The edited file is over saves.max_size.", size=size)
                head += chunk[: _HEAD - len(head)]
                await asyncio.to_thread(_take, file, digest, chunk)
            if size == 0 or (filetype is not None and not fits_signature(filetype, head)):
                raise StorageError(
                    f"What ONLYOFFICE Docs gave is no {filetype or 'file'}.", size=size, starts=head.hex()
                )
            await asyncio.to_thread(_flush, file)
        finally:
            file.close()
        return size, digest.hexdigest()

    def _publish(self, temporary: Path, entry: Entry) -> None:
        about = {"id": entry.id, "size": entry.size, "sha256": entry.sha256, **entry.about}
        label = entry.path.with_suffix(".json")
        with _create(label) as file:
            file.write(json.dumps(about, indent=1).encode())
            _flush(file)
        temporary.rename(entry.path)
        _flush_directory(self.directory)

    async def note(self, entry: Entry, **news: Any) -> None:
        """Write what became of an entry into the file beside it."""
        label = entry.path.with_suffix(".json")
        about = {"id": entry.id, "size": entry.size, "sha256": entry.sha256, **entry.about, **news}
        await asyncio.to_thread(label.write_text, json.dumps(about, indent=1))

    async def drop(self, entry: Entry) -> None:
        """Delete an entry that HumHub has."""
        await asyncio.to_thread(entry.path.unlink, missing_ok=True)
        await asyncio.to_thread(entry.path.with_suffix(".json").unlink, missing_ok=True)

    def left(self) -> tuple[int, int]:
        """Count the bodies in the directory, and their bytes."""
        sizes = []
        for path in self.directory.glob("*.body"):
            with contextlib.suppress(FileNotFoundError):
                sizes.append(path.stat().st_size)
        return len(sizes), sum(sizes)


def _remove(*paths: Path) -> None:
    """Delete what is left of a body that never came to be; the disk that refused it may refuse that, too."""
    for path in paths:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)


def _create(path: Path) -> IO[bytes]:
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb", buffering=0)


def _take(file: IO[bytes], digest: Any, chunk: bytes) -> None:
    view = memoryview(chunk)
    while view:
        view = view[file.write(view) :]
    digest.update(chunk)


def _flush(file: IO[bytes]) -> None:
    file.flush()
    os.fsync(file.fileno())


def _flush_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
