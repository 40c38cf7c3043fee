"""The tables of the SQLite index, version by version.

A database says in ``user_version`` which version it has. A newer bridge brings an older one up to date when it opens
it, in one transaction; an older bridge refuses a newer one, since it can't know what it would leave out.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from bridge.protocol.errors import StorageError

__all__ = ["VERSIONS", "bring_up_to_date"]

_SAVES: Final = """
CREATE TABLE keys (
    site TEXT NOT NULL,
    key TEXT NOT NULL,
    target TEXT,
    node TEXT,
    seen REAL NOT NULL,
    number INTEGER NOT NULL DEFAULT 0,
    cooling REAL NOT NULL DEFAULT 0,
    flight TEXT,
    PRIMARY KEY (site, key)
) WITHOUT ROWID;
CREATE INDEX keys_by_key ON keys (key);
CREATE INDEX keys_in_flight ON keys (site, key) WHERE flight IS NOT NULL;

CREATE TABLE entries (
    id TEXT PRIMARY KEY,
    site TEXT NOT NULL,
    key TEXT NOT NULL,
    status INTEGER NOT NULL,
    source TEXT NOT NULL,
    iat REAL NOT NULL,
    arrival INTEGER NOT NULL,
    size INTEGER NOT NULL,
    sha256 TEXT NOT NULL,
    kept REAL NOT NULL,
    filetype TEXT,
    forgotten INTEGER NOT NULL,
    fields TEXT NOT NULL,
    state TEXT NOT NULL,
    delivered_as INTEGER,
    inferred INTEGER NOT NULL,
    stored INTEGER NOT NULL,
    held INTEGER NOT NULL,
    why TEXT NOT NULL,
    tries INTEGER NOT NULL,
    due REAL NOT NULL,
    ended REAL
) WITHOUT ROWID;
CREATE INDEX entries_by_key ON entries (site, key, arrival);
CREATE INDEX entries_by_state ON entries (state, due);
CREATE INDEX entries_that_ended ON entries (ended) WHERE held;

CREATE TABLE callbacks (
    ticket INTEGER PRIMARY KEY AUTOINCREMENT,
    site TEXT NOT NULL,
    key TEXT NOT NULL,
    owner TEXT NOT NULL,
    entry TEXT
);
CREATE INDEX callbacks_by_key ON callbacks (site, key);
"""

_SESSIONS: Final = """
ALTER TABLE keys ADD COLUMN arrived INTEGER NOT NULL DEFAULT 0;
ALTER TABLE keys ADD COLUMN opened INTEGER NOT NULL DEFAULT 0;
ALTER TABLE entries ADD COLUMN sound INTEGER NOT NULL DEFAULT 1;
"""

_SERVERS: Final = """
CREATE TABLE servers (
    site TEXT PRIMARY KEY,
    url TEXT NOT NULL
) WITHOUT ROWID;
"""

_DOCUMENTS: Final = """
CREATE TABLE documents (
    site TEXT NOT NULL,
    key TEXT NOT NULL,
    guid TEXT NOT NULL,
    place TEXT NOT NULL,
    name TEXT NOT NULL,
    version TEXT NOT NULL,
    current INTEGER NOT NULL,
    second INTEGER NOT NULL,
    handle TEXT NOT NULL,
    seen REAL NOT NULL,
    PRIMARY KEY (site, key)
) WITHOUT ROWID;
CREATE UNIQUE INDEX documents_now ON documents (site, guid) WHERE current;

CREATE TABLE visits (
    site TEXT NOT NULL,
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    language TEXT NOT NULL,
    image TEXT NOT NULL,
    number INTEGER,
    cookies TEXT NOT NULL,
    seen REAL NOT NULL,
    PRIMARY KEY (site, id)
) WITHOUT ROWID;

CREATE TABLE openings (
    site TEXT NOT NULL,
    key TEXT NOT NULL,
    visitor TEXT NOT NULL,
    writes INTEGER NOT NULL,
    seen REAL NOT NULL,
    PRIMARY KEY (site, key, visitor)
) WITHOUT ROWID;
CREATE INDEX openings_by_visitor ON openings (site, visitor);

CREATE TABLE notices (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    site TEXT NOT NULL,
    visitor TEXT NOT NULL,
    text TEXT NOT NULL,
    arguments TEXT NOT NULL,
    unread INTEGER NOT NULL DEFAULT 1,
    seen REAL NOT NULL,
    UNIQUE (site, visitor, text, arguments)
);
"""

VERSIONS: Final[Sequence[str]] = (_SAVES, _SESSIONS, _SERVERS, _DOCUMENTS)
"""What each version adds to the one before; never changed once it was released, only added to."""


def bring_up_to_date(connection: sqlite3.Connection, path: Path, versions: Sequence[str] = VERSIONS) -> None:
    """Give a database the tables of the newest version, in one transaction.

    Raises:
        StorageError: it was written by a newer bridge.
    """
    # The write lock comes first: of workers that start together on a new database, one makes the tables.
    connection.execute("BEGIN IMMEDIATE")
    try:
        for statement in _missing(connection, path, versions):
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {len(versions)}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _missing(connection: sqlite3.Connection, path: Path, versions: Sequence[str]) -> list[str]:
    (found,) = connection.execute("PRAGMA user_version").fetchone()
    if found > len(versions):
        raise StorageError(
            f"The database is of a newer bridge: it has version {found}, this bridge knows {len(versions)}.",
            remedy=f"Run the newer bridge again: it delivers what waits in {path} (store.url). Nothing was changed.",
        )
    return [statement for script in versions[found:] for statement in _statements(script)]


def _statements(script: str) -> Iterator[str]:
    """Split a script; ``executescript`` would end the transaction."""
    statement = ""
    for part in script.split(";"):
        statement += part + ";"
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
