"""The sweep: Docs keeps a save that it couldn't deliver as *forgotten*; here such files are found and brought home.

At the start and every few minutes each node is asked for them. What HumHub has meanwhile is deleted at Docs, what waits
here is left, and what isn't known here (the disk was full, the bridge was away) becomes an entry, and is delivered by
the courier. Files of keys that were never seen are not ours to take, and are counted.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Final

import structlog

from bridge.protocol.messages import Status
from bridge.protocol.urls import docs_file
from bridge.saves import rules
from bridge.saves.bodies import Body
from bridge.saves.courier import forgiving
from bridge.saves.docs import Commands
from bridge.saves.fetching import body_of
from bridge.saves.rules import Forgotten
from bridge.saves.sessions import Sessions
from bridge.saves.spool import Draft, Spool
from bridge.saves.steps import Observer, Step
from bridge.saves.turns import Turns
from bridge.sites import Node, Topology
from bridge.store.index import Index
from bridge.store.records import State

__all__ = ["Sweep"]

log = structlog.get_logger(__name__)

_FETCH: Final = 300.0
# After a save ended, Docs is given so long to make of our answer what it makes, in seconds.
_QUIET: Final = 30.0
_LATER: Final = 0.5
# Docs takes an editor for gone that it hasn't heard of for 45 s, and saves 5 s after the last one; then that has come.
_GONE: Final = 120.0


@dataclass(slots=True)
class Sweep:
    """Looks for forgotten files every ``interval`` seconds; ``unknown`` counts those of strange keys, by node."""

    topology: Topology
    index: Index
    spool: Spool
    sessions: Sessions
    commands: Commands
    turns: Turns
    clock: Callable[[], float]
    observe: Observer
    interval: float
    found: Callable[[], None]
    unknown: dict[str, int] = field(default_factory=dict)
    _asked: asyncio.Event = field(default_factory=asyncio.Event)
    _wanted: float | None = None

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Sweep inside the block."""
        task = asyncio.create_task(self._rounds())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _rounds(self) -> None:
        while True:
            self._wanted = None
            await asyncio.gather(*map(self._try, self.topology.nodes))
            await self._rest()

    async def _try(self, node: Node) -> None:
        await forgiving(f"the sweep of {node.name}", self.sweep(node))

    async def _rest(self) -> None:
        """Wait for the next sweep: for the interval, or less where one is wanted sooner."""
        now = asyncio.get_running_loop().time
        until = now() + self.interval
        while (rest := min(until, self._wanted or until) - now()) > 0:
            self._asked.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(rest):
                    await self._asked.wait()

    def soon(self) -> None:
        """Sweep before the interval is over: HumHub has got something that Docs may keep as forgotten."""
        if self._wanted is None:
            self._wanted = asyncio.get_running_loop().time() + self._quiet + _LATER
            self._asked.set()

    @property
    def _quiet(self) -> float:
        return min(_QUIET, self.interval)

    @property
    def _gone(self) -> float:
        return min(_GONE, 12 * self.interval)

    async def sweep(self, node: Node) -> None:
        """Settle all forgotten files of one node."""
        began, ticket = asyncio.get_running_loop().time(), await self.index.ticket()
        keys = await self.commands.forgotten(node)
        self.observe(Step.LISTED, "", "")
        unknown = 0
        for key in keys:
            sites = await self.index.sites_of(key)
            unknown += not sites
            for site in sites[:1]:
                # One file that fails mustn't keep the others.
                await forgiving("settling a forgotten file", self._settle(node, site, key, ticket, began))
        self.unknown[node.name] = unknown
        if keys:
            log.info("forgotten files", node=node.name, number=len(keys), of_unknown_keys=unknown)

    async def _settle(self, node: Node, site: str, key: str, ticket: int, began: float) -> None:
        if not await self._is_quiet(site, key):
            return
        url = await self.commands.forgotten_file(node, key)
        if url is None:
            return
        path = docs_file(url)
        draft = Draft(
            site=site,
            key=key,
            status=int(Status.SAVE),
            source=path.partition("?")[0],
            iat=0.0,
            arrival=ticket,
            filetype=PurePosixPath(path.partition("?")[0]).suffix.removeprefix(".") or None,
            fields={},
            forgotten=True,
        )
        async with body_of(node, path, draft.filetype, _FETCH) as file:
            body = await self.spool.fetch(file.chunks, draft, promised=file.length)
            # Where Docs signs nothing, saves are dated by our own clock, and its dates say nothing beside them.
            modified = file.modified if self.topology.rings.outbox.signs else None
        try:
            async with self.turns.of(key):
                if not self.turns.refused_since(key, began):
                    await self._decide(node, draft, body, modified)
        finally:
            await self.spool.bodies.abandon(body)

    async def _is_quiet(self, site: str, key: str) -> bool:
        """Say whether nothing happens to a key just now: what Docs has of it could change while it is looked at."""
        now, record = self.clock(), await self.index.read(site, key)
        # What seems to be to come is no news: a clock jumped back.
        times = [when for entry in record.entries for when in (entry.kept, entry.ended) if when is not None]
        if any(0 <= now - when < self._quiet for when in times):
            self.soon()
            return False
        return not (record.callbacks or self.sessions.presence.is_open(key))

    async def _decide(self, node: Node, draft: Draft, body: Body, modified: float | None) -> None:
        site, key = draft.site, draft.key
        record = await self.index.read(site, key, matching=(body.sha256,))
        if not await self._is_quiet(site, key):
            return
        known = False if self.sessions.presence.left_for(key) > self._gone else None
        match rules.for_forgotten(record, body.sha256, ticket=draft.arrival, open_session=known, modified=modified):
            case Forgotten.DELETE:
                self.observe(Step.FORGETTING, site, key)
                await self.commands.forget(node, key)
                self.observe(Step.FORGOT, site, key)
                newest = record.newest
                has_it = newest is not None and newest.state is State.DELIVERED
                why = "HumHub has it" if has_it else "it was discarded"
                log.info("forgotten file deleted", site=site, key=key, node=node.name, why=why)
            case Forgotten.TAKE:
                await self._take(draft, body, rules.place_of_forgotten(record, draft.arrival, modified))
            case Forgotten.LEAVE:
                pass

    async def _take(self, draft: Draft, body: Body, iat: float) -> None:
        # A key's forgotten file has one path for ever: the bytes tell one from the next.
        draft = dataclasses.replace(draft, iat=iat, source=f"{draft.source}#{body.sha256}")
        why = "" if body.sound else f"what ONLYOFFICE Docs kept is no {draft.filetype}"
        entry = await self.spool.enter(body, draft, ticket=None, due=self.clock(), why=why)
        self.observe(Step.TAKEN, draft.site, draft.key)
        log.warning("forgotten file taken", site=draft.site, key=draft.key, entry=entry.id, size=entry.size)
        self.found()
