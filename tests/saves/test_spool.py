"""The spool: body and row exist together, what a killed process left is settled, and what is done goes in time."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from typing import Any

import pytest
from structlog.testing import capture_logs

from bridge.saves.spool import Spool
from bridge.saves.steps import Step
from bridge.store.records import State
from bridge.store.sqlite import SqliteIndex
from tests.saves.keeping import (
    DOCX,
    ZIP,
    OpenSpool,
    Steps,
    chunks,
    draft,
    keep,
    lies,
    names,
    record_of,
    sha_of,
    strip_row,
)
from tests.store.conftest import Clock
from tests.store.entries import NOW, SITE, put

DAY = 86400.0
YEAR = 365 * DAY


def body(word: str) -> bytes:
    return ZIP + word.encode()


async def bodies_of(spool: Spool, key: str = "k1") -> list[tuple[bytes | None, State]]:
    """Give bodies and states of a key, in the order in which Docs sent them."""
    there = lies(spool)
    return [(there.get(f"{entry.id}.body"), entry.state) for entry in (await record_of(spool, key)).entries]


# --- what comes in ---


async def test_a_newer_save_stands_for_an_older_one_whose_body_stays(spool: Spool) -> None:
    await keep(spool, body("old"), iat=NOW)
    await keep(spool, body("new"), iat=NOW + 1)
    assert await bodies_of(spool) == [(body("old"), State.SUPERSEDED), (body("new"), State.WAITING)]


async def test_an_older_save_that_becomes_durable_late_is_superseded_at_once(spool: Spool) -> None:
    await keep(spool, body("new"), iat=NOW + 1, arrival=1)
    late = await keep(spool, body("old"), iat=NOW, arrival=2)
    assert late.state is State.SUPERSEDED
    assert await bodies_of(spool) == [(body("old"), State.SUPERSEDED), (body("new"), State.WAITING)]


@pytest.mark.parametrize(
    "changes",
    [
        {"source": "/the/same/path", "body": body("other bytes")},
        {"source": "/another/path", "body": body("first")},
    ],
    ids=["path", "bytes"],
)
async def test_a_repeat_is_the_entry_that_is_there_and_keeps_one_body(spool: Spool, changes: dict[str, Any]) -> None:
    first = await keep(spool, body("first"), source="/the/same/path")
    again = await keep(spool, **{"iat": NOW + 5, "arrival": 2, **changes})
    assert again == first
    assert lies(spool).keys() == {f"{first.id}.body", f"{first.id}.json"}
    assert await bodies_of(spool) == [(body("first"), State.WAITING)]


async def test_the_same_bytes_as_an_older_save_are_a_new_one(spool: Spool) -> None:
    for number, word in enumerate(["a", "b", "a"]):
        await keep(spool, body(word), source=f"/path/{number}", iat=NOW + number)
    states = [State.SUPERSEDED, State.SUPERSEDED, State.WAITING]
    assert await bodies_of(spool) == list(zip([body("a"), body("b"), body("a")], states, strict=True))


async def test_a_save_that_is_a_dead_letter_from_its_beginning_is_kept(spool: Spool) -> None:
    fetched = await spool.fetch(chunks(b"<html>"), draft(status=3), promised=None)
    entry = await spool.enter(fetched, draft(status=3), ticket=None, due=NOW, why="no docx")
    assert (entry.state, entry.why, entry.ended) == (State.DEAD, "no docx", NOW)
    assert await bodies_of(spool) == [(b"<html>", State.DEAD)]


# --- what a killed process leaves ---


async def test_a_body_without_a_row_is_entered_from_its_label(open_spool: OpenSpool) -> None:
    spool = await open_spool()
    entry = await keep(spool, body("x"), status=6, iat=NOW - 7, arrival=3, fields={"users": ["u1"], "userdata": "y"})
    await strip_row(spool, entry)
    again = await open_spool()
    found = (await record_of(again)).newest
    # Due at once, since nobody knows how long it has waited.
    assert found == dataclasses.replace(entry, due=0.0)
    assert await bodies_of(again) == [(body("x"), State.WAITING)]


async def test_bodies_without_rows_are_entered_in_their_order(open_spool: OpenSpool) -> None:
    spool = await open_spool()
    words = ["first", "second", "third", "last"]
    order = [3, 0, 2, 1]
    for number in order:
        await keep(spool, body(words[number]), iat=NOW + number)
    for entry in (await record_of(spool)).entries:
        await strip_row(spool, entry)
    again = await open_spool()
    states = [State.SUPERSEDED] * 3 + [State.WAITING]
    assert await bodies_of(again) == list(zip(map(body, words), states, strict=True))


@pytest.mark.parametrize("outcome", [{}, {"outcome": "gone", "why": "HumHub no longer knows this key (404)"}])
async def test_the_label_of_an_earlier_release_is_enough(open_spool: OpenSpool, outcome: dict[str, str]) -> None:
    spool = await open_spool()
    identity = "0123456789abcdef01234567"
    label = {
        "id": identity,
        "size": len(DOCX),
        "sha256": sha_of(DOCX),
        "site": SITE,
        "key": "k1",
        "status": 2,
        "filetype": "docx",
        "users": ["u7"],
        "source": "/cache/files/data/k1_1/output.docx/output.docx",
        "kept": NOW - 3600,
        **outcome,
    }
    path = spool.bodies.path(identity)
    path.write_bytes(DOCX)
    path.with_suffix(".json").write_text(json.dumps(label))
    again = await open_spool()
    (entry,) = (await record_of(again)).entries
    assert (entry.id, entry.state, entry.status, entry.iat, entry.kept) == (
        identity,
        State.WAITING,
        2,
        NOW - 3600,
        NOW - 3600,
    )
    assert (entry.fields, entry.source) == ({"users": ["u7"]}, label["source"])
    # What came with the earlier release is older than what comes now.
    await keep(again, body("new"), iat=NOW - 3600, arrival=await again.index.ticket())
    assert await bodies_of(again) == [(DOCX, State.SUPERSEDED), (body("new"), State.WAITING)]


async def test_a_repeat_of_what_the_index_knows_is_not_entered_twice(open_spool: OpenSpool) -> None:
    spool = await open_spool()
    first = await keep(spool, body("x"), iat=NOW)
    # Killed between the row of the repeat, which is the first's, and the deletion of its body.
    name = spool.bodies.path("aa" * 12)
    name.write_bytes(body("x"))
    label = json.loads(lies(spool)[f"{first.id}.json"])
    name.with_suffix(".json").write_text(json.dumps({**label, "id": "aa" * 12, "iat": NOW + 1}))
    again = await open_spool()
    assert [entry.id for entry in (await record_of(again)).entries] == [first.id]
    assert lies(again).keys() == {f"{first.id}.body", f"{first.id}.json"}


@pytest.mark.parametrize("label", [None, b"", b"{", b"[]", b'{"id": "x"}', b'{"key": "k1", "kept": 1}', b"\xff"])
async def test_a_body_that_nothing_is_known_about_is_said_loudly_and_stays(
    open_spool: OpenSpool, label: bytes | None
) -> None:
    spool = await open_spool()
    path = spool.bodies.path("aa" * 12)
    path.write_bytes(DOCX)
    if label is not None:
        path.with_suffix(".json").write_bytes(label)
    with capture_logs() as logs:
        again = await open_spool()
    (said,) = [line for line in logs if line["log_level"] == "error"]
    assert (said["entry"], str(path) in said["remedy"]) == ("aa" * 12, True)
    assert lies(again)["aa" * 12 + ".body"] == DOCX


async def test_a_body_that_is_shorter_than_its_label_says_is_a_dead_letter(open_spool: OpenSpool) -> None:
    spool = await open_spool()
    entry = await keep(spool, DOCX)
    await strip_row(spool, entry)
    spool.bodies.path(entry.id).write_bytes(DOCX[:-1])
    again = await open_spool()
    (found,) = (await record_of(again)).entries
    assert (found.state, found.why) == (State.DEAD, "its body is not as long as it was")
    assert await bodies_of(again) == [(DOCX[:-1], State.DEAD)]


async def test_a_body_that_was_cut_stands_in_no_older_ones_way(open_spool: OpenSpool) -> None:
    spool = await open_spool()
    await keep(spool, body("older"), iat=NOW)
    await keep(spool, body("newer"), iat=NOW + 1)
    for entry in (await record_of(spool)).entries:
        await strip_row(spool, entry)
    spool.bodies.path(entry.id).write_bytes(ZIP)
    again = await open_spool()
    assert await bodies_of(again) == [(body("older"), State.WAITING), (ZIP, State.DEAD)]


@pytest.mark.parametrize(
    ("before", "after", "loud"),
    [
        (State.WAITING, State.DEAD, True),
        (State.DEAD, State.DEAD, True),
        (State.DELIVERED, State.DELIVERED, False),
        (State.SUPERSEDED, State.SUPERSEDED, False),
    ],
)
async def test_a_row_without_a_body_is_a_dead_letter_if_it_was_still_needed(
    open_spool: OpenSpool, before: State, after: State, loud: bool
) -> None:
    spool = await open_spool()
    entry = await keep(spool)
    await spool.index.change(SITE, "k1", put(dataclasses.replace(entry, state=before, ended=NOW)))
    spool.bodies.path(entry.id).unlink()
    with capture_logs() as logs:
        again = await open_spool()
    (found,) = (await record_of(again)).entries
    assert (found.state, found.held) == (after, False)
    assert [line["entry"] for line in logs if line["log_level"] == "error"] == [entry.id] * loud
    assert names(again) == [], "the label went with the body"


async def test_what_is_half_written_is_deleted_unless_somebody_still_writes_it(open_spool: OpenSpool) -> None:
    spool, other = await open_spool(), await open_spool()
    mine = await spool.fetch(chunks(DOCX), draft(), promised=None)
    directory = spool.bodies.directory
    (directory / f"{'aa' * 12}.1-dead.part").write_bytes(DOCX)
    (directory / f"{'bb' * 12}.json").write_text("{}")
    (directory / f"{mine.id}.json").write_text("{}")
    (directory / "somebody's notes").write_text("not ours")
    await other.settle()
    assert lies(other).keys() == {f"{mine.id}.{spool.index.worker}.part", f"{mine.id}.json", "somebody's notes"}
    (directory / f"{mine.id}.json").unlink()
    entry = await spool.enter(mine, draft(), ticket=None, due=NOW)
    assert await bodies_of(spool) == [(DOCX, State.WAITING)]
    assert spool.bodies.path(entry.id).exists()


async def test_a_save_that_a_starting_worker_entered_meanwhile_is_one_entry(open_spool: OpenSpool) -> None:
    spool = await open_spool()
    entry = await keep(spool)
    await strip_row(spool, entry)
    other = await open_spool()
    assert await spool._enter(entry, None) == dataclasses.replace(entry, due=0.0)
    assert await bodies_of(other) == [(DOCX, State.WAITING)]


# --- retention ---


async def done(spool: Spool, word: str, state: State, **changes: Any) -> str:
    entry = await keep(spool, body(word), key=word)
    await spool.index.change(SITE, word, put(dataclasses.replace(entry, state=state, ended=NOW, **changes)))
    return entry.id


async def test_what_is_done_goes_after_its_time_and_nothing_else_ever(open_spool: OpenSpool, clock: Clock) -> None:
    spool = await open_spool(keep_for=DAY)
    entries = {state: await done(spool, state.value, state) for state in State}
    clock.now = NOW + DAY - 1
    assert await spool.expire() == 0
    clock.now = NOW + DAY + 1
    assert await spool.expire() == 2
    kept = {entries[State.WAITING], entries[State.DEAD]}
    assert lies(spool).keys() == {f"{identity}{end}" for identity in kept for end in (".body", ".json")}
    assert await spool.index.identities() == kept
    # That HumHub has it stays known: a forgotten file may turn up that is this one.
    (delivered,) = (await record_of(spool, "delivered")).entries
    assert (delivered.state, delivered.held) == (State.DELIVERED, False)


async def test_the_body_goes_before_its_row_says_so(open_spool: OpenSpool, clock: Clock, steps: Steps) -> None:
    spool = await open_spool(keep_for=DAY)
    identity = await done(spool, "x", State.DELIVERED)
    clock.now = NOW + 2 * DAY
    steps.seen.clear()
    await spool.expire()
    assert steps.seen == [Step.UNLINKED, Step.EXPIRED]
    # Killed in between, the row has no body, and the next start says no more of it than that.
    await spool.index.change(SITE, "x", put(dataclasses.replace((await record_of(spool, "x")).entries[0], held=True)))
    with capture_logs() as logs:
        again = await open_spool(keep_for=DAY)
    assert logs == []
    assert await again.index.identities() == set()
    assert identity not in str(lies(again))


async def test_many_saves_of_one_document_expire_all_the_same(open_spool: OpenSpool, clock: Clock) -> None:
    spool = await open_spool(keep_for=DAY)
    entry = await keep(spool)
    old = [
        dataclasses.replace(entry, id=f"{n:024x}", sha256=f"{n}", iat=NOW - 200 + n, state=State.SUPERSEDED, ended=NOW)
        for n in range(120)
    ]
    await spool.index.change(SITE, "k1", put(*old))
    clock.now = NOW + 2 * DAY
    async with asyncio.timeout(30):
        assert await spool.expire() == 120
    assert await spool.index.identities() == {entry.id}
    assert await bodies_of(spool) == [(None, State.SUPERSEDED)] * 49 + [(DOCX, State.WAITING)]


async def test_rows_of_one_document_that_have_lost_their_bodies_are_settled_once(open_spool: OpenSpool) -> None:
    spool = await open_spool()
    entry = await keep(spool)
    old = [
        dataclasses.replace(entry, id=f"{n:024x}", sha256=f"{n}", iat=NOW - 200 + n, state=State.DELIVERED, ended=NOW)
        for n in range(60)
    ]
    await spool.index.change(SITE, "k1", put(*old))
    again = await open_spool()
    assert await again.index.identities() == {entry.id}


# --- a clock that jumps ---


@pytest.mark.parametrize("jump", [YEAR, DAY, -DAY, -YEAR])
async def test_a_clock_that_jumps_deletes_nothing_that_is_needed(
    open_spool: OpenSpool, clock: Clock, jump: float
) -> None:
    spool = await open_spool(keep_for=DAY)
    await spool.index.remember(SITE, "waiting", target="/t", node="docs-1")
    needed = [await done(spool, state.value, state) for state in (State.WAITING, State.DEAD)]
    clock.now = NOW + jump
    await spool.expire()
    again = await open_spool(keep_for=DAY)
    await again.expire()
    assert await again.index.identities() == set(needed)
    record = await record_of(again, "waiting")
    assert (record.target, len(record.entries)) == ("/t", 1)
    assert await again.index.due(clock.now, limit=9) == [(SITE, "waiting")]


async def test_saves_keep_their_order_while_our_clock_goes_back(spool: Spool, clock: Clock) -> None:
    await keep(spool, body("old"), iat=NOW)
    clock.now = NOW - YEAR
    await keep(spool, body("new"), iat=NOW + 1)
    assert await bodies_of(spool) == [(body("old"), State.SUPERSEDED), (body("new"), State.WAITING)]


# --- readiness ---


async def test_what_is_kept_is_counted(spool: Spool) -> None:
    assert await spool.check() == "0 waiting, 0 dead letters, 0 bytes"
    await done(spool, "a", State.WAITING)
    await done(spool, "bb", State.DEAD)
    await done(spool, "ccc", State.DELIVERED)
    assert await spool.check() == f"1 waiting, 1 dead letters, {len(body('a')) + len(body('bb'))} bytes"


async def test_an_index_that_is_lost_is_made_anew_from_the_bodies(open_spool: OpenSpool, clock: Clock) -> None:
    spool = await open_spool()
    await keep(spool, body("old"), iat=NOW)
    await keep(spool, body("new"), iat=NOW + 1)
    path = spool.index.path if isinstance(spool.index, SqliteIndex) else None
    assert path is not None
    for name in ("", "-wal", "-shm"):
        path.with_name(path.name + name).unlink(missing_ok=True)
    again = await open_spool()
    assert await bodies_of(again) == [(body("old"), State.SUPERSEDED), (body("new"), State.WAITING)]
