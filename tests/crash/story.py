"""One story from its seed to its verdict, and many of them."""

from __future__ import annotations

import asyncio
import logging
import random
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from bridge.saves.steps import Step
from tests.crash.judge import judge, outstanding
from tests.crash.mortal import Life
from tests.crash.retold import retell
from tests.crash.script import Desk, Reaper, Weather
from tests.crash.world import World, world

__all__ = ["Outcome", "tell", "told"]

# On a machine with much else to do attempts end without an answer, and are made again; so much patience tells that from
# a bridge that never comes to rest.
_REST, _BIRTH = 120.0, 60.0
_FILES = 6


@dataclass(slots=True)
class Outcome:
    """What became of a story."""

    seed: int
    faults: list[str] = field(default_factory=list)
    kills: Counter[Step | None] = field(default_factory=Counter)
    steps: Counter[Step] = field(default_factory=Counter)
    counts: Counter[str] = field(default_factory=Counter)
    story: list[str] = field(default_factory=list)
    seconds: float = 0.0


class _Wrong(Exception):  # noqa: N818 - it reads as what is said of a story
    """What went wrong, in words."""


async def tell(seed: int, kills: int, *, named: float = 0.67) -> Outcome:
    """Let a story happen, and judge it; ``named`` is the share of kills at named steps.

    Every third seed is a story of a HumHub without the module.
    """
    chance, outcome, began = random.Random(seed), Outcome(seed), time.monotonic()
    with tempfile.TemporaryDirectory(prefix="bridge-crash-") as directory:
        async with world(Path(directory), files=_FILES, chance=chance, modless=seed % 3 == 0) as lived:
            try:
                await _happen(lived, chance, kills, named, outcome)
            except* _Wrong as wrong:
                outcome.faults += [str(error) for error in wrong.exceptions]
            verdict = judge(lived)
            outcome.faults += verdict.faults
            outcome.counts = lived.counts + verdict.counts
            outcome.steps = lived.steps
            if outcome.faults:
                outcome.story = retell(lived, outcome.faults)
    outcome.seconds = time.monotonic() - began
    return outcome


def told(seed: int, kills: int) -> Outcome:
    """Let a story happen in a process of its own."""
    # The stand-ins' server says whenever somebody who asked was killed.
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)
    return asyncio.run(tell(seed, kills))


async def _happen(lived: World, chance: random.Random, kills: int, named: float, outcome: Outcome) -> None:
    life = await lived.begin_bridge()
    await _born(life)
    for person in lived.people:
        await person.log_in()
    closing = asyncio.Event()
    weather = Weather(lived, random.Random(chance.random()), closing)
    files = list(lived.house.humhub.files.values())
    desks = [Desk(lived, file, random.Random(chance.random()), closing) for file in files]
    reaper = Reaper(lived, random.Random(chance.random()), named, outcome.kills)
    async with asyncio.TaskGroup() as group:
        mourner = group.create_task(weather.mourn())
        storm = group.create_task(weather.blow())
        working = [group.create_task(desk.work()) for desk in desks]
        await _reap(reaper, life, kills)
        closing.set()
        await storm
        await weather.clear()
        lived.tell("everybody", "is asked to leave; nothing goes wrong any more")
        life = await lived.begin_bridge()
        await asyncio.gather(*working)
        await _rest(lived)
        mourner.cancel()
    if life.failure is not None:
        raise ExceptionGroup("at the end", [_Wrong(f"a bridge ended by itself: {life.failure}")])


async def _born(life: Life) -> None:
    """Wait for the first bridge: the process that it is forked from has everything to import."""
    ends = [asyncio.create_task(event.wait()) for event in (life.ready, life.over)]
    await asyncio.wait(ends, timeout=_BIRTH, return_when=asyncio.FIRST_COMPLETED)
    for end in ends:
        end.cancel()
    if not life.ready.is_set():
        why = life.failure or f"it isn't ready after {_BIRTH:.0f} s"
        raise ExceptionGroup("at the start", [_Wrong(f"the first bridge never began: {why}")])


async def _reap(reaper: Reaper, life: Life, kills: int) -> None:
    failure = await reaper.reap(life, kills)
    if failure is not None:
        raise _Wrong(f"a bridge ended by itself: {failure}")


async def _rest(lived: World) -> None:
    """Wait until nothing is left to do, and see that it stays so."""
    until = time.monotonic() + _REST
    while left := outstanding(lived):
        if time.monotonic() > until:
            raise _Wrong("no rest: " + "; ".join(left))
        await asyncio.sleep(0.05)
    lived.tell("everything", "is at rest")
    await asyncio.sleep(0.3)
