"""The rules that keep every edit, as pure functions over what is known about one document key.

Theory of operation. Each function takes a :class:`Record` and gives the next step or the next record; whoever calls it
does the I/O. What an attempt makes of a record is in ``flights.py``. The model in ``tests/model`` explores both, so
they hold in every interleaving that it can reach.

Why they are so (observed on the real server): once a save is acknowledged, Docs shows viewers of its key the content
from before the edit and locks editors out for five minutes; a refused save it keeps as *forgotten*, and whoever opens
the key again gets it, with the edit. HumHub clears the key at a 2 and keeps it at a 6. Hence:

- Docs hears 0 only for what HumHub has confirmed. An undelivered edit exists twice: here and at Docs.
- Inside the callback a 2 is delivered as a 2. Whatever is delivered later is a forced save (6): the content arrives,
  and the key stays valid for whoever opened it meanwhile.
- Only the newest entry of a key is sent or served; the others are superseded, and their bodies kept for a while.
- One attempt a key at a time. It is numbered durably before it is sent, and its result counts only under that number.
- An attempt whose end isn't known is settled: a 6 is sent again; for a 2 whose body HumHub pulled whole, HumHub is
  asked whether it still knows the key. It doesn't: then it has stored that body. It does: that counts once it can't be
  storing any more.
- Before a session begins, its key is settled; otherwise the session could start from content that is about to change.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace
from typing import Final

from bridge.protocol.errors import ConflictError
from bridge.protocol.messages import Status
from bridge.store.records import Entry, Flight, Record, State

__all__ = [
    "Answer",
    "Forgotten",
    "Hold",
    "Send",
    "Settle",
    "clears",
    "enter",
    "for_callback",
    "for_courier",
    "for_forgotten",
    "for_session",
    "is_adrift",
    "joined",
    "open_session",
    "place_of_forgotten",
    "revived",
    "served",
    "status_for",
    "superseded",
]


@dataclass(frozen=True, slots=True)
class Send:
    """Make an attempt with this status, not before ``earliest``."""

    entry: Entry
    status: int
    earliest: float = 0.0


@dataclass(frozen=True, slots=True)
class Settle:
    """An attempt's end isn't known, and whoever made it is gone or has given up: find out."""

    flight: Flight


@dataclass(frozen=True, slots=True)
class Hold:
    """An attempt is under way: look again when it has ended."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Tell Docs: 0 for what HumHub has, 1 for the rest."""

    error: int
    why: str = ""


class Forgotten(enum.Enum):
    """What to do with a forgotten file at Docs."""

    DELETE = enum.auto()
    LEAVE = enum.auto()
    TAKE = enum.auto()


# After these HumHub no longer knows the key.
_CLEARING: Final = frozenset((Status.SAVE, Status.SAVE_FAILED))


def clears(status: int) -> bool:
    """Say whether HumHub clears the document's key when it has stored a save of this status."""
    return status in _CLEARING


def status_for(status: int) -> int:
    """Give the status under which a save is delivered inside its callback: HumHub answers 500 to a 7."""
    return Status.FORCED_SAVE if status == Status.FORCED_SAVE_FAILED else status


# --- what comes in --------------------------------------------------------------------------------------------------


def enter(record: Record, entry: Entry, *, ticket: int | None) -> tuple[Record, Entry]:
    """Take a durable body into the order, and give the entry that stands for it.

    A repeat is the entry that is there already: of the same path, or of the same bytes as the newest. (The same bytes
    as an older one are somebody's undoing of what came between, and no repeat.)
    """
    newest = record.newest
    same = next((known for known in record.entries if known.source == entry.source and known.held), None)
    if same is None and newest is not None and newest.sha256 == entry.sha256 and newest.held:
        same = newest
    if same is None:
        record = superseded(record.with_entry(entry), now=entry.kept)
        same = record.entry(entry.id)
    assert same is not None  # noqa: S101 - it was put there, or found there
    return joined(record, ticket, same), same


def joined(record: Record, ticket: int | None, entry: Entry) -> Record:
    """Note that the open callback ``ticket`` is one of ``entry``."""
    callbacks = tuple(
        replace(callback, entry=entry.id) if callback.ticket == ticket else callback for callback in record.callbacks
    )
    return replace(record, callbacks=callbacks)


def superseded(record: Record, *, now: float) -> Record:
    """Mark what a newer entry stands for: older ones that wait, unless one is in flight, and dead ones once it has."""
    newest = record.newest
    for entry in record.entries:
        if newest is None or entry.place >= newest.place:
            continue
        in_flight = record.flight is not None and record.flight.entry == entry.id
        waits = entry.state is State.WAITING and not in_flight
        was_lost = entry.state is State.DEAD and newest.state is State.DELIVERED
        if waits or was_lost:
            record = record.with_entry(replace(entry, state=State.SUPERSEDED, ended=now, why="a newer save came"))
    return record


def is_adrift(record: Record) -> bool:
    """Say whether an attempt is in flight that nobody makes any more, so that it has to be settled."""
    return record.flight is not None and (record.flight.over or not record.alive)


# --- what to do next ------------------------------------------------------------------------------------------------


def for_callback(record: Record, identity: str, status: int, ticket: int) -> Send | Settle | Hold | Answer:
    """Give the next step of the open callback ``ticket`` of ``status``, whose entry is durable."""
    entry = record.entry(identity)
    if entry is None:
        return Answer(1, "the save is no longer known")
    if record.flight is not None:
        return Settle(record.flight) if is_adrift(record) else Hold()
    step = _for_landed(record, entry, status)
    if isinstance(step, Send) and clears(step.status) and ticket < record.opened:
        # Docs has given it up, and somebody may be editing under this key, which the attempt would clear.
        return Answer(1, "the document was opened again meanwhile")
    return step


