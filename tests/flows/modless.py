"""A house whose HumHub has no module, and people who are logged in there."""

from __future__ import annotations

import contextlib
import dataclasses
import secrets
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

from bridge.config import Config
from bridge.demo.colleague import Colleague, OpenedPage
from bridge.demo.editor import Editor
from bridge.demo.house import House, house
from bridge.demo.person import Person

FOLDER = "/s/team/cfiles/upload?fid=1"
KEY = "k" * 64


@dataclasses.dataclass(frozen=True, slots=True)
class Work:
    """A document that somebody is editing."""

    who: Colleague
    guid: str
    page: OpenedPage
    editor: Editor


@dataclasses.dataclass(slots=True)
class Desk:
    """A house whose HumHub has no module, and people who are logged in there."""

    house: House
    people: dict[str, Person] = dataclasses.field(default_factory=dict)
    colleagues: list[Colleague] = dataclasses.field(default_factory=list)

    async def colleague(self, name: str) -> Colleague:
        self.people[name] = await self.house.log_in(name)
        self.colleagues.append(Colleague.of(self.people[name]))
        return self.colleagues[-1]

    def log_out(self, name: str) -> None:
        """Forget somebody in HumHub, in all their browsers."""
        humhub = self.house.humhub
        humhub.users[name].auth_key = secrets.token_urlsafe(24)
        for session in list(humhub.sessions.all()):
            humhub.sessions.end(session)

    async def edits(self, name: str) -> Work:
        """Have somebody create a document in the folder, open it and write in it."""
        who = await self.colleague(name)
        guid: str = (await who.create("docx", "Plan", FOLDER))["file"]["guid"]
        page, editor = await who.edit(guid, FOLDER)
        await editor.write("kept")
        return Work(who, guid, page, editor)

    def text(self, guid: str) -> bytes:
        return self.house.humhub.files[guid].content()

    def names(self) -> list[str]:
        return sorted(entry.file.name for entry in self.house.humhub.cfiles.entries.values())


@contextlib.asynccontextmanager
async def desk(
    directory: Path, *, rest: str | None = KEY, humhub: Mapping[str, Any] | None = None, **saves: Any
) -> AsyncIterator[Desk]:
    """Run the house; ``humhub`` overrides settings of HumHub, ``saves`` limits of the bridge's configuration."""

    def adjust(config: Config) -> Config:
        # HumHub is quick here, so nothing has to be waited for after an attempt without an answer.
        return dataclasses.replace(config, saves=dataclasses.replace(config.saves, **{"storing": 0.5, **saves}))

    settings = {"rest_secret": rest, **(humhub or {})}
    async with house(directory, docs={"save_delay": 0.2}, adjust=adjust, connector="humhub", humhub=settings) as h:
        made = Desk(h)
        try:
            yield made
        finally:
            for one in made.colleagues:
                await one.close()
