"""What bodies that have to be read whole may take at once: one Memory a leg, so that no leg takes another's."""

from __future__ import annotations

from typing import Final

from aiohttp import web

from bridge.protocol.errors import OverloadError

__all__ = ["HELD", "Held", "Memory"]


class Memory:
    """A bound, in bytes, on what is held for all requests together."""

    __slots__ = ("held", "limit")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.held = 0


class Held:
    """What one request holds of it; :meth:`release` gives it back.

    What goes on after that, an editor's page for a browser that has left, is no longer counted.
    """

    __slots__ = ("_bytes", "_memory", "_released")

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._bytes = 0
        self._released = False

    def take(self, size: int) -> None:
        """Take ``size`` bytes more.

        Raises:
            OverloadError: they aren't there.
        """
        memory = self._memory
        if self._released:
            return
        if memory.held + size > memory.limit:
            raise OverloadError(
                "Too much is going on at once.",
                remedy="Raise limits.memory where the machine has it; or see who sends that much.",
                over="memory",
                limit=memory.limit,
            )
        memory.held += size
        self._bytes += size

    def release(self) -> None:
        """Give all of it back."""
        self._memory.held -= self._bytes
        self._bytes = 0
        self._released = True


HELD: Final = web.RequestKey("held", Held)
