# ruff: noqa: D102 - what a call does is said once, at Documents
"""What the connector remembers, in the SQLite file of the index, in whose thread and transactions it is kept."""

from __future__ import annotations

import dataclasses
import json
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from bridge.store.database import Database
from bridge.store.documents import Document, Documents, Notice, Visit

__all__ = ["SqliteDocuments", "prune"]

_DOCUMENT: Final = tuple(field.name for field in dataclasses.fields(Document))
_VISIT: Final = tuple(field.name for field in dataclasses.fields(Visit))
_PUT: Final = f"INSERT OR REPLACE INTO documents ({', '.join(_DOCUMENT)}, seen) VALUES ({'?, ' * len(_DOCUMENT)}?)"  # noqa: S608 - names of our own
_PUT_VISIT: Final = f"INSERT OR REPLACE INTO visits ({', '.join(_VISIT)}, seen) VALUES ({'?, ' * len(_VISIT)}?)"  # noqa: S608
_READ: Final = f"SELECT {', '.join(_DOCUMENT)} FROM documents"  # noqa: S608 - names of our own
_READ_VISIT: Final = f"SELECT {', '.join('visits.' + name for name in _VISIT)} FROM visits"  # noqa: S608


class SqliteDocuments(Documents):
    """See :class:`~bridge.store.documents.Documents`; ``clock`` dates what is noted."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock
        self._call, self._transaction = database.call, database.transaction

    async def claim(self, fresh: Document, *, there: bool = True) -> Document:
        def work() -> Document:
            with self._transaction() as sql:
                rows = sql.execute(f"{_READ} WHERE site = ? AND guid = ? AND current", (fresh.site, fresh.guid))
                known = next(map(_document, rows), None)
                if known is not None and known.version == fresh.version and not there:
                    return known
                if known is not None and known.version == fresh.version:
                    # Its place and name may have changed since, and its content is the same.
                    fresh_here = replace(known, place=fresh.place, name=fresh.name, handle=fresh.handle)
                    self._write(sql, fresh_here)
                    return fresh_here
                self._write(sql, fresh)
                return fresh

        return await self._call(work)

    async def document(self, site: str, key: str) -> Document | None:
        rows = await self._rows(f"{_READ} WHERE site = ? AND key = ?", (site, key))
        return next(map(_document, rows), None)

    async def current(self, site: str, guid: str) -> Document | None:
        rows = await self._rows(f"{_READ} WHERE site = ? AND guid = ? AND current", (site, guid))
        return next(map(_document, rows), None)

    async def latest(self, site: str, guid: str) -> Document | None:
        newest = "ORDER BY current DESC, seen DESC LIMIT 1"
        rows = await self._rows(f"{_READ} WHERE site = ? AND guid = ? {newest}", (site, guid))
        return next(map(_document, rows), None)

    async def keep(self, document: Document) -> None:
        def work() -> None:
            with self._transaction() as sql:
                self._write(sql, document)

        await self._call(work)

    def _write(self, sql: sqlite3.Connection, document: Document) -> None:
        if document.current:
            sql.execute(
                "UPDATE documents SET current = 0 WHERE site = ? AND guid = ? AND key != ?",
                (document.site, document.guid, document.key),
            )
        values = {name: getattr(document, name) for name in _DOCUMENT}
        values["handle"] = json.dumps(dict(document.handle))
        sql.execute(_PUT, (*values.values(), self._clock()))

    async def opened(self, document: Document, visit: Visit, *, writes: bool) -> None:
        def work() -> None:
            with self._transaction() as sql:
                self._visited(sql, visit)
                # Who looks at it in a second window still writes in the first.
                sql.execute(
                    "INSERT INTO openings (site, key, visitor, writes, seen) VALUES (?, ?, ?, ?, ?) "
                    "ON CONFLICT DO UPDATE SET writes = max(writes, excluded.writes), seen = excluded.seen",
                    (document.site, document.key, visit.id, writes, self._clock()),
                )

        await self._call(work)

    async def visited(self, visit: Visit) -> None:
        def work() -> None:
            with self._transaction() as sql:
                self._visited(sql, visit)

        await self._call(work)

    def _visited(self, sql: sqlite3.Connection, visit: Visit) -> None:
        sql.execute(_PUT_VISIT, (*(getattr(visit, name) for name in _VISIT), self._clock()))

    async def visit(self, site: str, identity: str) -> Visit | None:
        rows = await self._rows(f"{_READ_VISIT} WHERE site = ? AND id = ?", (site, identity))
        return next(map(_visit, rows), None)

    async def writers(self, site: str, key: str) -> list[Visit]:
        rows = await self._rows(
            f"{_READ_VISIT} JOIN openings ON openings.site = visits.site AND openings.visitor = visits.id "
            "WHERE openings.site = ? AND openings.key = ? AND openings.writes ORDER BY openings.seen DESC, visits.id",
            (site, key),
        )
        return [_visit(row) for row in rows]

    async def tell(self, site: str, identity: str, text: str, **arguments: str) -> None:
        said = json.dumps(arguments, sort_keys=True)

        def work() -> None:
            with self._transaction() as sql:
                sql.execute(
                    "INSERT OR IGNORE INTO notices (site, visitor, text, arguments, seen) VALUES (?, ?, ?, ?, ?)",
                    (site, identity, text, said, self._clock()),
                )

        await self._call(work)

    async def notices(self, site: str, identity: str) -> list[Notice]:
        rows = await self._rows(
            "SELECT id, text, arguments FROM notices WHERE site = ? AND visitor = ? AND unread ORDER BY id",
            (site, identity),
        )
        return [Notice(id=number, text=text, arguments=json.loads(said)) for number, text, said in rows]

    async def read(self, site: str, identity: str, notices: list[int]) -> None:
        def work() -> None:
            with self._transaction() as sql:
                sql.executemany(
                    "UPDATE notices SET unread = 0 WHERE site = ? AND visitor = ? AND id = ?",
                    [(site, identity, number) for number in notices],
                )

        await self._call(work)

    async def _rows(self, query: str, values: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        return await self._call(lambda: self._database.rows(query, values))


def prune(sql: sqlite3.Connection, *, before: float) -> None:
    """Remove what nobody needs any more: documents without a key, who opened them, and what was to be told."""
    sql.execute(
        "DELETE FROM documents WHERE seen < ? AND NOT EXISTS "
        "(SELECT 1 FROM keys WHERE keys.site = documents.site AND keys.key = documents.key)",
        (before,),
    )
    sql.execute(
        "DELETE FROM openings WHERE seen < ? AND NOT EXISTS "
        "(SELECT 1 FROM documents WHERE documents.site = openings.site AND documents.key = openings.key)",
        (before,),
    )
    sql.execute(
        "DELETE FROM visits WHERE seen < ? AND NOT EXISTS "
        "(SELECT 1 FROM openings WHERE openings.site = visits.site AND openings.visitor = visits.id)",
        (before,),
    )
    sql.execute("DELETE FROM notices WHERE seen < ?", (before,))


def _document(row: tuple[Any, ...]) -> Document:
    values = dict(zip(_DOCUMENT, row, strict=True))
    flags = {name: bool(values[name]) for name in ("current", "second")}
    return Document(**{**values, **flags, "handle": json.loads(values["handle"])})


def _visit(row: tuple[Any, ...]) -> Visit:
    return Visit(**dict(zip(_VISIT, row, strict=True)))
