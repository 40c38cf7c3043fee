"""Rows of the SQLite index to values and back."""

from __future__ import annotations

import dataclasses
import json
import sqlite3
from typing import Any, Final

from bridge.store.records import Entry, Record, State

__all__ = ["READ", "READ_ENTRIES", "READ_KEY", "entry_of", "write"]

_COLUMNS: Final = tuple(field.name for field in dataclasses.fields(Entry))
READ: Final = f"SELECT {', '.join(_COLUMNS)} FROM entries"  # noqa: S608 - names of our own
_WRITE: Final = f"INSERT OR REPLACE INTO entries ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))})"  # noqa: S608

READ_KEY: Final = "SELECT target, node, arrived, opened, number, cooling, flight FROM keys WHERE site = ? AND key = ?"
READ_ENTRIES: Final = f"""{READ} WHERE site = ? AND key = ? AND (
    state IN (?, ?)
    OR sha256 IN (SELECT value FROM json_each(?))
    OR source IN (SELECT value FROM json_each(?))
    OR id IN (
        SELECT id FROM entries WHERE site = ? AND key = ?
        ORDER BY iat DESC, status IN (2, 3) DESC, arrival DESC LIMIT ?
    )
)"""  # noqa: S608 - names of our own


def write(sql: sqlite3.Connection, before: Record, after: Record, now: float) -> None:
    """Write what differs between a record before and after."""
    known = {entry.id: entry for entry in before.entries}
    for entry in after.entries:
        if known.get(entry.id) != entry:
            sql.execute(_WRITE, _row(entry))
    open_before = {callback.ticket: callback for callback in before.callbacks}
    for callback in after.callbacks:
        if open_before.get(callback.ticket) != callback:
            sql.execute("UPDATE callbacks SET entry = ? WHERE ticket = ?", (callback.entry, callback.ticket))
    if _head(before) != _head(after) or (after.entries and not known):
        sql.execute(
            "INSERT INTO keys (site, key, seen, target, node, arrived, opened, number, cooling, flight) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET seen = excluded.seen, "
            "target = excluded.target, node = excluded.node, arrived = excluded.arrived, opened = excluded.opened, "
            "number = excluded.number, cooling = excluded.cooling, flight = excluded.flight",
            (after.site, after.key, now, *_head(after)),
        )


def _head(record: Record) -> tuple[Any, ...]:
    flight = json.dumps(dataclasses.asdict(record.flight)) if record.flight is not None else None
    return record.target, record.node, record.arrived, record.opened, record.number, record.cooling, flight


def entry_of(row: tuple[Any, ...]) -> Entry:
    """Read an entry from what ``READ`` selects."""
    values = dict(zip(_COLUMNS, row, strict=True))
    values["fields"] = json.loads(values["fields"])
    values["state"] = State(values["state"])
    for name in ("forgotten", "inferred", "stored", "held", "sound"):
        values[name] = bool(values[name])
    return Entry(**values)


def _row(entry: Entry) -> tuple[Any, ...]:
    values = {name: getattr(entry, name) for name in _COLUMNS}
    values["fields"] = json.dumps(entry.fields)
    values["state"] = entry.state.value
    return tuple(values.values())
