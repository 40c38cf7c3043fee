"""What happens in a story, by its seed: people edit, HumHub and Docs misbehave and are killed, the bridge is killed.

The same seed gives the same plan. When each thing comes to pass depends on the machine too, so a story that is told
again is much like the first time, but no copy.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections import Counter
from dataclasses import dataclass, field

import aiohttp
import socketio.exceptions

from bridge.demo.docs import Fault as DocsFault
from bridge.demo.editor import Editor, RefusedError
from bridge.demo.humhub import Fault as HumHubFault
from bridge.demo.humhub import HumHubFile
from bridge.demo.person import PageError
from bridge.saves.steps import Step
from tests.crash.documents import mark
from tests.crash.mortal import Life
from tests.crash.world import ATTEMPT, SLOW, Somebody, World

__all__ = ["Desk", "Reaper", "Weather"]

# What a person meets when something is down or refuses: they come back later.
TROUBLE = (PageError, RefusedError, TimeoutError, aiohttp.ClientError, OSError, socketio.exceptions.SocketIOError)
_PATIENCE = 3.0
# How many steps are on order at a time, and how long a bridge has to reach one.
_ON_ORDER, _LONGEST = 4, 2.5


@dataclass(slots=True)
class Desk:
    """One document, and the people who open it, write, save and leave, again and again until ``closing``."""

    world: World
    file: HumHubFile
    chance: random.Random
    closing: asyncio.Event
    written: int = 0

    async def work(self) -> None:
        while not self.closing.is_set():
            await self._session()
            # Mostly they are back at once; now and then the document is left alone for so long that the sweep may act.
            most = self.chance.choices((0.4, 3.0), (3, 1))[0]
            await self._pause(0.0, most)

    async def _session(self) -> None:
        editors: list[Editor] = []
        try:
            await self._edit(editors)
        except TROUBLE as error:
            self.world.counts["sessions in trouble"] += 1
            self._tell(f"trouble: {type(error).__name__}: {error}"[:200])
        for editor in editors:
            await self._leave(editor)

    async def _edit(self, editors: list[Editor]) -> None:
        people = list(self.world.people)
        self.chance.shuffle(people)
        for _ in range(self.chance.randint(1, 4)):
            if not editors or (len(editors) < len(people) and self.chance.random() < 0.3):
                await self._open(editors, len(editors), people)
            editor = self.chance.choice(editors)
            await self._write(editor)
            if self.chance.random() < 0.4:
                await self._force(editor)
            await self._pause(0.0, 0.3)

    async def _open(self, editors: list[Editor], number: int, people: list[Somebody]) -> None:
        person = people[number]
        async with asyncio.timeout(_PATIENCE):
            page = await person.open(self.file.guid)
        self.world.guid_of[page.key] = self.file.guid
        editor = person.editor(page)
        await editor.open(_PATIENCE)
        editors.append(editor)
        self._tell(f"{person.username} has {page.key} open")

    async def _write(self, editor: Editor) -> None:
        self.written += 1
        name = f"{self.file.name.split('.')[0]}.{self.written}"
        editor.type(mark(name))
        await editor.settled(_PATIENCE)
        self._tell(f"wrote {name}")

    async def _force(self, editor: Editor) -> None:
        """Save by the button, but not in the second of a save at a session's end that the bridge may know.

        That second is all that the bridge can order them by. The real Docs is never that fast: it saves 5 s after the
        last one has left. In the second of a forgotten copy of what the bridge never heard of, it is as good as any.
        """
        if int(time.time()) not in self._ends(editor.key):
            self._tell(f"saves {editor.key} by hand")
            await editor.force_save(_PATIENCE)

    def _ends(self, key: str) -> set[int]:
        """Give the seconds in which Docs told the bridge of a session's end, by the clock of its tokens."""
        calls = [call for docs in self.world.docs for call in docs.callbacks if (call.key, call.status) == (key, 2)]
        clock = time.time() - time.monotonic()
        # A Docs that was killed knows no more than that it had begun to.
        times = [call.sent + clock for call in calls if call.settled is None]
        times += [one.at for call in calls for one in call.attempts if not str(one.answer).startswith("Cannot connect")]
        return {int(when) for when in times}

    async def _leave(self, editor: Editor) -> None:
        if self.chance.random() < 0.8:
            with contextlib.suppress(*TROUBLE):
                async with asyncio.timeout(_PATIENCE):
                    await editor.leave()
        await editor.drop()
        self._tell(f"leaves {editor.key}")

    async def _pause(self, least: float, most: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.chance.uniform(least, most)):
                await self.closing.wait()

    def _tell(self, what: str) -> None:
        self.world.tell(self.file.name, what)


