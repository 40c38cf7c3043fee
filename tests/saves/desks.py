"""A spool for tests, with entries and bodies as a bridge leaves them, and a desk at it."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from bridge.saves.bodies import Bodies
from bridge.saves.desk import Desk
from bridge.store.records import Entry, Flight, Record, State
from bridge.store.sqlite import SqliteIndex
from tests.store.entries import NOW

__all__ = ["DOCX", "NOW", "Kept", "desk", "identity", "kept", "kept_in"]

DOCX = b"PK\x03\x04 a document, as far as its first bytes say, of "


def identity(letter: str) -> str:
    """Give an id of which the first characters are ``letter``'s alone."""
    return (letter * 8).ljust(24, "0")


@dataclass(frozen=True)
class Kept:
    """An index that a worker has open, and the directory of bodies beside it."""

    index: SqliteIndex
    directory: Path
    ends: AsyncExitStack

    async def put(self, letter: str, *, body: bytes | None = None, on_disk: bool = True, **changes: Any) -> Entry:
        """Keep a save of k1, newer than those before it; it waits."""
        body = DOCX + letter.encode() if body is None else body
        usual: dict[str, Any] = {
            "site": "social",
            "key": "k1",
            "status": 2,
            "source": f"/cache/files/data/k1_{letter}/output.docx/output.docx",
            "iat": NOW - 100 + ord(letter),
            "arrival": ord(letter),
            "size": len(body),
            "sha256": hashlib.sha256(body).hexdigest(),
            "kept": NOW - 3600,
            "due": NOW + 120,
            "filetype": "docx",
            "fields": {"users": ["u1"], "token": "eyJ.secret"},
        }
        entry = Entry(id=identity(letter), **{**usual, **changes})
        if entry.state is not State.WAITING and entry.ended is None:
            entry = replace(entry, ended=NOW - 1800)
        if on_disk:
            self.directory.mkdir(exist_ok=True)
            self.path(entry).write_bytes(body)
            self.path(entry).with_suffix(".json").write_text("{}")
        target = "/onlyoffice/backend/track?doc=eyJ.humhub"
        await self.index.remember(entry.site, entry.key, target=target, node="docs-1")
        await self.change(lambda record: record.with_entry(entry), entry.key)
        return entry

    async def change(self, rule: Callable[[Record], Record], key: str = "k1") -> None:
        await self.index.change("social", key, lambda record: (rule(record), None))

    async def fly(self, entry: Entry, **changes: Any) -> None:
        """Let an attempt be in flight."""
        flight = Flight(number=7, entry=entry.id, status=6, owner=self.index.worker, until=NOW * 2)
        flight = replace(flight, **changes)
        await self.change(lambda record: replace(record, number=7, flight=flight), entry.key)

    async def end(self) -> None:
        """Let the worker end."""
        await self.ends.aclose()

    def path(self, entry: Entry) -> Path:
        return self.directory / f"{entry.id}.body"


@asynccontextmanager
async def kept_in(directory: Path) -> AsyncIterator[Kept]:
    """Keep saves in a directory, as a worker that runs until the block is left."""
    async with AsyncExitStack() as ends:
        index = await SqliteIndex.open(directory / "bridge.db", clock=lambda: NOW)
        ends.push_async_callback(index.close)
        yield Kept(index, directory / "saves", ends)


@pytest.fixture
async def kept(tmp_path: Path) -> AsyncIterator[Kept]:
    async with kept_in(tmp_path) as found:
        yield found


@pytest.fixture
def desk(kept: Kept) -> Desk:
    bodies = Bodies(kept.directory, worker=kept.index.worker, max_size=1 << 20, reserve=0)
    return Desk(kept.index, bodies, lambda: NOW, {"social"})
