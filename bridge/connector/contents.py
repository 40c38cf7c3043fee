"""What a file holds now, compared with what was saved of it: whether somebody else has changed it."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Final

from bridge.connector.storage import Storage, StoredFile, Visitor
from bridge.protocol.messages import Callback, Status
from bridge.store.records import Entry, Record, State

__all__ = ["brings_nothing_new", "holds_ours", "second_name", "upload_name"]

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
    return (tame.encode()[:room].decode(errors="ignore").rstrip(" .") or "_") + suffix


def second_name(name: str, visitor: Visitor, *, kept: float) -> str:
    """Name the second file that an edit becomes: after who edited, and when it was kept, in seconds since the epoch.

    For one save it is always the same.
    """
    path = PurePosixPath(name)
    when = datetime.fromtimestamp(kept, UTC).strftime("%Y-%m-%d %H.%M")
    return upload_name(f"{path.stem} ({visitor.name}, {when})", path.suffix)


def brings_nothing_new(record: Record, entry: Entry, callback: Callback | None) -> bool:
    """Say whether a session's last save is the forced one before it, which has been stored, by Docs' own word.

    Source: recorded; Docs says so after a forced save that was acknowledged, and never after one that wasn't.
    """
    if callback is None or callback.status is not Status.SAVE or callback.fields.get("notmodified") is not True:
        return False
    before = [each for each in record.entries if each.place < entry.place][-1:]
    return any(each.state is State.DELIVERED and not each.inferred for each in before)