_HUMHUB_FAULTS = (
    HumHubFault(status=500),
    HumHubFault(page=True),
    HumHubFault(redirect="/dashboard"),
    HumHubFault(status=403),
    HumHubFault(hang=0.2),
    HumHubFault(hang=ATTEMPT + 1),
    HumHubFault(after_store="500"),
    HumHubFault(after_store="cut"),
    HumHubFault(late=0.3),
    HumHubFault(late=ATTEMPT + 1),
    HumHubFault(slow=SLOW / 4),
    HumHubFault(slow=SLOW),
    HumHubFault(dies="stored"),
)
# What can only go wrong where HumHub fetches the save itself, and clears the key.
_MODULE_FAULTS = (
    *_HUMHUB_FAULTS,
    HumHubFault(after_fetch=True),
    HumHubFault(slow=SLOW, impatient=0.2),
    HumHubFault(slow=0.2, impatient=0.1),
    HumHubFault(dies="writing"),
    HumHubFault(dies="cleared"),
)

_DOCS_FAULTS = (
    ("file", DocsFault("status", status=500)),
    ("file", DocsFault("page")),
    ("file", DocsFault("cut")),
    ("file", DocsFault("lie")),
    ("file", DocsFault("empty")),
    ("file", DocsFault("trickle", seconds=0.4)),
    ("command", DocsFault("status", status=500)),
    ("command", DocsFault("page")),
    ("command", DocsFault("cut")),
)


@dataclass(slots=True)
class Weather:
    """What goes wrong around the bridge, until ``closing``."""

    world: World
    chance: random.Random
    closing: asyncio.Event

    async def blow(self) -> None:
        while not self.closing.is_set():
            await asyncio.sleep(self.chance.uniform(0.05, 0.5))
            await self._change()

    async def _change(self) -> None:
        dice = self.chance.random()
        humhub, docs = self.world.house.humhub, self.world.house.docs
        if dice < 0.55:
            self._fault_at_humhub(times=1)
        elif dice < 0.65:
            self._fault_at_humhub(times=None)
            await asyncio.sleep(self.chance.uniform(0.3, 1.5))
        elif dice < 0.8:
            route, fault = self.chance.choice(_DOCS_FAULTS)
            docs.faults.clear()
            docs.faults.add(route, fault, times=self.chance.randint(1, 3))
        elif dice < 0.85:
            humhub.faults.add("file" if self.world.modless else "download", HumHubFault(status=500))
        elif dice < 0.93:
            await self.world.kill_docs(self.chance.uniform(0, 0.6))
        else:
            await self.world.kill_humhub(self.chance.uniform(0, 0.8))

    def _fault_at_humhub(self, *, times: int | None) -> None:
        faults = self.world.house.humhub.faults
        faults.clear()
        route, known = ("cfiles upload", _HUMHUB_FAULTS) if self.world.modless else ("track", _MODULE_FAULTS)
        faults.add(route, self.chance.choice(known), times=times)

    async def clear(self) -> None:
        """Let nothing go wrong any more."""
        await self.world.has_humhub()
        self.world.house.humhub.faults.clear()
        self.world.house.docs.faults.clear()

    async def mourn(self) -> None:
        """Start a HumHub again that died over a save."""
        humhub = self.world.house.humhub
        while True:
            await humhub.died.wait()
            humhub.faults.clear()
            await self.world.kill_humhub(self.chance.uniform(0, 0.5), over_a_save=True)


@dataclass(slots=True)
class Reaper:
    """Kills the bridge again and again, at any moment and at named steps, each of which has its turn.

    Some steps are rare. So several are on order at a time, and the first that is reached counts; what a bridge didn't
    reach in its time is on order for the next one.
    """

    world: World
    chance: random.Random
    named: float
    """The share that is to end at a named step."""
    at: Counter[Step | None] = field(default_factory=Counter)
    """How often each step was the last, and, under None, how often it was any moment."""
    _deck: list[Step] = field(default_factory=list)
    _on_order: list[Step] = field(default_factory=list)

    async def reap(self, life: Life, kills: int) -> str | None:
        """End the running bridge, and more, until there have been so many kills; say why one ended by itself."""
        await self._end(life, self.chance.uniform(0, 1))
        while self.at.total() < kills and life.failure is None:
            chance = self.chance
            pause = chance.choices((0.0, chance.uniform(0, 0.3), chance.uniform(0.6, 1.6)), (15, 4, 3))[0]
            await asyncio.sleep(pause)
            if chance.random() < self.named:
                grace = chance.choice((0.0, chance.uniform(0.2, 1.2)))
                life = await self.world.begin_bridge(self._order(), grace)
                await self._end(life, _LONGEST)
            else:
                life = await self.world.begin_bridge()
                await self._end(life, chance.choice((chance.uniform(0, 0.1), chance.uniform(0.1, 1.5))))
        return life.failure

    def _order(self) -> tuple[tuple[Step, int], ...]:
        while len(self._on_order) < _ON_ORDER:
            self._deck = self._deck or self.chance.sample(list(Step), len(Step))
            self._on_order.append(self._deck.pop())
        return tuple((step, self.chance.choice((1, 1, 1, 2, 3))) for step in dict.fromkeys(self._on_order))

    async def _end(self, life: Life, after: float) -> None:
        """End a bridge after so many seconds, if it doesn't end before."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(after):
                await life.over.wait()
        life.kill()
        await life.over.wait()
        self.at[life.ends_at] += 1
        if life.ends_at is not None:
            self._on_order.remove(life.ends_at)
