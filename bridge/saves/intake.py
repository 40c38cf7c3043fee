"""A callback of Docs, from its verified message to the answer that Docs hears.

Theory of operation
-------------------
News (1, 4) is passed on to HumHub. A save (2, 3, 6, 7 with a file) gets its place in the order and becomes a durable
entry before anything else happens with it: its body is fetched from the node at once, checked, and kept. Then HumHub is
told of it, under the rules of ``rules.py``: again only where it was never reached, until the deadline.

Docs hears ``{"error":0}`` only when HumHub itself has confirmed this save, and ``{"error":1}`` otherwise: then Docs
keeps its own copy, and whoever opens the document again sees the newest content; the courier delivers it later. Never
429, 5xx or a redirect, which Docs would retry or follow; never 201 or 204, which it takes for a refusal.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Final

import structlog

from bridge.protocol.errors import BadAnswerError, BridgeError, StorageError, UpstreamError
from bridge.protocol.messages import Callback, Status
from bridge.protocol.urls import docs_file
from bridge.saves import rules
from bridge.saves.carry import OUTCOMES, Carrier, Outcome, Verdict
from bridge.saves.fetching import body_of
from bridge.saves.flights import End
from bridge.saves.rules import Answer
from bridge.saves.spool import Draft, Spool
from bridge.saves.steps import Observer, Step
from bridge.saves.track import lasting
from bridge.saves.turns import Turns
from bridge.sites import Site, Topology
from bridge.store.index import Index
from bridge.store.records import Entry, Record

__all__ = ["Intake"]

log = structlog.get_logger(__name__)

# So many bodies are fetched at once; the others wait, in the order of their callbacks' arrival.
_FETCHES: Final = 24
# So many of the last saves that could not be kept are known, with their times.
_NOT_KEPT: Final = 100
# How soon the courier takes over what a callback couldn't deliver, in seconds after its body was kept.
_HANDOVER: Final = 5.0


@dataclass(frozen=True, slots=True)
class Intake:
    """Takes callbacks for all sites. ``not_kept`` has when, and why, saves could not be made durable."""

    topology: Topology
    spool: Spool
    index: Index
    carrier: Carrier
    turns: Turns
    clock: Callable[[], float]
    observe: Observer
    not_kept: deque[tuple[float, str]] = field(default_factory=lambda: deque(maxlen=_NOT_KEPT))
    fetches: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_FETCHES))

    async def take(self, site: Site, callback: Callback, target: str, *, iat: float | None = None) -> Verdict:
        """Carry a verified callback for ``target``, HumHub's own track route, to its end and say what Docs hears.

        ``iat`` is of its token, by which saves are ordered; without tokens, by our own clock.
        """
        if callback.brings_file:
            return await self._save(site, callback, target, self.clock() if iat is None else iat)
        if callback.status in (Status.EDITED, Status.CLOSED):
            return await self._tell(site, callback, target)
        if callback.status in (Status.SAVE, Status.SAVE_FAILED, Status.FORCED_SAVE):
            # Nothing was saved, so Docs isn't told that it was.
            return Verdict(1, Outcome.NO_FILE, "the save brought no file")
        return Verdict(0, Outcome.NOTED, f"status {callback.status.name.lower()} has nothing to save")

    async def _tell(self, site: Site, callback: Callback, target: str) -> Verdict:
        node = self.topology.node_for(callback.key)
        record = Record(site=site.name, key=callback.key, target=target, node=node.name)
        try:
            await self.index.remember(site.name, callback.key, target=target, node=node.name)
        except StorageError as error:
            log.error("a callback is not remembered", site=site.name, key=callback.key, why=error.message)
        try:
            told = await self.carrier.delivery.recipients[site.name].hear(record, callback)
        except UpstreamError as error:
            return Verdict(0, Outcome.NOTED, f"HumHub: {error.message}", about=error.about)
        if told.end in (End.FAILED, End.UNREAD):
            return Verdict(0, Outcome.NOTED, told.why, about={"upstream": site.name, **told.about})
        if told.end is End.CONFIRMED:
            return Verdict(0, Outcome.DELIVERED)
        return Verdict(1, OUTCOMES[told.end], told.why, about={"upstream": site.name, **told.about})

    # --- saves ------------------------------------------------------------------------------------------------------

    async def _save(self, site: Site, callback: Callback, target: str, iat: float) -> Verdict:
        verdict = await self._verdict(site, callback, target, iat)
        # While a forgotten file of the key is being deleted, Docs hears nothing that it would make a new one of; and
        # what was found out meanwhile counts: once HumHub has the save, Docs mustn't keep it.
        async with self.turns.of(callback.key):
            if verdict.error and verdict.entry is not None:
                verdict = await self._latest(site, callback, verdict, verdict.entry)
            if verdict.error and rules.clears(callback.status):
                self.turns.refused(callback.key)
            return verdict

    async def _latest(self, site: Site, callback: Callback, verdict: Verdict, entry: str) -> Verdict:
        with contextlib.suppress(StorageError):
            record = await self.index.read(site.name, callback.key)
            if rules.for_callback(record, entry, int(callback.status), 0) == Answer(0):
                return Verdict(0, Outcome.DELIVERED, entry=entry)
        return verdict

    async def _verdict(self, site: Site, callback: Callback, target: str, iat: float) -> Verdict:
        try:
            async with self._place(site, callback, target) as ticket:
                entry = await self._entry(site, callback, ticket, iat)
                verdict = await self.carrier.carry(site, callback, entry, ticket)
                self.observe(Step.ANSWERING, site.name, callback.key)
        except BridgeError as error:
            # Docs keeps it as forgotten, its re-open shows it, and the sweep takes it when it can.
            self.not_kept.append((self.clock(), error.message))
            return Verdict(1, Outcome.NOT_KEPT, error.message, about=error.about)
        return verdict

    @contextlib.asynccontextmanager
    async def _place(self, site: Site, callback: Callback, target: str) -> AsyncIterator[int]:
        """Give a callback its place among all, and hold it open in the index."""
        node = self.topology.node_for(callback.key)
        ticket = await self.index.arrive(site.name, callback.key, target=target, node=node.name)
        self.observe(Step.ARRIVED, site.name, callback.key)
        try:
            yield ticket
        finally:
            # What is known of the save doesn't hang on this; a start closes what was left open.
            with contextlib.suppress(StorageError):
                await self.index.depart(ticket)
                self.observe(Step.DEPARTED, site.name, callback.key)

    async def _entry(self, site: Site, callback: Callback, ticket: int, iat: float) -> Entry:
        """Give the durable entry of a save: the one that it repeats, or a new one."""
        path = docs_file(callback.url or "")
        draft = Draft(
            site=site.name,
            key=callback.key,
            status=int(callback.status),
            source=path.partition("?")[0],
            iat=iat,
            arrival=ticket,
            filetype=callback.filetype,
            fields=lasting(callback.fields),
        )
        same = await self.index.change(site.name, callback.key, partial(_repeat, draft=draft), matching=(draft.source,))
        if same is not None:
            return same
        node, limit = self.topology.node_for(callback.key), self.carrier.delivery.attempt
        async with self.fetches, body_of(node, path, callback.filetype, limit) as file:
            body = await self.spool.fetch(file.chunks, draft, promised=file.length)
        why = "" if body.sound else f"what ONLYOFFICE Docs gave is no {callback.filetype}"
        failed = callback.status in (Status.SAVE_FAILED, Status.FORCED_SAVE_FAILED)
        if why and not failed:
            await self.spool.bodies.abandon(body)
            remedy = "Is it ONLYOFFICE Docs that answers at this node's address? Docs keeps the edit meanwhile."
            raise BadAnswerError(f"W{why[1:]}.", upstream=node.name, size=body.size, remedy=remedy)
        return await self.spool.enter(body, draft, ticket=ticket, due=self.clock() + _HANDOVER, why=why)


def _repeat(record: Record, *, draft: Draft) -> tuple[Record, Entry | None]:
    """Give the entry that an open callback repeats, by the path of its file, and note that it does."""
    same = next((entry for entry in record.entries if entry.source == draft.source and entry.held), None)
    return (record, None) if same is None else (rules.joined(record, draft.arrival, same), same)
