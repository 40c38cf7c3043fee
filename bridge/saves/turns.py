"""Whose turn it is: what must not happen to one document key at the same time.

A session is begun, a forgotten file deleted, a callback answered: each takes its turn. So a forgotten file that is
deleted is the one that was looked at, and not one that Docs made of an answer meanwhile.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Final

__all__ = ["Turns"]

# How long Docs may take to make a forgotten file of a refusal, in seconds.
_FORGETTING: Final = 2.0
# How long refusals are remembered, in seconds: longer than a forgotten file is looked at.
_REMEMBERED: Final = 900.0


class Turns:
    """One lock a key, which lives as long as somebody wants it."""

    def __init__(self) -> None:
        self._locks: dict[str, tuple[asyncio.Lock, int]] = {}
        self._refused: dict[str, float] = {}

    @contextlib.asynccontextmanager
    async def of(self, key: str) -> AsyncIterator[None]:
        """Have the key's turn inside the block."""
        lock, users = self._locks.get(key, (asyncio.Lock(), 0))
        self._locks[key] = (lock, users + 1)
        try:
            async with lock:
                yield
        finally:
            lock, users = self._locks.pop(key)
            if users > 1:
                self._locks[key] = (lock, users - 1)

    def refused(self, key: str) -> None:
        """Note that Docs is being told that a save of the key failed."""
        now = asyncio.get_running_loop().time()
        self._refused = {name: when for name, when in self._refused.items() if now - when < _REMEMBERED}
        self._refused[key] = now

    def refused_since(self, key: str, when: float) -> bool:
        """Say whether Docs was told that a save of the key failed since ``when``, on the event loop's clock."""
        return self._refused.get(key, -1.0) >= when

    async def heard(self, key: str) -> None:
        """Wait until Docs has made of the last refusal what it makes of it, so that it can be seen."""
        if (when := self._refused.get(key)) is not None:
            await asyncio.sleep(max(0.0, when + _FORGETTING - asyncio.get_running_loop().time()))
