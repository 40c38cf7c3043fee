"""Attempts to deliver: one a key at a time, numbered before it is sent, settled when its end isn't known.

Theory of operation. :meth:`Delivery.next` decides and, where an attempt is due, numbers it, as one transaction over the
key's record; :meth:`Delivery.fly` has the site's recipient make the attempt, and records its end under its number. If
somebody took the attempt over meanwhile, its number is no longer the record's, and what it found counts for nothing.

:meth:`Delivery.settle` finds out about an attempt whose end isn't known: the recipient says whether the key is still
good.

So many attempts of a site are open at once, those of callbacks and the courier's together.
"""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Final, TypeVar

import structlog

from bridge.protocol.errors import StorageError
from bridge.protocol.messages import Callback
from bridge.saves import flights, rules
from bridge.saves.backoff import pause
from bridge.saves.flights import End
from bridge.saves.recipient import Recipient
from bridge.saves.rules import Send
from bridge.saves.spool import tell_of_dead
from bridge.saves.steps import Observer, Step
from bridge.saves.track import Told
from bridge.sites import Site
from bridge.store.index import Index
from bridge.store.records import Entry, Flight, Record, State

__all__ = ["OPEN_ATTEMPTS", "Delivery"]

log = structlog.get_logger(__name__)

S = TypeVar("S")

# Of one site at once; HumHub's PHP has processes for some dozens of requests, and people use them, too.
OPEN_ATTEMPTS: Final = 16
# How long a question about a key may take, in seconds, and for how much longer an attempt is ours than it may last.
_PROBE: Final = 20.0
_MARGIN: Final = 30.0
# Between two questions about one attempt, in seconds.
_FIRST_PAUSE: Final = 1.0
_LONGEST_PAUSE: Final = 10.0


@dataclass(slots=True)
class Question:
    """When HumHub may be asked about an attempt: at once, then less and less often, and as soon as it is done."""

    _number: int = 0
    _next: float = 0.0
    _pause: float = _FIRST_PAUSE

    def may_be_asked(self, number: int, *, rest: float) -> bool:
        """Say whether it is time; ``rest`` is how long HumHub may still be storing, in seconds."""
        now = asyncio.get_running_loop().time()
        if number == self._number and now < self._next:
            return False
        if number != self._number:
            self._number, self._pause = number, _FIRST_PAUSE
        self._next = now + (min(self._pause, rest) if rest > 0 else self._pause)
        self._pause = min(2 * self._pause, _LONGEST_PAUSE)
        return True


