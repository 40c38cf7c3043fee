"""Versions of the tables: a newer bridge takes an older database over, an older one refuses a newer one."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge.protocol.errors import StorageError
from bridge.store.schema import VERSIONS, bring_up_to_date
from bridge.store.sqlite import SqliteIndex
from tests.store.conftest import OpenIndex
from tests.store.entries import SITE, entry, put

_NOBODY = 65534
NEXT = "ALTER TABLE entries ADD COLUMN origin TEXT NOT NULL DEFAULT 'unknown'; CREATE TABLE more (id TEXT);"


def connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, isolation_level=None)


def content_of(path: Path) -> bytes:
    return path.read_bytes()


def tear(path: Path) -> None:
    torn = bytearray(path.read_bytes())
    torn[4096 : 4096 * 4] = os.urandom(4096 * 3)
    path.write_bytes(torn)


def version(sql: sqlite3.Connection) -> int:
    (found,) = sql.execute("PRAGMA user_version").fetchone()
    return int(found)


async def written(path: Path) -> None:
    """Leave a database of this version with a save that waits."""
    index = await SqliteIndex.open(path)
    await index.remember(SITE, "k1", target="/t", node="docs-1")
    await index.change(SITE, "k1", put(entry("e1")))
    await index.close()


def test_a_new_database_gets_the_newest_version(database: Path) -> None:
    sql = connect(database)
    bring_up_to_date(sql, database)
    assert version(sql) == len(VERSIONS)
    bring_up_to_date(sql, database)
    sql.close()


async def test_a_newer_bridge_takes_over_a_database_with_its_waiting_saves(database: Path) -> None:
    await written(database)
    sql = connect(database)
    bring_up_to_date(sql, database, (*VERSIONS, NEXT, "CREATE TABLE most (id TEXT);"))
    assert version(sql) == len(VERSIONS) + 2
    assert sql.execute("SELECT id, state, origin FROM entries").fetchall() == [("e1", "waiting", "unknown")]
    assert sql.execute("SELECT key, target FROM keys").fetchall() == [("k1", "/t")]
    sql.close()


@pytest.mark.parametrize("known", range(1, len(VERSIONS) + 1))
def test_every_earlier_version_is_brought_up_to_this_one(tmp_path: Path, known: int) -> None:
    def tables(path: Path, *steps: int) -> list[tuple[str, str]]:
        sql = connect(path)
        for step in steps:
            bring_up_to_date(sql, path, VERSIONS[:step])
        found = sql.execute("SELECT name, sql FROM sqlite_master ORDER BY name").fetchall()
        sql.close()
        return found

    assert tables(tmp_path / "old.db", known, len(VERSIONS)) == tables(tmp_path / "new.db", len(VERSIONS))


async def test_a_version_that_cannot_be_reached_leaves_all_as_it_was(database: Path) -> None:
    await written(database)
    sql = connect(database)
    with pytest.raises(sqlite3.OperationalError):
        bring_up_to_date(sql, database, (*VERSIONS, f"{NEXT} SELECT nothing FROM nowhere;"))
    sql.close()
    sql = connect(database)
    assert version(sql) == len(VERSIONS)
    assert sql.execute("SELECT name FROM sqlite_master WHERE name = 'more'").fetchall() == []
    sql.close()
    bring = await SqliteIndex.open(database)
    assert await bring.find("e1") is not None
    await bring.close()


async def test_an_older_bridge_refuses_a_newer_database_and_changes_nothing(database: Path) -> None:
    await written(database)
    sql = connect(database)
    bring_up_to_date(sql, database, (*VERSIONS, NEXT))
    sql.close()
    before = content_of(database)
    with pytest.raises(StorageError) as refusal:
        await SqliteIndex.open(database)
    assert f"version {len(VERSIONS) + 1}" in refusal.value.message
    assert f"knows {len(VERSIONS)}" in refusal.value.message
    assert str(database) in (refusal.value.remedy or "")
    assert content_of(database) == before


@pytest.fixture
def content(database: Path, request: pytest.FixtureRequest) -> bytes:
    found: bytes = request.param
    database.write_bytes(found)
    return found


@pytest.mark.parametrize(
    "content", [b"not a database, just some text that is long enough to be one" * 20, b"x" * 5000], indirect=True
)
async def test_a_file_that_is_no_database_is_named_and_left_alone(database: Path, content: bytes) -> None:
    with pytest.raises(StorageError, match="not a database") as refusal:
        await SqliteIndex.open(database)
    assert str(database) in (refusal.value.remedy or "")
    assert content_of(database) == content


async def test_a_database_that_is_torn_is_named(database: Path, open_index: OpenIndex) -> None:
    await written(database)
    tear(database)
    with pytest.raises(StorageError, match="malformed"):
        await (await open_index()).read(SITE, "k1")


async def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file" / "bridge.db", tmp_path):
        with pytest.raises(StorageError) as refusal:
            await SqliteIndex.open(path)
        assert str(path) in (refusal.value.remedy or "")


async def test_a_directory_without_the_right_to_write_is_named(tmp_path: Path) -> None:
    os.chmod(tmp_path, 0o500)  # noqa: PTH101 - at once is soon enough
    with unprivileged(), pytest.raises(StorageError, match="ermission"):
        await SqliteIndex.open(tmp_path / "bridge.db")


@contextlib.contextmanager
def unprivileged() -> Iterator[None]:
    """Be nobody inside the block, if we are root, who may write everywhere."""
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(_NOBODY)
    try:
        yield
    finally:
        if is_root:
            os.seteuid(0)


async def test_the_directory_is_made_where_it_is_missing(tmp_path: Path) -> None:
    index = await SqliteIndex.open(tmp_path / "data" / "deep" / "bridge.db")
    await index.close()
    assert (tmp_path / "data" / "deep").stat().st_mode & 0o777 == 0o700
