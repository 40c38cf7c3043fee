"""A house in which anything may happen: people write, save and leave while HumHub, Docs and the bridge fail and restart.

Theory of operation. Each happening is played to its end, then nothing moves until the next: between two of them the
event loop stands still, so that a story told again runs the same way, give or take milliseconds. The bridge's clock can
be put forward, so that nobody waits for its pauses. Whatever people meet (a page that doesn't come, an editor that is
refused) is theirs to bear; what counts is what is written: every word that Docs has ever put into a save must be in the
end in HumHub's file or in a dead letter, and a version of HumHub's never lacks a word that the one before had.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import sqlite3
import time
import zipfile
from collections.abc import Awaitable
from contextlib import AsyncExitStack, closing, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar

import aiohttp
import socketio.exceptions

from bridge.app import running
from bridge.config import Config
from bridge.demo.docs import Fault as DocsFault
from bridge.demo.docs.session import Session, State
from bridge.demo.editor import Editor, RefusedError
from bridge.demo.house import House, house
from bridge.demo.humhub import Fault
from bridge.demo.person import PageError, Person
from bridge.store.sqlite import path_of
from tests.flows.plays import text_of
from tests.flows.words import words

__all__ = ["DOCUMENTS", "WRITERS", "Life"]

WRITERS, READER = ("admin", "alice"), "carol"
DOCUMENTS = ("Minutes", "Plan")

_WORD = re.compile(r"w\d+")
# How long people wait for a document (after a refused save the bridge lets Docs digest that first), for anything else,
# and everybody for the end, in seconds.
_OPENING, _PATIENCE, _END = 4.0, 2.0, 20.0
_LOOK = 0.1
# How far the bridge's clock may be put forward: tokens of Docs, which is on time, hold within a minute.
_LATEST = 50.0

# What people meet when something else is broken.
_TROUBLE = (RefusedError, PageError, aiohttp.ClientError, socketio.exceptions.SocketIOError, OSError, TimeoutError)

_DOCS = {"save_delay": 0.05, "rejoin": 0.5, "retry_delays": (0.05, 0.1, 0.1), "download_retry_delay": 0.02}


def hasty(config: Config) -> Config:
    return replace(config, saves=replace(config.saves, deadline=0.2, attempt=0.8, storing=0.3, sweep=0.3))


@dataclass(frozen=True, slots=True)
class Entry:
    """A save as the bridge's index has it."""

    id: str
    key: str
    state: str
    sha256: str


