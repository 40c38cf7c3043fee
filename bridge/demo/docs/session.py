"""One open document: who is in it, what they changed, and what the callbacks say about it.

Theory of operation. A session goes through these states:

    empty ──load──▶ open ──last one leaves──▶ waiting ──save_delay──▶ saving ──acknowledged──▶ used up ──used_up──▶ gone
                     ▲                          │                      └──refused──▶ gone, a forgotten copy stays
                     └────── someone joins ─────┘

Nobody's leaving an unchanged document saves it: that is a 4, at once. One opened from a forgotten copy is saved even
unchanged. While it is saving or used up, editors get `updateversion` and viewers the content from before the edit.
"""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bridge.demo.docs.changes import Blocks
    from bridge.demo.docs.ooxml import Opened

SERVER_VERSION = "4.1.2"


class State(Enum):
    EMPTY = "empty"
    OPEN = "open"
    SAVING = "saving"
    USED_UP = "used up"


@dataclass(slots=True)
class Participant:
    """Someone who has the document open, by one connection."""

    session_id: str
    sid: str | None
    """The socket.io connection; None while it is broken and may come back."""
    user: str
    name: str
    index: int
    view: bool
    callback: str | None
    base: str
    """The base URL that this one's browser uses."""
    current: bool = False
    """Whether this connection has been told what happened so far: only then it hears and makes changes."""
    losses: int = 0
    """How often its connection broke."""


@dataclass(frozen=True, slots=True)
class Version:
    """A version on the shelf: its folder, its bytes, how many changes it holds and when it was put together."""

    key: str
    folder: str
    data: bytes
    changes: int
    at: float


@dataclass(slots=True)
class Session:
    """The document behind one key."""

    key: str
    state: State = State.EMPTY
    filetype: str = "docx"
    title: str = ""
    source: bytes = b""
    opened: Opened | None = None
    blocks: Blocks | None = None
    editor_bin: str | None = None
    """Path of the cached content from before any edit."""
    from_forgotten: bool = False
    participants: dict[str, Participant] = field(default_factory=dict)
    joined: int = 0
    epoch: str = ""
    callback: str | None = None
    """Where the latest of this key's callbacks went."""
    base: str = "http://localhost"
    """The latest joiner's."""
    last_callback: str | None = None
    """The last author's."""
    forced: int = 0
    """How many changes the last acknowledged forced save held."""
    leave_action: dict[str, Any] | None = None
    used_up_at: float = 0.0
    loading: asyncio.Lock = field(default_factory=asyncio.Lock)
    order: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while a change is accepted and told: everybody hears the changes in their order."""
    saver: asyncio.Task[None] | None = None
    version: Version | None = None
    """What its last save brings, while it is being brought."""

    @property
    def editors(self) -> list[Participant]:
        return [one for one in self.participants.values() if not one.view]

    @property
    def users(self) -> list[str]:
        """The users who edit, each once, in the order of their joining."""
        return list(dict.fromkeys(one.user for one in self.editors))

    @property
    def changed(self) -> bool:
        return self.blocks is not None and bool(self.blocks.history)

    @property
    def modified_since_forced(self) -> bool:
        return self.blocks is not None and len(self.blocks.history) > self.forced

    @property
    def held(self) -> bool:
        """Whether the key takes no editors: it is being saved, or was."""
        return self.state in {State.SAVING, State.USED_UP}

    def history(self) -> dict[str, Any]:
        """Return the callback's `history`: an entry for each run of changes by one user."""
        if self.blocks is None or self.from_forgotten:
            return {}
        digest = hashlib.sha256(self.source).hexdigest()
        entries: list[dict[str, Any]] = []
        for change in self.blocks.history:
            user = {"id": change.user, "name": change.name}
            if not entries or entries[-1]["user"] != user:
                entries.append({"documentSha256": digest, "created": "", "user": user})
            entries[-1]["created"] = f"{datetime.fromtimestamp(change.at, UTC):%Y-%m-%d %H:%M:%S}"
        return {"serverVersion": SERVER_VERSION, "changes": entries}

    def last_author(self) -> str | None:
        return self.blocks.history[-1].user if self.blocks is not None and self.blocks.history else None

    def last_save(self, now: float) -> str:
        """Return when the last change came, to the second, or now where there was none."""
        if self.blocks is not None and self.blocks.history:
            return f"{datetime.fromtimestamp(self.blocks.history[-1].at, UTC):%Y-%m-%dT%H:%M:%S}.000Z"
        return f"{datetime.fromtimestamp(now, UTC):%Y-%m-%dT%H:%M:%S}.{int(now * 1000) % 1000:03d}Z"
