"""Write a kept body where its administrator wants it: whole and as it was saved, or not at all."""

from __future__ import annotations

import hashlib
import os
import secrets
import sys
from pathlib import Path
from typing import IO, Final

from bridge.protocol.errors import ConflictError, StorageError
from bridge.store.records import Entry

__all__ = ["to_file", "to_output"]

_CHUNK: Final = 1 << 20


def to_file(entry: Entry, body: IO[bytes], target: Path, *, force: bool) -> None:
    """Copy ``body`` to ``target``, for the caller alone.

    Raises:
        ConflictError: something is there, and not to be replaced; or the body isn't what was saved.
        StorageError: it can't be written.
    """
    if target.exists() and not target.is_file():
        raise ConflictError(f"{target} is no file.", remedy="Name a file, or - for the standard output.")
    if target.exists() and not force:
        raise ConflictError(f"{target} is there already.", remedy="Add --force to replace it.")
    draft = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            _copy(entry, body, file)
            file.flush()
            os.fsync(file.fileno())
        draft.rename(target)
    except OSError as error:
        raise StorageError(f"{target} can't be written: {error.strerror}.") from error
    finally:
        draft.unlink(missing_ok=True)


def to_output(entry: Entry, body: IO[bytes]) -> None:
    """Copy ``body`` to the standard output; it is read and compared before its first byte leaves.

    Raises:
        ConflictError: it isn't what was saved.
    """
    with open(os.devnull, "wb") as nowhere:  # noqa: PTH123 - no path
        _copy(entry, body, nowhere)
    body.seek(0)
    _copy(entry, body, sys.stdout.buffer)
    sys.stdout.buffer.flush()


def _copy(entry: Entry, body: IO[bytes], to: IO[bytes]) -> None:
    digest = hashlib.sha256()
    while chunk := body.read(_CHUNK):
        digest.update(chunk)
        to.write(chunk)
    if digest.hexdigest() != entry.sha256:
        raise ConflictError(
            "The body is no longer what was saved: its SHA-256 differs.",
            remedy="Look at the disk; the file is named by: humhub-bridge saves show",
        )
