"""The rules that keep every edit hold in all interleavings within small bounds; without any one of them an edit is lost.

``python -m tests.model`` searches with larger bounds.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from bridge.saves import flights, rules
from bridge.saves.flights import End
from bridge.saves.rules import Answer, Forgotten, Send
from bridge.store.records import Entry, Record, State
from tests.model.rulebook import Rules
from tests.model.search import explore
from tests.model.setting import Setting

ONE = partial(Setting, people=1, forced=0)


@pytest.mark.parametrize(
    "setting",
    [
        pytest.param(Setting(forced=0), id="two people"),
        pytest.param(ONE(forced=1, edits=1), id="a forced save and another session"),
        pytest.param(Setting(forced=0, edits=1, faults=2), id="two faults"),
        pytest.param(Setting(forced=0, docs_loss=True, save_errors=True), id="Docs loses copies and ends with errors"),
        pytest.param(Setting(forced=0, people=1, opens=3, replacing=True), id="the file is replaced"),
        pytest.param(ONE(blind_sweep=True), id="the sweep doesn't know of a session"),
        pytest.param(ONE(blind_sweep=True, undated=True, forced=1), id="nor how old a forgotten copy is"),
        pytest.param(ONE(blind_sweep=True, hasty=True, forced=1), id="nor which is older in one second"),
        pytest.param(ONE(deaf_handlers=True), id="a handler outlives its connection"),
        pytest.param(ONE(slow_sweep=True), id="Docs makes another copy while one is looked at"),
        pytest.param(
            Setting(slow_opening=True, forced=0, people=1), id="a document is asked for long after the handshake"
        ),
        pytest.param(Setting(faults=0, forced=2, opens=1, people=1), id="forced saves overtake each other"),
    ],
)
def test_no_edit_is_lost_in_any_interleaving(setting: Setting) -> None:
    found = explore(Rules(), setting)
    assert not found.broken, str(found)
    assert found.states > 1000, "the bounds are so small that nothing was tried"


# --- the rules taken out ----------------------------------------------------------------------------------------------


def acknowledge_early(record: Record, identity: str, status: int, ticket: int) -> Any:
    """Tell Docs 0 as soon as the body is durable."""
    step = rules.for_callback(record, identity, status, ticket)
    entry = record.entry(identity)
    return Answer(0) if entry is not None and entry.state is State.WAITING else step


def courier_ends_sessions(record: Record) -> Any:
    """Deliver late with the status that the callback had."""
    step = rules.for_courier(record)
    return replace(step, status=step.entry.status) if isinstance(step, Send) else step


def order_by_durability(record: Record, entry: Entry, *, ticket: int | None) -> Any:
    """Order saves by when their bodies became durable."""
    last = max((known.place for known in record.entries), default=(0.0, False, 0))
    return rules.enter(record, replace(entry, iat=last[0] + 1), ticket=ticket)


def open_sessions_unsettled(record: Record) -> Any:
    return record, None


def keep_what_was_stored_as_forgotten(record: Record) -> Any:
    """Settle attempts before a session, but leave the forgotten copy of what HumHub has."""
    record, step = rules.open_session(record)
    return record, None if step is Forgotten.DELETE else step


def clear_under_a_session(record: Record, identity: str, status: int, ticket: int) -> Any:
    """Let a callback end a session that began after it came."""
    return rules.for_callback(replace(record, opened=0), identity, status, ticket)


def look_once(record: Record, sha256: str, *, ticket: int, **known: Any) -> Forgotten:
    """Don't ask whether a callback came while the copy was looked at."""
    return rules.for_forgotten(record, sha256, ticket=ticket + 100, **known)


def expect_nobody_back(record: Record, sha256: str, *, ticket: int, open_session: bool | None, **known: Any) -> Any:
    """Take a document that nobody is seen with for one that nobody edits."""
    return rules.for_forgotten(record, sha256, ticket=ticket, open_session=bool(open_session), **known)


def serve_nothing(record: Record) -> None:
    return None


def deliver_older_saves_too(record: Record, identity: str, status: int, ticket: int) -> Any:
    """Let every callback deliver its save, whatever came after it."""
    step, entry = rules.for_callback(record, identity, status, ticket), record.entry(identity)
    superseded = entry is not None and entry.state is State.SUPERSEDED and record.flight is None
    return Send(entry, status, record.cooling) if superseded and entry is not None else step


def count_any_result(record: Record, number: int, end: End, **how: Any) -> Record:
    """Count a result whichever attempt it is of."""
    return flights.after(record, record.flight.number if record.flight else number, end, **how)


def never_ask(record: Record, number: int, end: End, **how: Any) -> Record:
    """Take an attempt without an answer for one that failed."""
    after = flights.after(record, number, end, **how)
    return after if end in (End.CONFIRMED, End.GONE) else replace(after, flight=None)


def believe_it_failed(record: Record, number: int, *, knows_key: bool, now: float) -> Record:
    """Take HumHub's not knowing the key for a lost document."""
    return flights.after_probe(record, number, knows_key=True, now=now)