@dataclass(slots=True)
class Life:
    """The house, who sits in it, and what has been written; `story` tells what happened."""

    RUNNING: ClassVar = ("HumHub", "Docs", "the bridge")

    directory: Path
    h: House = field(init=False)
    story: list[str] = field(default_factory=list)
    _stack: AsyncExitStack = field(default_factory=AsyncExitStack)
    _people: dict[str, Person] = field(default_factory=dict)
    _guids: dict[str, str] = field(default_factory=dict)
    _windows: dict[tuple[str, str], Editor] = field(default_factory=dict)
    _typed: int = 0
    _ahead: float = 0.0
    _begun: float = field(default_factory=time.monotonic)
    _saved: dict[str, set[str]] = field(default_factory=dict)
    """The words that Docs has put into saves, by the document's key."""
    _keys: dict[str, str] = field(default_factory=dict)
    """Which document a key was of."""
    _seen: dict[str, tuple[int, set[str]]] = field(default_factory=dict)
    """The latest whole version of each document that HumHub has, and its words."""

    async def begin(self) -> None:
        self.h = await self._stack.enter_async_context(
            house(self.directory, docs=_DOCS, adjust=hasty, without=("bridge",))
        )
        await self._start_bridge()
        for name in (*WRITERS, READER):
            self._people[name] = await self.h.log_in(name)
        owner = self._people["alice"]
        for name in DOCUMENTS:
            self._guids[name] = await owner.upload(f"{name}.docx", text_of("Begun. "))
        await owner.post("Let us write.", *self._guids.values())

    async def close(self) -> None:
        await self._stack.aclose()

    # --- what people do -----------------------------------------------------------------------------------------------

    async def write(self, who: str, what: str) -> None:
        """Type a new word, in the window that is open or in a new one."""
        editor = await self._window(who, what)
        if editor is None:
            return
        self._typed += 1
        word = f"w{self._typed}"
        editor.type(f"{word} ")
        await self._borne(f"{who} types {word} into {what}", editor.settled(_PATIENCE))

    async def read(self, what: str) -> None:
        """Open a document to look at it."""
        await self.leave(READER, what)
        await self._opened(READER, what, "view")

    async def save(self, who: str, what: str) -> None:
        """Press "Save"."""
        if (editor := self._windows.get((who, what))) is not None:
            await self._borne(f"{who} saves {what}", editor.force_save(_PATIENCE))

    async def leave(self, who: str, what: str) -> None:
        """Close a window."""
        editor = self._windows.pop((who, what), None)
        if editor is not None and not await self._borne(f"{who} leaves {what}", editor.leave()):
            await editor.drop()

    async def vanish(self, who: str, what: str) -> None:
        """Be gone without a word, as when a notebook is closed."""
        if (editor := self._windows.pop((who, what), None)) is not None:
            self._tell(f"{who} vanishes from {what}")
            await editor.drop()

    async def all_leave(self, what: str) -> None:
        """Let everybody close a document, and Docs save it."""
        for who, which in list(self._windows):
            if which == what:
                await self.leave(who, what)
        with suppress(TimeoutError):
            await self.h.until(lambda: not self._unsaved(what), within=_PATIENCE)

    async def wait(self, seconds: float) -> None:
        self._tell(f"{seconds} s pass")
        await asyncio.sleep(seconds)

    async def time_flies(self) -> None:
        """Put the bridge's clock forward, past any of its pauses."""
        if self._ahead < _LATEST:
            self._ahead += 10
            self._tell("for the bridge 10 s pass")
            await asyncio.sleep(2 * _LOOK)

    async def _window(self, who: str, what: str) -> Editor | None:
        """Give a window that works; None where none does now."""
        editor = self._windows.get((who, what))
        if editor is not None and editor._failure is None:
            return editor
        if editor is not None:
            del self._windows[who, what]
            await editor.drop()
        return await self._opened(who, what)

    async def _opened(self, who: str, what: str, mode: str = "edit") -> Editor | None:
        person = self._people[who]
        try:
            page = await person.open(self._guids[what], mode)
            self._keys[page.key] = what
            editor = person.editor(page)
            await editor.open(_OPENING)
        except _TROUBLE as error:
            self._tell(f"{who} can't open {what}: {error}")
            return None
        self._windows[who, what] = editor
        seen = set(_WORD.findall(editor.text))
        self._tell(f"{who} opens {what} ({page.key[:6]}, to {mode}) and sees {_listed(seen)}")
        # A reader may still be shown what there was before a save; who writes on it would lose that save.
        missing = self._words_saved(what) - seen if mode == "edit" else set()
        assert not missing, f"who opens {what} misses {_listed(missing)}"
        return editor

    async def _borne(self, what: str, act: Awaitable[object]) -> bool:
        try:
            found = await act
        except _TROUBLE as error:
            self._tell(f"{what}: {error or type(error).__name__}")
            return False
        self._tell(what if found is not False else f"{what}, in vain")
        return True

    # --- what fails ---------------------------------------------------------------------------------------------------

    async def humhub_fails(self, how: str, fault: Fault, times: int | None) -> None:
        self._tell(f"HumHub will {how}{'' if times is None else ' once'}")
        self.h.humhub.faults.clear("track")
        self.h.humhub.faults.add("track", fault, times=times)

    async def goes(self, who: str) -> None:
        """Kill HumHub or Docs, which keeps what is on its disk and in its database; the bridge is stopped."""
        self._tell(f"{who} goes")
        match who:
            case "HumHub":
                await self.h.kill_humhub()
            case "Docs":
                self._remember_saves()
                await self.h.kill_docs()
            case _:
                await self.h.stop_bridge()

    async def comes(self, who: str) -> None:
        """Start what has gone."""
        self._tell(f"{who} comes")
        match who:
            case "HumHub":
                await self.h.start_humhub()
            case "Docs":
                await self.h.start_docs()
            case _:
                await self._start_bridge()

    async def docs_fails(self, how: str, fault: DocsFault) -> None:
        self._tell(f"Docs gives edited files badly: {how}")
        self.h.docs.faults.clear("file")
        self.h.docs.faults.add("file", fault)

    async def all_is_well(self) -> None:
        self._tell("faults end")
        self.h.humhub.faults.clear()
        self.h.docs.faults.clear()

    async def docs_loses_copies(self) -> None:
        """Take away from Docs what the bridge has as well: an edit that isn't delivered exists twice."""
        kept = {entry.sha256 for entry in self._entries() if entry.state in {"waiting", "dead"}}
        for key, path in self.h.docs.forgotten.items():
            if hashlib.sha256(path.read_bytes()).hexdigest() in kept and not self.h.docs.sessions.get(key):
                self._tell(f"Docs loses its copy of {self._keys[key]}")
                path.unlink()
                path.parent.rmdir()

    async def _start_bridge(self) -> None:
        stack = AsyncExitStack()
        await stack.enter_async_context(running(self.h.config, clock=lambda: time.time() + self._ahead))
        self.h._bridge = stack

    # --- what must be so ----------------------------------------------------------------------------------------------

    async def look(self) -> None:
        """Raise a HumHub that died, and see that what it has never lacks what it had."""
        if self.h.humhub.died.is_set():
            self._tell("HumHub has died, and starts")
            await self.h.kill_humhub()
            await self.h.start_humhub()
        self._remember_saves()
        for what, guid in self._guids.items():
            file = self.h.humhub.files[guid]
            for version in range(self._seen.get(what, (1, set()))[0] + 1, file.version + 1):
                self._see(what, version, file.path.with_suffix(f".{version}"))

    def _see(self, what: str, version: int, path: Path) -> None:
        found = _words_in(path)
        before = self._seen.get(what, (1, set[str]()))[1]
        if found is None:
            self._tell(f"HumHub has half of a version {version} of {what}")
            self._seen[what] = version, before
            return
        self._tell(f"HumHub has version {version} of {what}: {_listed(found)}")
        self._seen[what] = version, found
        assert before <= found, f"{what} lost {_listed(before - found)} at HumHub with version {version}"

    async def end(self, *, patient: bool) -> None:
        """Let everything be well and everybody leave, at once or when nothing waits any more; nothing may be missing."""
        await self.all_is_well()
        if patient:
            await self.time_flies()
            with suppress(TimeoutError):
                await self.h.until(lambda: all(entry.state != "waiting" for entry in self._entries()), _PATIENCE)
        for what in DOCUMENTS:
            await self.all_leave(what)
        try:
            async with asyncio.timeout(_END):
                while left := self._left():
                    await asyncio.sleep(_LOOK)
                    self._ahead = min(_LATEST, self._ahead + 1)
        except TimeoutError:
            raise AssertionError(f"in the end there is still {'; '.join(left)}") from None
        await self.look()
        dead = [entry for entry in self._entries() if entry.state == "dead"]
        assert not dead, f"there are {len(dead)} dead letters"
        for what, guid in self._guids.items():
            have = _words_in(self.h.humhub.files[guid].path) or set()
            self._tell(f"in the end HumHub's {what} has {_listed(have)}")
            missing = self._words_saved(what) - have
            assert not missing, f"{what} lacks {_listed(missing)} in the end"

    def _left(self) -> list[str]:
        """Say what hasn't come to its end."""
        entries = self._entries()
        waiting = [f"a save of {self._keys[entry.key]} that waits" for entry in entries if entry.state == "waiting"]
        dead = {entry.key for entry in entries if entry.state == "dead"}
        copies = [f"a copy of {self._keys[key]} at Docs" for key in self.h.docs.forgotten if key not in dead]
        unsaved = [f"a session of {what} that isn't saved" for what in DOCUMENTS if self._unsaved(what)]
        return [*waiting, *copies, *unsaved]

    def _unsaved(self, what: str) -> list[Session]:
        return [
            session
            for key, session in self.h.docs.sessions.items()
            if self._keys.get(key) == what and _brings_more(session)
        ]

    def _words_saved(self, what: str) -> set[str]:
        return {word for key, saved in self._saved.items() if self._keys[key] == what for word in saved}

    def _remember_saves(self) -> None:
        for version in self.h.docs.versions:
            found = set(_WORD.findall(words(version.data)))
            if not found <= self._saved.setdefault(version.key, set()):
                self._tell(f"Docs has saved {self._keys[version.key]}: {_listed(found)}")
                self._saved[version.key] |= found

    def _entries(self) -> list[Entry]:
        with closing(sqlite3.connect(f"file:{path_of(self.h.config.store.url)}?mode=ro", uri=True)) as sql:
            return [Entry(*row) for row in sql.execute("SELECT id, key, state, sha256 FROM entries")]

    def _tell(self, what: str) -> None:
        self.story.append(f"{time.monotonic() - self._begun:7.2f}  {what}")


def _brings_more(session: Session) -> bool:
    is_about_to_save = session.saver is not None and not session.saver.done()
    return session.state is State.SAVING or is_about_to_save or bool(session.participants)


def _words_in(path: Path) -> set[str] | None:
    """Give the words of a document; None where it is none."""
    try:
        return set(_WORD.findall(words(path.read_bytes())))
    except (zipfile.BadZipFile, KeyError, ValueError):
        return None


def _listed(found: set[str]) -> str:
    return " ".join(sorted(found, key=lambda word: int(word[1:]))) or "nothing"
