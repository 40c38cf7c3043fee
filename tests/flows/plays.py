"""One save of each kind against the same mishap: what everybody hears and has at once, and in the end.

A document that HumHub has with the old text is saved with the new one. Where Docs saves by itself (2, 6), people edit;
what the small Docs never sends (3 and 7 with a file, news in any order) is sent by hand, by its own caller.
"""

from __future__ import annotations

import asyncio
import io
import json
import sqlite3
import time
from contextlib import closing, suppress
from dataclasses import astuple, dataclass, field, replace
from pathlib import Path
from typing import Any

import aiohttp
import docx

from bridge.config import Config
from bridge.demo.docs import Callback
from bridge.demo.editor import Editor
from bridge.demo.house import House, house
from bridge.demo.person import EditorPage, PageError, Person
from bridge.store.sqlite import path_of
from tests.flows.words import words

__all__ = ["Fate", "Mishap", "Play", "Played", "Saved", "impatient", "played", "text_of", "which"]

OLD, NEW = "Before. ", "And after."
SAVES = ("2", "3", "6", "7")
# News, and saves without a file.
NEWS = ("0", "1", "2", "3", "4", "5", "6", "7")
# How long it may take until everything has found its end; a second pause of the courier's is the longest part of it.
_PATIENCE, _LOOK = 30.0, 0.2


def impatient(config: Config) -> Config:
    """Wait for nothing longer than a second and a half, and sweep all the time."""
    return replace(config, saves=replace(config.saves, deadline=0.3, attempt=1.5, storing=0.5, sweep=0.5))


class Mishap:
    """Something that goes wrong in a house while saves are made, until it is over."""

    async def begin(self, h: House) -> None:
        """Let it go wrong; in this one nothing does."""

    async def end(self, h: House) -> None:
        h.humhub.faults.clear()
        h.docs.faults.clear()


def text_of(text: str) -> bytes:
    """Make a document."""
    made, out = docx.Document(), io.BytesIO()
    made.add_paragraph(text)
    made.save(out)
    return out.getvalue()


@dataclass(slots=True)
class Play:
    """One document, and the save of it."""

    h: House
    person: Person
    kind: str
    guid: str
    page: EditorPage
    view: EditorPage
    """What somebody has in a window who only wants to read."""
    file: bytes
    """What is sent by hand."""
    editor: Editor | None = None

    @classmethod
    async def begin(cls, h: House, person: Person, kind: str, file: bytes | None = None) -> Play:
        """Bring the document to where it is about to be saved; a ``file`` in place of an edit is sent by hand."""
        guid = await person.upload("Minutes.docx", text_of(OLD))
        page, view = await person.open(guid), await person.open(guid, "view")
        play = cls(h, person, kind, guid, page, view, file or text_of(OLD + NEW))
        if kind in ("2", "6") and file is None:
            play.editor = person.editor(page)
            await play.editor.open()
            await play.editor.write(NEW)
        return play

    async def save(self) -> None:
        """Save, and wait until Docs has heard what came of it."""
        if self.editor is None:
            await self.by_hand(file=True)
        elif self.kind == "2":
            await self.editor.leave()
        else:
            await self.editor.force_save()
        await self.h.told(self.page.key, int(self.kind))

    async def by_hand(self, *, file: bool, status: str | None = None) -> None:
        """Send the callback by Docs' own caller."""
        shelf, user = self.h.docs._shelf, self.page.config["editorConfig"]["user"]["id"]
        fields: dict[str, Any] = {"key": self.page.key, "status": int(status or self.kind), "users": [user]}
        if file:
            path = f"{shelf.new_version(self.page.key)}/output.docx"
            shelf.put(path, self.file)
            url = shelf.linker.link(
                f"{self.h.browser_url}/ds", path, "output.docx", lifetime=900, now=time.time(), shard=self.page.key
            )
            fields |= {"url": url, "filetype": "docx"}
        await self.h.docs._caller.send(self.page.config["editorConfig"]["callbackUrl"], lambda: fields)

    # What came of it

    def heard(self, status: str | None = None) -> str:
        """Give the ``error`` that Docs heard, from a 200 at its first attempt."""
        wanted = (self.page.key, int(status or self.kind))
        return said([one for one in self.h.docs.callbacks if (one.key, one.status) == wanted][-1])

    def entry(self) -> str:
        """Give the state of the newest entry in the spool."""
        with closing(sqlite3.connect(f"file:{path_of(self.h.config.store.url)}?mode=ro", uri=True)) as sql:
            query = "SELECT state, delivered_as, inferred FROM entries WHERE key = ? ORDER BY iat, arrival"
            found = sql.execute(query, (self.page.key,)).fetchall()
        if not found:
            return "none"
        state, delivered_as, inferred = found[-1]
        return f"{state} as {delivered_as}{', inferred' if inferred else ''}" if delivered_as else str(state)

    def content(self) -> str:
        """Give which text HumHub has."""
        return which(words(self.h.humhub.files[self.guid].content()))

    def at_humhub(self) -> str:
        """Give which text HumHub has, and whether it still has the key."""
        key = "kept" if self.h.humhub.files[self.guid].key == self.page.key else "cleared"
        return f"{self.content()}, key {key}"

    def at_docs(self) -> str:
        """Give what Docs keeps of the key as forgotten."""
        path = self.h.docs.forgotten.get(self.page.key)
        return which(words(path.read_bytes())) if path is not None else "none"

    async def reopened(self) -> str:
        """Give which text somebody sees who opens the document now; by the page from before, where HumHub is away."""
        page = self.view
        with suppress(aiohttp.ClientError, PageError):
            page = await self.person.open(self.guid, "view")
        viewer = self.person.editor(page)
        await viewer.open()
        seen = which(viewer.text)
        await viewer.leave()
        return seen


