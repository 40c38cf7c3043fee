"""The door of a leg: who may be in at once.

Each leg has its own, so that a full browser leg turns away neither a callback nor a scrape. Two crowds count: the
leg's, and, where clients are people, the address's. Who comes through a trusted forwarder is counted by request, since
one connection of a forwarder carries many clients. What happens on a connection is in ``connection.py``.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import structlog

from bridge.legs.answers import Kind
from bridge.legs.clients import Network
from bridge.legs.crowd import Crowd, Guest
from bridge.protocol.errors import OverloadError
from bridge.watch.metrics import Metrics

__all__ = ["Bounds", "Door"]

log = structlog.get_logger("bridge.request")


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a door keeps; times in seconds.

    ``surplus`` is how many connections over the limit may be there to be told so, ``clients`` how many an address may
    have, None for any.
    """

    connections: int
    surplus: int
    clients: int | None
    header: int
    head: float
    idle: float


@dataclass(slots=True)
class Door:
    """The door of one leg; ``kind`` and ``error`` are the shape of its errors, ``trust`` its forwarders."""

    leg: str
    kind: Kind
    error: bool | int
    trust: tuple[Network, ...]
    bounds: Bounds
    metrics: Metrics
    crowd: Crowd = field(init=False)
    clients: dict[str, Crowd] = field(default_factory=dict, init=False)
    surplus: int = field(default=0, init=False)
    guests: set[Guest] = field(default_factory=set, init=False)

    def __post_init__(self) -> None:
        self.crowd = Crowd(self.bounds.connections)

    def __len__(self) -> int:
        return len(self.guests)

    async def watch(self) -> None:
        """Look after clients that take nothing, for as long as it is let."""
        while True:
            await asyncio.sleep(self.bounds.idle / 4)
            now = asyncio.get_running_loop().time()
            for guest in tuple(self.guests):
                guest.look(now)

    def of_client(self, address: str) -> Crowd | None:
        """Give the crowd of one address; None where addresses aren't counted."""
        if self.bounds.clients is None:
            return None
        return self.clients.setdefault(address, Crowd(self.bounds.clients))

    def forget(self, address: str) -> None:
        """Drop the crowd of an address that has left."""
        if address in self.clients and not self.clients[address].present:
            del self.clients[address]

    @contextlib.contextmanager
    def admitting(self, address: str, *, over: str | None, counted: bool) -> Iterator[None]:
        """Let a request in whose client is known now.

        ``over`` is the limit that its connection is over, ``counted`` says that the connection is its client's own.

        Raises:
            OverloadError: so it is, or, behind a forwarder, its client has too many requests under way.
        """
        if over is not None:
            raise too_many(over, self.bounds)
        client = None if counted else self.of_client(address)
        if client is None:
            yield
            return
        if client.full:
            raise too_many("client", self.bounds)
        client.present += 1
        try:
            yield
        finally:
            client.present -= 1
            self.forget(address)

    def refuses(self, address: str, status: HTTPStatus, outcome: str, **fields: Any) -> str:
        """Note what never became a request: count it, write its line, and give its id."""
        name = secrets.token_hex(8)
        self.metrics.turned_away(leg=self.leg, reason=outcome)
        line = {"leg": self.leg, "status": status.value, "outcome": outcome, "client": address, "request_id": name}
        log.warning("request", **line, **fields)
        return name


def too_many(over: str, bounds: Bounds) -> OverloadError:
    """Say which limit is reached."""
    if over == "client":
        return OverloadError(
            "Too many connections from this address.",
            remedy="Is it a reverse proxy? Name it in trust_forwarded_from; or raise limits.client_connections.",
            over=over,
            limit=bounds.clients,
        )
    return OverloadError(
        "Too many connections at once.",
        remedy="Raise limits.connections and the open files that the system allows.",
        over=over,
        limit=bounds.connections,
    )
