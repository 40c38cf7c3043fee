# ruff: noqa: D102 - what a call does is said once, at Index
"""The index in SQLite: one file, written ahead and flushed at every commit.

Theory of operation. All calls run one after the other in a thread of their own, each as one transaction that takes the
write lock at its beginning, so that several processes can share the file. ``synchronous=FULL`` flushes the write-ahead
log at each commit: what a call returned is still there after a power cut. A record is read from its three tables,
changed by a rule, and what differs is written back.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import sqlite3
import time
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, Self, TypeVar

from bridge.protocol.errors import StorageError
from bridge.store.index import Index, Total
from bridge.store.records import Entry, Flight, OpenCallback, Record, State
from bridge.store.schema import bring_up_to_date
from bridge.store.workers import Workers

__all__ = ["SqliteIndex", "path_of"]

T = TypeVar("T")

_PREFIX: Final = "sqlite:///"
# How long a transaction waits for another process's, in seconds.
_BUSY: Final = 30.0
# So many of a key's entries are looked at, beside those that wait, are dead, or are asked for by their hash.
_RECENT: Final = 50
# No pause of the courier's is so long, in seconds.
_FAR: Final = 3600.0
_COLUMNS: Final = tuple(field.name for field in dataclasses.fields(Entry))
_READ: Final = f"SELECT {', '.join(_COLUMNS)} FROM entries"  # noqa: S608 - names of our own
_WRITE: Final = f"INSERT OR REPLACE INTO entries ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))})"  # noqa: S608

_READ_KEY: Final = "SELECT target, node, number, cooling, flight FROM keys WHERE site = ? AND key = ?"
_READ_ENTRIES: Final = f"""{_READ} WHERE site = ? AND key = ? AND (
    state IN (?, ?)
    OR sha256 IN (SELECT value FROM json_each(?))
    OR source IN (SELECT value FROM json_each(?))
    OR id IN (
        SELECT id FROM entries WHERE site = ? AND key = ?
        ORDER BY iat DESC, status IN (2, 3) DESC, arrival DESC LIMIT ?
    )
)"""  # noqa: S608 - names of our own


def path_of(url: str) -> Path:
    """Give the file of a ``sqlite:///`` URL."""
    return Path(url.removeprefix(_PREFIX))