def said(callback: Callback) -> str:
    """Give the ``error`` that Docs heard, or all that it heard where that isn't one 200 with JSON."""
    attempts = [(attempt.answer, attempt.body) for attempt in callback.attempts]
    match attempts:
        case [(200, body)]:
            return str(json.loads(body)["error"])
    return str(attempts)


def which(text: str) -> str:
    return {OLD: "old", OLD + NEW: "new"}.get(text, repr(text))


@dataclass(frozen=True, slots=True)
class Saved:
    """What there is after a save, each column as the tables write it."""

    entry: str
    humhub: str
    docs: str


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of one save: what Docs heard; what there was at once, and what a re-open showed; and in the end."""

    heard: str
    at_once: Saved
    reopened: str
    in_the_end: Saved
    left: str = ""
    """Of a session that goes on after a forced save: what the save at its end heard."""

    @property
    def cells(self) -> tuple[str, ...]:
        return (self.heard, *astuple(self.at_once), self.reopened, *astuple(self.in_the_end))


@dataclass(frozen=True, slots=True)
class Played:
    """What became of the saves, by kind, and what Docs heard to all else, by status."""

    fates: dict[str, Fate]
    news: dict[str, str]


@dataclass(slots=True)
class Scene:
    """A house in which saves of several kinds are made at the same time."""

    h: House
    plays: dict[str, Play] = field(init=False)
    bystander: Play = field(init=False)
    """A document that nobody saves."""

    async def begin(self, kinds: tuple[str, ...], file: bytes | None) -> None:
        person = await self.h.log_in("alice")
        self.bystander, *plays = await asyncio.gather(
            Play.begin(self.h, person, "1"), *(Play.begin(self.h, person, kind, file) for kind in kinds)
        )
        self.plays = {play.kind: play for play in plays}

    def saved(self) -> dict[str, Saved]:
        return {kind: Saved(play.entry(), play.at_humhub(), play.at_docs()) for kind, play in self.plays.items()}

    def is_settled(self) -> bool:
        """Say whether nothing waits, and Docs has no copy but of dead letters."""
        entries = {play.page.key: play.entry() for play in self.plays.values()}
        return "waiting" not in entries.values() and {entries[key] for key in self.h.docs.forgotten} <= {"dead"}

    async def settled(self) -> None:
        """Wait until it is settled; if it never is, the table shows that."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_PATIENCE):
                while not self.is_settled():  # noqa: ASYNC110 - the index tells nobody
                    await asyncio.sleep(_LOOK)

    async def news(self) -> dict[str, str]:
        """Send every status without a file; give what Docs hears, by status."""
        play = self.bystander
        await asyncio.gather(*(play.by_hand(file=False, status=status) for status in NEWS))
        assert play.entry() == "none"
        return {status: play.heard(status) for status in NEWS}

    async def leave(self, kind: str) -> str:
        """Let a session that goes on go on, and end; say what the save at its end heard."""
        play = self.plays[kind]
        if kind != "6" or play.editor is None:
            return ""
        await play.editor.write("!")
        await play.editor.leave()
        await self.h.told(play.page.key, 2)
        return play.heard("2")


async def played(
    directory: Path,
    mishap: Mishap,
    busy: asyncio.Semaphore,
    kinds: tuple[str, ...] = SAVES,
    file: bytes | None = None,
) -> Played:
    """Make one save of each kind while something goes wrong, then let everything find its end."""
    async with house(directory, adjust=impatient) as h:
        scene = Scene(h)
        async with busy:
            await scene.begin(kinds, file)
            await mishap.begin(h)
            await asyncio.gather(*(play.save() for play in scene.plays.values()))
            heard = {kind: play.heard() for kind, play in scene.plays.items()}
            at_once, news = scene.saved(), await scene.news()
            seen = {kind: await play.reopened() for kind, play in scene.plays.items()}
            await mishap.end(h)
        await scene.settled()
        in_the_end = scene.saved()
        return Played(
            {
                kind: Fate(heard[kind], at_once[kind], seen[kind], in_the_end[kind], await scene.leave(kind))
                for kind in kinds
            },
            news,
        )
