"""An open callback's durable save on its way to HumHub, up to what Docs hears of it.

HumHub is told again only where it was never reached, until the deadline: what it answered it would answer again, and
meanwhile nobody could open the document. Then Docs hears 1, and the courier goes on.
"""

from __future__ import annotations

import asyncio
import enum
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import chain, repeat
from typing import Any, Final

import structlog

from bridge.protocol.messages import Callback, Status
from bridge.saves import rules
from bridge.saves.delivery import Delivery
from bridge.saves.flights import End
from bridge.saves.rules import Answer, Hold, Send, Settle
from bridge.saves.track import Told
from bridge.sites import Site
from bridge.store.index import Index
from bridge.store.records import Entry, Flight, Record

__all__ = ["OUTCOMES", "Carrier", "Outcome", "Verdict"]

log = structlog.get_logger(__name__)

_PAUSES: Final = (0.5, 1.0, 2.0, 4.0, 8.0)
_LOOK: Final = 0.1
_SOON: Final = 5.0
_WAITS: Final = "It is kept and delivered as soon as HumHub takes it: see humhub-bridge saves list, and HumHub's log."
# Between two questions to HumHub about one attempt.
_ASK_AGAIN: Final = 1.0


class Outcome(enum.StrEnum):
    """What became of one callback, for log and metrics."""

    DELIVERED = "delivered"
    NOTED = "noted"
    GONE = "gone"
    REFUSED = "refused"
    FAILED = "failed"
    NOT_KEPT = "not-kept"
    NO_FILE = "no-file"


OUTCOMES: Final = {End.CONFIRMED: Outcome.DELIVERED, End.GONE: Outcome.GONE, End.REFUSED: Outcome.REFUSED}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What Docs hears (``error`` 0 or 1), and why; ``about`` is more of that, for the log."""

    error: int
    outcome: Outcome
    why: str = ""
    entry: str | None = None
    about: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Carrier:
    """Carries saves of all sites. ``deadline`` is how long a callback goes on starting attempts, in seconds."""

    index: Index
    delivery: Delivery
    clock: Callable[[], float]
    deadline: float

    async def carry(self, site: Site, callback: Callback, entry: Entry, ticket: int) -> Verdict:
        """Go on until the save is delivered, or can't be within this callback."""
        run = _Run(entry, int(callback.status), ticket, asyncio.get_running_loop().time() + self.deadline)
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
                    if not await self.delivery.settle(site, callback.key) and not await run.may_ask_again():
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
    ticket: int
    until: float
    told: Told | None = None
    pauses: Iterator[float] = field(default_factory=lambda: chain(_PAUSES, repeat(_PAUSES[-1])))
    given_up: bool = False

    def decide(self, record: Record) -> Answer | Hold | Settle | Send:
        """Give the next step by the rules; no attempt any more once this callback has given up."""
        step = rules.for_callback(record, self.entry.id, self.status, self.ticket)
        return Answer(1, "HumHub could not store it yet") if isinstance(step, Send) and self.given_up else step

    async def rest(self, told: Told) -> None:
        """Wait before the next attempt, if HumHub was never reached and there is time; else give up."""
        pause = next(self.pauses)
        if told.end is not End.UNSENT or asyncio.get_running_loop().time() + pause >= self.until:
            self.given_up = True
            return
        log.info("HumHub is not reached, trying again", site=self.entry.site, key=self.entry.key, pause=pause)
        await asyncio.sleep(pause)

    async def may_ask_again(self) -> bool:
        """Wait before HumHub is asked again what became of an attempt; False where there is no time for that."""
        if asyncio.get_running_loop().time() + _ASK_AGAIN >= self.until:
            return False
        await asyncio.sleep(_ASK_AGAIN)
        return True

    async def cool(self, step: Send, now: float) -> None:
        """Wait until HumHub can't be storing an earlier attempt any more, if that is soon; else give up.

        While a save waits for its answer, Docs lets nobody open the document.
        """
        wait = max(step.earliest - now, _LOOK)
        if wait > _SOON or asyncio.get_running_loop().time() + wait >= self.until:
            self.given_up = True
            return
        await asyncio.sleep(wait)

    def verdict(self, answer: Answer) -> Verdict:
        """Say what Docs hears, and why."""
        if answer.error == 0:
            return Verdict(0, Outcome.DELIVERED, entry=self.entry.id)
        outcome = OUTCOMES.get(self.told.end, Outcome.FAILED) if self.told is not None else Outcome.FAILED
        why = self.told.why if self.told is not None and self.told.why else answer.why
        about = {"upstream": self.entry.site, "remedy": _WAITS, **(self.told.about if self.told is not None else {})}
        return Verdict(1, outcome, why, self.entry.id, about)


def _as_sent(callback: Callback) -> Callback:
    """Give a callback as HumHub takes it: a forced save's error as a forced save."""
    return replace(callback, status=Status(rules.status_for(callback.status)))
