"""A document as one editor has it: its texts, how far it knows the server's order, and what isn't acknowledged yet.

One change flies at a time. Where it lands is decided when it is sent, so what others typed meanwhile needs no rebasing
here. A change keeps its id until it is acknowledged: sent twice, it is applied once.
"""

from __future__ import annotations

import itertools
import secrets
from collections import deque
from dataclasses import dataclass, field
from typing import Any

Message = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Typed:
    """A text on its way to a block, at a position in UTF-16 units or, without one, to the end."""

    id: str
    block: str
    text: str
    at: int | None = None


@dataclass(slots=True)
class Draft:
    """The blocks by id, in their order; `epoch` is None until the document has been loaded."""

    texts: dict[str, str] = field(default_factory=dict)
    kind: str = ""
    epoch: str | None = None
    rev: int = 0
    pending: deque[Typed] = field(default_factory=deque)
    flying: str | None = None
    _early: dict[int, Message] = field(default_factory=dict)
    _name: str = field(default_factory=lambda: secrets.token_hex(4))
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    @property
    def text(self) -> str:
        return "\n".join(self.texts.values())

    def load(self, content: Message) -> None:
        """Take the content that the server keeps from before any change."""
        self.kind, self.epoch, self.rev, self._early = content["kind"], content["epoch"], 0, {}
        self.texts = {block["id"]: block["text"] for block in content["blocks"]}

    def type(self, text: str, block: str | None, at: int | None) -> None:
        """Remember what is typed; without a block, into the last one."""
        block = block or next(reversed(self.texts))
        self.pending.append(Typed(f"{self._name}-{next(self._numbers)}", block, text, at))

    def next_change(self) -> Message | None:
        """Return the next message to send, or None where nothing is typed or a change is flying."""
        if not self.pending or self.flying is not None:
            return None
        typed = self.pending[0]
        self.flying = typed.id
        at = len(_units(self.texts.get(typed.block, ""))) // 2 if typed.at is None else typed.at
        change = {"id": typed.id, "do": "splice", "block": typed.block, "at": at, "length": 0, "text": typed.text}
        return {"type": "saveChanges", "base": self.rev, "change": change}

    def take(self, changes: list[Message]) -> None:
        """Apply what the server has accepted, once each and in its order, and settle what was ours."""
        for change in changes:
            self._early[change["index"]] = change
            if self.pending and self.pending[0].id == change["id"]:
                self.pending.popleft()
                self.flying = None
        while (following := self._early.pop(self.rev, None)) is not None:
            self.rev += 1
            self._apply(following)
        self._early = {index: change for index, change in self._early.items() if index > self.rev}

    def _apply(self, change: Message) -> None:
        block = change.get("block", "")
        match change["do"]:
            case "splice":
                units = _units(self.texts.get(block, ""))
                at, length = 2 * change["at"], 2 * change["length"]
                units[at : at + length] = _units(change["text"])
                self.texts[block] = units.decode("utf-16-le", "surrogatepass")
            case "add":
                order = list(self.texts)
                order.insert(0 if change["after"] is None else order.index(change["after"]) + 1, block)
                self.texts[block] = change["text"]
                self.texts = {name: self.texts[name] for name in order}
            case "drop":
                self.texts.pop(block, None)


def _units(text: str) -> bytearray:
    return bytearray(text.encode("utf-16-le", "surrogatepass"))
