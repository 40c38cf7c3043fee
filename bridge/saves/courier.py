"""The courier: delivers what its callback couldn't, for as long as it takes.

Theory of operation. The index says which saves wait and are due, and which attempts are adrift; each gets a task of its
own, one a key at a time. How many deliveries a site gets side by side follows what it bears: one to begin with, one
more for each that succeeds, and one again after a failure. So a HumHub that comes back isn't stampeded by what has
gathered.

A site that wasn't reached, or whose proxy answered for it, is watched: a ``HEAD`` every two seconds costs it nothing,
and as soon as it answers, what waits for it is due at once, however long its pause would still have been.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Coroutine
from dataclasses import dataclass, field
from typing import Final

import structlog

from bridge.protocol.errors import BridgeError, NoRouteError
from bridge.saves import rules
from bridge.saves.delivery import Delivery
from bridge.saves.flights import End
from bridge.saves.rules import Settle
from bridge.saves.spool import Spool
from bridge.sites import Site, Topology
from bridge.store.index import Index
from bridge.store.records import Flight

__all__ = ["Courier", "forgiving"]

log = structlog.get_logger(__name__)

# Of one site at once, of the open attempts that all share.
_MOST: Final = 4
_ROUND: Final = 1.0
_WATCH: Final = 2.0
# Between two questions to HumHub about one attempt.
_ASK_AGAIN: Final = 3.0
_HOUSEKEEPING: Final = 60.0
# How long deliveries that are under way may go on when the bridge is stopped, in seconds.
_GRACE: Final = 10.0
_BATCH: Final = 200


@dataclass(slots=True)
class _Bearing:
    """What one site bears: how many deliveries side by side, and how many there are."""

    allowed: int = 1
    running: int = 0

    def learn(self, *, well: bool) -> None:
        """Take more after a success, and one after a failure."""
        self.allowed = min(_MOST, self.allowed + 1) if well else 1


@dataclass(slots=True)
class Courier:
    """Delivers for all sites; :meth:`running` runs it. ``delivered`` hears that something was."""

    topology: Topology
    index: Index
    spool: Spool
    delivery: Delivery
    clock: Callable[[], float]
    delivered: Callable[[], None] = lambda: None
    _woken: asyncio.Event = field(default_factory=asyncio.Event)
    _busy: set[tuple[str, str]] = field(default_factory=set)
    _not_before: dict[tuple[str, str], float] = field(default_factory=dict)
    _watched: set[str] = field(default_factory=set)
    _deliveries: set[asyncio.Task[None]] = field(default_factory=set)
    _watches: set[asyncio.Task[None]] = field(default_factory=set)
    _bearings: defaultdict[str, _Bearing] = field(default_factory=lambda: defaultdict(_Bearing))

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Deliver inside the block. What is under way when it is left has a while to end; then it is broken off."""
        await self.index.hurry(None, due=self.clock())
        loops = [asyncio.create_task(self._rounds()), asyncio.create_task(self._keep_house())]
        try:
            yield
        finally:
            await _cancelled(loops)
            if self._deliveries:
                await asyncio.wait(self._deliveries, timeout=_GRACE)
            await _cancelled([*self._deliveries, *self._watches])

    def wake(self) -> None:
        """Look at once what is due."""
        self._woken.set()

    async def _rounds(self) -> None:
        while True:
            await forgiving("a round of the courier", self._round())
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_ROUND):
                    await self._woken.wait()
            self._woken.clear()

    async def _round(self) -> None:
        due = await self.index.due(self.clock(), limit=_BATCH)
        for name, key in [*await self.index.adrift(), *due]:
            with contextlib.suppress(NoRouteError):  # a site that is no longer configured: it waits for its return
                site = self.topology.site_named(name)
                if self._is_free(name, key):
                    self._busy.add((name, key))
                    self._bearings[name].running += 1
                    _owned(self._deliveries, self._work(site, key))

    def _is_free(self, name: str, key: str) -> bool:
        bearing, now = self._bearings[name], asyncio.get_running_loop().time()
        rests = self._not_before.get((name, key), 0.0) > now
        return (name, key) not in self._busy and not rests and bearing.running < bearing.allowed

    async def _work(self, site: Site, key: str) -> None:
        try:
            await forgiving("a delivery", self._deliver(site, key))
        finally:
            self._busy.discard((site.name, key))
            self._bearings[site.name].running -= 1
            self.wake()

    async def _deliver(self, site: Site, key: str) -> None:
        self._not_before[site.name, key] = asyncio.get_running_loop().time() + _ROUND
        async with self.delivery.slots[site.name]:
            step = await self.delivery.next(site, key, rules.for_courier)
            if isinstance(step, Settle):
                well = await self.delivery.settle(site, key)
                if well:
                    self.delivered()
                self._not_before[site.name, key] = asyncio.get_running_loop().time() + _ASK_AGAIN
            elif isinstance(step, Flight):
                told = await self.delivery.fly(site, key, step)
                well = told.end in (End.CONFIRMED, End.GONE)
                if told.end is End.CONFIRMED:
                    self.delivered()
            else:
                return  # it is being delivered by its callback, or HumHub may still be storing
        if well:
            self._not_before.pop((site.name, key), None)
        self._bearings[site.name].learn(well=well)
        if not well and site.name not in self._watched:
            self._watched.add(site.name)
            _owned(self._watches, self._watch(site))

    # --- a HumHub that is away --------------------------------------------------------------------------------------

    async def _watch(self, site: Site) -> None:
        """Notice when a site that is away is back."""
        try:
            await forgiving("watching a site", self._until_it_is_back(site))
        finally:
            self._watched.discard(site.name)

    async def _until_it_is_back(self, site: Site) -> None:
        was_away = False
        while not await self.delivery.recipients[site.name].is_there():
            if not was_away:
                log.warning("HumHub is away", site=site.name)
            was_away = True
            await asyncio.sleep(_WATCH)
        if was_away:
            number = await self.index.hurry(site.name, due=self.clock())
            log.info("HumHub is back", site=site.name, hurried=number)
            self.wake()

    # --- housekeeping -----------------------------------------------------------------------------------------------

    async def _keep_house(self) -> None:
        while True:
            await forgiving("deleting what is done", self._expire())
            await asyncio.sleep(min(_HOUSEKEEPING, max(_ROUND, self.spool.keep_for / 2)))

    async def _expire(self) -> None:
        await self.index.bury()
        if number := await self.spool.expire():
            log.info("bodies deleted", number=number)
        now = asyncio.get_running_loop().time()
        self._not_before = {name: until for name, until in self._not_before.items() if until > now}


def _owned(tasks: set[asyncio.Task[None]], work: Coroutine[None, None, None]) -> None:
    """Start a task that is in ``tasks`` for as long as it runs."""
    task = asyncio.create_task(work)
    tasks.add(task)
    task.add_done_callback(tasks.discard)


async def _cancelled(tasks: Collection[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def forgiving(what: str, work: Awaitable[None]) -> None:
    """Await ``work``; what it raises is logged: one thing that fails mustn't end the others."""
    try:
        await work
    except BridgeError as error:
        known = {"what": what, "why": error.message, "remedy": error.remedy}
        # Details may have the same names.
        log.error("something failed and is tried again", **{**error.details, **known})
    except Exception:
        log.exception("something failed and is tried again", what=what)
