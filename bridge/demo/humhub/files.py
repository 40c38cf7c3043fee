"""HumHub's files: their bodies on disk, and what HumHub says about them.

A replaced body is written beside the old one and renamed over it, so a reader sees one or the other.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
import time
import uuid
from collections.abc import AsyncIterable
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Version:
    """What a file has held from a moment on; the last one is what it holds."""

    number: int
    path: Path
    size: int
    sha1: str
    md5: str
    author: str
    at: float

    @property
    def etag(self) -> str:
        """Mark the content, as HumHub does: the same bytes have the same mark, made of their MD5."""
        digest = hashlib.sha1(self.md5.encode(), usedforsecurity=False).digest()
        return f'"{base64.b64encode(digest).decode().rstrip("=")}"'

    def content(self) -> bytes:
        return self.path.read_bytes()


@dataclass(slots=True)
class HumHubFile:
    """One file; `key` is the document key, which exists from the first open until a save clears it."""

    guid: str
    name: str
    owner: str
    mime: str
    path: Path
    size: int
    sha1: str
    key: str | None = None
    key_locked: bool = False
    number: int = 0
    """The id in the database, which the rest module uses."""
    post: int | None = None
    comment: int | None = None
    cfile: int | None = None
    """What it belongs to: a post, a comment, an entry of the space's files, or, as a fresh upload, nothing."""
    belongs_to: str | None = None
    """The author of that, where it isn't the owner."""
    author: str = ""
    """Who changed it last."""
    created: float = field(default_factory=time.time)
    updated: float = field(default_factory=time.time)
    version: int = 1
    versions: list[Version] = field(default_factory=list)
    """All that it has held, oldest first."""

    @property
    def attached(self) -> bool:
        return (self.post, self.comment, self.cfile) != (None, None, None)

    @property
    def extension(self) -> str:
        return self.name.rpartition(".")[2].lower() if "." in self.name else ""

    @property
    def etag(self) -> str:
        return self.versions[-1].etag

    def new_key(self) -> str:
        """Write a new document key over whatever there is."""
        self.key = secrets.token_hex(10)
        return self.key

    def content(self) -> bytes:
        return self.path.read_bytes()

    def head(self) -> bytes:
        with self.path.open("rb") as file:
            return file.read(512)


@dataclass(frozen=True, slots=True)
class Body:
    """A body that lies on disk under a temporary name."""

    path: Path
    size: int
    sha1: str
    md5: str

    @classmethod
    def of(cls, path: Path, content: bytes) -> Body:
        """Describe a body that holds this."""
        digests = (hashlib.new(name, content, usedforsecurity=False).hexdigest() for name in ("sha1", "md5"))
        return cls(path, len(content), *digests)

    def discard(self) -> None:
        self.path.unlink(missing_ok=True)

    def halved(self) -> Body:
        """Keep the first half only."""
        content = self.path.read_bytes()[: self.size // 2]
        self.path.write_bytes(content)
        return Body.of(self.path, content)


class FileStore:
    """All files, by guid, in the order of their making."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.by_guid: dict[str, HumHubFile] = {}
        self._last = self._last_version = 0
        directory.mkdir(parents=True, exist_ok=True)

    async def receive(self, chunks: AsyncIterable[bytes]) -> Body:
        """Write a body to disk as it comes; it never lies whole in memory."""
        path = self.directory / f".{uuid.uuid4().hex}.part"
        sha1, md5 = hashlib.sha1(usedforsecurity=False), hashlib.md5(usedforsecurity=False)
        size = 0
        try:
            with path.open("wb") as out:
                async for chunk in chunks:
                    out.write(chunk)
                    sha1.update(chunk)
                    md5.update(chunk)
                    size += len(chunk)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        return Body(path, size, sha1.hexdigest(), md5.hexdigest())

    def receive_bytes(self, content: bytes) -> Body:
        path = self.directory / f".{uuid.uuid4().hex}.part"
        path.write_bytes(content)
        return Body.of(path, content)

    def add(self, name: str, owner: str, mime: str, body: Body, *, guid: str | None = None) -> HumHubFile:
        guid = guid or str(uuid.uuid4())
        path = body.path.rename(self.directory / f"{guid}.1")
        self._last += 1
        file = HumHubFile(guid, name, owner, mime, path, body.size, body.sha1, number=self._last, author=owner)
        self.by_guid[guid] = file
        self._keep_version(file, body)
        return file

    def replace(self, file: HumHubFile, body: Body, *, author: str | None = None) -> None:
        """Store a new body under the same guid; like HumHub, keep the versions before it."""
        version = file.version + 1
        file.path = body.path.rename(self.directory / f"{file.guid}.{version}")
        file.version, file.size, file.sha1, file.updated = version, body.size, body.sha1, time.time()
        file.author = author or file.author
        self._keep_version(file, body)

    def _keep_version(self, file: HumHubFile, body: Body) -> None:
        self._last_version += 1
        of = (file.path, body.size, body.sha1, body.md5)
        file.versions.append(Version(self._last_version, *of, file.author, file.updated))

    def remove(self, file: HumHubFile) -> None:
        self.by_guid.pop(file.guid, None)
        for path in self.directory.glob(f"{file.guid}.*"):
            path.unlink()

    def find(self, guid: str | None) -> HumHubFile | None:
        """Find by guid, which the database compares without regard to case."""
        return self.by_guid.get((guid or "").lower())

    def number_from(self, last: int) -> None:
        """Go on as if so many files had been made."""
        self._last = last

    def numbered(self, number: int) -> HumHubFile | None:
        return next((file for file in self.by_guid.values() if file.number == number), None)

    def with_key(self, key: str | None) -> HumHubFile | None:
        """Find by document key; `None` finds the first file without one, which is how the real module goes wrong."""
        return next((file for file in self.by_guid.values() if file.key == key), None)


def short_size(size: int) -> str:
    if size < 1000:
        return f"{size} B"
    if size < 1000**2:
        return f"{size / 1000:.1f} kB"
    return f"{size / 1000**2:.1f} MB"
