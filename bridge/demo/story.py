"""The story that `humhub-bridge demo --once` plays: one document's life through three networks, step by step.

Each step does something as a person would, and looks at what came of it at the far end: in the other editor, in
HumHub's file. Which legs it crossed is measured, by the bridge's own counters before and after. The first step that
fails is the last one.
"""

from __future__ import annotations

import asyncio
import html
import io
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field

import aiohttp
import docx

from bridge.demo.editor import Editor, RefusedError
from bridge.demo.house import House
from bridge.demo.humhub import SmallHumHub
from bridge.demo.humhub.samples import odt
from bridge.demo.person import PageError, Person

AUTHOR, COLLEAGUE = "alice", "admin"

_PATIENCE = 10.0
_POLL = 0.05


class StoryError(Exception):
    """A step came out otherwise than it should."""

    def __init__(self, expected: str, came: str) -> None:
        super().__init__(f"expected {expected}; what came: {came}")


@dataclass(frozen=True, slots=True)
class Step:
    """One step that was played; `crossed` are the legs that something went through meanwhile."""

    step: str
    ok: bool
    crossed: tuple[str, ...]
    detail: str
    seconds: float


Act = Callable[[], Awaitable[str]]


async def play(house: House, site: int = 0) -> AsyncIterator[Step]:
    """Play the story on a site of a running house."""
    async for step in played(house, _Story(house, site).acts()):
        yield step


async def played(house: House, acts: Sequence[tuple[str, Act]]) -> AsyncIterator[Step]:
    """Play acts in a running house; the steps come as they end, and none after one that failed."""
    for name, act in acts:
        before, started = await house.traffic(), time.perf_counter()
        try:
            detail, ok = await act(), True
        except (StoryError, PageError, RefusedError, TimeoutError) as error:
            detail, ok = str(error), False
        except (aiohttp.ClientError, OSError) as error:
            detail, ok = f"a connection failed: {error}", False
        seconds = time.perf_counter() - started
        crossed = (await house.traffic()).crossed_since(before)
        yield Step(name, ok, crossed, detail, seconds)
        if not ok:
            return


