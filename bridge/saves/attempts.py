"""The deliveries under way: each has a capability by which HumHub, and Docs for a conversion, pull its body."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

from bridge.protocol.capabilities import mint, redeem
from bridge.protocol.errors import RefusedError
from bridge.protocol.secret import Secret
from bridge.saves.spool import Entry

__all__ = ["Attempts"]

_PURPOSE = "saved-body"


class Attempts:
    """Open attempts by number. A capability dies with its attempt, or after ``lifetime`` seconds."""

    def __init__(self, secret: Secret, clock: Callable[[], float], *, lifetime: float) -> None:
        self._secret = secret
        self._clock = clock
        self._lifetime = lifetime
        self._open: dict[str, tuple[str, Path]] = {}

    @contextlib.contextmanager
    def begin(self, site: str, entry: Entry) -> Iterator[str]:
        """Open an attempt to deliver ``entry``; gives the path that pulls it, good until the block ends."""
        number = secrets.token_hex(8)
        self._open[number] = (site, entry.path)
        claims = {"site": site, "attempt": number}
        try:
            yield "/file/" + mint(self._secret, _PURPOSE, claims, expires=self._clock() + self._lifetime)
        finally:
            del self._open[number]

    def body(self, site: str, capability: str) -> Path:
        """Give the file that ``capability`` pulls for ``site``.

        Raises:
            RefusedError: it isn't ours, is for another site, or its attempt is over.
        """
        claims = redeem(self._secret, _PURPOSE, capability, now=self._clock())
        owner, path = self._open.get(claims.get("attempt", ""), (None, None))
        if path is None or owner != site or claims.get("site") != site:
            raise RefusedError("The delivery that this link belonged to is over.", why="attempt over")
        return path
