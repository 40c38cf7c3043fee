"""A world to kill in: a small HumHub, a small Docs, a mortal bridge between them, and everything that happens in order.

The stand-ins run in this process. Killed, they drop whatever they do, in the middle; what the real ones have on disk
stays. The bridge is a process of its own, which SIGKILL ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import random
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from bridge.config import Config
from bridge.demo.colleague import Colleague, OpenedPage
from bridge.demo.docs import SmallDocs
from bridge.demo.editor import Editor
from bridge.demo.house import House, house
from bridge.demo.person import Person
from bridge.saves.steps import Step
from tests.crash import documents
from tests.crash.mortal import Life, Mortal
from tests.crash.zygote import Order

__all__ = ["Happening", "Somebody", "World", "world"]

USERS = ("alice", "admin")
# Everything is fast, and in the proportions of real life: Docs gives up a save sooner than a long outage ends, and the
# bridge is back sooner than editors are taken for gone.
DOCS = {"save_delay": 0.1, "rejoin": 1.0, "retry_delays": (0.1, 0.2, 0.4), "callback_timeout": 20.0}
ATTEMPT = 0.8
# HumHub's longest request, which HumHub sees to by its own clock, however slow the machine is; and what a slow one
# takes: longer than an attempt. It may have been given up at any moment.
STORING, SLOW = 1.5, 1.0
HUMHUB = {"longest_request": STORING}
# Where there is no module, documents lie in a folder of the space, and the rest module is there for late saves.
FOLDER = "/s/team/cfiles/upload?fid=1"
MODLESS = {"rest_secret": "k" * 64}


@dataclass(frozen=True, slots=True)
class Happening:
    """Something that was done or seen, for the story of a violation."""

    at: float
    who: str
    what: str


class Somebody(Protocol):
    """Who opens documents and edits them."""

    username: str

    async def log_in(self) -> None:
        """Log in to HumHub."""

    async def open(self, guid: str) -> Any:
        """Open a document; give its page, which has its key."""

    def editor(self, page: Any) -> Editor:
        """Make the editor of an open page."""


class Guest:
    """Somebody who opens documents of a HumHub without the module, and else does as a :class:`Person` does."""

    def __init__(self, person: Person) -> None:
        self.username = person.username
        self._person = person
        self._colleague = Colleague.of(person)

    async def log_in(self) -> None:
        await self._person.log_in()

    async def open(self, guid: str) -> OpenedPage:
        """Open a file of the folder."""
        return await self._colleague.open(guid, FOLDER)

    def editor(self, page: OpenedPage) -> Editor:
        """Make the editor of an open page."""
        return self._colleague.editor(page)


@dataclass(slots=True)
class World:
    """What lives, what happened, and how often."""

    house: House
    mortal: Mortal
    guid_of: dict[str, str] = field(default_factory=dict)
    """Which file a document key was handed out for."""
    happenings: list[Happening] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    steps: Counter[Step] = field(default_factory=Counter)
    people: list[Somebody] = field(default_factory=list)
    originals: frozenset[str] = frozenset()
    """The files that were there at the beginning, by their guids; no other may ever be made."""
    docs_so_far: list[SmallDocs] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)
    _humhub_dies: asyncio.Lock = field(default_factory=asyncio.Lock)

    def tell(self, who: str, what: str) -> None:
        """Add to the story."""
        self.happenings.append(Happening(time.monotonic(), who, what))

    def hear(self, life: Life, what: str, more: str) -> None:
        """Add what a bridge says."""
        if what == "step":
            self.steps[Step(more.split(" ", maxsplit=1)[0])] += 1
        self.tell(f"bridge {life.pid}", f"{what} {more}".strip())

    # What is killed

    async def begin_bridge(self, dies: tuple[tuple[Step, int], ...] = (), grace: float = 0.0) -> Life:
        """Start a bridge that is to die as `zygote.Order` says."""
        return await self.mortal.begin(Order(self.house.config, self.house.directory / "bridge.log", dies, grace))

    async def kill_humhub(self, pause: float, *, over_a_save: bool = False) -> None:
        """Kill HumHub, and start it again after a pause; ``over_a_save``: only if a save has been its death already."""
        async with self._humhub_dies:
            if over_a_save and not self.house.humhub.died.is_set():
                return
            self.counts["HumHub died over a save"] += over_a_save
            self.counts["HumHub killed"] += 1
            self.tell("HumHub", "is killed")
            await self.house.kill_humhub()
            await asyncio.sleep(pause)
            await self.house.start_humhub()
            self.tell("HumHub", "is back")

    async def has_humhub(self) -> None:
        """Wait until HumHub isn't about to be started again."""
        async with self._humhub_dies:
            pass

    async def kill_docs(self, pause: float) -> None:
        """Kill Docs, and start it again after a pause."""
        self.counts["Docs killed"] += 1
        self.tell("Docs", "is killed")
        self.docs_so_far.append(self.house.docs)
        await self.house.kill_docs()
        await asyncio.sleep(pause)
        await self.house.start_docs()
        self.tell("Docs", "is back")

    # What is there

    @property
    def modless(self) -> bool:
        """Say whether the bridge itself is the integration."""
        return bool(self.house.layout.connector)

    @property
    def docs(self) -> list[SmallDocs]:
        """Docs' lives, the present one last."""
        return [*self.docs_so_far, self.house.docs]


@contextlib.asynccontextmanager
async def world(directory: Path, *, files: int, chance: random.Random, modless: bool = False) -> AsyncIterator[World]:
    """Let there be a world with so many documents; nobody has opened one, and no bridge runs yet.

    ``modless``: its HumHub has no module, and the bridge itself is the integration.
    """
    async with contextlib.AsyncExitStack() as stack:
        made = await stack.enter_async_context(
            house(
                directory,
                docs=DOCS,
                humhub=HUMHUB | (MODLESS if modless else {}),
                adjust=_hasten,
                without=("bridge",),
                connector="humhub" if modless else "",
            )
        )
        whole: World | None = None

        def hear(life: Life, what: str, more: str) -> None:
            if whole is not None:
                whole.hear(life, what, more)

        mortal = await stack.enter_async_context(Mortal.beside(hear))
        whole = World(made, mortal)
        people = [made.person(name) for name in USERS]
        whole.people = [Guest(person) if modless else person for person in people]
        add = made.humhub.add_cfile if modless else made.humhub.add_file
        for number in range(files):
            ballast = 300_000 if number == 0 else 0
            add(f"Minutes {number}.docx", documents.blank(ballast, chance), owner=USERS[0])
        whole.originals = frozenset(made.humhub.files)
        yield whole


def _hasten(config: Config) -> Config:
    """Give the bridge short limits."""
    limits = dataclasses.replace(
        config.saves, deadline=0.8, attempt=ATTEMPT, storing=STORING, sweep=0.5, keep=6.0, reserve=0
    )
    return dataclasses.replace(config, saves=limits)
