"""What may happen next about one key: a move has a name, the document after it, and what it does to HumHub's file."""

from __future__ import annotations

from typing import NamedTuple

from tests.model.world import Content, Document

__all__ = ["Move"]


class Move(NamedTuple):
    """One move. ``cost`` is in faults; ``stores`` goes into HumHub's file, whose key is cleared with ``clears``."""

    label: str
    document: Document
    cost: int = 0
    stores: Content | None = None
    clears: bool = False
