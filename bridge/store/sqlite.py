# ruff: noqa: D102 - what a call does is said once, at Index
"""The index in SQLite: one file, written ahead and flushed at every commit.

Theory of operation. All calls run one after the other in a thread of their own, each as one transaction that takes the
write lock at its beginning, so that several processes can share the file. ``synchronous=FULL`` flushes the write-ahead
log at each commit: what a call returned is still there after a power cut. A record is read from its three tables,
changed by a rule, and what differs is written back.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, Final, Self, TypeVar

from bridge.store.database import Database
from bridge.store.index import Index, Total
from bridge.store.records import Entry, Flight, OpenCallback, Record, State
from bridge.store.rows import READ, READ_ENTRIES, READ_KEY, entry_of, write
from bridge.store.sqlite_documents import SqliteDocuments, prune
from bridge.store.workers import Workers

__all__ = ["SqliteIndex", "path_of"]

T = TypeVar("T")

_PREFIX: Final = "sqlite:///"
# So many of a key's entries are looked at, beside those that wait, are dead, or are asked for by their hash.
_RECENT: Final = 50
# No pause of the courier's is so long, in seconds.
_FAR: Final = 310.0


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
        self._database = Database(path)
        self._call, self._transaction = self._database.call, self._database.transaction
        self.documents = SqliteDocuments(self._database, clock)

    @classmethod
    async def open(cls, path: Path, *, clock: Callable[[], float] = time.time, guest: bool = False) -> Self:
        """Open an index, made where it is missing.

        A ``guest`` is no worker: it has no name, makes no file, and takes the index as it is, beside the bridge that
        runs on it or without one.

        Raises:
            StorageError: it can't be opened or written, is no database, or is of a newer bridge; to a guest, it is
                missing or of an older one.
        """
        index = cls(path, clock=clock)
        try:
            await index._call(index._open_as_guest if guest else index._open)
        except BaseException:
            await index.close()
            raise
        return index

    def _open(self) -> None:
        self._database.open()
        self._workers = Workers(self._locks)
        self.worker = self._workers.name
        with self._transaction() as sql:
            self._bury(sql)

    def _open_as_guest(self) -> None:
        self._database.open_as_it_is()
        self._workers = Workers(self._locks, guest=True)

    @property
    def _locks(self) -> Path:
        return self.path.with_name(f"{self.path.name}.workers")

    async def close(self) -> None:
        await self._database.close()
        if self._workers is not None:
            self._workers.leave()
        self._workers = None

    def is_alive(self, worker: str) -> bool:
        return self._workers is not None and self._workers.is_alive(worker)

    # --- callbacks and keys -----------------------------------------------------------------------------------------

    async def arrive(self, site: str, key: str, *, target: str, node: str) -> int:
        def work() -> int:
            with self._transaction() as sql:
                self._remember(sql, site, key, target, node)
                row = (site, key, self.worker)
                ticket = _number(sql.execute("INSERT INTO callbacks (site, key, owner) VALUES (?, ?, ?)", row))
                sql.execute("UPDATE keys SET arrived = ? WHERE site = ? AND key = ?", (ticket, site, key))
                return ticket

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

    async def learn(self, site: str, server: str) -> None:
        def work() -> None:
            with self._transaction() as sql:
                sql.execute(
                    "INSERT INTO servers (site, url) VALUES (?, ?) "
                    "ON CONFLICT DO UPDATE SET url = excluded.url WHERE url != excluded.url",
                    (site, server),
                )

        await self._call(work)

    async def learnt(self, site: str) -> str | None:
        rows = await self._rows("SELECT url FROM servers WHERE site = ?", (site,))
        return str(rows[0][0]) if rows else None

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
        return await self._call(lambda: self._workers.others() if self._workers is not None else [])

    # --- records ----------------------------------------------------------------------------------------------------

    async def read(self, site: str, key: str, *, matching: Collection[str] = ()) -> Record:
        return await self._call(lambda: self._record(self._database.reading, site, key, matching))

    async def change(
        self, site: str, key: str, rule: Callable[[Record], tuple[Record, T]], *, matching: Collection[str] = ()
    ) -> T:
        def work() -> T:
            with self._transaction() as sql:
                before = self._record(sql, site, key, matching)
                after, given = rule(before)
                write(sql, before, after, self._clock())
                return given

        return await self._call(work)

    def _record(self, sql: sqlite3.Connection, site: str, key: str, matching: Collection[str]) -> Record:
        row = sql.execute(READ_KEY, (site, key)).fetchone() or (None, None, 0, 0, 0, 0.0, None)
        target, node, arrived, opened, number, cooling, raw = row
        flight = Flight(**json.loads(raw)) if raw else None
        asked = json.dumps(list(matching))
        waiting = (State.WAITING.value, State.DEAD.value)
        entries = sql.execute(READ_ENTRIES, (site, key, *waiting, asked, asked, site, key, _RECENT)).fetchall()
        callbacks = sql.execute("SELECT ticket, owner, entry FROM callbacks WHERE site = ? AND key = ?", (site, key))
        return Record(
            site=site,
            key=key,
            target=target,
            node=node,
            arrived=arrived,
            opened=opened,
            number=number,
            cooling=cooling,
            flight=flight,
            alive=flight is not None and self._flies(flight),
            entries=tuple(sorted(map(entry_of, entries), key=lambda entry: entry.place)),
            callbacks=tuple(
                OpenCallback(ticket=ticket, owner=owner, entry=entry)
                for ticket, owner, entry in callbacks
                if self.is_alive(owner)
            ),
        )

    async def find(self, identity: str) -> Entry | None:
        rows = await self._rows(f"{READ} WHERE id >= ? AND id < ? LIMIT 2", (identity, identity + "g"))
        return entry_of(rows[0]) if len(rows) == 1 else None

    async def entries(
        self, *, states: Collection[State] = (), site: str | None = None, key: str | None = None, limit: int = 1000
    ) -> list[Entry]:
        wanted = [state.value for state in (states or State)]
        where = f"state IN ({', '.join('?' * len(wanted))}) AND (? IS NULL OR site = ?) AND (? IS NULL OR key = ?)"
        values = (*wanted, site, site, key, key, limit)
        rows = await self._rows(f"{READ} WHERE {where} ORDER BY kept, arrival LIMIT ?", values)
        return [entry_of(row) for row in rows]

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
            "SELECT site, state, COUNT(*), SUM(size), MIN(kept) FROM entries WHERE held OR state = 'dead' "
            "GROUP BY site, state",
            (),
        )
        return [Total(site, State(state), number, size, oldest) for site, state, number, size, oldest in rows]

    async def expired(self, *, before: float, limit: int) -> list[Entry]:
        rows = await self._rows(
            f"{READ} WHERE held AND ended < ? AND state IN (?, ?) ORDER BY ended LIMIT ?",
            (before, State.DELIVERED.value, State.SUPERSEDED.value, limit),
        )
        return [entry_of(row) for row in rows]

    async def prune(self, *, before: float) -> None:
        def work() -> None:
            with self._transaction() as sql:
                sql.execute("DELETE FROM entries WHERE NOT held AND ended < ?", (before,))
                sql.execute(
                    "DELETE FROM keys WHERE seen < ? AND flight IS NULL AND NOT EXISTS "
                    "(SELECT 1 FROM entries WHERE entries.site = keys.site AND entries.key = keys.key)",
                    (before,),
                )
                prune(sql, before=before)

        await self._call(work)

    async def identities(self) -> set[str]:
        return {identity for (identity,) in await self._rows("SELECT id FROM entries WHERE held", ())}

    async def _rows(self, query: str, values: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        return await self._call(lambda: self._database.rows(query, values))


def _number(cursor: sqlite3.Cursor) -> int:
    return int(cursor.lastrowid or 0)
