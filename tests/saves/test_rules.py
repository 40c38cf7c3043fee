"""The rules that keep every edit, each branch of them: what is known about a key, what is asked, what is to be done."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bridge.protocol.errors import ConflictError
from bridge.saves import flights, rules
from bridge.saves.flights import End
from bridge.saves.rules import Answer, Forgotten, Hold, Send, Settle
from bridge.store.records import Entry, Flight, OpenCallback, Record, State
from tests.store.entries import NOW, SITE, entry, sha

LATER = NOW + 60
FLIGHT = Flight(number=7, entry="e", status=2, owner="me", until=LATER)

WAITS = entry("e", arrival=5)
FORCED = replace(WAITS, status=6)
BY_FORCE = replace(WAITS, state=State.DELIVERED, delivered_as=6, ended=NOW)
BY_SAVE = replace(WAITS, state=State.DELIVERED, delivered_as=2, ended=NOW)
DEAD = replace(WAITS, state=State.DEAD, why="lost", ended=NOW)
OLD = replace(WAITS, state=State.SUPERSEDED, ended=NOW)
UNSOUND = replace(DEAD, sound=False)
HAD = entry("had", iat=NOW - 1, arrival=4, state=State.DELIVERED, delivered_as=2, ended=NOW)
OLDER = entry("older", iat=NOW - 1, arrival=4)
NEWER = entry("newer", iat=NOW + 1, arrival=6)
NEWER_DONE = replace(NEWER, state=State.DELIVERED, delivered_as=2, ended=NOW)


def known(*entries: Entry, **more: Any) -> Record:
    flight, alive = more.pop("flight", None), more.pop("alive", True)
    usual: dict[str, Any] = {"target": "/t", "node": "docs-1", "number": 7 if flight else 0}
    return Record(
        site=SITE, key="k1", entries=entries, flight=flight, alive=alive and flight is not None, **{**usual, **more}
    )


def one(record: Record, identity: str = "e") -> Entry:
    found = record.entry(identity)
    assert found is not None
    return found


# --- an open callback ---

COOLING = {"cooling": LATER}
FOR_CALLBACK: dict[str, tuple[Record, int, object]] = {
    "a 2 that waits goes as a 2": (known(WAITS), 2, Send(WAITS, 2)),
    "a 3 goes as a 3": (known(WAITS), 3, Send(WAITS, 3)),
    "a 6 goes as a 6": (known(FORCED), 6, Send(FORCED, 6)),
    "a 7 goes as a 6": (known(FORCED), 7, Send(FORCED, 6)),
    "not while HumHub may be storing": (known(WAITS, **COOLING), 2, Send(WAITS, 2, LATER)),
    "not while an attempt is under way": (known(WAITS, flight=FLIGHT), 2, Hold()),
    "not while another's attempt is": (known(OLD, NEWER, flight=replace(FLIGHT, entry="newer")), 2, Hold()),
    "an attempt of the dead is settled": (known(WAITS, flight=FLIGHT, alive=False), 2, Settle(FLIGHT)),
    "an attempt without an answer too": (
        known(WAITS, flight=replace(FLIGHT, over=True)),
        2,
        Settle(replace(FLIGHT, over=True)),
    ),
    "a repeat of a 2 that HumHub has": (known(BY_SAVE), 2, Answer(0)),
    "a 6 of what went as a 2": (known(BY_SAVE), 6, Answer(0)),
    "a 6 of what went as a 6": (known(BY_FORCE), 6, Answer(0)),
    "a 7 of what went as a 6": (known(BY_FORCE), 7, Answer(0)),
    "a 2 of what went as a 6 ends the session": (known(BY_FORCE), 2, Send(BY_FORCE, 2)),
    "and cools as well": (known(BY_FORCE, **COOLING), 2, Send(BY_FORCE, 2, LATER)),
    "a 2 of what went as a 6 before a newer one": (
        known(BY_FORCE, NEWER),
        2,
        Answer(1, "a newer save of this document came"),
    ),
    "HumHub has it, whatever came since": (known(BY_SAVE, NEWER), 2, Answer(0)),
    "delivered, nobody knows as what": (known(replace(BY_SAVE, delivered_as=None)), 2, Answer(0)),
    "an older one is never sent": (known(WAITS, NEWER), 2, Answer(1, "a newer save of this document came")),
    "a superseded one neither": (known(OLD, NEWER), 2, Answer(1, "a newer save of this document came")),
    "a dead letter": (known(DEAD), 2, Answer(1, "lost")),
    "a dead letter that is no document": (known(OLDER, UNSOUND), 3, Answer(1, "lost")),
    "nothing is known of it": (known(), 2, Answer(1, "the save is no longer known")),
}


@pytest.mark.parametrize("case", FOR_CALLBACK)
def test_what_an_open_callback_does_next(case: str) -> None:
    record, status, expected = FOR_CALLBACK[case]
    assert rules.for_callback(record, "e", status, 1) == expected


# --- the courier ---

OF_E, OF_NOTHING = (OpenCallback(ticket=5, owner="me", entry=entry) for entry in ("e", None))
FOR_COURIER: dict[str, tuple[Record, object]] = {
    "what waits goes as a 6": (known(WAITS), Send(WAITS, 6)),
    "a 3 too": (known(replace(WAITS, status=3)), Send(replace(WAITS, status=3), 6)),
    "the newest only": (known(WAITS, NEWER), Send(NEWER, 6)),
    "not before HumHub has stored": (known(WAITS, **COOLING), Send(WAITS, 6, LATER)),
    "an attempt under way is left alone": (known(WAITS, flight=FLIGHT), None),
    "one of the dead is settled": (known(WAITS, flight=FLIGHT, alive=False), Settle(FLIGHT)),
    "one without an answer too": (known(WAITS, flight=replace(FLIGHT, over=True)), Settle(replace(FLIGHT, over=True))),
    "its callback delivers it": (known(WAITS, callbacks=(OF_E,)), None),
    "a callback of another save does not": (known(WAITS, callbacks=(OF_NOTHING,)), Send(WAITS, 6)),
    "nowhere to send it": (known(WAITS, target=None), None),
    "delivered": (known(BY_FORCE), None),
    "a dead letter": (known(DEAD), None),
    "what is no document stands in nobody's way": (known(OLDER, UNSOUND), Send(OLDER, 6)),
    "nor is it sent": (known(UNSOUND), None),
    "an older one is never sent": (known(WAITS, NEWER_DONE), None),
    "nothing": (known(), None),
}


@pytest.mark.parametrize("case", FOR_COURIER)
def test_what_the_courier_does_next(case: str) -> None:
    record, expected = FOR_COURIER[case]
    assert rules.for_courier(record) == expected


@pytest.mark.parametrize("status", [2, 3, 6, 7])
def test_the_courier_never_sends_a_two(status: int) -> None:
    step = rules.for_courier(known(replace(WAITS, status=status)))
    assert isinstance(step, Send)
    assert step.status == 6


# --- a session ---

FOR_SESSION: dict[str, tuple[Record, object]] = {
    "nothing is known": (known(), None),
    "a save waits: it is served": (known(WAITS), None),
    "an attempt that may clear the key is awaited": (known(WAITS, flight=FLIGHT), Hold()),
    "so is a 3": (known(WAITS, flight=replace(FLIGHT, status=3)), Hold()),
    "one that keeps the key isn't": (known(FORCED, flight=replace(FLIGHT, status=6)), None),
    "one of the dead is settled": (known(WAITS, flight=FLIGHT, alive=False), Settle(FLIGHT)),
    "even one that keeps the key": (
        known(FORCED, flight=replace(FLIGHT, status=6), alive=False),
        Settle(replace(FLIGHT, status=6)),
    ),
    "HumHub has cleared the key": (known(BY_SAVE), Forgotten.DELETE),
    "by a 3": (known(replace(BY_SAVE, delivered_as=3)), Forgotten.DELETE),
    "HumHub has it and kept the key": (known(BY_FORCE), None),
    "a newer one waits": (known(BY_SAVE, NEWER), None),
    "a dead letter": (known(DEAD), None),
}


@pytest.mark.parametrize("case", FOR_SESSION)
def test_what_has_to_be_done_before_a_session(case: str) -> None:
    record, expected = FOR_SESSION[case]
    assert rules.for_session(record) == expected


def test_a_session_counts_the_callbacks_that_were_open_when_it_began() -> None:
    calls = {"callbacks": (OF_NOTHING,), "arrived": 7}
    assert rules.open_session(known(WAITS, **calls)) == (known(WAITS, opened=8, **calls), None)
    assert rules.open_session(known(BY_SAVE, **calls)) == (known(BY_SAVE, opened=8, **calls), Forgotten.DELETE)
    assert rules.open_session(known(WAITS, arrived=7)) == (known(WAITS, arrived=7), None)
    held = known(WAITS, flight=FLIGHT, **calls)
    assert rules.open_session(held) == (held, Hold())


@pytest.mark.parametrize(
    ("record", "entry"),
    [
        (known(), None),
        (known(WAITS), WAITS),
        (known(WAITS, NEWER), NEWER),
        (known(WAITS, flight=FLIGHT), WAITS),
        (known(BY_FORCE), None),
        (known(WAITS, NEWER_DONE), None),
        (known(DEAD), None),
        (known(OLDER, UNSOUND), OLDER),
        (known(replace(WAITS, held=False)), None),
    ],
)
def test_a_download_gets_the_newest_while_it_waits(record: Record, entry: Entry | None) -> None:
    assert rules.served(record) == entry


# --- forgotten files ---

E, STRANGE = sha("e"), sha("strange")
FOR_FORGOTTEN: dict[str, tuple[Record, str, bool, Forgotten]] = {
    "unknown": (known(), STRANGE, False, Forgotten.TAKE),
    "unknown beside what waits": (known(WAITS), STRANGE, False, Forgotten.TAKE),
    "unknown beside what HumHub has": (known(BY_SAVE), STRANGE, False, Forgotten.TAKE),
    "what HumHub has": (known(BY_SAVE), E, False, Forgotten.DELETE),
    "what HumHub has by force": (known(BY_FORCE), E, False, Forgotten.DELETE),
    "an older one than HumHub has": (known(OLD, NEWER_DONE), E, False, Forgotten.DELETE),
    "what waits": (known(WAITS), E, False, Forgotten.LEAVE),
    "an older one than waits": (known(OLD, NEWER), E, False, Forgotten.LEAVE),
    "what HumHub has, and a newer one waits": (known(BY_SAVE, NEWER), E, False, Forgotten.LEAVE),
    "a dead letter": (known(DEAD), E, False, Forgotten.LEAVE),
    "a dead letter that is no document": (known(UNSOUND), E, False, Forgotten.LEAVE),
    "beside what HumHub has": (known(HAD, UNSOUND), E, False, Forgotten.LEAVE),
    "discarded by hand": (known(OLD), E, False, Forgotten.DELETE),
    "somebody edits": (known(BY_SAVE), E, True, Forgotten.LEAVE),
    "somebody edits, unknown": (known(), STRANGE, True, Forgotten.LEAVE),
    "a callback is open": (known(BY_SAVE, callbacks=(OF_NOTHING,)), E, False, Forgotten.LEAVE),
    "an attempt is under way": (known(BY_FORCE, flight=FLIGHT), E, False, Forgotten.LEAVE),
}


@pytest.mark.parametrize("case", FOR_FORGOTTEN)
def test_what_becomes_of_a_forgotten_file(case: str) -> None:
    record, found, open_session, expected = FOR_FORGOTTEN[case]
    assert rules.for_forgotten(record, found, ticket=99, open_session=open_session, modified=None) is expected


def test_a_forgotten_file_comes_when_docs_made_it_or_before_all_that_came_since_the_list() -> None:
    record = known(WAITS, NEWER)  # of arrivals 5 and 6
    assert rules.place_of_forgotten(record, 5, None) == 0.0
    assert rules.place_of_forgotten(record, 6, None) == WAITS.iat
    assert rules.place_of_forgotten(record, 7, None) == NEWER.iat
    assert rules.place_of_forgotten(record, 7, NOW - 3) == NOW - 3


IN_DOUBT = {
    "nothing else is known": (known(), None, Forgotten.TAKE),
    "without a date": (known(BY_FORCE), None, Forgotten.LEAVE),
    "older than the newest": (known(BY_FORCE), BY_FORCE.iat - 1, Forgotten.TAKE),
    "of the newest one's second": (known(BY_FORCE), BY_FORCE.iat, Forgotten.LEAVE),
    "of its second, by a clock that counts less than seconds": (
        known(replace(BY_FORCE, iat=BY_FORCE.iat + 0.9)),
        BY_FORCE.iat,
        Forgotten.LEAVE,
    ),
    "newer than the newest": (known(BY_FORCE), BY_FORCE.iat + 1, Forgotten.TAKE),
}


@pytest.mark.parametrize("case", IN_DOUBT)
def test_while_nobody_knows_whether_somebody_edits_a_forgotten_file_is_left_if_its_date_does_not_tell(
    case: str,
) -> None:
    record, modified, expected = IN_DOUBT[case]
    assert rules.for_forgotten(record, STRANGE, ticket=99, open_session=None, modified=modified) is expected
    # Once nobody can be editing, it is there because it is newer than all that came.
    assert rules.for_forgotten(record, STRANGE, ticket=99, open_session=False, modified=modified) is Forgotten.TAKE


@pytest.mark.parametrize("fraction", [0.0, 0.9])
def test_a_forgotten_file_of_the_newest_saves_second_is_newer(fraction: float) -> None:
    newest = replace(BY_FORCE, iat=BY_FORCE.iat + fraction)
    iat = rules.place_of_forgotten(known(newest), 99, BY_FORCE.iat)
    record, _ = rules.enter(known(newest), entry("found", iat=iat, arrival=99, sha256=STRANGE), ticket=None)
    assert record.newest is not None
    assert record.newest.sha256 == STRANGE


# --- entering ---


def entered(record: Record, new: Entry, ticket: int | None = None) -> tuple[list[tuple[str, State]], str]:
    after, same = rules.enter(record, new, ticket=ticket)
    return [(entry.id, entry.state) for entry in after.entries], same.id


W, S, D, X = State.WAITING, State.SUPERSEDED, State.DELIVERED, State.DEAD
AGAIN = entry("again", iat=NOW + 9, sha256=E)
ENTERING: dict[str, tuple[Record, Entry, list[tuple[str, State]], str]] = {
    "the first": (known(), WAITS, [("e", W)], "e"),
    "a newer one supersedes": (known(WAITS), NEWER, [("e", S), ("newer", W)], "newer"),
    "an older one is superseded": (known(NEWER), WAITS, [("e", S), ("newer", W)], "e"),
    "what HumHub has stays so": (known(BY_FORCE), NEWER, [("e", D), ("newer", W)], "newer"),
    "a dead letter stays until HumHub has a newer one": (known(DEAD), NEWER, [("e", X), ("newer", W)], "newer"),
    "an older one than HumHub has": (known(NEWER_DONE), WAITS, [("e", S), ("newer", D)], "e"),
    "what is no document supersedes nothing": (known(OLDER), UNSOUND, [("older", W), ("e", X)], "e"),
    "what comes after it is the newest": (
        known(OLDER, UNSOUND),
        NEWER,
        [("older", S), ("e", X), ("newer", W)],
        "newer",
    ),
    "the same bytes as the newest document": (
        known(OLDER, UNSOUND),
        replace(AGAIN, sha256=OLDER.sha256),
        [("older", W), ("e", X)],
        "older",
    ),
    "the same path": (known(WAITS, NEWER), replace(AGAIN, source=WAITS.source), [("e", W), ("newer", W)], "e"),
    "the same path, its body gone": (
        known(replace(BY_FORCE, held=False)),
        replace(AGAIN, source=WAITS.source, sha256=STRANGE),
        [("e", D), ("again", W)],
        "again",
    ),
    "the same bytes as the newest": (known(WAITS), AGAIN, [("e", W)], "e"),
    "the same bytes as HumHub has": (known(BY_SAVE), AGAIN, [("e", D)], "e"),
    "the same bytes as the newest, its body gone": (
        known(replace(BY_FORCE, held=False)),
        AGAIN,
        [("e", D), ("again", W)],
        "again",
    ),
    "the same bytes as an older one undo": (known(OLD, NEWER), AGAIN, [("e", S), ("newer", S), ("again", W)], "again"),
    "what is in flight isn't superseded yet": (
        known(WAITS, flight=FLIGHT),
        NEWER,
        [("e", W), ("newer", W)],
        "newer",
    ),
}


@pytest.mark.parametrize("case", ENTERING)
def test_what_becomes_of_a_save_that_comes(case: str) -> None:
    record, new, states, same = ENTERING[case]
    assert entered(record, new) == (states, same)


def test_an_open_callback_is_of_the_entry_that_stands_for_its_save() -> None:
    calls = (OpenCallback(ticket=5, owner="me"), OpenCallback(ticket=6, owner="you"))
    record, _ = rules.enter(known(WAITS, callbacks=calls), AGAIN, ticket=6)
    assert record.callbacks == (calls[0], replace(calls[1], entry="e"))
    assert rules.joined(record, 5, WAITS).callbacks[0].entry == "e"
    assert rules.joined(record, None, WAITS) == record


# --- attempts ---


def flying(*entries: Entry, **changes: Any) -> Record:
    return known(*entries, flight=replace(FLIGHT, **changes))


def test_an_attempt_is_numbered_and_only_its_number_counts() -> None:
    record, flight = flights.begin(known(WAITS, number=6), Send(WAITS, 2), owner="me", until=LATER)
    assert (record.number, record.flight, flight, record.alive) == (7, FLIGHT, FLIGHT, True)
    for stale in (6, 8):
        assert flights.after(record, stale, End.CONFIRMED, now=NOW, storing=60) == record
        assert flights.pulled(record, stale) == (record, False)
        assert flights.after_probe(
            replace(record, flight=replace(FLIGHT, over=True)), stale, knows_key=False, now=NOW
        ) == replace(record, flight=replace(FLIGHT, over=True))
    landed = flights.after(record, 7, End.CONFIRMED, now=NOW, storing=60)
    assert flights.after(landed, 7, End.GONE, now=NOW, storing=60) == landed


def test_a_body_may_leave_only_for_the_attempt_in_flight() -> None:
    record, may = flights.pulled(flying(WAITS), 7)
    assert (may, record.flight) == (True, replace(FLIGHT, pulled=True))
    over = flying(WAITS, over=True)
    assert flights.pulled(over, 7) == (over, False)
    assert flights.pulled(known(WAITS), 7) == (known(WAITS), False)


@pytest.mark.parametrize("status", [2, 6])
def test_what_humhub_confirms_is_delivered_as_what_it_was_sent(status: int) -> None:
    record = flights.after(flying(OLD, replace(WAITS, id="e"), status=status), 7, End.CONFIRMED, now=LATER, storing=60)
    found = one(record)
    assert (found.state, found.delivered_as, found.ended, found.tries) == (State.DELIVERED, status, LATER, 1)
    assert (found.inferred, found.stored, record.flight, record.cooling) == (False, False, None, 0)


def test_a_dead_letter_is_superseded_once_humhub_has_a_newer_one() -> None:
    lost = replace(DEAD, id="lost", iat=NOW - 1)
    record = flights.after(flying(lost, WAITS), 7, End.CONFIRMED, now=LATER, storing=60)
    assert (one(record, "lost").state, one(record, "lost").ended) == (State.SUPERSEDED, LATER)
    record = flights.after(flying(lost, WAITS), 7, End.FAILED, now=LATER, storing=60)
    assert one(record, "lost").state is State.DEAD


def test_what_was_in_flight_when_a_newer_one_came_is_superseded_when_it_landed() -> None:
    record = flights.after(flying(WAITS, NEWER), 7, End.FAILED, now=LATER, storing=60)
    assert [entry.state for entry in record.entries] == [State.SUPERSEDED, State.WAITING]
    record = flights.after(flying(WAITS, NEWER), 7, End.CONFIRMED, now=LATER, storing=60)
    assert [entry.state for entry in record.entries] == [State.DELIVERED, State.WAITING]


STORED = replace(WAITS, stored=True)
GONE: dict[str, tuple[Entry, int, State, int | None, bool]] = {
    "the file was replaced": (WAITS, 2, State.DEAD, None, False),
    "found by the courier": (WAITS, 6, State.DEAD, None, False),
    "HumHub had stored it without an answer": (STORED, 2, State.DELIVERED, 2, True),
    "found by the courier afterwards": (STORED, 6, State.DELIVERED, 2, True),
    "stored by force before: the session is over": (BY_FORCE, 2, State.DELIVERED, 2, False),
}


@pytest.mark.parametrize("case", GONE)
def test_what_a_404_means(case: str) -> None:
    entry, status, state, delivered_as, inferred = GONE[case]
    found = one(flights.after(flying(entry, status=status), 7, End.GONE, now=LATER, storing=60, why="404"))
    assert (found.state, found.delivered_as, found.inferred) == (state, delivered_as, inferred)
    assert found.ended == (NOW if entry is BY_FORCE else LATER)


# end, pulled, status → in flight still, cooling, stored
UNSETTLED = [
    (End.REFUSED, False, 2, False, False, False),
    (End.REFUSED, True, 2, False, False, False),
    (End.UNSENT, False, 2, False, False, False),
    (End.UNSENT, True, 2, True, True, True),
    (End.UNSENT, True, 6, False, True, False),
    (End.FAILED, False, 2, False, False, False),
    (End.FAILED, False, 6, False, False, False),
    (End.FAILED, True, 2, True, False, True),
    (End.FAILED, True, 3, True, False, True),
    (End.FAILED, True, 6, False, False, False),
    (End.UNREAD, False, 2, False, False, False),
    (End.UNREAD, False, 6, False, False, False),
    (End.UNREAD, True, 2, True, True, True),
    (End.UNREAD, True, 6, False, True, False),
]


@pytest.mark.parametrize("case", UNSETTLED)
def test_what_is_left_of_an_attempt_that_was_not_confirmed(case: tuple[End, bool, int, bool, bool, bool]) -> None:
    end, was_pulled, status, open_still, cools, stored = case
    record = flying(WAITS, pulled=was_pulled, status=status)
    after = flights.after(record, 7, end, now=NOW, storing=60, due=NOW + 9, why="so")
    flight = replace(FLIGHT, pulled=was_pulled, status=status, over=True)
    assert (after.flight, after.cooling) == (flight if open_still else None, LATER if cools else 0)
    found = one(after)
    assert (found.state, found.stored, found.tries, found.due, found.why) == (State.WAITING, stored, 1, NOW + 9, "so")


def test_a_two_after_a_six_that_humhub_may_have_spoilt_waits_again() -> None:
    record = flying(BY_FORCE, pulled=True)
    found = one(flights.after(record, 7, End.FAILED, now=NOW, storing=60))
    assert (found.state, found.ended, found.stored) == (State.WAITING, None, True)
    found = one(flights.after(flying(BY_FORCE), 7, End.FAILED, now=NOW, storing=60))
    assert (found.state, found.delivered_as) == (State.DELIVERED, 6)


# --- taking over and settling ---


@pytest.mark.parametrize(
    ("was_pulled", "status", "open_still"), [(False, 2, False), (False, 6, False), (True, 6, False), (True, 2, True)]
)
def test_an_attempt_of_the_dead_is_taken_over_under_a_new_number(
    was_pulled: bool, status: int, open_still: bool
) -> None:
    flight = replace(FLIGHT, pulled=was_pulled, status=status)
    record = flights.adopt(
        known(WAITS, flight=flight, alive=False), flight, owner="you", until=LATER, now=NOW, storing=60
    )
    assert record.number == 8
    assert (record.flight is not None) is open_still
    if record.flight is not None:
        assert (record.flight.number, record.flight.owner, record.flight.over) == (8, "you", True)
    assert record.cooling == (LATER if was_pulled else 0)
    assert (one(record).due, one(record).state) == (NOW, State.WAITING)


def test_an_attempt_that_is_over_is_taken_over_as_it_is() -> None:
    flight = replace(FLIGHT, pulled=True, over=True)
    record = flights.adopt(
        known(STORED, flight=flight, cooling=LATER), flight, owner="you", until=LATER, now=NOW, storing=9
    )
    assert record.flight == replace(flight, number=8, owner="you")
    assert (record.cooling, one(record)) == (LATER, STORED)


def test_only_one_takes_an_attempt_over() -> None:
    record = known(WAITS, flight=replace(FLIGHT, number=8, owner="you"))
    assert flights.adopt(record, FLIGHT, owner="me", until=LATER, now=NOW, storing=60) == record


@pytest.mark.parametrize(
    ("record", "adrift"),
    [
        (known(WAITS), False),
        (known(WAITS, flight=FLIGHT), False),
        (known(WAITS, flight=FLIGHT, alive=False), True),
        (known(WAITS, flight=replace(FLIGHT, over=True)), True),
    ],
)
def test_an_attempt_is_adrift_when_nobody_makes_it(record: Record, adrift: bool) -> None:
    assert rules.is_adrift(record) is adrift


OVER = replace(FLIGHT, pulled=True, over=True)


def test_a_key_that_humhub_no_longer_knows_was_stored_or_replaced() -> None:
    stored = flights.after_probe(known(STORED, flight=OVER), 7, knows_key=False, now=LATER)
    assert (one(stored).state, one(stored).delivered_as, one(stored).inferred) == (State.DELIVERED, 2, True)
    assert (stored.flight, one(stored).ended) == (None, LATER)
    replaced = flights.after_probe(known(WAITS, flight=OVER), 7, knows_key=False, now=LATER)
    assert (one(replaced).state, replaced.flight) == (State.DEAD, None)


def test_a_key_that_humhub_knows_is_sent_again_once_it_cannot_be_storing() -> None:
    cooling = known(STORED, flight=OVER, cooling=LATER)
    assert flights.after_probe(cooling, 7, knows_key=True, now=LATER - 1) == cooling
    settled = flights.after_probe(cooling, 7, knows_key=True, now=LATER)
    asked = replace(STORED, stored=False)
    assert (settled.flight, one(settled)) == (None, asked)
    assert rules.for_courier(settled) == Send(asked, 6, LATER)
    # That it doesn't know the key is its last word at any time.
    assert one(flights.after_probe(cooling, 7, knows_key=False, now=NOW)).state is State.DELIVERED


def test_only_an_attempt_that_is_over_is_settled_by_asking() -> None:
    record = known(WAITS, flight=FLIGHT)
    assert flights.after_probe(record, 7, knows_key=False, now=NOW) == record
    assert flights.after_probe(known(WAITS), 7, knows_key=False, now=NOW) == known(WAITS)


@pytest.mark.parametrize(
    ("cooling", "bounded"), [(0, 0), (NOW + 60, NOW + 60), (NOW + 61, NOW + 60), (NOW * 2, NOW + 60)]
)
def test_a_clock_that_jumps_back_keeps_nobody_waiting_for_longer_than_humhub_stores(
    cooling: float, bounded: float
) -> None:
    assert flights.cooled(known(cooling=cooling), now=NOW, storing=60).cooling == bounded


# --- by hand ---


@pytest.mark.parametrize("entry", [WAITS, DEAD])
def test_the_newest_save_is_tried_again_by_hand(entry: Entry) -> None:
    found = one(rules.revived(known(entry), "e", now=LATER))
    assert (found.state, found.due, found.ended) == (State.WAITING, LATER, None)


@pytest.mark.parametrize(
    ("record", "why"),
    [
        (known(), "gone"),
        (known(replace(DEAD, held=False)), "gone"),
        (known(BY_SAVE), "HumHub has it"),
        (known(OLD, NEWER), "newest"),
        (known(DEAD, NEWER), "newest"),
    ],
)
def test_nothing_else_is_tried_again_by_hand(record: Record, why: str) -> None:
    with pytest.raises(ConflictError, match=why):
        rules.revived(record, "e", now=LATER)


@pytest.mark.parametrize(("status", "sent", "clearing"), [(2, 2, True), (3, 3, True), (6, 6, False), (7, 6, False)])
def test_as_what_a_save_is_sent_and_what_humhub_does_then(status: int, sent: int, clearing: bool) -> None:
    assert rules.status_for(status) == sent
    assert rules.clears(sent) is clearing


# --- a body that isn't what its type says ---

NEWER_UNSOUND = replace(NEWER, state=State.DEAD, sound=False, why="no docx", ended=NOW)


def test_an_unsound_save_stands_in_no_others_way() -> None:
    record, entered = rules.enter(known(WAITS), NEWER_UNSOUND, ticket=None)
    assert entered == NEWER_UNSOUND
    assert one(record) == WAITS
    assert rules.for_courier(record) == Send(WAITS, 6)
    assert rules.served(record) == WAITS
    assert record.leads(WAITS)
    assert record.leads(NEWER_UNSOUND)


def test_an_unsound_save_that_somebody_vouches_for_is_the_newest() -> None:
    record, _ = rules.enter(known(WAITS), NEWER_UNSOUND, ticket=None)
    record = rules.revived(record, "newer", now=LATER)
    assert one(record).state is State.SUPERSEDED
    assert rules.for_courier(record) == Send(one(record, "newer"), 6)


# --- callbacks and sessions that overlap ---


def test_a_callback_from_before_a_session_clears_the_key_no_more() -> None:
    record = known(WAITS, arrived=4, callbacks=(OpenCallback(ticket=4, owner="me", entry="e"),))
    opened, step = rules.open_session(record)
    assert step is None
    assert rules.for_callback(record, "e", 2, 4) == Send(WAITS, 2)
    assert rules.for_callback(opened, "e", 2, 4) == Answer(1, "the document was opened again meanwhile")
    assert rules.for_callback(opened, "e", 2, 5) == Send(WAITS, 2)
    assert rules.for_callback(opened, "e", 6, 4) == Send(WAITS, 6)


def test_a_session_on_a_quiet_key_changes_nothing() -> None:
    assert rules.open_session(known(WAITS, arrived=4)) == (known(WAITS, arrived=4), None)


def test_a_forgotten_file_is_left_if_a_callback_came_since_it_was_listed() -> None:
    record = known(BY_FORCE, arrived=8)
    assert rules.for_forgotten(record, BY_FORCE.sha256, ticket=8, open_session=False, modified=None) is Forgotten.DELETE
    assert rules.for_forgotten(record, BY_FORCE.sha256, ticket=7, open_session=False, modified=None) is Forgotten.LEAVE


def test_a_key_that_humhub_knew_to_the_end_and_lost_later_is_a_dead_letter() -> None:
    """HumHub said that it had not stored the attempt in doubt: a later 404 means that the file was replaced."""
    doubted = known(replace(WAITS, stored=True), flight=replace(FLIGHT, pulled=True, over=True))
    record = flights.after_probe(doubted, 7, knows_key=True, now=LATER)
    record, flight = flights.begin(record, Send(one(record), 6), owner="me", until=LATER)
    record = flights.after(record, flight.number, End.GONE, now=LATER, storing=60, why="gone")
    assert (one(record).state, one(record).inferred) == (State.DEAD, False)
