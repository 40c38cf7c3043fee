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
import enum
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from http import HTTPStatus
from itertools import chain, repeat
from typing import Any, Final

import structlog
from multidict import CIMultiDict

from bridge.protocol.errors import BadAnswerError, BridgeError, StorageError, UpstreamError
from bridge.protocol.messages import Callback, Status
from bridge.protocol.signatures import is_page
from bridge.protocol.urls import docs_file
from bridge.saves import rules
from bridge.saves.delivery import Delivery, limits_of, post
from bridge.saves.rules import Answer, End, Hold, Send, Settle
from bridge.saves.spool import Draft, Spool
from bridge.saves.steps import Observer, Step
from bridge.saves.track import Told
from bridge.saves.turns import Turns
from bridge.sites import Node, Site, Topology
from bridge.store.index import Index
from bridge.store.records import Entry, Flight, Record
from bridge.transport.upstream import Answer as UpstreamAnswer

__all__ = ["Intake", "Outcome", "Verdict", "body_of"]

log = structlog.get_logger(__name__)

# So many bodies are fetched at once; the others wait, in the order of their callbacks' arrival.
_FETCHES: Final = 24
# How soon the courier takes over what a callback couldn't deliver, in seconds after its body was kept.
_HANDOVER: Final = 5.0
_PAUSES: Final = (0.5, 1.0, 2.0, 4.0, 8.0)
_LOOK: Final = 0.1


class Outcome(enum.StrEnum):
    """What became of one callback, for log and metrics."""

    DELIVERED = "delivered"
    WAITING = "waiting"
    NOTED = "noted"
    GONE = "gone"
    REFUSED = "refused"
    FAILED = "failed"
    NOT_KEPT = "not-kept"
    NO_FILE = "no-file"


_OUTCOMES: Final = {End.CONFIRMED: Outcome.DELIVERED, End.GONE: Outcome.GONE, End.REFUSED: Outcome.REFUSED}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What Docs hears (``error`` 0 or 1), and why."""

    error: int
    outcome: Outcome
    why: str = ""
    entry: str | None = None


@dataclass(frozen=True, slots=True)
class Intake:
    """Takes callbacks for all sites. ``deadline`` is how long one goes on starting attempts, in seconds."""

    topology: Topology
    spool: Spool
    index: Index
    delivery: Delivery
    turns: Turns
    clock: Callable[[], float]
    observe: Observer
    deadline: float
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
        fields, node = callback.fields, self.topology.node_for(callback.key)
        try:
            await self.index.remember(site.name, callback.key, target=target, node=node.name)
        except StorageError as error:
            log.error("a callback is not remembered", site=site.name, key=callback.key, why=error.message)
        try:
            told = await post(site, target, fields, self.clock, self.delivery.attempt)
        except UpstreamError as error:
            return Verdict(0, Outcome.NOTED, f"HumHub: {error.message}")
        if told.end is End.FAILED:
            return Verdict(0, Outcome.NOTED, told.why)
        return Verdict(0 if told.end is End.CONFIRMED else 1, _OUTCOMES[told.end], told.why)

    # --- saves ------------------------------------------------------------------------------------------------------

    async def _save(self, site: Site, callback: Callback, target: str, iat: float) -> Verdict:
        verdict = await self._verdict(site, callback, target, iat)
        # While a forgotten file of the key is being deleted, Docs hears nothing that it would make a new one of.
        async with self.turns.of(callback.key):
            return verdict

    async def _verdict(self, site: Site, callback: Callback, target: str, iat: float) -> Verdict:
        try:
            async with self._place(site, callback, target) as ticket:
                entry = await self._entry(site, callback, ticket, iat)
                verdict = await self._carry(site, callback, entry)
                self.observe(Step.ANSWERING, site.name, callback.key)
        except BridgeError as error:
            # Docs keeps it as forgotten, its re-open shows it, and the sweep takes it when it can.
            log.error("save not kept", site=site.name, key=callback.key, why=error.message, **_more(error))
            return Verdict(1, Outcome.NOT_KEPT, error.message)
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
            fields=callback.fields,
        )
        same = await self.index.change(site.name, callback.key, partial(_repeat, draft=draft), matching=(draft.source,))
        if same is not None:
            return same
        node = self.topology.node_for(callback.key)
        async with self.fetches, body_of(node, path, callback.filetype, self.delivery.attempt) as (chunks, promised):
            body = await self.spool.fetch(chunks, draft, promised=promised)
        why = "" if body.sound else f"what ONLYOFFICE Docs gave is no {callback.filetype}"
        failed = callback.status in (Status.SAVE_FAILED, Status.FORCED_SAVE_FAILED)
        if why and not failed:
            await self.spool.bodies.abandon(body)
            raise StorageError(f"W{why[1:]}.", size=body.size)
        return await self.spool.enter(body, draft, ticket=ticket, due=self.clock() + _HANDOVER, why=why)

    async def _carry(self, site: Site, callback: Callback, entry: Entry) -> Verdict:
        """Go on until the save is delivered, or can't be within this callback."""
        run = _Run(entry, int(callback.status), asyncio.get_running_loop().time() + self.deadline)
        message = _as_sent(callback)
        while True:
            step = await self._step(site, message, run)
            match step:
                case Answer():
                    return run.verdict(step)
                case Told(end=End.CONFIRMED):
                    return run.verdict(Answer(0))
                case Told():
                    run.told = step
                    await run.rest(step)
                case Settle():
                    if not await self.delivery.settle(site, callback.key):
                        return run.verdict(Answer(1, "what became of an attempt isn't known yet"))
                case Hold():
                    await asyncio.sleep(_LOOK)
                case Send():
                    await run.cool(step, self.clock())

    async def _step(self, site: Site, message: Callback, run: _Run) -> Answer | Hold | Settle | Send | Told:
        """Take the next step, an attempt if that is it."""
        step = run.decide(await self.index.read(site.name, message.key))
        if not isinstance(step, Send) or step.earliest > self.clock():
            return step
        slot = self.delivery.slots[site.name]
        try:
            async with asyncio.timeout_at(run.until):
                await slot.acquire()
        except TimeoutError:
            return Answer(1, "HumHub has too much to do")
        try:
            begun = await self.delivery.next(site, message.key, run.decide)
            if isinstance(begun, Flight):
                return await self.delivery.fly(site, message.key, begun, message)
            return begun
        finally:
            slot.release()


