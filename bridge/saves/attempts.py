"""The capability of one attempt: the link by which HumHub, and Docs for a conversion, pull the body under delivery.

It names an attempt by its number and dies with it. Whoever serves it says, durably and before the last byte leaves,
that the body was pulled whole: an attempt that broke off can be told by that from one that HumHub may have stored.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from bridge.protocol.capabilities import mint, redeem
from bridge.protocol.errors import RefusedError
from bridge.protocol.secret import Secret
from bridge.saves import flights, rules
from bridge.saves.bodies import Bodies
from bridge.saves.steps import Observer, Step
from bridge.store.index import Index
from bridge.store.records import Entry, Flight

__all__ = ["Attempts", "Pull"]

_PURPOSE: Final = "saved-body"


@dataclass(frozen=True, slots=True)
class Pull:
    """A body that may be pulled now. ``path`` is its file."""

    entry: Entry
    path: Path
    number: int


@dataclass(frozen=True, slots=True)
class Attempts:
    """Mints the links of attempts and redeems them. A link holds for ``lifetime`` seconds at most."""

    secret: Secret
    index: Index
    bodies: Bodies
    clock: Callable[[], float]
    observe: Observer
    lifetime: float

    def link(self, site: str, key: str, flight: Flight) -> str:
        """Give the path that pulls the body of an attempt in flight."""
        claims = {"site": site, "key": key, "attempt": flight.number}
        return "/file/" + mint(self.secret, _PURPOSE, claims, expires=self.clock() + self.lifetime)

    async def pull(self, site: str, capability: str) -> Pull:
        """Give the body that ``capability`` pulls for ``site``.

        Raises:
            RefusedError: it isn't ours, is for another site, or its attempt is over.
            StorageError: the index can't be read.
        """
        claims = redeem(self.secret, _PURPOSE, capability, now=self.clock())
        if claims.get("site") != site:
            raise RefusedError("This link is another site's.")
        key, number = _named(claims)
        record = await self.index.read(site, key)
        flight = record.flight
        entry = record.entry(flight.entry) if flight is not None and flight.number == number else None
        if entry is None or rules.is_adrift(record):
            raise RefusedError("The delivery that this link belonged to is over.", why="attempt over")
        self.observe(Step.PULLING, site, key)
        return Pull(entry, self.bodies.path(entry.id), number)

    async def pulled(self, pull: Pull) -> None:
        """Note that the last byte is about to leave.

        Raises:
            RefusedError: the attempt is over: it must not leave.
            StorageError: it can't be noted, so it must not leave either.
        """
        entry = pull.entry
        if not await self.index.change(entry.site, entry.key, partial(flights.pulled, number=pull.number)):
            raise RefusedError("The delivery that this link belonged to is over.", why="attempt over")
        self.observe(Step.PULLED, entry.site, entry.key)

    def given(self, pull: Pull) -> None:
        """Note that the last byte has left."""
        self.observe(Step.GIVEN, pull.entry.site, pull.entry.key)


def _named(claims: dict[str, Any]) -> tuple[str, int]:
    key, number = claims.get("key"), claims.get("attempt")
    if not isinstance(key, str) or not isinstance(number, int):
        raise RefusedError("This link is not one of the bridge's.", why="claims")
    return key, number
