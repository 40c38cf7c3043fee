"""The bounds of a search, and what may happen in it besides what always may."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Setting"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """How many faults, edits, openings, forced saves and people, and what else may happen.

    Args:
        docs_loss: Docs loses copies that the bridge has, too.
        replacing: somebody replaces the file in HumHub.
        save_errors: a session ends with a 3 whose file is sound.
        deaf_handlers: the handler of a callback goes on when its connection to Docs breaks.
        slow_sweep: time passes between the sweep's look at a forgotten copy and what it does about it.
        blind_sweep: the bridge doesn't know of a session: its people haven't come back since a start, or the last one
            has just left and Docs' save is on its way.
        undated: Docs doesn't say when it made a forgotten copy.
        hasty: a session that begins from a forgotten copy saves in the very second of its date.
        slow_opening: time passes between the bridge's gate and Docs' opening.
    """

    faults: int = 1
    edits: int = 2
    opens: int = 2
    forced: int = 1
    people: int = 2
    docs_loss: bool = False
    replacing: bool = False
    save_errors: bool = False
    deaf_handlers: bool = False
    slow_sweep: bool = False
    blind_sweep: bool = False
    undated: bool = False
    hasty: bool = False
    slow_opening: bool = False
