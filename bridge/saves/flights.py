"""What an attempt to deliver makes of a record, from its number to its end: pure, as the functions of ``rules.py``."""

from __future__ import annotations

import enum
from dataclasses import replace

from bridge.protocol.messages import Status
from bridge.saves.rules import Send, clears, superseded
from bridge.store.records import Entry, Flight, Record, State

__all__ = ["End", "adopt", "after", "after_probe", "begin", "cooled", "pulled"]


class End(enum.StrEnum):
    """How an attempt ended."""

    CONFIRMED = "confirmed"
    GONE = "gone"
    REFUSED = "refused"
    FAILED = "failed"
    UNREAD = "unread"
    UNSENT = "unsent"


def cooled(record: Record, *, now: float, storing: float) -> Record:
    """Bound the time before the next attempt: it is longer than it can be where a clock jumped back."""
    return replace(record, cooling=now + storing) if record.cooling > now + storing else record


def begin(record: Record, send: Send, *, owner: str, until: float) -> tuple[Record, Flight]:
    """Number an attempt. Only a record without one may begin another."""
    flight = Flight(number=record.number + 1, entry=send.entry.id, status=send.status, owner=owner, until=until)
    return replace(record, number=flight.number, flight=flight, alive=True), flight


def pulled(record: Record, number: int) -> tuple[Record, bool]:
    """Note that the body's last byte is about to leave; False if the attempt is over, and it mustn't."""
    flight = record.flight
    if flight is None or flight.number != number or flight.over:
        return record, False
    return replace(record, flight=replace(flight, pulled=True)), True


def adopt(record: Record, flight: Flight, *, owner: str, until: float, now: float, storing: float) -> Record:
    """Take over an attempt whose maker is gone. It gets a new number: under the old one nothing counts any more."""
    if record.flight != flight:
        return record
    number = record.number + 1
    mine = replace(flight, number=number, owner=owner, until=until)
    record = replace(record, number=number, flight=mine, alive=True)
    return (
        record
        if flight.over
        else after(record, number, End.UNREAD, now=now, storing=storing, due=now, why="interrupted")
    )


def after(
    record: Record, number: int, end: End, *, now: float, storing: float, due: float = 0.0, why: str = ""
) -> Record:
    """Give the record after an attempt's end; unchanged if that attempt is no longer the one in flight.

    Args:
        record: what is known.
        number: the attempt's.
        end: how it ended.
        now: seconds since the epoch.
        storing: seconds for which HumHub may go on storing after it stopped being waited for.
        due: when the courier tries next, if it has to.
        why: what is told of it.
    """
    flight = record.flight
    entry = record.entry(flight.entry) if flight is not None else None
    if flight is None or flight.number != number or entry is None:
        return record
    entry = replace(entry, tries=entry.tries + 1, due=due, why=why)
    landed = replace(record, flight=None)
    match end:
        case End.CONFIRMED:
            entry = _delivered(entry, flight.status, now=now)
        case End.GONE:
            entry = _gone(entry, flight.status, now=now, why=why)
        case End.REFUSED:
            pass
        case End.FAILED | End.UNREAD | End.UNSENT if flight.pulled:
            # Whoever has pulled a body was reached, whatever a later call of the same attempt met.
            if end is not End.FAILED:
                landed = replace(landed, cooling=now + storing)
            # What HumHub holds now is unsure, even if it had confirmed this body before.
            entry = replace(entry, state=State.WAITING, ended=None)
            if clears(flight.status):
                landed = replace(landed, flight=replace(flight, over=True))
                entry = replace(entry, stored=True)
    return superseded(landed.with_entry(entry), now=now)


def _delivered(entry: Entry, status: int, *, now: float) -> Entry:
    return replace(entry, state=State.DELIVERED, delivered_as=status, inferred=False, stored=False, ended=now, why="")


def _gone(entry: Entry, status: int, *, now: float, why: str) -> Entry:
    """HumHub doesn't know the key: it has stored this body before, or the file was replaced."""
    if entry.state is State.DELIVERED:
        return replace(entry, delivered_as=status)
    if entry.stored:
        return replace(_delivered(entry, Status.SAVE, now=now), inferred=True, why="HumHub stored it without an answer")
    return replace(entry, state=State.DEAD, ended=now, why=why)


def after_probe(record: Record, number: int, *, knows_key: bool, now: float) -> Record:
    """Give the record after HumHub was asked whether it still knows the key of an attempt that is over.

    That it doesn't is its last word. That it does isn't while it may still be storing: the attempt stays in flight.
    """
    flight = record.flight
    entry = record.entry(flight.entry) if flight is not None else None
    if flight is None or flight.number != number or not flight.over or entry is None:
        return record
    if knows_key and record.cooling > now:
        return record
    if knows_key:
        # It didn't store that body as the end of a session. A 404 that comes later has another cause.
        entry = replace(entry, stored=False)
    else:
        entry = _gone(entry, flight.status, now=now, why="HumHub no longer knows this key (404)")
    return superseded(replace(record, flight=None).with_entry(entry), now=now)
