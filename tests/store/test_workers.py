"""Several workers on one index: who lives is known at once, one makes an attempt, and what is late counts for nothing."""

from __future__ import annotations

import asyncio
import fcntl
from functools import partial
from pathlib import Path

import pytest

from bridge.saves import flights, rules
from bridge.saves.flights import End
from bridge.store.records import Record, State
from bridge.store.sqlite import SqliteIndex
from bridge.store.workers import Workers
from tests.store.conftest import Clock, OpenIndex, StartOther
from tests.store.entries import NOW, SITE, entry, put
from tests.store.other import begin

KEYS = 15


async def test_a_killed_worker_is_dead_at_once_and_a_live_one_is_not(
    open_index: OpenIndex, start_other: StartOther
) -> None:
    index, other = await open_index(), await start_other()
    assert await other.says() == "open"
    name = await other.ask("name")
    assert index.is_alive(name)
    assert index.is_alive(index.worker)
    assert await other.ask("alive", index.worker) is True
    assert await index.others() == [name]
    await other.kill()
    assert not index.is_alive(name)
    assert await index.others() == []


@pytest.mark.parametrize("name", ["", ".", "..", "never-was", "../bridge.db", "a/b"])
async def test_who_never_was_is_dead(index: SqliteIndex, name: str) -> None:
    assert not index.is_alive(name)
    await index.change(SITE, "k1", put(entry("e1")))


async def test_a_worker_that_left_is_dead(open_index: OpenIndex, database: Path) -> None:
    index, other = await open_index(), await SqliteIndex.open(database)
    assert index.is_alive(other.worker)
    await other.close()
    assert not index.is_alive(other.worker)
    assert [path.name for path in (database.parent / "bridge.db.workers").iterdir()] == [index.worker]


def test_two_who_ask_after_a_dead_worker_do_not_take_each_other_for_it(tmp_path: Path) -> None:
    asking = Workers(tmp_path)
    with (tmp_path / "1-dead").open("w") as other:
        fcntl.flock(other, fcntl.LOCK_SH)
        assert not asking.is_alive("1-dead")
    asking.leave()


async def test_callbacks_of_a_killed_worker_are_closed(open_index: OpenIndex, start_other: StartOther) -> None:
    index, other = await open_index(), await start_other()
    await other.says()
    name = await other.ask("name")
    mine = await index.arrive(SITE, "k1", target="/t", node="docs-1")
    theirs = await other.ask("arrive", "k1")

    async def open_now() -> list[tuple[int, str]]:
        return [(callback.ticket, callback.owner) for callback in (await index.read(SITE, "k1")).callbacks]

    assert await open_now() == [(mine, index.worker), (theirs, name)]
    await index.bury()
    assert await open_now() == [(mine, index.worker), (theirs, name)]
    await other.kill()
    assert await open_now() == [(mine, index.worker)]
    await index.change(SITE, "k1", put(entry("e1")))
    await index.bury()
    rows = await index._rows("SELECT ticket FROM callbacks")
    assert rows == [(mine,)]


async def test_who_starts_closes_the_callbacks_of_the_dead(open_index: OpenIndex, start_other: StartOther) -> None:
    other = await start_other()
    await other.says()
    await other.ask("arrive", "k1")
    await other.kill()
    index = await open_index()
    assert await index._rows("SELECT ticket FROM callbacks") == []


async def test_of_two_workers_in_one_process_exactly_one_begins_an_attempt(open_index: OpenIndex) -> None:
    first, second = await open_index(), await open_index()
    await first.remember(SITE, "k1", target="/t", node="docs-1")
    await first.change(SITE, "k1", put(entry("e1")))
    for number in range(1, 6):
        flights = await asyncio.gather(
            *(index.change(SITE, "k1", partial(begin, worker=index.worker)) for index in (first, second))
        )
        (flight,) = [flight for flight in flights if flight is not None]
        assert flight.number == number
        assert (await second.read(SITE, "k1")).flight == flight
        await second.change(SITE, "k1", put(flight=None))


async def test_of_two_processes_exactly_one_begins_each_attempt(open_index: OpenIndex, start_other: StartOther) -> None:
    index = await open_index()
    for number in range(KEYS):
        await index.remember(SITE, f"k{number}", target="/t", node="docs-1")
        await index.change(SITE, f"k{number}", put(entry(f"e{number}", key=f"k{number}")))
    others = [await start_other(), await start_other()]
    for other in others:
        assert await other.says() == "open"
    for other in others:
        other.send("begin", *(f"k{number}" for number in range(KEYS)))
    first, second = [await other.says() for other in others]
    assert [{one, two} for one, two in zip(first, second, strict=True)] == [{1, None}] * KEYS


async def test_workers_that_start_together_on_nothing_all_start(start_other: StartOther) -> None:
    others = [await start_other() for _ in range(4)]
    assert [await other.says() for other in others] == ["open"] * 4


async def test_indexes_that_are_opened_together_on_nothing_are_all_opened(open_index: OpenIndex) -> None:
    indexes = await asyncio.gather(*(open_index() for _ in range(8)))
    assert len({index.worker for index in indexes}) == 8


# --- fencing ---


async def test_an_attempt_of_a_killed_worker_is_taken_over_and_its_result_counts_for_nothing(
    open_index: OpenIndex, start_other: StartOther
) -> None:
    index, other = await open_index(), await start_other()
    await other.says()
    await index.remember(SITE, "k1", target="/t", node="docs-1")
    await index.change(SITE, "k1", put(entry("e1")))
    (old,) = await other.ask("begin", "k1")
    assert await index.adrift() == []
    assert await index.due(NOW, limit=9) == []
    await other.kill()
    assert await index.adrift() == [(SITE, "k1")]
    record = await index.read(SITE, "k1")
    assert rules.is_adrift(record)
    flight = record.flight
    assert flight is not None

    def take_over(record: Record) -> tuple[Record, None]:
        adopted = flights.adopt(record, flight, owner=index.worker, until=NOW + 60, now=NOW, storing=60)
        return adopted, None

    await index.change(SITE, "k1", take_over)
    # What the dead one's attempt comes to is said under its old number.
    late = partial(flights.after, number=old, end=End.CONFIRMED, now=NOW, storing=60)
    await index.change(SITE, "k1", lambda record: (late(record), None))
    assert not await index.change(SITE, "k1", partial(flights.pulled, number=old))
    record = await index.read(SITE, "k1")
    assert record.number > old
    assert [one.state for one in record.entries] == [State.WAITING]
    assert await index.due(NOW, limit=9) == [(SITE, "k1")]


async def test_a_lease_ends_by_the_clock_too(open_index: OpenIndex, clock: Clock) -> None:
    first, second = await open_index(), await open_index()
    await first.remember(SITE, "k1", target="/t", node="docs-1")
    await first.change(SITE, "k1", put(entry("e1")))
    flight = await first.change(SITE, "k1", partial(begin, worker=first.worker))
    assert flight is not None
    assert (await second.read(SITE, "k1")).alive
    clock.now = flight.until + 1
    assert not (await second.read(SITE, "k1")).alive
    assert await second.adrift() == [(SITE, "k1")]
    clock.now = NOW - 86400
    assert (await second.read(SITE, "k1")).alive
