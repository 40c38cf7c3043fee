"""The index in SQLite: what it was told is there after a restart, whole, in order, and for as long as it is needed."""

from __future__ import annotations

import contextlib
import dataclasses
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bridge.protocol.errors import StorageError
from bridge.store.index import Total
from bridge.store.records import Entry, Flight, OpenCallback, Record, State
from bridge.store.sqlite import SqliteIndex, path_of
from tests.store.conftest import Clock
from tests.store.entries import NOW, SITE, entry, put, sha

DAY = 86400.0
EVERY_FIELD = entry(
    "e1",
    status=3,
    iat=NOW + 0.5,
    arrival=7,
    filetype=None,
    forgotten=True,
    fields={"users": ["u1"], "unheard": [1, {"of": None}], "lastsave": "ä"},
    state=State.DELIVERED,
    delivered_as=6,
    inferred=True,
    stored=True,
    held=False,
    sound=False,
    why="why not",
    tries=3,
    due=NOW + 8,
    ended=NOW + 9,
)
FLIGHT = Flight(number=4, entry="e1", status=2, owner="nobody", until=NOW + 100, pulled=True, over=True)


@contextlib.asynccontextmanager
async def opened(database: Path) -> AsyncIterator[SqliteIndex]:
    index = await SqliteIndex.open(database, clock=lambda: NOW)
    try:
        yield index
    finally:
        await index.close()


async def test_a_record_survives_a_restart_with_all_that_is_in_it(database: Path) -> None:
    async with opened(database) as index:
        await index.remember(SITE, "k1", target="/track?doc=x", node="docs-1")
        await index.change(
            SITE, "k1", put(EVERY_FIELD, entry("e2"), number=4, cooling=NOW + 60, opened=3, flight=FLIGHT)
        )
    async with opened(database) as index:
        record = await index.read(SITE, "k1")
    assert (record.target, record.node, record.number, record.cooling) == ("/track?doc=x", "docs-1", 4, NOW + 60)
    assert (record.flight, record.alive, record.opened) == (FLIGHT, False, 3)
    assert record.entries == (entry("e2"), EVERY_FIELD)


async def test_nothing_is_known_of_a_key_that_was_never_seen(index: SqliteIndex) -> None:
    assert await index.read(SITE, "k1") == Record(site=SITE, key="k1")
    assert await index.sites_of("k1") == []


async def test_a_key_of_two_sites_is_two_keys(index: SqliteIndex, clock: Clock) -> None:
    await index.remember("social", "k1", target="/a", node="docs-1")
    clock.now += 1
    await index.remember("other", "k1", target="/b", node="docs-1")
    await index.change("social", "k1", put(entry("e1")))
    assert (await index.read("other", "k1")).entries == ()
    assert (await index.read("social", "k1")).target == "/a"
    assert await index.sites_of("k1") == ["other", "social"]


async def test_the_latest_route_of_a_key_is_remembered_and_its_attempts_go_on_counting(index: SqliteIndex) -> None:
    await index.remember(SITE, "k1", target="/old", node="docs-1")
    await index.change(SITE, "k1", put(number=9))
    await index.arrive(SITE, "k1", target="/new", node="docs-2")
    record = await index.read(SITE, "k1")
    assert (record.target, record.node, record.number) == ("/new", "docs-2", 9)


class RuleError(Exception):
    pass


async def test_a_rule_that_raises_changes_nothing(index: SqliteIndex) -> None:
    await index.change(SITE, "k1", put(entry("e1")))

    def rule(record: Record) -> tuple[Record, None]:
        raise RuleError

    with pytest.raises(RuleError):
        await index.change(SITE, "k1", rule)
    assert (await index.read(SITE, "k1")).entries == (entry("e1"),)
    await index.change(SITE, "k1", put(entry("e2")))


async def test_a_change_that_cannot_be_written_whole_is_not_written_at_all(index: SqliteIndex) -> None:
    await index.change(SITE, "k1", put(entry("e1")))
    unwritable = dataclasses.replace(entry("e3"), size=2**70)
    with pytest.raises(OverflowError):
        await index.change(SITE, "k1", put(entry("e2"), unwritable, number=5))
    record = await index.read(SITE, "k1")
    assert (record.entries, record.number) == ((entry("e1"),), 0)


async def test_what_a_rule_gives_besides_is_given(index: SqliteIndex) -> None:
    assert await index.change(SITE, "k1", lambda record: (record, record.key * 2)) == "k1k1"


# --- order ---

