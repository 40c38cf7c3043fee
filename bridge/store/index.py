"""The index of saves: what is known about each document key, durable before a call returns, shared by all workers.

SQLite is the index by default (``sqlite.py``); another store implements :class:`Index`. It needs only one thing that is
not a plain read or write: to change one record by a function of what is there, as one transaction. The functions are
pure (``saves/rules.py``) and may be called again where a store finds that somebody else was faster.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import TypeVar

from bridge.store.documents import Documents
from bridge.store.records import Entry, Record, State

__all__ = ["Index", "Total"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Total:
    """How many entries of a site are in one state, their bytes, and when the oldest was kept."""

    site: str
    state: State
    number: int
    size: int
    oldest: float


class Index(ABC):
    """Each call raises :class:`~bridge.protocol.errors.StorageError` where the store fails; nothing is changed then."""

    worker: str
    """The name of this worker, unique among all that ever were."""
    documents: Documents
    """What the connector remembers, kept in the same place."""

    @abstractmethod
    def is_alive(self, worker: str) -> bool:
        """Say whether the worker of that name still runs; asked from any thread."""

    @abstractmethod
    async def others(self) -> list[str]:
        """Name the other workers that run on this index."""

    @abstractmethod
    async def arrive(self, site: str, key: str, *, target: str, node: str) -> int:
        """Open a callback of ``key``: give it its place among all callbacks, and remember its target."""

    @abstractmethod
    async def depart(self, ticket: int) -> None:
        """Close a callback."""

    @abstractmethod
    async def remember(self, site: str, key: str, *, target: str, node: str) -> None:
        """Remember the latest track route of a key; it may be all that a forgotten file is ever delivered by."""

    @abstractmethod
    async def learn(self, site: str, server: str) -> None:
        """Remember under which address a site's module has ONLYOFFICE Docs: its setting ``serverUrl``."""

    @abstractmethod
    async def learnt(self, site: str) -> str | None:
        """Give the address that was learnt last, or None for none."""

    @abstractmethod
    async def ticket(self) -> int:
        """Give a place among all callbacks that none of them has: after those that came, before those to come."""

    @abstractmethod
    async def read(self, site: str, key: str, *, matching: Collection[str] = ()) -> Record:
        """Give what is known about a key: recent and unsettled entries, and those of the hashes in ``matching``."""

    @abstractmethod
    async def change(
        self, site: str, key: str, rule: Callable[[Record], tuple[Record, T]], *, matching: Collection[str] = ()
    ) -> T:
        """Change a record by ``rule``, as one durable transaction, and give what the rule gave besides.

        A rule may be called more than once and has no effects. What it raises passes through, and nothing changes.
        """

    @abstractmethod
    async def sites_of(self, key: str) -> list[str]:
        """Give the names of the sites that have been seen with a key."""

    @abstractmethod
    async def find(self, identity: str) -> Entry | None:
        """Give an entry by its id, or by an unambiguous beginning of one."""

    @abstractmethod
    async def entries(
        self, *, states: Collection[State] = (), site: str | None = None, key: str | None = None, limit: int = 1000
    ) -> list[Entry]:
        """Give entries, oldest first: all, or those of some states, of a site, of a key."""

    @abstractmethod
    async def due(self, now: float, *, limit: int) -> list[tuple[str, str]]:
        """Give site and key of entries that wait, are due, and have a target; the first due first.

        Left out are those of open callbacks and of keys with an attempt in flight. What is due later than any pause can
        last counts as due: a clock jumped.
        """

    @abstractmethod
    async def adrift(self) -> list[tuple[str, str]]:
        """Give site and key of records with an attempt in flight that nobody makes any more."""

    @abstractmethod
    async def bury(self) -> None:
        """Close the callbacks of workers that are dead."""

    @abstractmethod
    async def hurry(self, site: str | None, *, due: float) -> int:
        """Make waiting entries, of one site or of all, due at ``due`` where they would be later; give their number."""

    @abstractmethod
    async def totals(self) -> list[Total]:
        """Give figures by site and state."""

    @abstractmethod
    async def expired(self, *, before: float, limit: int) -> list[Entry]:
        """Give delivered and superseded entries that ended before a time and whose bodies are still held."""

    @abstractmethod
    async def prune(self, *, before: float) -> None:
        """Remove what is left of entries without a body, and of keys without entries, last seen before a time."""

    @abstractmethod
    async def identities(self) -> set[str]:
        """Give the ids of all entries whose bodies are held."""

    @abstractmethod
    async def close(self) -> None:
        """Leave the store."""
