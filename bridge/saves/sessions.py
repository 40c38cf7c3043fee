"""Editing sessions: which documents are open, and what has to be settled before one is opened.

A session that begins on a key whose newest save is in doubt could begin from content that HumHub is about to replace,
or on a key that HumHub no longer knows. So the handshake waits until the key is settled; where that can't be done now,
it is refused as a busy server would: the editor tries again.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

import structlog

from bridge.protocol.errors import NoRouteError, OverloadError, RefusedError, StorageError, UpstreamError
from bridge.protocol.urls import docs_file
from bridge.saves import rules
from bridge.saves.delivery import Delivery
from bridge.saves.docs import Commands
from bridge.saves.fetching import digest_of
from bridge.saves.presence import Presence
from bridge.saves.rules import Forgotten, Hold, Settle
from bridge.saves.steps import Step
from bridge.saves.turns import Turns
from bridge.sites import Topology
from bridge.store.index import Index

__all__ = ["Sessions"]

log = structlog.get_logger(__name__)

# How long a handshake waits for an attempt that is under way, in seconds.
_PATIENCE: Final = 20.0
_LOOK: Final = 0.1
# Between two questions to HumHub about one attempt.
_ASK_AGAIN: Final = 1.0


@dataclass(slots=True)
class Sessions:
    """Settles keys before they are opened; ``presence`` is told when they are, and knows who has them open."""

    topology: Topology
    index: Index
    delivery: Delivery
    commands: Commands
    turns: Turns
    presence: Presence

    @contextlib.asynccontextmanager
    async def beginning(self, key: str) -> AsyncIterator[None]:
        """Settle a key before a session on it begins inside the block, which says that it is open.

        Raises:
            OverloadError: it can't be settled now.
        """
        await self.turns.heard(key)
        async with self.turns.of(key):
            try:
                for name in await self.index.sites_of(key):
                    with contextlib.suppress(NoRouteError):  # a site that is no longer configured
                        await self._settle(name, key)
            except (RefusedError, StorageError, UpstreamError) as error:
                raise self._refusal(key, error.message) from error
            yield

    async def _settle(self, name: str, key: str) -> None:
        site = self.topology.site_named(name)
        until = asyncio.get_running_loop().time() + _PATIENCE
        while True:
            match await self.index.change(name, key, rules.open_session):
                case Settle():
                    if not await self.delivery.settle(site, key):
                        await self._rest(key, until, _ASK_AGAIN)
                case Hold():
                    await self._rest(key, until, _LOOK)
                case Forgotten.DELETE:
                    await self._forget(name, key)
                    return
                case None:
                    return

    async def _rest(self, key: str, until: float, seconds: float) -> None:
        if asyncio.get_running_loop().time() + seconds > until:
            raise self._refusal(key, "what became of its last save isn't known yet")
        await asyncio.sleep(seconds)

    async def _forget(self, site: str, key: str) -> None:
        """Delete what Docs has kept of a save that HumHub has; anything else is for the sweep."""
        node, newest = self.topology.node_for(key), (await self.index.read(site, key)).newest
        url = await self.commands.forgotten_file(node, key)
        if url is None or newest is None:
            return
        if await digest_of(node, docs_file(url), _PATIENCE) != newest.sha256:
            log.warning("a forgotten file that HumHub doesn't have is being opened", site=site, key=key)
            return
        self.delivery.observe(Step.FORGETTING, site, key)
        await self.commands.forget(node, key)
        self.delivery.observe(Step.FORGOT, site, key)
        log.info("forgotten file deleted before a session: HumHub has it", site=site, key=key)

    def _refusal(self, key: str, why: str) -> OverloadError:
        return OverloadError("This document's last save is being settled; the editor tries again.", key=key, why=why)