OUT_OF_ORDER = (
    # A forced save that became durable late, and callbacks of one second: the one that ends the session is its last.
    entry("d", iat=NOW + 1, status=6, arrival=1),
    entry("c", iat=NOW, status=2, arrival=2),
    entry("a", iat=NOW, status=6, arrival=3),
    entry("b", iat=NOW, status=6, arrival=4),
    entry("0", iat=NOW - 1, status=2, arrival=5),
)


async def test_saves_are_in_the_order_in_which_docs_sent_them(index: SqliteIndex) -> None:
    for one in OUT_OF_ORDER:
        await index.change(SITE, "k1", put(one))
    record = await index.read(SITE, "k1")
    assert [one.id for one in record.entries] == ["0", "a", "b", "c", "d"]
    assert record.newest == OUT_OF_ORDER[0]


async def test_callbacks_arrive_under_rising_numbers_and_a_ticket_is_between_them(database: Path) -> None:
    async with opened(database) as index:
        first = await index.arrive(SITE, "k1", target="/t", node="docs-1")
        assert (await index.read(SITE, "k1")).arrived == first
        between = await index.ticket()
        await index.depart(first)
        second = await index.arrive(SITE, "k2", target="/t", node="docs-1")
        await index.depart(second)
    async with opened(database) as index:
        third = await index.arrive(SITE, "k1", target="/t", node="docs-1")
    assert first < between < second < third


# --- how far back ---


@pytest.fixture
async def long_history(index: SqliteIndex) -> list[Entry]:
    """Give 80 delivered saves of one key, before one that was lost."""
    done: dict[str, Any] = {"state": State.DELIVERED, "delivered_as": 6, "ended": NOW}
    saves = [entry(f"{n:03}", iat=NOW + n, arrival=n, **done) for n in range(80)]
    await index.change(SITE, "k1", put(*saves))
    return saves


async def test_a_record_holds_recent_saves_and_all_that_are_unsettled(
    index: SqliteIndex, long_history: list[Entry]
) -> None:
    lost = dataclasses.replace(long_history[3], state=State.DEAD)
    waits = dataclasses.replace(long_history[5], state=State.WAITING)
    await index.change(SITE, "k1", put(lost, waits))
    assert (await index.read(SITE, "k1")).entries == (lost, waits, *long_history[-50:])


async def test_a_repeat_is_found_however_old_it_is(index: SqliteIndex, long_history: list[Entry]) -> None:
    by_hash, by_path = long_history[1], long_history[2]
    record = await index.read(SITE, "k1", matching=(by_hash.sha256, by_path.source, "unheard"))
    assert record.entries == (by_hash, by_path, *long_history[-50:])
    seen = await index.change(SITE, "k1", lambda record: (record, record.entry("001")), matching=(by_hash.sha256,))
    assert seen == by_hash
    assert (await index.read("other", "k1", matching=(by_hash.sha256,))).entries == ()


async def test_what_a_record_does_not_hold_stays_as_it_is(index: SqliteIndex, long_history: list[Entry]) -> None:
    await index.change(SITE, "k1", put(entry("new", iat=NOW + 100)))
    assert len(await index.entries(key="k1")) == 81
    assert await index.find("000") == long_history[0]


@pytest.mark.parametrize(
    ("identity", "found"), [("ab1", "ab1"), ("ab", None), ("a", None), ("cd", "cd12"), ("cd12", "cd12"), ("e", None)]
)
async def test_an_entry_is_found_by_an_unambiguous_beginning(
    index: SqliteIndex, identity: str, found: str | None
) -> None:
    await index.change(SITE, "k1", put(entry("ab1"), entry("ab2"), entry("cd12")))
    entry_found = await index.find(identity)
    assert (entry_found.id if entry_found else None) == found


async def test_entries_are_listed_oldest_first_by_what_is_asked_for(index: SqliteIndex) -> None:
    await index.change(SITE, "k1", put(entry("new", kept=NOW + 9), entry("old", state=State.DEAD)))
    await index.change(SITE, "k2", put(entry("k2", key="k2", kept=NOW + 1)))
    await index.change("other", "k1", put(entry("other", site="other", kept=NOW + 2)))

    async def ids(**asked: Any) -> list[str]:
        return [one.id for one in await index.entries(**asked)]

    assert await ids() == ["old", "k2", "other", "new"]
    assert await ids(states=[State.DEAD]) == ["old"]
    assert await ids(states=[State.DEAD, State.WAITING], site=SITE) == ["old", "k2", "new"]
    assert await ids(key="k1", site="other") == ["other"]
    assert await ids(limit=2) == ["old", "k2"]
    assert await index.identities() == {"old", "k2", "other", "new"}


