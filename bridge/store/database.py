"""One SQLite file: opened durable, called from a thread of its own, a transaction a call."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, TypeVar

from bridge.protocol.errors import StorageError
from bridge.store.schema import VERSIONS, bring_up_to_date

__all__ = ["Database"]

T = TypeVar("T")

# How long a transaction waits for another process's, in seconds.
_BUSY: Final = 30.0
# What SQLite doesn't wait for itself is tried again so soon.
_AGAIN: Final = 0.02


class Database:
    """The file at ``path``. All its methods but ``call`` and ``close`` run in its thread."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._connection: sqlite3.Connection | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="index")

    async def call(self, work: Callable[[], T]) -> T:
        """Run ``work`` in the thread to its end, even where the caller is cancelled meanwhile.

        Raises:
            StorageError: the database or the disk fails.
        """
        try:
            return await asyncio.shield(asyncio.get_running_loop().run_in_executor(self._thread, work))
        except (sqlite3.Error, OSError) as error:
            raise StorageError(
                f"The index of saves fails: {error}.",
                remedy=f"Look at the space, the rights and the health of the disk of {self.path} (store.url).",
            ) from error

    async def close(self) -> None:
        """Close the file and end the thread."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._close)
        self._thread.shutdown()

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None

    def open(self) -> None:
        """Open the file, made where it is missing, and bring its tables up to date."""
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.path.touch(mode=0o600)
        self._connection = sqlite3.connect(self.path, timeout=_BUSY, isolation_level=None)
        _write_ahead(self._connection)
        self._connection.execute("PRAGMA synchronous = FULL")
        bring_up_to_date(self._connection, self.path)

    def open_as_it_is(self) -> None:
        """Open a file that is there, and change nothing about it.

        Raises:
            StorageError: it is of another bridge's version.
        """
        where = f"{self.path.absolute().as_uri()}?mode=rw"
        self._connection = sqlite3.connect(where, uri=True, timeout=_BUSY, isolation_level=None)
        self._connection.execute("PRAGMA synchronous = FULL")
        (found,) = self._connection.execute("PRAGMA user_version").fetchone()
        if found < len(VERSIONS):
            raise StorageError(
                f"The database is of an older bridge: it has version {found}, this bridge knows {len(VERSIONS)}.",
                remedy=f"Start this bridge: it brings {self.path} (store.url) up to date.",
            )
        bring_up_to_date(self._connection, self.path)

    @property
    def reading(self) -> sqlite3.Connection:
        """Give the connection, for a single statement."""
        if self._connection is None:
            raise StorageError("The index of saves is closed.", remedy="The bridge is stopping: try again in a moment.")
        return self._connection

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Hold the write lock from the beginning; what the block did is durable when it is left, or undone."""
        sql = self.reading
        sql.execute("BEGIN IMMEDIATE")
        try:
            yield sql
            sql.execute("COMMIT")
        except BaseException:
            if sql.in_transaction:
                sql.execute("ROLLBACK")
            raise

    def rows(self, query: str, values: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        """Give what a query selects."""
        return self.reading.execute(query, values).fetchall()


def _write_ahead(sql: sqlite3.Connection) -> None:
    """Change to write-ahead logging; while another one does, SQLite says that it is locked, and waits for nobody."""
    until = time.monotonic() + _BUSY
    while True:
        try:
            sql.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
            time.sleep(_AGAIN)
        else:
            return
