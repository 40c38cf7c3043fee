"""What the bridge knows about one document key: its saves in order, the attempt under way, the callbacks that are open.

A :class:`Record` is a value: ``saves/rules.py`` decides over it, an :class:`~bridge.store.index.Index` keeps it. Times
are seconds since the epoch; sizes are bytes; a body's hash is SHA-256 in hex.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field, replace
from typing import Any

__all__ = ["Entry", "Flight", "OpenCallback", "Record", "State"]

# Callbacks that end a session (2, 3). In one second of Docs' clock they come after the forced saves (6, 7) of it: what
# follows them is a new session.
_FINAL = (2, 3)


class State(enum.StrEnum):
    """Where an entry stands."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    SUPERSEDED = "superseded"
    DEAD = "dead"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One save with its body.

    ``iat`` is of the token that first brought it, ``arrival`` the number that the index gave it when it came: together
    they are its place among the saves of its key. ``source`` is the path of its URL at Docs, which names the save.
    ``fields`` are those of its callback that a later delivery tells. ``delivered_as`` is the status that HumHub
    confirmed it under. ``stored`` says that HumHub pulled the whole body for an attempt that clears the key, and its
    answer is not known: a later 404 then means that this is what it stored. ``held`` says that the body is still on
    disk, ``sound`` that it is what its type says: one that isn't is a dead letter, and stands in no other's way.
    """

    id: str
    site: str
    key: str
    status: int
    source: str
    iat: float
    arrival: int
    size: int
    sha256: str
    kept: float
    filetype: str | None = None
    forgotten: bool = False
    fields: dict[str, Any] = field(default_factory=dict)
    state: State = State.WAITING
    delivered_as: int | None = None
    inferred: bool = False
    stored: bool = False
    held: bool = True
    sound: bool = True
    why: str = ""
    tries: int = 0
    due: float = 0.0
    ended: float | None = None

    @property
    def place(self) -> tuple[float, bool, int]:
        """Give its place in the order in which Docs sent the saves of its key."""
        return self.iat, self.status in _FINAL, self.arrival


@dataclass(frozen=True, slots=True, kw_only=True)
class Flight:
    """An attempt that was numbered and whose end isn't known yet.

    ``owner`` is the worker that makes it, ``until`` when its lease ends at the latest. ``pulled`` says that the body's
    last byte left for HumHub; ``over`` that the attempt ended without an answer, so that only HumHub can say what
    became of it.
    """

    number: int
    entry: str
    status: int
    owner: str
    until: float
    pulled: bool = False
    over: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenCallback:
    """A save that Docs waits for an answer to; ``entry`` once its body is durable."""

    ticket: int
    owner: str
    entry: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """All about one key of one site. ``entries`` are in the order in which Docs sent them, the newest last.

    ``target`` is HumHub's own track route for the key, the latest that was seen; ``node`` the Docs node that has it;
    ``arrived`` is the ticket of the latest callback; those with a ticket below ``opened`` came before a session began.
    ``number`` is the last attempt's; before ``cooling`` no attempt begins. ``alive`` says whether the worker whose
    attempt is in flight still makes it; it is found out whenever a record is read.
    """

    site: str
    key: str
    target: str | None = None
    node: str | None = None
    arrived: int = 0
    opened: int = 0
    number: int = 0
    cooling: float = 0.0
    flight: Flight | None = None
    alive: bool = False
    entries: tuple[Entry, ...] = ()
    callbacks: tuple[OpenCallback, ...] = ()

    @property
    def newest(self) -> Entry | None:
        """Give the newest durable entry of those whose bodies are sound."""
        return next((entry for entry in reversed(self.entries) if entry.sound), None)

    def leads(self, entry: Entry) -> bool:
        """Say whether no newer one stands before an entry: it is the newest, or the newest of the sound ones."""
        return entry in (self.newest, *self.entries[-1:])

    def entry(self, identity: str | None) -> Entry | None:
        """Give an entry by its id."""
        return next((entry for entry in self.entries if entry.id == identity), None)

    def with_entry(self, changed: Entry) -> Record:
        """Give the record with ``changed`` in its place, added where it is new."""
        others = [entry for entry in self.entries if entry.id != changed.id]
        return replace(self, entries=tuple(sorted([*others, changed], key=lambda entry: entry.place)))
