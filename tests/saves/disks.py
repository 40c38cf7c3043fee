"""A disk that fails where it is told to: below Python's own calls, whatever the bridge makes of them."""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import pytest

__all__ = ["PLACES", "Disk"]

# Where the life of a body goes by the disk, in this order.
PLACES = (
    "create body",
    "write body",
    "flush body",
    "create label",
    "write label",
    "flush label",
    "rename body",
    "flush directory",
)
_KINDS = {".part": "body", ".json": "label", ".body": "body"}


@dataclass
class Disk:
    """Fails at ``places``, each with an error number, until it is repaired; ``commits`` so many commits of the index."""

    directory: Path
    places: dict[str, int] = field(default_factory=dict)
    commits: int = 0

    def repair(self) -> None:
        self.places.clear()
        self.commits = 0

    def meet(self, what: str, path: object) -> None:
        """Fail if it is to fail there."""
        name = Path(str(path))
        if self.directory in (name, name.parent):
            kind = "directory" if name == self.directory else _KINDS.get(name.suffix)
            number = self.places.get(f"{what} {kind}")
            if number is not None:
                raise OSError(number, os.strerror(number))


class _File:
    """A file that meets the disk at each write."""

    def __init__(self, file: Any, disk: Disk, path: str) -> None:
        self._file, self._disk, self._path = file, disk, path

    def write(self, data: bytes) -> int:
        # What a disk does that fills up: a part of it is there.
        try:
            self._disk.meet("write", self._path)
        except OSError as error:
            if error.errno == errno.ENOSPC:
                self._file.write(data[: len(data) // 2])
            raise
        return int(self._file.write(data))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Disk:
    """Give the disk of the save directory and of the index; whatever is opened from now on lies on it."""
    disk = Disk(tmp_path / "saves")
    real_open, real_fdopen, real_fsync = os.open, os.fdopen, os.fsync

    def path_of(descriptor: int) -> str:
        return str(Path(f"/proc/self/fd/{descriptor}").readlink())

    def opened(path: Any, flags: int, mode: int = 0o777, **more: Any) -> int:
        if flags & os.O_CREAT:
            disk.meet("create", path)
        return real_open(path, flags, mode, **more)

    def fdopened(descriptor: int, *args: Any, **more: Any) -> Any:
        file = real_fdopen(descriptor, *args, **more)
        path = path_of(descriptor)
        return _File(file, disk, path) if Path(path).parent == disk.directory else file

    def fsynced(descriptor: int) -> None:
        disk.meet("flush", path_of(descriptor))
        real_fsync(descriptor)

    monkeypatch.setattr(os, "open", opened)
    monkeypatch.setattr(os, "fdopen", fdopened)
    monkeypatch.setattr(os, "fsync", fsynced)
    monkeypatch.setattr(Path, "rename", _meeting(disk, "rename", Path.rename))
    monkeypatch.setattr(Path, "unlink", _meeting(disk, "unlink", Path.unlink))
    monkeypatch.setattr(sqlite3, "connect", _connecting(disk))
    return disk


def _meeting(disk: Disk, what: str, real: Callable[..., Any]) -> Callable[..., Any]:
    def call(path: Path, *args: Any, **more: Any) -> Any:
        disk.meet(what, path)
        return real(path, *args, **more)

    return call


def _connecting(disk: Disk) -> Callable[..., sqlite3.Connection]:
    real = sqlite3.connect

    class Connection(sqlite3.Connection):
        def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
            if sql == "COMMIT" and disk.commits > 0:
                disk.commits -= 1
                raise sqlite3.OperationalError("disk I/O error")
            return super().execute(sql, *values)

    def connect(*args: Any, **more: Any) -> sqlite3.Connection:
        return real(*args, factory=Connection, **more)

    return connect
