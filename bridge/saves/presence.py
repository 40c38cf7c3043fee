"""Who has which document open through this worker, and for how long nobody has."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Final

__all__ = ["Presence"]

# Docs gives up a poll after 25 s without a word, and an editor after 45: one that hasn't polled for so long is gone.
_POLLS_LAST: Final = 90.0
# How long it stays known when an editor was last heard of, in seconds.
_REMEMBERED: Final = 300.0


class Presence:
    """Knows the websockets that are open and who has polled, by document key; ``now`` is a clock that never jumps."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now, self._since = now, now()
        self._sockets: Counter[str] = Counter()
        self._polled: dict[str, float] = {}
        self._left: dict[str, float] = {}

    @contextlib.contextmanager
    def socket(self, key: str) -> Iterator[None]:
        """Count an open websocket of a key, for as long as the block lasts."""
        self._sockets[key] += 1
        try:
            yield
        finally:
            self._sockets[key] -= 1
            if not self._sockets[key]:
                del self._sockets[key]
                self._note(self._left, key)

    def polled(self, key: str) -> None:
        """Note that an editor of a key has polled."""
        self._note(self._polled, key)

    def is_open(self, key: str) -> bool:
        """Say whether an editor has the key open."""
        polled = self._polled.get(key)
        return key in self._sockets or (polled is not None and self._now() - polled < _POLLS_LAST)

    def left_for(self, key: str) -> float:
        """Say for how many seconds nobody has had the key open, as far as can be known: not from before the beginning.

        For a while Docs may have a session on it all the same: its people are about to come back, or have left, and
        what they wrote is about to be saved.
        """
        if key in self._sockets:
            return 0.0
        return self._now() - max(self._since, self._left.get(key, 0.0), self._polled.get(key, 0.0))

    def _note(self, times: dict[str, float], key: str) -> None:
        """Note that it is now that something is so of a key; whatever is long ago, which stands first, is forgotten."""
        now = self._now()
        times.pop(key, None)
        times[key] = now
        while now - times[first := next(iter(times))] > _REMEMBERED:
            del times[first]