class SqliteIndex(Index):
    """An :class:`~bridge.store.index.Index`; :meth:`open` it, and close it when done.

    ``clock`` dates what is remembered of keys.
    """

    def __init__(self, path: Path, *, clock: Callable[[], float] = time.time) -> None:
        self.path = path
        self.worker = ""
        self._clock = clock
        self._workers: Workers | None = None
        self._connection: sqlite3.Connection | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="index")

    @classmethod
    async def open(cls, path: Path, *, clock: Callable[[], float] = time.time) -> Self:
        """Open an index, made where it is missing.

        Raises:
            StorageError: it can't be opened or written, is no database, or is of a newer bridge.
        """
        index = cls(path, clock=clock)
        try:
            await index._call(index._open)
        except BaseException:
            await index.close()
            raise
        return index

    def _open(self) -> None:
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.path.touch(mode=0o600)
        self._connection = sqlite3.connect(self.path, timeout=_BUSY, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = FULL")
        bring_up_to_date(self._connection, self.path)
        self._workers = Workers(self.path.with_name(f"{self.path.name}.workers"))
        self.worker = self._workers.name
        with self._transaction() as sql:
            self._bury(sql)

    async def close(self) -> None:
        """Leave the store."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._close)
        self._thread.shutdown()

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
        if self._workers is not None:
            self._workers.leave()
        self._connection = self._workers = None

    async def _call(self, work: Callable[[], T]) -> T:
        """Run ``work`` in the index's thread to its end, even where the caller is cancelled meanwhile."""
        try:
            return await asyncio.shield(asyncio.get_running_loop().run_in_executor(self._thread, work))
        except (sqlite3.Error, OSError) as error:
            raise StorageError(
                f"The index of saves fails: {error}.",
                remedy=f"Look at the space, the rights and the health of the disk of {self.path} (store.url).",
            ) from error

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        sql = self._connection
        if sql is None:
            raise StorageError("The index of saves is closed.")
        sql.execute("BEGIN IMMEDIATE")
        try:
            yield sql
        except BaseException:
            if sql.in_transaction:
                sql.execute("ROLLBACK")
            raise
        try:
            sql.execute("COMMIT")
        except sqlite3.Error:
            if sql.in_transaction:
                sql.execute("ROLLBACK")
            raise

    def is_alive(self, worker: str) -> bool:
        return self._workers is not None and self._workers.is_alive(worker)

    # --- callbacks and keys -----------------------------------------------------------------------------------------

    async def arrive(self, site: str, key: str, *, target: str, node: str) -> int:
        def work() -> int:
            with self._transaction() as sql:
                self._remember(sql, site, key, target, node)
                row = (site, key, self.worker)
                return _number(sql.execute("INSERT INTO callbacks (site, key, owner) VALUES (?, ?, ?)", row))

        return await self._call(work)

    async def depart(self, ticket: int) -> None:
        def work() -> None:
            with self._transaction() as sql:
                sql.execute("DELETE FROM callbacks WHERE ticket = ?", (ticket,))

        await self._call(work)

    async def remember(self, site: str, key: str, *, target: str, node: str) -> None:
        def work() -> None:
            with self._transaction() as sql:
                self._remember(sql, site, key, target, node)

        await self._call(work)

    def _remember(self, sql: sqlite3.Connection, site: str, key: str, target: str, node: str) -> None:
        sql.execute(
            "INSERT INTO keys (site, key, target, node, seen) VALUES (?, ?, ?, ?, ?) "
            "ON CONFLICT DO UPDATE SET target = excluded.target, node = excluded.node, seen = excluded.seen",
            (site, key, target, node, self._clock()),
        )

    async def ticket(self) -> int:
        def work() -> int:
            with self._transaction() as sql:
                number = _number(
                    sql.execute("INSERT INTO callbacks (site, key, owner) VALUES ('', '', ?)", (self.worker,))
                )
                sql.execute("DELETE FROM callbacks WHERE ticket = ?", (number,))
                return number

        return await self._call(work)

    async def sites_of(self, key: str) -> list[str]:
        rows = await self._rows("SELECT site FROM keys WHERE key = ? ORDER BY seen DESC", (key,))
        return [site for (site,) in rows]

    async def others(self) -> list[str]:
        """Name the other workers that run on this index."""
        return await self._call(lambda: self._workers.others() if self._workers is not None else [])

    # --- records ----------------------------------------------------------------------------------------------------

    async def read(self, site: str, key: str, *, matching: Collection[str] = ()) -> Record:
        def work() -> Record:
            if self._connection is None:
                raise StorageError("The index of saves is closed.")
            return self._record(self._connection, site, key, matching)

        return await self._call(work)

    async def change(
        self, site: str, key: str, rule: Callable[[Record], tuple[Record, T]], *, matching: Collection[str] = ()
    ) -> T:
        def work() -> T:
            with self._transaction() as sql:
                before = self._record(sql, site, key, matching)
                after, given = rule(before)
                _write(sql, before, after, self._clock())
                return given

        return await self._call(work)

    def _record(self, sql: sqlite3.Connection, site: str, key: str, matching: Collection[str]) -> Record:
        row = sql.execute(_READ_KEY, (site, key)).fetchone() or (None, None, 0, 0.0, None)
        target, node, number, cooling, raw = row
        flight = Flight(**json.loads(raw)) if raw else None
        asked = json.dumps(list(matching))
        waiting = (State.WAITING.value, State.DEAD.value)
        entries = sql.execute(_READ_ENTRIES, (site, key, *waiting, asked, asked, site, key, _RECENT)).fetchall()
        callbacks = sql.execute("SELECT ticket, owner, entry FROM callbacks WHERE site = ? AND key = ?", (site, key))
        return Record(
            site=site,
            key=key,
            target=target,
            node=node,
            number=number,
            cooling=cooling,
            flight=flight,
            alive=flight is not None and self._flies(flight),
            entries=tuple(sorted(map(_entry, entries), key=lambda entry: entry.place)),
            callbacks=tuple(
                OpenCallback(ticket=ticket, owner=owner, entry=entry)
                for ticket, owner, entry in callbacks
                if self.is_alive(owner)
            ),
        )

    async def find(self, identity: str) -> Entry | None:
        rows = await self._rows(f"{_READ} WHERE id >= ? AND id < ? LIMIT 2", (identity, identity + "g"))
        return _entry(rows[0]) if len(rows) == 1 else None

    async def entries(
        self, *, states: Collection[State] = (), site: str | None = None, key: str | None = None, limit: int = 1000
    ) -> list[Entry]:
        wanted = [state.value for state in (states or State)]
        where = f"state IN ({', '.join('?' * len(wanted))}) AND (? IS NULL OR site = ?) AND (? IS NULL OR key = ?)"
        values = (*wanted, site, site, key, key, limit)
        rows = await self._rows(f"{_READ} WHERE {where} ORDER BY kept, arrival LIMIT ?", values)
        return [_entry(row) for row in rows]

    async def due(self, now: float, *, limit: int) -> list[tuple[str, str]]:
        rows = await self._rows(
            "SELECT entries.site, entries.key FROM entries JOIN keys USING (site, key) "
            "WHERE state = ? AND (due <= ? OR due > ?) AND target IS NOT NULL AND flight IS NULL "
            "AND NOT EXISTS (SELECT 1 FROM callbacks WHERE callbacks.entry = entries.id) ORDER BY due LIMIT ?",
            (State.WAITING.value, now, now + _FAR, limit),
        )
        return list(dict.fromkeys((site, key) for site, key in rows))

    async def adrift(self) -> list[tuple[str, str]]:
        rows = await self._rows("SELECT site, key, flight FROM keys WHERE flight IS NOT NULL", ())
        flights = [(site, key, Flight(**json.loads(flight))) for site, key, flight in rows]
        return [(site, key) for site, key, flight in flights if flight.over or not self._flies(flight)]

    def _flies(self, flight: Flight) -> bool:
        return flight.until > self._clock() and self.is_alive(flight.owner)

    async def bury(self) -> None:
        def work() -> None:
            with self._transaction() as sql:
                self._bury(sql)

        await self._call(work)

    def _bury(self, sql: sqlite3.Connection) -> None:
        for (owner,) in sql.execute("SELECT DISTINCT owner FROM callbacks").fetchall():
            if not self.is_alive(owner):
                sql.execute("DELETE FROM callbacks WHERE owner = ?", (owner,))

    async def hurry(self, site: str | None, *, due: float) -> int:
        def work() -> int:
            with self._transaction() as sql:
                done = sql.execute(
                    "UPDATE entries SET due = ? WHERE state = ? AND due > ? AND (? IS NULL OR site = ?)",
                    (due, State.WAITING.value, due, site, site),
                )
                return done.rowcount

        return await self._call(work)

    async def totals(self) -> list[Total]:
        rows = await self._rows(
            "SELECT site, state, COUNT(*), SUM(size), MIN(kept) FROM entries WHERE held GROUP BY site, state", ()
        )
        return [Total(site, State(state), number, size, oldest) for site, state, number, size, oldest in rows]

    async def expired(self, *, before: float, limit: int) -> list[Entry]:
        rows = await self._rows(
            f"{_READ} WHERE held AND ended < ? AND state IN (?, ?) ORDER BY ended LIMIT ?",
            (before, State.DELIVERED.value, State.SUPERSEDED.value, limit),
        )
        return [_entry(row) for row in rows]

    async def drop(self, identity: str) -> None:
        def work() -> None:
            with self._transaction() as sql:
                sql.execute("DELETE FROM entries WHERE id = ?", (identity,))

        await self._call(work)

    async def prune(self, *, before: float) -> None:
        def work() -> None:
            with self._transaction() as sql:
                sql.execute("DELETE FROM entries WHERE NOT held AND ended < ?", (before,))
                sql.execute(
                    "DELETE FROM keys WHERE seen < ? AND flight IS NULL AND NOT EXISTS "
                    "(SELECT 1 FROM entries WHERE entries.site = keys.site AND entries.key = keys.key)",
                    (before,),
                )

        await self._call(work)

    async def identities(self) -> set[str]:
        return {identity for (identity,) in await self._rows("SELECT id FROM entries WHERE held", ())}

    async def _rows(self, query: str, values: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        def work() -> list[tuple[Any, ...]]:
            if self._connection is None:
                raise StorageError("The index of saves is closed.")
            return self._connection.execute(query, values).fetchall()

        return await self._call(work)


# --- rows to values and back ------------------------------------------------------------------------------------------


def _number(cursor: sqlite3.Cursor) -> int:
    return int(cursor.lastrowid or 0)


def _write(sql: sqlite3.Connection, before: Record, after: Record, now: float) -> None:
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
            "INSERT INTO keys (site, key, target, node, seen, number, cooling, flight) VALUES (?, ?, ?, ?, ?, ?, ?, ?) "
            "ON CONFLICT DO UPDATE SET target = excluded.target, node = excluded.node, seen = excluded.seen, "
            "number = excluded.number, cooling = excluded.cooling, flight = excluded.flight",
            (after.site, after.key, after.target, after.node, now, *_head(after)[2:]),
        )


def _head(record: Record) -> tuple[Any, ...]:
    flight = json.dumps(dataclasses.asdict(record.flight)) if record.flight is not None else None
    return record.target, record.node, record.number, record.cooling, flight


def _entry(row: tuple[Any, ...]) -> Entry:
    values = dict(zip(_COLUMNS, row, strict=True))
    values["fields"] = json.loads(values["fields"])
    values["state"] = State(values["state"])
    for name in ("forgotten", "inferred", "stored", "held"):
        values[name] = bool(values[name])
    return Entry(**values)


def _row(entry: Entry) -> tuple[Any, ...]:
    values = {name: getattr(entry, name) for name in _COLUMNS}
    values["fields"] = json.dumps(entry.fields)
    values["state"] = entry.state.value
    return tuple(values.values())
