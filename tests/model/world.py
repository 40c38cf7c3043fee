"""The world of the model: one file in HumHub, its successive document keys, two people, Docs, and the bridge's records.

Everything is a value. What concerns one key is a :class:`Document`: what Docs has of it, what the bridge knows
(production's :class:`~bridge.store.records.Record`), which callbacks are open, and which of HumHub's processes are at
work for it. Documents that mean the same are one object: see ``counting.py``.

Content is a set of edits. There is no clock: *now* is always 0, and a record cools until the move says that it has.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from bridge.saves.flights import End
from bridge.store.records import Entry, Record, State

__all__ = [
    "NOW",
    "STORING",
    "Budget",
    "Callback",
    "Content",
    "Document",
    "File",
    "Find",
    "Person",
    "Post",
    "Saving",
    "Session",
    "Stage",
    "Where",
    "World",
    "content_of",
    "entry_of",
    "named",
    "show",
]

Content = frozenset[str]
"""The edits that a file has; ``TORN`` in it for one that HumHub broke while it wrote, ``OTHER`` for somebody else's."""

TORN: Final = "torn"
OTHER: Final = "other"
NOW: Final = 0.0
STORING: Final = 1.0


def show(content: Content) -> str:
    """Name a content; it is its hash, too: the same edits are the same bytes."""
    return "+".join(sorted(content)) or "nothing"


def content_of(name: str) -> Content:
    """Give the content that :func:`show` named."""
    return frozenset(name.split("+")) - {"nothing"}


# --- Docs and HumHub ------------------------------------------------------------------------------------------------


class Session(NamedTuple):
    """An editing session at Docs."""

    content: Content
    changed: bool
    members: int


class Saving(NamedTuple):
    """The save with which a session ended, until Docs has heard an answer or has forgotten it."""

    content: Content
    status: int
    source: int
    tries: int


class Callback(NamedTuple):
    """A save that Docs waits for an answer to, as the bridge's handler sees it.

    ``spent``: an attempt of its own failed, so that it makes no other. ``confirmed``: it read HumHub's confirmation.
    ``deaf``: its connection broke, so that Docs won't hear its answer.
    """

    content: Content
    status: int
    source: int
    iat: float
    ticket: int
    spent: bool = False
    confirmed: bool = False
    deaf: bool = False


class Stage(enum.Enum):
    """How far one of HumHub's processes is with an attempt."""

    ABSENT = "it found no such key"
    ASKED = "it is about to pull the body"
    HOLDING = "it has the body"


class Post(NamedTuple):
    """One of HumHub's processes with an attempt, and who awaits its answer.

    ``stage`` is an ``End`` once the process is over, but a worker that slept past its lease hasn't read its answer.
    ``awaited`` is False once nobody will: a process that was given up may still store. ``ticket`` names the callback
    that made the attempt; None for the courier's.
    """

    number: int
    content: Content
    status: int
    stage: Stage | End
    ticket: int | None
    awaited: bool = True


class Find(NamedTuple):
    """A forgotten file that the sweep has listed, and what it has read of it since.

    ``modified`` is the date of what it read. ``states`` are those of the key's entries by then: where one is new or has
    just ended, the sweep comes again later.
    """

    ticket: int
    content: Content | None = None
    modified: float = 0.0
    states: tuple[State, ...] = ()


class File(NamedTuple):
    """The file in HumHub, its document key, if it has one, and how many keys there were."""

    content: Content
    key: int | None
    keys: int


# --- one key --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Document:
    """All about one key; make one with :func:`document` or :func:`revised`, which give equal ones as the same object.

    Docs has ``session``, ``saving``, the ``forgotten`` copy with its date, ``forgotten_at``, and the ``cached`` one that
    a session began from. While it is ``acknowledged`` (five minutes after a save), editors are locked out and viewers
    see the cached copy.
    """

    record: Record
    callbacks: tuple[Callback, ...] = ()
    posts: tuple[Post, ...] = ()
    session: Session | None = None
    saving: Saving | None = None
    forgotten: Content | None = None
    forgotten_at: float = 0.0
    cached: Content | None = None
    acknowledged: bool = False
    find: Find | None = None

    @property
    def next_ticket(self) -> int:
        """Give the next place in the order of arrival."""
        arrivals = [entry.arrival for entry in self.record.entries]
        return 1 + max(
            [
                *arrivals,
                *(callback.ticket for callback in self.callbacks),
                self.find.ticket if self.find else 0,
                self.record.arrived,
            ]
        )

    @property
    def next_iat(self) -> float:
        """Give a time in Docs' tokens that is later than all that were."""
        saves = [*(entry.iat for entry in self.record.entries), *(callback.iat for callback in self.callbacks)]
        return 1 + max([*saves, self.forgotten_at, self.find.modified if self.find else 0.0])

    @property
    def next_source(self) -> int:
        """Name a new save of Docs'."""
        sources = [*(int(entry.source) for entry in self.record.entries), *(c.source for c in self.callbacks)]
        return 1 + max([*sources, self.saving.source if self.saving else 0])


class _NoFields(dict[str, Any]):
    """An entry's fields: none, and with a hash, so that entries have one."""

    def __hash__(self) -> int:  # type: ignore[override]
        return 0


_NO_FIELDS: Final = _NoFields()


def entry_of(content: Content, *, status: int, source: int, iat: float, arrival: int) -> Entry:
    """Give a durable body as an entry that is new."""
    return Entry(
        id="new",
        site="hub",
        key="K",
        status=status,
        source=str(source),
        iat=iat,
        arrival=arrival,
        size=1,
        sha256=show(content),
        kept=NOW,
        filetype="docx",
        fields=_NO_FIELDS,
    )


class Where(enum.IntEnum):
    """How far a person is with opening a document."""

    AWAY = 0
    PAGE = 1
    """has the editor page with its key"""
    ADMITTED = 2
    """has passed the bridge's gate, and Docs is about to open the document"""
    INSIDE = 3


class Person(NamedTuple):
    """One who opens, edits and leaves."""

    where: Where = Where.AWAY
    key: int = 0


class Budget(NamedTuple):
    """How much may still happen."""

    faults: int
    edits: int
    opens: int
    forced: int


class World(NamedTuple):
    """One state. ``documents`` are those of the keys 1, 2, …; ``saved`` is what Docs was ever asked to save.

    ``replaced`` is the content that somebody replaced in HumHub, None if nobody did. ``broken`` is the property that
    does not hold any more.
    """

    file: File
    people: tuple[Person, ...]
    documents: tuple[Document, ...]
    left: Budget
    saved: Content = frozenset()
    replaced: Content | None = None
    broken: str = ""


def named(number: int) -> str:
    """Name an edit by its number: a, b, c …"""
    return chr(ord("a") + number)