# --- what is to be done ---


async def ready(index: SqliteIndex, key: str, **changes: Any) -> None:
    await index.remember(SITE, key, target="/track", node="docs-1")
    await index.change(SITE, key, put(entry(f"e-{key}", key=key, **changes)))


async def test_what_waits_and_is_due_is_named_the_first_due_first(index: SqliteIndex) -> None:
    await ready(index, "second", due=NOW - 1)
    await ready(index, "first", due=NOW - 2)
    await ready(index, "later", due=NOW + 10)
    await ready(index, "dead", state=State.DEAD)
    await ready(index, "delivered", state=State.DELIVERED)
    await ready(index, "superseded", state=State.SUPERSEDED)
    await ready(index, "flying")
    await index.change(SITE, "flying", put(flight=FLIGHT))
    await index.change(SITE, "nowhere", put(entry("e-nowhere", key="nowhere")))
    assert await index.due(NOW, limit=10) == [(SITE, "first"), (SITE, "second")]
    assert await index.due(NOW, limit=1) == [(SITE, "first")]
    assert await index.due(NOW + 10, limit=10) == [(SITE, "first"), (SITE, "second"), (SITE, "later")]


async def test_what_is_due_later_than_any_pause_lasts_is_due_since_a_clock_jumped(index: SqliteIndex) -> None:
    await ready(index, "k1", due=NOW + 300)
    assert await index.due(NOW, limit=10) == []
    assert await index.due(NOW - DAY, limit=10) == [(SITE, "k1")]


async def test_what_its_callback_delivers_is_not_due(index: SqliteIndex) -> None:
    await ready(index, "k1")
    ticket = await index.arrive(SITE, "k1", target="/track", node="docs-1")
    assert await index.due(NOW, limit=10) == [(SITE, "k1")]
    callback = OpenCallback(ticket=ticket, owner=index.worker, entry="e-k1")
    await index.change(SITE, "k1", put(callbacks=(callback,)))
    assert (await index.read(SITE, "k1")).callbacks == (callback,)
    assert await index.due(NOW, limit=10) == []
    await index.depart(ticket)
    assert await index.due(NOW, limit=10) == [(SITE, "k1")]


@pytest.mark.parametrize(
    ("changes", "adrift"),
    [
        ({}, False),
        ({"over": True}, True),
        ({"owner": "dead"}, True),
        ({"until": NOW - 1}, True),
    ],
)
async def test_an_attempt_that_nobody_makes_any_more_is_adrift(
    index: SqliteIndex, changes: dict[str, Any], adrift: bool
) -> None:
    flight = Flight(**{"number": 1, "entry": "e1", "status": 2, "owner": index.worker, "until": NOW + 1, **changes})
    await index.change(SITE, "k1", put(entry("e1"), flight=flight))
    assert (await index.read(SITE, "k1")).alive is (not adrift or flight.over)
    assert await index.adrift() == ([(SITE, "k1")] if adrift else [])


async def test_a_site_that_is_back_makes_its_waiting_saves_due(index: SqliteIndex) -> None:
    await ready(index, "k1", due=NOW + 300)
    await ready(index, "k2", due=NOW - 5)
    await ready(index, "dead", state=State.DEAD, due=NOW + 300)
    assert await index.hurry("other", due=NOW) == 0
    assert await index.hurry(SITE, due=NOW) == 1
    assert await index.hurry(None, due=NOW - 1) == 1
    assert await index.due(NOW, limit=9) == [(SITE, "k2"), (SITE, "k1")]
    assert [one.due for one in await index.entries(states=[State.DEAD])] == [NOW + 300]


# --- what is over ---


async def test_figures_are_of_bodies_that_are_held_and_of_dead_letters_that_lost_theirs(index: SqliteIndex) -> None:
    await index.change(SITE, "k1", put(entry("a", size=1, kept=NOW + 5), entry("b", size=2, kept=NOW)))
    await index.change(SITE, "k1", put(entry("c", state=State.DELIVERED), entry("d", held=False, state=State.DEAD)))
    await index.change("other", "k1", put(entry("e", site="other", size=7)))
    assert sorted(await index.totals(), key=lambda total: (total.site, total.state)) == [
        Total("other", State.WAITING, 1, 7, NOW),
        Total(SITE, State.DEAD, 1, 100, NOW),
        Total(SITE, State.DELIVERED, 1, 100, NOW),
        Total(SITE, State.WAITING, 2, 3, NOW),
    ]


