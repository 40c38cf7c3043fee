"""Who is connected, counted against a limit: all of a leg together, and each client address by itself."""

from __future__ import annotations

from typing import Protocol

__all__ = ["Crowd", "Guest"]


class Guest(Protocol):
    """A connection, as far as its crowd knows it."""

    def leave(self) -> None:
        """Make room: nothing is under way on it."""

    def look(self, now: float) -> None:
        """See whether its client takes what waits for it; ``now`` is the loop's time, in seconds."""


class Crowd:
    """Connections that are counted together; those on which nothing is under way stand in a queue, oldest first."""

    __slots__ = ("_resting", "limit", "present")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.present = 0
        self._resting: dict[Guest, None] = {}

    @property
    def full(self) -> bool:
        """Say whether one more is one too many."""
        return self.present >= self.limit

    def rest(self, guest: Guest) -> None:
        """Take note that nothing is under way on a connection."""
        self._resting[guest] = None

    def stir(self, guest: Guest) -> None:
        """Take note that something is."""
        self._resting.pop(guest, None)

    def make_room(self) -> bool:
        """Let the connection go that has rested longest; say whether there was one."""
        guest = next(iter(self._resting), None)
        if guest is None:
            return False
        guest.leave()
        return True
