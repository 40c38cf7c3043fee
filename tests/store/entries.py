"""Entries and records for tests: what matters to one is named there, the rest is as usual."""

from __future__ import annotations

import contextlib
import hashlib
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from bridge.store.index import Index
from bridge.store.records import Entry, Record
from bridge.store.sqlite import SqliteIndex

__all__ = ["NOW", "SITE", "entry", "put", "sha"]

NOW = 1_800_000_000.0
SITE = "social"


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def entry(identity: str, **changes: Any) -> Entry:
    """Give a save of k1 that waits, with a body and a path of its own."""
    usual: dict[str, Any] = {
        "site": SITE,
        "key": "k1",
        "status": 2,
        "source": f"/cache/files/data/k1_{identity}/output.docx/output.docx",
        "iat": NOW,
        "arrival": 1,
        "size": 100,
        "sha256": sha(identity),
        "kept": NOW,
        "filetype": "docx",
    }
    return Entry(id=identity, **{**usual, **changes})


def put(*entries: Entry, **changes: Any) -> Callable[[Record], tuple[Record, None]]:
    """Give the rule that adds entries to a record, or changes them, as they are."""

    def rule(record: Record) -> tuple[Record, None]:
        for one in entries:
            record = record.with_entry(one)
        return replace(record, **changes), None

    return rule


def strip(index: Index, identity: str) -> None:
    """Take the row of an entry out of an index, as nobody does but a disk or a hand."""
    assert isinstance(index, SqliteIndex)
    with contextlib.closing(sqlite3.connect(index.path, isolation_level=None)) as sql:
        sql.execute("DELETE FROM entries WHERE id = ?", (identity,))
