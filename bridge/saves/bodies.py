"""The directory of edited files: each exists whole or not at all.

Theory of operation. A body is written under a temporary name that holds its worker's (``<id>.<worker>.part``), flushed,
and given its label ``<id>.json``, flushed too; then it is renamed to ``<id>.body``, and the directory flushed. So a
``.body`` is whole and has a label: one without a row in the index (the process was killed in between, or the index is
lost) can be entered again from it. A ``.part`` is nothing; neither is a label without a body.

Below ``reserve`` bytes of free space nothing new is taken: the index, and what is on its way, still need some.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import secrets
import shutil
from collections.abc import AsyncIterable, AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

from bridge.protocol.errors import StorageError, TooLargeError
from bridge.protocol.signatures import fits_signature
from bridge.saves.steps import Step

__all__ = ["Bodies", "Body", "Remains"]

_HEAD: Final = 16
# So many bytes are written between two looks at the free space.
_LOOK: Final = 16 << 20


@dataclass(frozen=True, slots=True)
class Body:
    """A whole body under its temporary name. ``sound`` says that its first bytes are those of its type."""

    id: str
    size: int
    sha256: str
    sound: bool


@dataclass(frozen=True, slots=True)
class Remains:
    """What lies in the directory: ids of bodies, with their sizes in bytes, and of labels."""

    bodies: dict[str, int]
    labels: set[str]


class Bodies:
    """Keeps bodies in ``directory``. ``max_size`` bounds one, ``reserve`` the free space that stays; both in bytes.

    ``worker`` is this worker's name. Every fault of the disk is a :class:`StorageError`.
    """

    def __init__(self, directory: Path, *, worker: str, max_size: int, reserve: int) -> None:
        self.directory = directory
        self._worker = worker
        self._max_size = max_size
        self._reserve = reserve

    def open(self) -> None:
        """Make the directory where it is missing, readable by us alone.

        Raises:
            StorageError: it can't be made or written.
        """
        with self._explained("The save directory can't be written"):
            self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            probe = self.directory / f".probe-{secrets.token_hex(4)}"
            probe.touch(mode=0o600)
            probe.unlink()

    def path(self, identity: str) -> Path:
        """Give the file of a body."""
        return self.directory / f"{Path(identity).name}.body"

    def free(self) -> int:
        """Give the free bytes that may still be used; below 0 where the reserve is touched."""
        with self._explained("The save directory can't be read"):
            return shutil.disk_usage(self.directory).free - self._reserve

    async def write(
        self,
        chunks: AsyncIterable[bytes],
        *,
        filetype: str | None,
        promised: int | None,
        reached: Callable[[Step], None],
    ) -> Body:
        """Write a body under its temporary name, and flush it.

        Args:
            chunks: the file; its errors pass through, and nothing of it is kept.
            filetype: its extension, by which its first bytes are looked at; None: not looked at.
            promised: how long it says it is, in bytes, where it does.
            reached: hears of each step.

        Raises:
            TooLargeError: it is over ``max_size``.
            StorageError: the disk refused it or has too little space left, or the body is empty.
        """
        identity = secrets.token_hex(12)
        part = self._part(identity)
        self._check_room(promised or 0)
        try:
            with self._explained("The edited file can't be kept"):
                return await self._write(identity, part, chunks, filetype, reached)
        except BaseException:
            await asyncio.to_thread(_remove, part)
            raise

    async def _write(
        self,
        identity: str,
        part: Path,
        chunks: AsyncIterable[bytes],
        filetype: str | None,
        reached: Callable[[Step], None],
    ) -> Body:
        digest, size, head = hashlib.sha256(), 0, b""
        file = await asyncio.to_thread(_create, part)
        try:
            async for chunk in chunks:
                self._check_size(size, len(chunk))
                if not size:
                    reached(Step.FETCHING)
                size += len(chunk)
                head += chunk[: _HEAD - len(head)]
                await asyncio.to_thread(_take, file, digest, chunk)
            if size == 0:
                raise StorageError(
                    "ONLYOFFICE Docs gave no byte of the edited file.", remedy="See the log of ONLYOFFICE Docs."
                )
            reached(Step.FETCHED)
            await asyncio.to_thread(os.fsync, file.fileno())
            reached(Step.FLUSHED)
        finally:
            file.close()
        sound = filetype is None or fits_signature(filetype, head)
        return Body(identity, size, digest.hexdigest(), sound)

    def _check_size(self, size: int, more: int) -> None:
        if size + more > self._max_size:
            raise self._too_large(size + more)
        if size // _LOOK != (size + more) // _LOOK:
            self._check_room(0)

    def _too_large(self, size: int) -> TooLargeError:
        remedy = "Raise saves.max_size; ONLYOFFICE Docs keeps the edit, and the bridge asks for it again."
        return TooLargeError("The edited file is over saves.max_size.", remedy=remedy, size=size, limit=self._max_size)

    def _check_room(self, size: int) -> None:
        if size > self._max_size:
            raise self._too_large(size)
        if (free := self.free()) < size:
            raise StorageError(
                "There is too little space left for the edited file.",
                remedy=f"Make room where {self.directory} lies (saves.directory), or lower saves.reserve.",
                free=free,
                size=size,
            )

    @contextlib.asynccontextmanager
    async def lent(
        self, chunks: AsyncIterable[bytes], *, filetype: str | None, promised: int | None
    ) -> AsyncIterator[tuple[Body, Path]]:
        """Keep what is no save for as long as the block lasts, and give it with its file; raises as :meth:`write`."""
        body = await self.write(chunks, filetype=filetype, promised=promised, reached=lambda _step: None)
        try:
            yield body, self._part(body.id)
        finally:
            await self.abandon(body)

    async def publish(self, body: Body, label: dict[str, Any], reached: Callable[[Step], None]) -> None:
        """Give a written body its label and its name; then it exists."""
        await asyncio.to_thread(self._publish, body, label, reached)

    def _publish(self, body: Body, label: dict[str, Any], reached: Callable[[Step], None]) -> None:
        part, final = self._part(body.id), self.path(body.id)
        try:
            with self._explained("The edited file can't be kept"):
                with _create(final.with_suffix(".json")) as file:
                    file.write(json.dumps(label, indent=1).encode())
                    os.fsync(file.fileno())
                reached(Step.LABELLED)
                part.rename(final)
                reached(Step.RENAMED)
                _flush_directory(self.directory)
                reached(Step.PUBLISHED)
        except BaseException:
            _remove(part, final, final.with_suffix(".json"))
            raise

    async def abandon(self, body: Body) -> None:
        """Delete a written body that was not published."""
        await asyncio.to_thread(_remove, self._part(body.id))

    async def remove(self, identity: str) -> None:
        """Delete a body and its label, in this order: a body without a label is never made."""
        await asyncio.to_thread(self._remove_body, identity)

    def _remove_body(self, identity: str) -> None:
        with self._explained("An edited file can't be deleted"):
            self.path(identity).unlink(missing_ok=True)
            self.path(identity).with_suffix(".json").unlink(missing_ok=True)

    def label(self, identity: str) -> dict[str, Any] | None:
        """Read what the file beside a body says; None without one that can be read."""
        try:
            label = json.loads(self.path(identity).with_suffix(".json").read_bytes())
        except (OSError, ValueError):
            return None
        return label if isinstance(label, dict) else None

    def remains(self, is_alive: Callable[[str], bool]) -> Remains:
        """Give what lies in the directory, but for what is being written; what a dead worker was writing is deleted."""
        bodies, labels, writing = {}, set(), set()
        with self._explained("The save directory can't be read"):
            for path in list(self.directory.iterdir()):
                # What another worker deletes meanwhile is no longer there.
                with contextlib.suppress(FileNotFoundError):
                    match path.suffix:
                        case ".body":
                            bodies[path.stem] = path.stat().st_size
                        case ".json":
                            labels.add(path.stem)
                        case ".part" if is_alive(path.stem.partition(".")[2]):
                            writing.add(path.stem.partition(".")[0])
                        case ".part":
                            path.unlink()
        return Remains(bodies, labels - writing)

    def drop_label(self, identity: str) -> None:
        """Delete a label that has no body; it may have got one meanwhile."""
        if not self.path(identity).exists():
            _remove(self.path(identity).with_suffix(".json"))

    def _part(self, identity: str) -> Path:
        return self.directory / f"{identity}.{self._worker}.part"

    @contextlib.contextmanager
    def _explained(self, what: str) -> Any:
        try:
            yield
        except OSError as error:
            raise StorageError(
                f"{what}: {error.strerror or error}.",
                remedy=f"Look at the space, the rights and the health of {self.directory} (saves.directory).",
            ) from error


def _remove(*paths: Path) -> None:
    """Delete what is left of a body that never came to be; the disk that refused it may refuse that, too.

    What can't be deleted keeps what follows it: a body its label.
    """
    with contextlib.suppress(OSError):
        for path in paths:
            path.unlink(missing_ok=True)


def _create(path: Path) -> IO[bytes]:
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb", buffering=0)


def _take(file: IO[bytes], digest: Any, chunk: bytes) -> None:
    view = memoryview(chunk)
    while view:
        view = view[file.write(view) :]
    digest.update(chunk)


def _flush_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
