"""The desk: what is listed, looked at, delivered by hand, and thrown away."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from yarl import URL

from bridge.config import Config
from bridge.protocol.errors import ConfigurationError, ConflictError, NoRouteError, StorageError
from bridge.saves import rules
from bridge.saves.desk import Desk, opened, tell_of_loss
from bridge.saves.rules import Forgotten
from bridge.saves.standing import UNDELIVERED, Body, brief
from bridge.store.records import Entry, State
from tests.legs.fakes import configuration
from tests.saves.desks import DOCX, NOW, Kept, desk, identity, kept
from tests.store.entries import strip

__all__ = ["desk", "kept"]


def names_in(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir()}


async def listed(desk: Desk, *states: State, limit: int = 100, **only: Any) -> list[str]:
    found, _ = await desk.list(states or UNDELIVERED, **{"site": None, "key": None, **only}, limit=limit)
    return [entry.id for entry in found]


# What is there


async def test_what_humhub_lacks_is_listed_the_oldest_first(kept: Kept, desk: Desk) -> None:
    await kept.put("b", kept=NOW - 10, key="k2")
    await kept.put("a", kept=NOW - 20, state=State.DEAD)
    await kept.put("c", state=State.DELIVERED)
    await kept.put("d", kept=NOW - 30, key="k3", site="other")
    assert await listed(desk) == [identity(letter) for letter in "dab"]
    assert await listed(desk, State.DELIVERED) == [identity("c")]
    assert await listed(desk, site="social", key="k2") == [identity("b")]
    assert len(await listed(desk, *State)) == 4


async def test_that_there_are_more_is_said(kept: Kept, desk: Desk) -> None:
    await kept.put("a", key="k1")
    await kept.put("b", key="k2")
    assert await desk.list(site=None, key=None, limit=1) == ([await desk.entry(identity("a"))], True)
    assert (await desk.list(site=None, key=None, limit=2))[1] is False


async def test_the_beginning_of_an_id_is_enough_if_it_is_no_others(kept: Kept, desk: Desk) -> None:
    await kept.put("a")
    await kept.put("b")
    first, second = [dataclasses.replace(await desk.entry("aaaa"), id=f"cccc{rest}", source=rest) for rest in "01"]
    await kept.change(lambda record: record.with_entry(first).with_entry(second))
    assert (await desk.entry("aaaa")).id == identity("a")
    assert (await desk.entry("AAAA")).id == identity("a")
    assert (await desk.entry("cccc1")).id == "cccc1"
    for bad in ("cccc", "dddd", "aaa", "", "aaaa%", "../aaaa", "a" * 65, "éàaaa"):
        with pytest.raises(NoRouteError):
            await desk.entry(bad)


BODIES = {
    Body.SOUND: (DOCX, DOCX),
    Body.UNFIT: (b"<html>an error page</html>", b"<html>an error page</html>"),
    Body.DAMAGED: (DOCX, DOCX[:-1] + b"!"),
    Body.GONE: (DOCX, None),
}


@pytest.mark.parametrize("found", BODIES)
async def test_a_body_is_compared_with_what_was_saved(kept: Kept, desk: Desk, found: Body) -> None:
    saved, there = BODIES[found]
    entry = await kept.put("a", body=saved)
    kept.path(entry).unlink() if there is None else kept.path(entry).write_bytes(there)
    assert (await desk.standing(entry.id)).body is found


@pytest.mark.parametrize("there", [DOCX[:-1], DOCX + b"!", b""])
async def test_a_body_of_another_length_is_damaged(kept: Kept, desk: Desk, there: bytes) -> None:
    entry = await kept.put("a", body=DOCX)
    kept.path(entry).write_bytes(there)
    assert (await desk.standing(entry.id)).body is Body.DAMAGED


async def test_what_holds_a_save_up_is_said(kept: Kept, desk: Desk) -> None:
    async def held_up() -> str:
        return (await desk.standing(entry.id)).held_up

    entry = await kept.put("a")
    assert await held_up() == "the next attempt is due at 2027-01-15T08:02:00Z"
    await kept.change(lambda record: record.with_entry(dataclasses.replace(entry, due=NOW)))
    assert not await held_up()
    await kept.change(lambda record: dataclasses.replace(record, cooling=NOW + 60))
    assert "may still be storing" in await held_up()
    await kept.fly(entry)
    assert await held_up() == "an attempt is under way"
    await kept.fly(entry, over=True)
    assert "is being found out" in await held_up()
    await kept.change(lambda record: dataclasses.replace(record, target=None))
    assert "until somebody opens it" in await held_up()
    stranger = dataclasses.replace(desk, sites={"other"})
    assert (await stranger.standing(entry.id)).held_up == "the site social is not in the configuration"


async def test_only_what_waits_is_held_up(kept: Kept, desk: Desk) -> None:
    entry = await kept.put("a", state=State.DEAD)
    assert (await desk.standing(entry.id)).held_up == ""


async def test_no_token_and_no_address_of_humhub_is_told(kept: Kept, desk: Desk) -> None:
    entry = await kept.put("a")
    await kept.fly(entry)
    told = (await desk.standing(entry.id)).json()
    assert "eyJ" not in json.dumps(told)
    assert told["users"] == ["u1"]
    assert told["attempt"] == {
        "number": 7,
        "entry": entry.id,
        "status": 6,
        "pulled": False,
        "under_way": True,
        "until": "2084-01-29T16:00:00Z",
    }
    assert brief(entry).items() <= told.items()


# Deliver


async def test_a_waiting_save_is_due_now(kept: Kept, desk: Desk) -> None:
    entry = await kept.put("a")
    assert await kept.index.due(NOW, limit=9) == []
    standing = await desk.deliver("aaaa", sure=False)
    assert (standing.entry.state, standing.entry.due) == (State.WAITING, NOW)
    assert await kept.index.due(NOW, limit=9) == [("social", entry.key)]


async def test_a_dead_letter_waits_again(kept: Kept, desk: Desk) -> None:
    await kept.put("a", state=State.DEAD, why="HumHub no longer knows this key (404)", tries=3)
    standing = await desk.deliver("aaaa", sure=False)
    entry = standing.entry
    assert (entry.state, entry.due, entry.ended, entry.tries) == (State.WAITING, NOW, None, 3)
    assert await kept.index.due(NOW, limit=9) == [("social", "k1")]
    step = rules.for_courier(standing.record)
    assert isinstance(step, rules.Send)
    assert (step.entry, step.status) == (entry, 6)


NOT_DELIVERED: dict[str, tuple[dict[str, Any], str]] = {
    "delivered": ({"state": State.DELIVERED}, "has it already"),
    "superseded": ({"state": State.SUPERSEDED}, "Only the newest"),
    "expired": ({"state": State.DELIVERED, "held": False}, "is gone"),
    "lost": ({"state": State.DEAD, "held": False}, "is gone"),
}


@pytest.mark.parametrize("case", NOT_DELIVERED)
async def test_what_is_not_the_newest_undelivered_save_is_refused(kept: Kept, desk: Desk, case: str) -> None:
    changes, why = NOT_DELIVERED[case]
    entry = await kept.put("a", **changes)
    with pytest.raises(ConflictError, match=why):
        await desk.deliver("aaaa", sure=True)
    assert await desk.entry("aaaa") == entry


async def test_an_older_dead_letter_is_refused(kept: Kept, desk: Desk) -> None:
    await kept.put("a", state=State.DEAD)
    await kept.put("b")
    with pytest.raises(ConflictError, match="Only the newest"):
        await desk.deliver("aaaa", sure=True)


async def test_a_damaged_body_is_never_delivered(kept: Kept, desk: Desk) -> None:
    entry = await kept.put("a", state=State.DEAD)
    kept.path(entry).write_bytes(b"PK\x03\x04 and something else")
    with pytest.raises(ConflictError, match="no longer what was saved"):
        await desk.deliver("aaaa", sure=True)
    assert (await desk.entry("aaaa")).state is State.DEAD


async def test_a_body_that_is_not_what_its_type_says_needs_a_yes(kept: Kept, desk: Desk) -> None:
    await kept.put("a", body=b"<html>", state=State.DEAD)
    with pytest.raises(ConflictError, match="needs a yes"):
        await desk.deliver("aaaa", sure=False)
    assert (await desk.deliver("aaaa", sure=True)).entry.state is State.WAITING


@pytest.mark.parametrize("changes", [{"tries": 1, "due": NOW + 9}, {"state": State.DEAD}, {"state": State.DELIVERED}])
async def test_what_came_of_it_is_waited_for(kept: Kept, desk: Desk, changes: dict[str, Any]) -> None:
    entry = await kept.put("a")
    assert await desk.watch(entry, within=0) == entry
    changed = dataclasses.replace(entry, **changes)
    await kept.change(lambda record: record.with_entry(changed))
    assert await desk.watch(entry, within=9) == changed


# Discard


@pytest.mark.parametrize("state", UNDELIVERED)
async def test_what_is_discarded_leaves_a_row_and_no_body(kept: Kept, desk: Desk, state: State) -> None:
    entry = await kept.put("a", state=state)
    left = await desk.discard("aaaa", by="by alice")
    assert (left.state, left.held, left.why, left.ended) == (State.SUPERSEDED, False, "discarded by alice", NOW)
    assert names_in(kept.directory) == set()
    assert await desk.entry(entry.id) == left
    assert await listed(desk) == []
    assert await kept.index.due(NOW * 2, limit=9) == []


async def forgotten(kept: Kept, entry: Entry) -> Forgotten:
    record = await kept.index.read(entry.site, entry.key, matching=(entry.sha256,))
    return rules.for_forgotten(record, entry.sha256, ticket=99, open_session=False, modified=None)


async def test_the_sweep_does_not_bring_back_what_was_discarded(kept: Kept, desk: Desk) -> None:
    entry = await kept.put("a", state=State.DEAD)
    await desk.discard(entry.id, by="by alice")
    assert await forgotten(kept, entry) is not Forgotten.TAKE
    strip(kept.index, entry.id)
    assert await forgotten(kept, entry) is Forgotten.TAKE, "without its row it would come back"


async def test_the_same_bytes_saved_again_are_a_new_save(kept: Kept, desk: Desk) -> None:
    entry = await kept.put("a")
    await desk.discard(entry.id, by="by alice")
    again = dataclasses.replace(entry, id=identity("b"), arrival=entry.arrival + 1)
    _, same = rules.enter(await kept.index.read("social", "k1"), again, ticket=None)
    assert same == again


async def test_an_older_save_does_not_come_back_for_a_discarded_one(kept: Kept, desk: Desk) -> None:
    await kept.put("a", state=State.SUPERSEDED)
    entry = await kept.put("b")
    await desk.discard(entry.id, by="by alice")
    record = await kept.index.read("social", "k1")
    assert rules.for_courier(record) is None
    assert rules.served(record) is None


async def test_what_humhub_has_stays_delivered(kept: Kept, desk: Desk) -> None:
    entry = await kept.put("a", state=State.DELIVERED, delivered_as=2)
    left = await desk.discard(entry.id, by="by alice")
    assert (left.state, left.held, left.ended) == (State.DELIVERED, False, entry.ended)
    assert not kept.path(entry).exists()
    assert await forgotten(kept, entry) is Forgotten.DELETE


async def test_a_dead_letter_whose_body_is_lost_can_be_put_away(kept: Kept, desk: Desk) -> None:
    await kept.put("a", state=State.DEAD, held=False, on_disk=False)
    await desk.discard("aaaa", by="by alice")
    assert await listed(desk) == []


async def test_nothing_is_discarded_twice(kept: Kept, desk: Desk) -> None:
    await kept.put("a")
    await desk.discard("aaaa", by="by alice")
    with pytest.raises(ConflictError, match="Its body is gone: discarded by alice"):
        await desk.discard("aaaa", by="by bob")


@pytest.mark.parametrize(("over", "why"), [(False, "being delivered at this moment"), (True, "isn't known yet")])
async def test_what_is_in_flight_is_not_discarded(kept: Kept, desk: Desk, over: bool, why: str) -> None:
    entry = await kept.put("a")
    await kept.fly(entry, over=over)
    with pytest.raises(ConflictError, match=why):
        await desk.discard("aaaa", by="by alice")
    assert await desk.entry("aaaa") == entry
    assert kept.path(entry).exists()


async def test_what_docs_waits_for_is_not_discarded(kept: Kept, desk: Desk) -> None:
    entry = await kept.put("a")
    ticket = await kept.index.arrive("social", "k1", target="/t", node="docs-1")
    await kept.change(lambda record: rules.joined(record, ticket, entry))
    with pytest.raises(ConflictError, match="still waits for the answer"):
        await desk.discard("aaaa", by="by alice")
    await kept.index.depart(ticket)
    await desk.discard("aaaa", by="by alice")


@pytest.mark.parametrize("state", State)
async def test_what_is_lost_is_said(kept: Kept, state: State) -> None:
    said = tell_of_loss(await kept.put("a", state=state))
    assert ("HumHub never got" in said) is (state is not State.DELIVERED)


# By a command, beside the bridge or without one


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return configuration(tmp_path, "http://humhub.test", "http://docs.test")


async def test_where_nothing_was_saved_nothing_is_made(config: Config, tmp_path: Path) -> None:
    async with opened(config) as desk:
        assert desk is None
    assert names_in(tmp_path) == set()


async def test_a_guest_is_no_worker_and_leaves_nothing(kept: Kept, config: Config, tmp_path: Path) -> None:
    await kept.put("a")
    locks = tmp_path / "bridge.db.workers"
    async with opened(config) as desk:
        assert desk is not None
        assert names_in(locks) == {kept.index.worker}
        assert await desk.index.others() == [kept.index.worker]
        assert await kept.index.others() == []
        await desk.deliver("aaaa", sure=False)
    await kept.end()
    assert names_in(tmp_path) == {"bridge.db", "bridge.db.workers", "saves"}


async def test_a_guest_knows_who_died(kept: Kept, config: Config, tmp_path: Path) -> None:
    entry = await kept.put("a")
    await kept.fly(entry)
    await kept.end()
    dead = tmp_path / "bridge.db.workers" / kept.index.worker
    dead.touch()
    async with opened(config) as desk:
        assert desk is not None
        assert await desk.index.others() == []
        assert "being found out" in (await desk.standing("aaaa")).held_up
    assert dead.exists(), "a guest looks only"


async def test_bodies_without_an_index_are_not_nothing(kept: Kept, config: Config, tmp_path: Path) -> None:
    await kept.put("a")
    await kept.end()
    (tmp_path / "bridge.db").unlink()
    with pytest.raises(StorageError, match="and their index"):
        async with opened(config):
            pass


@pytest.mark.parametrize(("version", "says"), [(0, "of an older bridge"), (99, "of a newer bridge")])
async def test_a_guest_takes_an_index_as_it_is(
    kept: Kept, config: Config, tmp_path: Path, version: int, says: str
) -> None:
    await kept.end()
    set_version(tmp_path / "bridge.db", version)
    before = (tmp_path / "bridge.db").read_bytes()
    with pytest.raises(StorageError, match=says):
        async with opened(config):
            pass
    assert (tmp_path / "bridge.db").read_bytes() == before


def set_version(database: Path, version: int) -> None:
    with contextlib.closing(sqlite3.connect(database)) as sql:
        sql.execute(f"PRAGMA user_version = {version}")


async def test_an_object_store_is_not_for_this_release(config: Config) -> None:
    saves = dataclasses.replace(config.saves, directory=URL("s3://bucket/saves"))
    with pytest.raises(ConfigurationError):
        async with opened(dataclasses.replace(config, saves=saves)):
            pass


async def test_a_guest_reads_beside_a_worker_that_writes(kept: Kept, config: Config) -> None:
    async with opened(config) as desk:
        assert desk is not None
        await kept.put("a")
        assert await listed(desk) == [identity("a")]
        left = await desk.discard("aaaa", by="by alice")
        assert await kept.index.find(identity("a")) == left
