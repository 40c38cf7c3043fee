"""The story that `humhub-bridge demo --connector --once` plays: a document's life where no module is.

As in ``story.py``, each step does something as a person would, and looks at what came of it at the far end: in the
other editor, in the directory or in HumHub.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

from bridge.demo.colleague import Colleague, OpenedPage
from bridge.demo.editor import Editor
from bridge.demo.house import House
from bridge.demo.humhub.samples import docx, odt
from bridge.demo.shelves import AUTHOR, COLLEAGUE, Shelf, shelf_of
from bridge.demo.story import Act, Step, StoryError, played, words_of

_PATIENCE = 10.0
_POLL = 0.05


async def play(house: House) -> AsyncIterator[Step]:
    """Play the story in a running house whose site is a connector's."""
    story = _Story(house, shelf_of(house))
    try:
        async for step in played(house, story.acts()):
            yield step
    finally:
        for person in story.people:
            await person.close()


@dataclass(slots=True)
class _Story:
    house: House
    shelf: Shelf
    people: list[Colleague] = field(default_factory=list)
    pages: list[OpenedPage] = field(default_factory=list)
    editors: list[Editor] = field(default_factory=list)
    guid: str = ""
    written: str = ""

    def acts(self) -> list[tuple[str, Act]]:
        return [
            ("introduce", self.introduce),
            ("create", self.create),
            ("open by two", self.open_by_two),
            ("type", self.type),
            ("close", self.close),
            ("save", self.save),
            ("re-open", self.reopen),
            ("conflict", self.conflict),
            ("convert", self.convert),
            ("leave", self.leave),
        ]

    @property
    def author(self) -> Colleague:
        return self.people[0]

    async def introduce(self) -> str:
        for name in (AUTHOR, COLLEAGUE):
            self.people.append(await self.shelf.meet(self.house, name))
        return f"{AUTHOR} and {COLLEAGUE} are known at {self.house.browser_url}"

    async def create(self) -> str:
        made = await self.author.create("docx", "Minutes of our first meeting", self.shelf.place)
        self.guid = made["file"]["guid"]
        size = len(self.shelf.read(self.guid))
        return f"{AUTHOR} created “{made['file']['name']}”: {size} bytes in {self.shelf.name}"

    async def open_by_two(self) -> str:
        for person in self.people:
            await self._edit(person, self.guid)
        first, second = self.pages
        if first.key != second.key:
            raise StoryError("one document key for both", f"{first.key} and {second.key}")
        await self.editors[0].meet(2)
        return f"both have it open under the key {first.key}"

    async def type(self) -> str:
        first, second = self.editors
        await first.write(f"{AUTHOR} was here. ")
        await second.see(f"{AUTHOR} was here.")
        await second.write(f"So was {COLLEAGUE}.")
        await first.see(f"So was {COLLEAGUE}.")
        self.written = first.text.strip()
        return f"each sees what the other types: “{self.written}”"

    async def close(self) -> str:
        said = await self.author.shut(self.pages[0])
        await self.editors[0].leave()
        if not said["saved"] or said["file"]["guid"] != self.guid:
            raise StoryError("that it is saved in the same file", str(said))
        self._expect(self.guid, self.written)
        return f"{AUTHOR} closed it; {self.shelf.name} has the text at once, and {COLLEAGUE} goes on"

    async def save(self) -> str:
        await self.editors[1].write(" And went on.")
        await self.editors[1].leave()
        await self._told(self.pages[1].key)
        self.written += " And went on."
        self._expect(self.guid, self.written)
        return f"the last one left; the file has it all ({len(self.shelf.read(self.guid))} bytes)"

    async def reopen(self) -> str:
        used_up = self.pages[0].key
        self.pages, self.editors = [], []
        await self._edit(self.author, self.guid)
        if self.pages[0].key == used_up:
            raise StoryError("a new document key after the save", f"the old one, {used_up}")
        if self.written not in self.editors[0].text:
            raise StoryError(f"“{self.written}” in the editor", repr(self.editors[0].text))
        return f"a new key, {self.pages[0].key}, and the text is there"

    async def conflict(self) -> str:
        theirs = docx("Somebody else stored this meanwhile.")
        self.shelf.change(self.guid, theirs)
        await self.editors[0].write(" Mine.")
        said = await self.author.shut(self.pages[0])
        second = said["file"]
        if self.shelf.read(self.guid) != theirs:
            raise StoryError("that what somebody else stored is still there", "something else")
        if second["guid"] == self.guid or not said["notice"]:
            raise StoryError("a second file, and that its author is told", str(said))
        self._expect(second["guid"], "Mine.")
        return f"somebody changed the file meanwhile: nothing is overwritten, the edit is in “{second['name']}”"

    async def convert(self) -> str:
        content = odt("This was an OpenDocument text.")
        guid = self.shelf.add("Agenda.odt", content)
        made = await self.author.convert(guid, self.shelf.place, "docx")
        self._expect(made["guid"], "This was an OpenDocument text.")
        return f"Agenda.odt ({len(content)} bytes) is {made['name']} beside it ({made['size']} bytes)"

    async def leave(self) -> str:
        key = self.pages[0].key
        await self.editors[0].leave()
        await self._told(key)
        await self._wait_for(lambda: not self.house.saves, "no undelivered edit at the bridge")
        return "everybody left; no edit waits anywhere"

    async def _edit(self, person: Colleague, guid: str) -> None:
        page, editor = await person.edit(guid, self.shelf.place)
        self.pages.append(page)
        self.editors.append(editor)

    def _expect(self, guid: str, text: str) -> None:
        words = words_of(self.shelf.read(guid))
        if text not in words:
            raise StoryError(f"“{text}” in {self.shelf.name}", repr(words))

    async def _told(self, key: str) -> None:
        """Wait until Docs has heard of its last save that it is stored."""
        callbacks = self.house.docs.callbacks

        def settled() -> bool:
            return any(one.acknowledged for one in callbacks if (one.key, one.status) == (key, 2))

        await self._wait_for(settled, "that Docs hears of the save (callback 2)")

    async def _wait_for(self, condition: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + self.house.docs.settings.save_delay + _PATIENCE
        while not condition():
            if time.monotonic() > deadline:
                raise StoryError(what, "nothing")
            await asyncio.sleep(_POLL)