@dataclass(slots=True)
class _Run:
    """How far one callback has come with its save. ``until`` is on the event loop's clock."""

    entry: Entry
    status: int
    until: float
    told: Told | None = None
    pauses: Iterator[float] = field(default_factory=lambda: chain(_PAUSES, repeat(_PAUSES[-1])))
    given_up: bool = False

    def decide(self, record: Record) -> Answer | Hold | Settle | Send:
        """Give the next step by the rules; no attempt any more once this callback has given up."""
        step = rules.for_callback(record, self.entry.id, self.status)
        return Answer(1, "HumHub could not store it yet") if isinstance(step, Send) and self.given_up else step

    async def rest(self, told: Told) -> None:
        """Wait before the next attempt, if HumHub was never reached and there is time; else give up."""
        pause = next(self.pauses)
        if told.end is not End.UNSENT or asyncio.get_running_loop().time() + pause >= self.until:
            self.given_up = True
            return
        log.warning("HumHub is not reached, trying again", site=self.entry.site, key=self.entry.key, pause=pause)
        await asyncio.sleep(pause)

    async def cool(self, step: Send, now: float) -> None:
        """Wait until HumHub can't be storing an earlier attempt any more, if there is time; else give up."""
        wait = max(step.earliest - now, _LOOK)
        if asyncio.get_running_loop().time() + wait >= self.until:
            self.given_up = True
            return
        await asyncio.sleep(wait)

    def verdict(self, answer: Answer) -> Verdict:
        """Say what Docs hears, and why."""
        if answer.error == 0:
            return Verdict(0, Outcome.DELIVERED, entry=self.entry.id)
        outcome = _OUTCOMES.get(self.told.end, Outcome.FAILED) if self.told is not None else Outcome.FAILED
        why = self.told.why if self.told is not None and self.told.why else answer.why
        return Verdict(1, outcome, why, self.entry.id)


def _repeat(record: Record, *, draft: Draft) -> tuple[Record, Entry | None]:
    """Give the entry that an open callback repeats, by the path of its file, and note that it does."""
    same = next((entry for entry in record.entries if entry.source == draft.source and entry.held), None)
    return (record, None) if same is None else (rules.joined(record, draft.arrival, same), same)


def _as_sent(callback: Callback) -> Callback:
    """Give a callback as HumHub takes it: with a file type, and a forced save's error as a forced save."""
    return replace(callback, status=Status(rules.status_for(callback.status)))


@contextlib.asynccontextmanager
async def body_of(
    node: Node, path: str, filetype: str | None, limit: float
) -> AsyncIterator[tuple[AsyncIterator[bytes], int | None]]:
    """Fetch an edited file from its node; gives its chunks and its promised length.

    Raises:
        BadAnswerError: it is not the file; while iterating: it is not as long as promised.
        UpstreamError: the node fails.
    """
    headers = CIMultiDict({"Accept-Encoding": "identity"})
    limits = limits_of(node.upstream, limit)
    async with node.upstream.request("GET", path, headers=headers, timeouts=limits, deadline=limit) as answer:
        if answer.status != HTTPStatus.OK:
            raise BadAnswerError("ONLYOFFICE Docs does not give the edited file.", answered=answer.status)
        if is_page(answer.media_type, filetype):
            kind = answer.media_type
            raise BadAnswerError("ONLYOFFICE Docs gives a page instead of the edited file.", content_type=kind)
        yield _counted(answer), answer.content_length


async def _counted(answer: UpstreamAnswer) -> AsyncIterator[bytes]:
    """Pass the body on and compare its length with the promised one."""
    got = 0
    async for chunk in answer.body:
        got += len(chunk)
        yield chunk
    if answer.content_length is not None and got != answer.content_length:
        raise BadAnswerError("The edited file is shorter than promised.", promised=answer.content_length, got=got)


def _more(error: BridgeError) -> dict[str, Any]:
    return {"remedy": error.remedy, "reason": error.reason, **error.details} if error.remedy else dict(error.details)