@dataclass(frozen=True, slots=True)
class Delivery:
    """Makes attempts for all sites; ``recipients`` has who takes the saves of each, by its name.

    ``attempt`` is how long one may last, ``storing`` see ``flights.after``; seconds. ``ended`` hears of each attempt's
    end, by the site's name.
    """

    recipients: Mapping[str, Recipient]
    index: Index
    clock: Callable[[], float]
    observe: Observer
    attempt: float
    storing: float
    ended: Callable[[str, str], None] = lambda _site, _end: None
    questions: dict[tuple[str, str], Question] = field(default_factory=dict)
    slots: defaultdict[str, asyncio.Semaphore] = field(
        default_factory=lambda: defaultdict(lambda: asyncio.Semaphore(OPEN_ATTEMPTS))
    )

    async def next(self, site: Site, key: str, decide: Callable[[Record], S]) -> S | Flight:
        """Give the next step for a key: what ``decide`` says, or, in place of a ``Send`` that may go, its attempt.

        An attempt that is given is numbered, and is to be flown.
        """
        flight = await self.index.change(site.name, key, partial(self._decide, decide=decide))
        if isinstance(flight, Flight):
            self.observe(Step.NUMBERED, site.name, key)
        return flight

    def _decide(self, record: Record, *, decide: Callable[[Record], S]) -> tuple[Record, S | Flight]:
        now = self.clock()
        record = flights.cooled(record, now=now, storing=self.storing)
        step = decide(record)
        if not isinstance(step, Send) or step.earliest > now:
            return record, step
        return flights.begin(record, step, owner=self.index.worker, until=now + self.attempt + _MARGIN)

    async def fly(self, site: Site, key: str, flight: Flight, callback: Callback | None = None) -> Told:
        """Make a numbered attempt and record its end; ``callback`` is the one that it is made for, if there is one."""
        record = await self.index.read(site.name, key)
        told = await self.recipients[site.name].take(record, flight, callback)
        self.observe(Step.HEARD, site.name, key)
        self.ended(site.name, told.end.value)
        try:
            await self._record(site, record, flight, told)
        except StorageError as error:
            # HumHub's word holds all the same. The attempt is settled when its lease is over.
            log.error(
                "the end of an attempt can't be recorded", site=site.name, key=key, end=told.end, why=error.message
            )
            if told.end is not End.CONFIRMED:
                raise
        return told

    async def _record(self, site: Site, record: Record, flight: Flight, told: Told) -> None:
        now, key, entry = self.clock(), record.key, record.entry(flight.entry)
        due = now + pause(now - entry.kept if entry is not None else 0.0, random.random())  # noqa: S311 - a jitter
        rule = partial(
            flights.after, number=flight.number, end=told.end, now=now, storing=self.storing, due=due, why=told.why
        )
        await self._change(site.name, key, rule, flight.entry)
        self.observe(Step.RECORDED, site.name, key)
        found = {"site": site.name, "key": key, "entry": flight.entry, "attempt": flight.number, "end": told.end.value}
        log.info("delivery attempted", **found, status=flight.status, why=told.why or None)

    async def _change(self, site: str, key: str, rule: Callable[[Record], Record], identity: str) -> Record:
        """Change a record and give it, and say so loudly where that makes its entry a dead letter."""

        def work(record: Record) -> tuple[Record, tuple[Record, Entry | None]]:
            before, after = record.entry(identity), rule(record)
            now = after.entry(identity)
            died = now is not None and now.state is State.DEAD and (before is None or before.state is not State.DEAD)
            return after, (after, now if died else None)

        record, dead = await self.index.change(site, key, work)
        if dead is not None:
            tell_of_dead(dead)
        return record

    # --- settling ---------------------------------------------------------------------------------------------------

    async def settle(self, site: Site, key: str) -> bool:
        """Find out about a key's attempt that nobody makes any more.

        False where it isn't known yet: HumHub can't be asked, or may still be storing.
        """
        record, flight = await self.index.change(site.name, key, partial(self._adopt, now=self.clock()))
        if flight is None:
            self.questions.pop((site.name, key), None)
            return True
        question = self.questions.setdefault((site.name, key), Question())
        if not question.may_be_asked(flight.number, rest=record.cooling - self.clock()):
            return False
        self.observe(Step.PROBING, site.name, key)
        knows_key = await self.recipients[site.name].knows_key(record)
        if knows_key is not None:
            rule = partial(flights.after_probe, number=flight.number, knows_key=knows_key, now=self.clock())
            record = await self._change(site.name, key, rule, flight.entry)
        if record.flight is not None:
            log.warning("an attempt is in doubt", site=site.name, key=key, attempt=flight.number, knows_key=knows_key)
            return False
        self.questions.pop((site.name, key), None)
        self.observe(Step.SETTLED, site.name, key)
        log.info("attempt settled", site=site.name, key=key, attempt=flight.number, knows_key=knows_key)
        return True

    def _adopt(self, record: Record, *, now: float) -> tuple[Record, tuple[Record, Flight | None]]:
        if record.flight is None or not rules.is_adrift(record):
            return record, (record, None)
        if not (record.flight.over and record.flight.owner == self.index.worker):
            until, owner = now + _PROBE + _MARGIN, self.index.worker
            record = flights.adopt(record, record.flight, owner=owner, until=until, now=now, storing=self.storing)
        return record, (record, record.flight)
