"""What the connector remembers: which file a document key stands for, who opened it, and what they are to be told.

A document key stands for one content of one file. The first who opens a content gets it a key, and everybody after
them the same one, until a session has ended with a save: then the key is used up, and the next one gets another. SQLite
is the store by default (``sqlite_documents.py``).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Document", "Documents", "Notice", "Visit"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """What a key of a site stands for.

    ``guid``, ``place`` and ``handle`` are the storage's words for the file, ``version`` for its content: the one that
    the key was made for, or that was stored last. ``current``: who opens that content now gets this key. ``second``
    says that the file is the second one that an edit became.
    """

    site: str
    key: str
    guid: str
    place: str
    name: str
    version: str
    current: bool = True
    second: bool = False
    handle: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """Somebody of a site, as they were here last; see ``connector/storage.py``. ``cookies`` can be out of date."""

    site: str
    id: str
    name: str
    language: str
    image: str = ""
    number: int | None = None
    cookies: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """What somebody is to be told, once: an English sentence with its arguments, to be said in their language."""

    id: int
    text: str
    arguments: Mapping[str, str]


class Documents(ABC):
    """Each call raises :class:`~bridge.protocol.errors.StorageError` where the store fails; nothing is changed then."""

    @abstractmethod
    async def claim(self, fresh: Document, *, there: bool = True) -> Document:
        """Give the key of a content: the current one of its file if it stands for that, or ``fresh``, which is then.

        ``there`` says that the file was found to lie where ``fresh`` says. A browser can name any place, and saves go
        where the document is said to be; so of who can't tell, no other place is taken over.
        """

    @abstractmethod
    async def document(self, site: str, key: str) -> Document | None:
        """Give what a key stands for."""

    @abstractmethod
    async def current(self, site: str, guid: str) -> Document | None:
        """Give the document that a file has now, whatever its content is."""

    @abstractmethod
    async def latest(self, site: str, guid: str) -> Document | None:
        """Give the document that a file has now, or had last: its key may be used up."""

    @abstractmethod
    async def keep(self, document: Document) -> None:
        """Note what a key stands for from now on; of a file, one key is current, the one that is noted last."""

    @abstractmethod
    async def opened(self, document: Document, visit: Visit, *, writes: bool) -> None:
        """Note who opens a key, and whether they may write."""

    @abstractmethod
    async def visited(self, visit: Visit) -> None:
        """Note that somebody was here."""

    @abstractmethod
    async def visit(self, site: str, identity: str) -> Visit | None:
        """Give somebody as they were here last."""

    @abstractmethod
    async def writers(self, site: str, key: str) -> list[Visit]:
        """Give who opened a key and may write, the latest first."""

    @abstractmethod
    async def tell(self, site: str, identity: str, text: str, **arguments: str) -> None:
        """Leave a notice for somebody; the same one only once."""

    @abstractmethod
    async def notices(self, site: str, identity: str) -> list[Notice]:
        """Give what somebody hasn't read yet, the oldest first."""

    @abstractmethod
    async def read(self, site: str, identity: str, notices: list[int]) -> None:
        """Note that somebody has read some of theirs."""
