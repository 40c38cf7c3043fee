"""Changes to a document's blocks, and how two of them that were made at the same time go together.

Theory of operation. A document is a set of blocks (paragraphs, cells, slide texts), each a string. The server puts
all changes into one order; a change that was made against an older state is rebased over everything accepted since.
The client does the same with its changes that aren't acknowledged yet, so all sides end with the same text, and both
of two concurrent insertions survive. Each change has an id of its client: one that comes twice is acknowledged twice
and applied once.

Positions count UTF-16 units, as the browser does: inside the server a block's text is a string of such units.
`static/changes.js` holds the same rules.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


def to_units(text: str) -> str:
    """Write a text as UTF-16 units, one character each."""
    raw = text.encode("utf-16-le", "surrogatepass")
    return "".join(chr(raw[at] | raw[at + 1] << 8) for at in range(0, len(raw), 2))


def from_units(units: str) -> str:
    """Write UTF-16 units as a text again."""
    return units.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


@dataclass(frozen=True, slots=True)
class Splice:
    """In `block` at `at`, replace `length` units by `text`."""

    block: str
    at: int
    length: int
    text: str

    @property
    def end(self) -> int:
        return self.at + self.length


@dataclass(frozen=True, slots=True)
class Add:
    """A new block right after another (or first)."""

    block: str
    after: str | None
    text: str


@dataclass(frozen=True, slots=True)
class Drop:
    """Take an empty block away; does nothing to one that holds text by now."""

    block: str


Op = Splice | Add | Drop


@dataclass(frozen=True, slots=True)
class Change:
    """An accepted change: where it stands in the order, who made it and when."""

    index: int
    id: str
    user: str
    name: str
    at: float
    op: Op | None
    """None where nothing was left to do."""


def rebase(op: Splice, over: Splice, *, over_is_earlier: bool) -> Splice:
    """Return `op` as it must be once `over`, made at the same time in the same block, has been applied."""
    over_first = over.at < op.at or (over.at == op.at and over_is_earlier)
    if over_first and over.end <= op.at:
        return replace(op, at=op.at + len(over.text) - over.length)
    if not over_first and op.end <= over.at:
        return op
    rest = max(0, op.end - over.end)
    if over_first:
        return replace(op, at=over.at + len(over.text), length=rest)
    # The other text stands inside what this change replaces: it is written again, so that no one's letters are lost.
    return replace(op, length=over.at - op.at + len(over.text) + rest, text=op.text + over.text)


class ChangeError(ValueError):
    """A change that doesn't fit the document."""


@dataclass(slots=True)
class Blocks:
    """The blocks of one open document and the order of its changes."""

    texts: dict[str, str]
    order: list[str]
    growing: bool = False
    """Whether blocks come and go (paragraphs do, cells and slide texts don't)."""
    sparse: bool = False
    """Whether any block may be written to though it isn't there yet (cells)."""
    history: list[Change] = field(default_factory=list)
    _by_id: dict[str, Change] = field(default_factory=dict)
    _dropped: dict[str, str | None] = field(default_factory=dict)

    def accept(self, change_id: str, base: int, op: Op, *, user: str, name: str, now: float) -> Change:
        """Apply a change that was made against the state `base`; return it as it was accepted, now or before."""
        if change_id in self._by_id:
            return self._by_id[change_id]
        if not 0 <= base <= len(self.history):
            raise ChangeError("the base is unknown")
        effective = self._apply(self._rebased(op, base))
        change = Change(len(self.history), change_id, user, name, now, effective)
        self.history.append(change)
        self._by_id[change_id] = change
        return change

    def _rebased(self, op: Op, base: int) -> Op:
        if isinstance(op, Splice):
            for earlier in self.history[base:]:
                if isinstance(earlier.op, Splice) and earlier.op.block == op.block:
                    op = rebase(op, earlier.op, over_is_earlier=True)
        return op

    def _apply(self, op: Op) -> Op | None:
        match op:
            case Splice():
                return self._splice(op)
            case Add():
                return self._add(op)
            case Drop():
                return self._drop(op)

    def _splice(self, op: Splice) -> Op | None:
        text = self.texts.get(op.block)
        if text is None and op.block in self._dropped:
            # Someone took the paragraph away while another was writing into it: what was written brings it back.
            return self._add(Add(op.block, self._dropped[op.block], op.text)) if op.text else None
        if text is None and not self.sparse:
            raise ChangeError(f"no block {op.block}")
        text = text or ""
        if not (0 <= op.at <= op.end <= len(text)):
            raise ChangeError("outside the block")
        self.texts[op.block] = text[: op.at] + op.text + text[op.end :]
        return op

    def _add(self, op: Add) -> Op | None:
        if not self.growing or op.block in self.texts:
            raise ChangeError(f"can't add {op.block}")
        after = op.after
        while after is not None and after not in self.texts:
            after = self._dropped.get(after)
        self.order.insert(0 if after is None else self.order.index(after) + 1, op.block)
        self.texts[op.block] = op.text
        return replace(op, after=after)

    def _drop(self, op: Drop) -> Op | None:
        if not self.growing or self.texts.get(op.block) != "" or len(self.order) == 1:
            return None
        at = self.order.index(op.block)
        self._dropped[op.block] = self.order[at - 1] if at else None
        self.order.pop(at)
        del self.texts[op.block]
        return op


def parse(raw: Any) -> tuple[str, Op]:
    """Read a change as it comes from the wire; return its id and what it does."""
    try:
        return str(raw["id"]), _READERS[raw["do"]](raw)
    except (KeyError, TypeError, ValueError) as error:
        raise ChangeError(f"malformed: {error}") from error


_READERS: dict[str, Callable[[dict[str, Any]], Op]] = {
    "splice": lambda raw: Splice(str(raw["block"]), int(raw["at"]), int(raw["length"]), to_units(str(raw["text"]))),
    "add": lambda raw: Add(
        str(raw["block"]), None if raw["after"] is None else str(raw["after"]), to_units(str(raw["text"]))
    ),
    "drop": lambda raw: Drop(str(raw["block"])),
}


def write(change: Change) -> dict[str, Any]:
    """Write an accepted change for the wire."""
    head = {"index": change.index, "id": change.id, "user": change.user}
    match change.op:
        case Splice(block, at, length, text):
            return {**head, "do": "splice", "block": block, "at": at, "length": length, "text": from_units(text)}
        case Add(block, after, text):
            return {**head, "do": "add", "block": block, "after": after, "text": from_units(text)}
        case Drop(block):
            return {**head, "do": "drop", "block": block}
        case None:
            return {**head, "do": "nothing"}