def ask_too_early(record: Record, number: int, *, knows_key: bool, now: float) -> Record:
    """Take HumHub's knowing the key for its last word, though it may still be storing."""
    return replace(
        flights.after_probe(replace(record, cooling=now), number, knows_key=knows_key, now=now), cooling=record.cooling
    )


def send_at_once(record: Record) -> Any:
    """Send again though HumHub may still be storing."""
    step = rules.for_courier(record)
    return replace(step, earliest=0.0) if isinstance(step, Send) else step


def let_dead_links_give(record: Record, number: int) -> Any:
    """Give the body to whoever asks, though the attempt is over."""
    return record, True


def count_finds_as_newest(record: Record, ticket: int, modified: float | None) -> float:
    """Take a forgotten file for newer than all that came."""
    return max((entry.iat for entry in record.entries), default=0.0) + 1


def leave_forgotten_files(record: Record, sha256: str, **known: Any) -> Forgotten:
    return Forgotten.LEAVE


def delete_forgotten_files(record: Record, sha256: str, *, open_session: bool | None, **known: Any) -> Forgotten:
    return Forgotten.LEAVE if open_session else Forgotten.DELETE


def take_a_lost_key_for_stored(record: Record, number: int, end: End, **how: Any) -> Record:
    """Take every 404 for a confirmation."""
    return flights.after(record, number, End.CONFIRMED if end is End.GONE else end, **how)


def send_side_by_side(record: Record, identity: str, status: int, ticket: int) -> Any:
    """Begin an attempt though another is under way."""
    return rules.for_callback(replace(record, flight=None), identity, status, ticket)


WITHOUT = [
    ("the truth to Docs", Rules(for_callback=acknowledge_early), ONE(), "shown"),
    ("only forced saves from the courier", Rules(for_courier=courier_ends_sessions), ONE(), "missing"),
    ("Docs' own order", Rules(enter=order_by_durability), ONE(forced=2, opens=1), "overwritten"),
    ("settling before a session", Rules(open_session=open_sessions_unsettled), ONE(), "missing"),
    (
        "deleting a forgotten copy of what is stored",
        Rules(open_session=keep_what_was_stored_as_forgotten),
        ONE(),
        "missing",
    ),
    ("serving what waits", Rules(served=serve_nothing), ONE(faults=1, docs_loss=True), "opened"),
    ("the newest alone", Rules(for_callback=deliver_older_saves_too), ONE(forced=1, opens=1), "overwritten"),
    ("comparing an attempt's number", Rules(after=count_any_result), ONE(faults=2), "missing"),
    ("settling a pulled 2", Rules(after=never_ask), ONE(), "missing"),
    ("believing HumHub's 404", Rules(after_probe=believe_it_failed), ONE(), "dead letter"),
    ("waiting for HumHub's last word", Rules(after_probe=ask_too_early), ONE(), "dead letter"),
    ("waiting between attempts", Rules(for_courier=send_at_once), ONE(forced=2, opens=1), "overwritten"),
    ("links that die with their attempt", Rules(pulled=let_dead_links_give), ONE(), "dead letter"),
    (
        "a forgotten copy's place",
        Rules(place_of_forgotten=count_finds_as_newest),
        ONE(forced=1, blind_sweep=True),
        "overwritten",
    ),
    (
        "leaving an undated copy while somebody may edit",
        Rules(for_forgotten=expect_nobody_back),
        ONE(blind_sweep=True, undated=True, forced=1),
        "overwritten",
    ),
    (
        "leaving a copy of the newest save's second while somebody may edit",
        Rules(for_forgotten=expect_nobody_back),
        ONE(blind_sweep=True, hasty=True, forced=1),
        "overwritten",
    ),
    ("the sweep", Rules(for_forgotten=leave_forgotten_files), ONE(edits=1, opens=1), "missing"),
    ("a look before deleting", Rules(for_forgotten=delete_forgotten_files), ONE(edits=1, opens=1), "missing"),
    ("dead letters", Rules(after=take_a_lost_key_for_stored), ONE(replacing=True), "missing"),
    (
        "a session ends what came before it",
        Rules(for_callback=clear_under_a_session),
        ONE(deaf_handlers=True),
        "missing",
    ),
    ("a second look before deleting", Rules(for_forgotten=look_once), ONE(slow_sweep=True), "missing"),
    ("one attempt at a time", Rules(for_callback=send_side_by_side), ONE(forced=1, opens=1), "overwritten"),
]


@pytest.mark.parametrize(("broken_rules", "setting", "kind"), [pytest.param(*rest, id=name) for name, *rest in WITHOUT])
def test_without_one_rule_an_edit_is_lost(broken_rules: Rules, setting: Setting, kind: str) -> None:
    found = explore(broken_rules, setting)
    print(found)  # noqa: T201
    assert kind in found.broken, str(found)