async def test_only_delivered_and_superseded_bodies_expire_the_oldest_first(index: SqliteIndex) -> None:
    states = {state.value: entry(state.value, state=state, ended=NOW) for state in State}
    older = entry("older", state=State.SUPERSEDED, ended=NOW - 1)
    gone = entry("gone", state=State.DELIVERED, ended=NOW - 1, held=False)
    await index.change(SITE, "k1", put(*states.values(), older, gone))
    found = await index.expired(before=NOW + 1, limit=10)
    assert found[0] == older
    assert {one.id for one in found[1:]} == {"delivered", "superseded"}
    assert await index.expired(before=NOW + 1, limit=1) == [older]
    assert await index.expired(before=NOW - 1, limit=10) == []


async def test_what_is_left_of_saves_and_keys_is_forgotten_when_nobody_asks_for_it_any_more(
    index: SqliteIndex, clock: Clock
) -> None:
    for key in ("delivered", "waiting", "dead"):
        await index.remember(SITE, key, target="/t", node="docs-1")
    await index.remember(SITE, "flying", target="/t", node="docs-1")
    await index.change(SITE, "delivered", put(entry("d", key="delivered", held=False, ended=NOW)))
    await index.change(SITE, "waiting", put(entry("w", key="waiting")))
    await index.change(SITE, "dead", put(entry("x", key="dead", state=State.DEAD, ended=NOW)))
    await index.change(SITE, "flying", put(flight=FLIGHT))
    clock.now += 10
    await index.remember(SITE, "new", target="/t", node="docs-1")
    await index.prune(before=NOW)
    assert await index.find("d") is not None
    await index.prune(before=NOW + 5)
    assert await index.find("d") is None
    assert {one.id for one in await index.entries()} == {"w", "x"}
    known = [key for key in ("delivered", "waiting", "dead", "flying", "new") if await index.sites_of(key)]
    assert known == ["waiting", "dead", "flying", "new"]


# --- the file ---


async def test_every_commit_is_flushed_to_a_log_written_ahead(index: SqliteIndex, database: Path) -> None:
    # What holds for the connection by which it writes: no other can see that.
    ((mode,),) = await index._rows("PRAGMA journal_mode")
    ((synchronous,),) = await index._rows("PRAGMA synchronous")
    assert (mode, synchronous) == ("wal", 2)
    await index.change(SITE, "k1", put(entry("e1", sha256=sha("bytes"))))
    assert sha("bytes").encode() in database.with_name("bridge.db-wal").read_bytes()


async def test_what_was_told_is_there_for_a_reader_at_once(index: SqliteIndex, database: Path) -> None:
    await index.change(SITE, "k1", put(entry("e1")))
    reader = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
    assert reader.execute("SELECT id, state FROM entries").fetchall() == [("e1", "waiting")]
    reader.close()


async def test_the_database_is_readable_by_us_alone(index: SqliteIndex, database: Path) -> None:
    await index.change(SITE, "k1", put(entry("e1")))
    modes = {path.name: oct(path.stat().st_mode & 0o777) for path in database.parent.iterdir()}
    assert modes == {
        "bridge.db": "0o600",
        "bridge.db-wal": "0o600",
        "bridge.db-shm": "0o600",
        "bridge.db.workers": "0o700",
    }


async def test_a_closed_index_says_so(index: SqliteIndex) -> None:
    await index._call(index._database._close)
    for call in (index.read(SITE, "k1"), index.change(SITE, "k1", put()), index.entries()):
        with pytest.raises(StorageError, match="closed"):
            await call


@pytest.mark.parametrize(
    ("url", "path"), [("sqlite:///./data/bridge.db", "data/bridge.db"), ("sqlite:////var/lib/b.db", "/var/lib/b.db")]
)
def test_the_file_of_a_url(url: str, path: str) -> None:
    assert path_of(url) == Path(path)


async def test_where_a_sites_module_has_docs_is_known_after_a_restart(database: Path) -> None:
    async with opened(database) as index:
        assert await index.learnt(SITE) is None
        for server in ("http://old.test/ds", "http://new.test/ds", "http://new.test/ds"):
            await index.learn(SITE, server)
        await index.learn("other", "http://other.test")
    async with opened(database) as index:
        await index.prune(before=NOW + DAY)
        assert await index.learnt(SITE) == "http://new.test/ds"
        assert await index.learnt("other") == "http://other.test"
