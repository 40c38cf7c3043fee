"""Puts the connector of a site together: its storage, its keys, its conversions, and what its saves go to."""

from __future__ import annotations

from collections.abc import Mapping

from bridge.connector.connector import Connector
from bridge.connector.converting import Conversions
from bridge.connector.humhub.storage import HumHubStorage
from bridge.connector.keys import Keys
from bridge.connector.local import Local
from bridge.connector.recipient import Uploads
from bridge.connector.storage import Storage
from bridge.saves.attempts import Attempts
from bridge.saves.docs import Commands
from bridge.saves.recipient import Recipient
from bridge.saves.saves import Saves
from bridge.sites import Site, Topology

__all__ = ["connectors", "recipient"]


def connectors(topology: Topology, saves: Saves) -> Mapping[str, Connector]:
    """Give the connectors of one leg, by the names of their sites: each leg has upstream connections of its own."""
    return {site.name: _connector(site, topology, saves) for site in topology.sites if site.connector is not None}


def _connector(site: Site, topology: Topology, saves: Saves) -> Connector:
    secret, clock, index, bodies = saves.attempts.secret, saves.attempts.clock, saves.index, saves.spool.bodies
    storage = _storage(site, saves.attempts)

    async def settle(key: str) -> bool:
        return await saves.sessions.delivery.settle(site, key)

    return Connector(
        topology=topology,
        site=site,
        storage=storage,
        index=index,
        bodies=bodies,
        keys=Keys(site.name, storage, index, settle),
        commands=Commands(topology, clock),
        conversions=Conversions(topology, site, storage, bodies, secret, clock),
        secret=secret,
        clock=clock,
    )


def recipient(topology: Topology, site: Site, attempts: Attempts) -> Recipient:
    """Give what the saves of a connector's site go to."""
    commands = Commands(topology, attempts.clock)

    async def drop(key: str, user: str) -> None:
        await commands.drop(topology.node_for(key), key, user)

    return Uploads(site.name, _storage(site, attempts), attempts.index.documents, attempts, drop)


def _storage(site: Site, attempts: Attempts) -> Storage:
    """Give what keeps the documents of a site; an upload may last as long as an attempt to deliver."""
    if site.directory is not None:
        return Local(site.directory, attempts.secret, attempts.clock)
    return HumHubStorage(site, attempts.clock, site.rest, limit=attempts.lifetime)
