"""What a file holds now, compared with what was saved of it: whether somebody else has changed it."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Final

from bridge.connector.storage import Storage, StoredFile, Visitor
from bridge.store.records import Record, State

__all__ = ["holds_ours", "second_name", "upload_name"]

_UNTAMED: Final = '\\/:*?"<>|{}[]'


async def holds_ours(storage: Storage, visitor: Visitor, file: StoredFile, record: Record) -> bool:
    """Say whether a file of another version than expected holds a save of this key that nobody heard had arrived.

    One that was confirmed doesn't count: somebody who restored it has changed the file.
    """
    unheard = {entry.sha256 for entry in record.entries if entry.state is not State.DELIVERED}
    sizes = {entry.size for entry in record.entries if entry.state is not State.DELIVERED}
    if file.size not in sizes:
        return False
    digest = hashlib.sha256()
    async with storage.read(visitor, file.guid, file.place, file.handle) as content:
        async for chunk in content.chunks:
            digest.update(chunk)
    return digest.hexdigest() in unheard


def upload_name(stem: str, suffix: str) -> str:
    """Give a file name that every storage takes as it is: without the characters that one of them would replace."""
    tame = "".join("_" if sign in _UNTAMED or not sign.isprintable() else sign for sign in stem).strip(" .")
    # 255 bytes is what a file system takes, and HumHub's database.
    room = 255 - len(suffix.encode()) - 8
    return tame.encode()[:room].decode(errors="ignore").rstrip(" .") + suffix


def second_name(name: str, visitor: Visitor, *, kept: float) -> str:
    """Name the second file that an edit becomes: after who edited, and when it was kept, in seconds since the epoch.

    For one save it is always the same.
    """
    path = PurePosixPath(name)
    when = datetime.fromtimestamp(kept, UTC).strftime("%Y-%m-%d %H.%M")
    return upload_name(f"{path.stem} ({visitor.name}, {when})", path.suffix)