def _for_landed(record: Record, entry: Entry, status: int) -> Send | Answer:
    newest = record.newest == entry
    match entry.state:
        case State.DELIVERED if entry.delivered_as is None or clears(entry.delivered_as) or not clears(status):
            return Answer(0)
        case State.DELIVERED if newest:
            # Stored as a forced save before: HumHub still has to hear that the session is over.
            return Send(entry, status, record.cooling)
        case State.WAITING if newest:
            return Send(entry, status_for(status), record.cooling)
        case State.DEAD:
            return Answer(1, entry.why)
    return Answer(1, "a newer save of this document came")


def for_courier(record: Record) -> Send | Settle | None:
    """Give what is to be done for a key when no callback does it; None for nothing now. The courier never sends a 2."""
    if record.flight is not None:
        return Settle(record.flight) if is_adrift(record) else None
    newest = record.newest
    if newest is None or newest.state is not State.WAITING or record.target is None:
        return None
    if any(callback.entry == newest.id for callback in record.callbacks):
        return None
    return Send(newest, Status.FORCED_SAVE, record.cooling)


def for_session(record: Record) -> Settle | Hold | Forgotten | None:
    """Give what has to be done before a session on the key may begin; None for nothing.

    ``Forgotten.DELETE``: HumHub has the newest content and has cleared the key; if Docs did not read our answer, it has
    a forgotten copy, from which a session would begin that can never be saved.
    """
    if record.flight is not None:
        if is_adrift(record):
            return Settle(record.flight)
        if clears(record.flight.status):
            return Hold()
    newest = record.newest
    if newest is not None and newest.state is State.DELIVERED and clears(newest.delivered_as or 0):
        return Forgotten.DELETE
    return None


def open_session(record: Record) -> tuple[Record, Settle | Hold | Forgotten | None]:
    """Give what :func:`for_session` says; if a session may begin now, callbacks that are open clear the key no more."""
    step = for_session(record)
    if record.callbacks and not isinstance(step, Settle | Hold):
        record = replace(record, opened=record.arrived + 1)
    return record, step


def served(record: Record) -> Entry | None:
    """Give the entry whose body a download of the key gets instead of HumHub's: the newest, while it waits."""
    newest = record.newest
    return newest if newest is not None and newest.state is State.WAITING and newest.held else None


def for_forgotten(
    record: Record, sha256: str, *, ticket: int, open_session: bool | None, modified: float | None
) -> Forgotten:
    """Say what to do with a forgotten file of the key, by its hash, dated ``modified``; it was listed at ``ticket``.

    While somebody edits, it is left: a session that began from it ends with a save. So it is if a callback came since
    the list was asked for: Docs may have made another file of our answer. And so it is while nobody knows whether
    somebody edits (None) and its date doesn't say whether it is older than the newest save: a session that began from
    it may have brought that.
    """
    if open_session or record.callbacks or record.flight is not None or record.arrived > ticket:
        return Forgotten.LEAVE
    newest, same = record.newest, [entry for entry in record.entries if entry.sha256 == sha256]
    if not same:
        unsure = open_session is None and newest is not None and _is_as_old(modified, newest.iat)
        return Forgotten.LEAVE if unsure else Forgotten.TAKE
    if any(entry.state is State.DEAD for entry in same):
        return Forgotten.LEAVE  # whatever else HumHub has, it doesn't have this
    if newest is not None and newest.state is State.SUPERSEDED and newest.sha256 == sha256:
        return Forgotten.DELETE  # discarded by hand: nothing else makes the newest one that
    return Forgotten.DELETE if newest is not None and newest.state is State.DELIVERED else Forgotten.LEAVE


def place_of_forgotten(record: Record, ticket: int, modified: float | None) -> float:
    """Give the ``iat`` of a forgotten file that was listed at ``ticket``.

    Docs made it of a save that it had just sent: when, by the clock of its tokens, is its date. So what was saved by a
    session that began from it comes after it. Where the date doesn't say, it comes after all that came before the list:
    when nobody edits, Docs has no file any more from which a session began, for the session's own save took its place.
    """
    before = max((entry.iat for entry in record.entries if entry.arrival < ticket), default=0.0)
    return before if modified is None or _is_as_old(modified, before) else modified


def _is_as_old(modified: float | None, iat: float) -> bool:
    """Say whether a file's date doesn't tell it from a save: both count whole seconds, or there is none."""
    return modified is None or int(modified) == int(iat)


def revived(record: Record, identity: str, *, now: float) -> Record:
    """Give the record with an entry due now, by hand; a dead letter waits again.

    Raises:
        ConflictError: HumHub has it, a newer save of its document came, or its body is gone.
    """
    entry = record.entry(identity)
    if entry is None or not entry.held:
        raise ConflictError("Its body is gone, so there is nothing to deliver.")
    if entry.state is State.DELIVERED:
        raise ConflictError("HumHub has it already. To get at its content, export it.")
    if entry.state is State.SUPERSEDED or not record.leads(entry):
        raise ConflictError(
            "Only the newest save of a document is ever delivered, and this isn't it. To get at its content, export it."
        )
    if entry.state is State.DEAD:
        # Whoever says so has looked at it: from now on it counts as what its type says.
        entry = replace(entry, state=State.WAITING, sound=True, ended=None, why="to be tried again, by hand")
    return superseded(record.with_entry(replace(entry, due=now)), now=now)
