"""All that keeps saves, put together: what the legs, the admin's page and the commands work with."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog

from bridge.config import Config
from bridge.saves.attempts import Attempts
from bridge.saves.bodies import Bodies
from bridge.saves.carry import Carrier
from bridge.saves.courier import Courier
from bridge.saves.delivery import Delivery
from bridge.saves.docs import Commands
from bridge.saves.forgotten import Sweep
from bridge.saves.intake import Intake
from bridge.saves.module import Module
from bridge.saves.presence import Presence
from bridge.saves.recipient import Recipient
from bridge.saves.sessions import Sessions
from bridge.saves.spool import Spool
from bridge.saves.steps import Observer
from bridge.saves.turns import Turns
from bridge.sites import Site, Topology
from bridge.store.index import Index
from bridge.store.records import State
from bridge.store.sqlite import SqliteIndex, path_of

__all__ = ["Saves", "open_saves", "open_spool"]

log = structlog.get_logger(__name__)

# What is recent on the readiness page, in seconds.
_RECENT: Final = 600.0


@dataclass(frozen=True, slots=True)
class Saves:
    """The parts; see each."""

    index: Index
    spool: Spool
    attempts: Attempts
    intake: Intake
    sessions: Sessions
    courier: Courier
    sweep: Sweep

    async def check(self) -> str:
        """Say that saves can be kept, and what is kept, for the readiness page.

        Raises:
            StorageError: they can't.
        """
        said, since = await self.spool.check(), self.spool.clock() - _RECENT
        recent = [why for when, why in self.intake.not_kept if when > since]
        return f"{said}; {len(recent)} not kept in the last ten minutes: {recent[-1]}" if recent else said

    @contextlib.asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """Deliver what waits, and look for forgotten files, inside the block."""
        await self._say_what_is_left()
        async with self.courier.running(), self.sweep.running():
            yield

    async def _say_what_is_left(self) -> None:
        totals = await self.index.totals()
        waiting = sum(total.number for total in totals if total.state is State.WAITING)
        dead = sum(total.number for total in totals if total.state is State.DEAD)
        remedy = "Look at the dead letters: humhub-bridge saves list" if dead else None
        (log.warning if dead else log.info)("kept saves", waiting=waiting, dead_letters=dead, remedy=remedy)


async def open_spool(config: Config, clock: Callable[[], float], observe: Observer) -> Spool:
    """Open index and bodies; the caller closes the index.

    Raises:
        StorageError: one of them can't be used, or the index is of a newer bridge.
    """
    index = await SqliteIndex.open(path_of(config.store.url), clock=clock)
    saves = config.saves
    bodies = Bodies(Path(str(saves.directory)), worker=index.worker, max_size=saves.max_size, reserve=saves.reserve)
    try:
        await asyncio.to_thread(bodies.open)
    except BaseException:
        await index.close()
        raise
    return Spool(bodies, index, clock, observe, saves.keep)


async def open_saves(
    config: Config,
    topology: Topology,
    clock: Callable[[], float],
    *,
    observe: Observer,
    ended: Callable[[str, str], None],
    recipient: Callable[[Topology, Site, Attempts], Recipient],
    stack: contextlib.AsyncExitStack,
) -> Saves:
    """Open all of it, and settle what an earlier process left; it is closed with ``stack``.

    ``ended`` hears how each attempt to deliver ended, by site; ``recipient`` gives who takes the saves of a site
    without HumHub's module.
    """
    spool = await open_spool(config, clock, observe)
    index, saves, turns = spool.index, config.saves, Turns()
    stack.push_async_callback(index.close)
    await spool.settle()
    attempts = Attempts(config.secret, index, spool.bodies, clock, observe, saves.attempt)
    recipients = {
        site.name: recipient(topology, site, attempts)
        if site.connector is not None
        else Module(topology, site, attempts, clock, saves.attempt)
        for site in topology.sites
    }
    delivery = Delivery(recipients, index, clock, observe, saves.attempt, saves.storing, ended)
    commands = Commands(topology, clock)
    sessions = Sessions(topology, index, delivery, commands, turns, Presence(asyncio.get_running_loop().time))
    courier = Courier(topology, index, spool, delivery, clock)
    sweep = Sweep(topology, index, spool, sessions, commands, turns, clock, observe, saves.sweep, courier.wake)
    courier.delivered = sweep.soon
    intake = Intake(topology, spool, index, Carrier(index, delivery, clock, saves.deadline), turns, clock, observe)
    return Saves(index, spool, attempts, intake, sessions, courier, sweep)