@dataclass(slots=True)
class _Story:
    house: House
    site: int
    people: list[Person] = field(default_factory=list)
    editors: list[Editor] = field(default_factory=list)
    guid: str = ""
    written: str = ""

    def acts(self) -> list[tuple[str, Act]]:
        return [
            ("log in", self.log_in),
            ("create", self.create),
            ("open by two", self.open_by_two),
            ("type", self.type),
            ("save", self.save),
            ("re-open", self.reopen),
            ("convert", self.convert),
            ("forced save", self.forced_save),
            ("leave", self.leave),
        ]

    @property
    def author(self) -> Person:
        return self.people[0]

    async def log_in(self) -> str:
        for name in (AUTHOR, COLLEAGUE):
            person = self.house.person(name, self.site)
            self.people.append(person)
            await person.log_in()
        return f"{AUTHOR} and {COLLEAGUE} are in HumHub, at {self.house.front(self.site)}"

    async def create(self) -> str:
        self.guid = await self.author.create("Minutes of our first meeting")
        await self.author.post("Here are our minutes, please add to them.", self.guid)
        size = len(await self.author.read(self.guid))
        return f"{AUTHOR} created “Minutes of our first meeting.docx” ({size} bytes) and posted it"

    async def open_by_two(self) -> str:
        self.editors = [await person.edit(self.guid) for person in self.people]
        first, second = self.editors
        if first.key != second.key:
            raise StoryError("one document key for both", f"{first.key} and {second.key}")
        await first.meet(2)
        return f"both have it open under the key {first.key}: {html.unescape(' and '.join(first.people))}"

    async def type(self) -> str:
        first, second = self.editors
        await first.write(f"{AUTHOR} was here. ")
        await second.see(f"{AUTHOR} was here.")
        await second.write(f"So was {COLLEAGUE}.")
        await first.see(f"So was {COLLEAGUE}.")
        if first.text != second.text:
            raise StoryError(f"the same text in both, {first.text!r}", repr(second.text))
        self.written = first.text.strip()
        return f"each sees what the other types: “{self.written}”"

    async def save(self) -> str:
        key = self.editors[0].key
        for editor in self.editors:
            await editor.leave()
        await self._wait_for(lambda: self._file_key() != key, "HumHub to hear that the document is saved (callback 2)")
        await self._expect_in_humhub(self.written)
        return f"both left; HumHub's file has the text ({len(await self.author.read(self.guid))} bytes)"

    async def reopen(self) -> str:
        used_up = self.editors[0].key
        editor = await self.author.edit(self.guid)
        self.editors = [editor]
        if editor.key == used_up:
            raise StoryError("a new document key after the save", f"the old one, {used_up}")
        if self.written not in editor.text:
            raise StoryError(f"“{self.written}” in the editor", repr(editor.text))
        return f"a new key, {editor.key}, and the text is there"

    async def convert(self) -> str:
        content = odt("This was an OpenDocument text.")
        guid = await self.author.upload("Agenda.odt", content)
        await self.author.convert(guid, "Agenda.docx")
        words = words_of(await self.author.read(guid))
        if "This was an OpenDocument text." not in words:
            raise StoryError("the text of the ODT in the DOCX", repr(words))
        return f"Agenda.odt ({len(content)} bytes) is Agenda.docx ({len(await self.author.read(guid))} bytes)"

    async def forced_save(self) -> str:
        editor = self.editors[0]
        await editor.write(" Saved by hand.")
        if not await editor.force_save():
            raise StoryError("that HumHub takes the forced save (callback 6)", "Docs says that it did not")
        await self._expect_in_humhub("Saved by hand.")
        if self._file_key() != editor.key:
            raise StoryError(f"the same key, {editor.key}, for the open editor", str(self._file_key()))
        return "HumHub has the newest text while the editor stays open"

    async def leave(self) -> str:
        for editor in self.editors:
            await editor.leave()
        await self._wait_for(lambda: self._file_key() is None, "HumHub to hear that the document is saved (callback 2)")
        # HumHub clears its key a moment before the bridge has its answer and Docs has the bridge's.
        await self._wait_for(lambda: not self.house.saves, "no undelivered edit at the bridge")
        await self._wait_for(lambda: self.house.docs.callbacks[-1].acknowledged is not None, "an answer for Docs")
        return "everybody left; no edit waits anywhere"

    def _file_key(self) -> str | None:
        """Look behind HumHub's pages: no page shows the document key."""
        return self.house.humhubs[self.site].files[self.guid].key

    async def _expect_in_humhub(self, text: str) -> None:
        words = words_of(await self.author.read(self.guid))
        if text not in words:
            raise StoryError(f"“{text}” in HumHub's file", repr(words))

    async def _wait_for(self, condition: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + self.house.docs.settings.save_delay + _PATIENCE
        while not condition():
            if time.monotonic() > deadline:
                raise StoryError(
                    what,
                    f"nothing; HumHub heard {_heard(self.house.humhubs[self.site])}, Docs was told {_told(self.house)}",
                )
            await asyncio.sleep(_POLL)


def words_of(body: bytes) -> str:
    """Read the text of a DOCX that was stored; StoryError where it is none."""
    try:
        return "\n".join(paragraph.text for paragraph in docx.Document(io.BytesIO(body)).paragraphs)
    except (ValueError, KeyError, OSError) as error:
        raise StoryError("a DOCX", f"{len(body)} bytes that are none ({error})") from error


def _heard(humhub: SmallHumHub) -> str:
    tracks = humhub.tracks
    return f"callback {tracks[-1].status} and answered {tracks[-1].answered}" if tracks else "no callback"


def _told(house: House) -> str:
    calls = [attempt for callback in house.docs.callbacks for attempt in callback.attempts]
    return f"{calls[-1].answer} {calls[-1].body[:100]}".strip() if calls else "nothing"
