"""The desk: what an administrator asks and does about kept saves, on the command line and on the admin leg.

Theory of operation. Nothing here delivers: :meth:`Desk.deliver` makes an entry due, and the courier of whichever bridge
runs on the index takes it within a second. So a command needs no bridge that runs, and can't disturb one that does.

What is discarded keeps its row, as superseded and without a body. ONLYOFFICE Docs may still have a forgotten copy of
it: if nothing were known of those bytes, the next sweep would take them for an edit that was never seen, and deliver
what somebody has just thrown away.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import re
import time
from collections.abc import AsyncIterator, Callable, Collection
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Final

from bridge.config import Config
from bridge.protocol.errors import ConfigurationError, ConflictError, NoRouteError, StorageError
from bridge.saves import rules
from bridge.saves.bodies import Bodies
from bridge.saves.standing import UNDELIVERED, Body, Standing, look_at, standing_of
from bridge.store.index import Index
from bridge.store.records import Entry, Record, State
from bridge.store.sqlite import SqliteIndex, path_of

__all__ = ["Desk", "check_store", "opened", "tell_of_loss"]

_IDENTITY: Final = re.compile(r"[0-9a-f]{4,64}")
_LOOK: Final = 0.2


@dataclass(frozen=True, slots=True)
class Desk:
    """Works on the spool of one configuration; ``sites`` are the names of its sites.

    An entry is named by its id, or by the beginning of one, of four characters or more, that is no other's. Each call
    raises :class:`NoRouteError` where there is no such entry, :class:`ConflictError` where what is asked can't be done,
    and :class:`StorageError` where the store fails.
    """

    index: Index
    bodies: Bodies
    clock: Callable[[], float]
    sites: Collection[str]

    async def list(
        self, states: Collection[State] = UNDELIVERED, *, site: str | None, key: str | None, limit: int
    ) -> tuple[list[Entry], bool]:
        """Give entries, oldest first, and whether there are more than ``limit``."""
        found = await self.index.entries(states=states, site=site, key=key, limit=limit + 1)
        return found[:limit], len(found) > limit

    async def entry(self, identity: str) -> Entry:
        """Give an entry."""
        entry = await self.index.find(identity.lower()) if _IDENTITY.fullmatch(identity.lower()) else None
        if entry is None:
            raise NoRouteError(
                f"No save has an id that begins with {identity[:64]}, or several have.",
                remedy="See: humhub-bridge saves list --all",
            )
        return entry

    async def standing(self, identity: str) -> Standing:
        """Look at an entry closely; its body is read."""
        entry = await self.entry(identity)
        body = await asyncio.to_thread(look_at, self.bodies.path(entry.id), entry) if entry.held else Body.GONE
        # It may have been delivered while its body was read.
        record = await self.index.read(entry.site, entry.key, matching=(entry.sha256,))
        entry = record.entry(entry.id) or entry
        return standing_of(record, entry, body, sites=self.sites, now=self.clock())

    async def body(self, identity: str) -> tuple[Entry, IO[bytes]]:
        """Open the body of an entry, to be read and closed by the caller."""
        entry = await self.entry(identity)
        try:
            return entry, await asyncio.to_thread(self.bodies.path(entry.id).open, "rb")
        except FileNotFoundError:
            raise ConflictError(_gone(entry)) from None
        except OSError as error:
            raise StorageError(f"The body can't be read: {error.strerror}.", entry=entry.id) from error

    # --- what changes something -------------------------------------------------------------------------------------

    async def deliver(self, identity: str, *, sure: bool) -> Standing:
        """Make an entry due now; a dead letter waits again. ``sure``: even if it is not what its type says."""
        before = await self.standing(identity)
        entry = before.entry
        if before.body is Body.DAMAGED and entry.state in UNDELIVERED:
            raise ConflictError("Its body is no longer what was saved; HumHub would store it as the document.")
        if before.body is Body.UNFIT and not sure and entry.state in UNDELIVERED:
            raise ConflictError(
                f"Its body is no {entry.filetype}, and HumHub would store it as the document all the same: "
                "that needs a yes."
            )
        rule = partial(rules.revived, identity=entry.id, now=self.clock())
        await self.index.change(entry.site, entry.key, lambda record: (rule(record), None), matching=(entry.sha256,))
        return await self.standing(entry.id)

    async def watch(self, entry: Entry, *, within: float) -> Entry:
        """Wait until an entry is delivered, is tried once more, or is no longer to be; give it as it is then."""
        until = time.monotonic() + within
        now = entry
        while time.monotonic() < until and now.state is State.WAITING and now.tries == entry.tries:
            await asyncio.sleep(_LOOK)
            now = await self.entry(entry.id)
        return now

    async def discard(self, identity: str, *, by: str) -> Entry:
        """Delete the body of an entry, and note who did: ``by``, as in "by alice"; give what is left of it."""
        entry = await self.entry(identity)
        change = partial(self.index.change, entry.site, entry.key, matching=(entry.sha256,))
        # First nobody is to deliver it, then its body goes: whatever ends this in between leaves no dead letter.
        await change(partial(_discarded, identity=entry.id, now=self.clock(), by=by))
        await self.bodies.remove(entry.id)
        return await change(partial(_bodiless, identity=entry.id))


def tell_of_loss(entry: Entry) -> str:
    """Say what is lost when an entry is discarded."""
    match entry.state:
        case State.WAITING | State.DEAD:
            return "HumHub never got this edit. Discarded, it is lost, unless ONLYOFFICE Docs has a copy of its own."
        case State.SUPERSEDED:
            return "HumHub never got this save. A newer one of its document came; what only this one holds is lost."
        case State.DELIVERED:
            return "HumHub has this save: nothing is lost."


def _discarded(record: Record, *, identity: str, now: float, by: str) -> tuple[Record, None]:
    entry = _in(record, identity)
    if record.flight is not None and record.flight.entry == identity:
        why = (
            "What became of its last attempt isn't known yet: a bridge that runs finds out."
            if rules.is_adrift(record)
            else "It is being delivered at this moment."
        )
        raise ConflictError(f"{why} Try again then.")
    if any(callback.entry == identity for callback in record.callbacks):
        raise ConflictError("ONLYOFFICE Docs still waits for the answer to it. Try again in a moment.")
    if not entry.held and entry.state not in UNDELIVERED:
        raise ConflictError(_gone(entry))
    if entry.state in UNDELIVERED:
        entry = dataclasses.replace(entry, state=State.SUPERSEDED, ended=now)
    return record.with_entry(dataclasses.replace(entry, why=f"discarded {by}")), None


def _bodiless(record: Record, *, identity: str) -> tuple[Record, Entry]:
    entry = dataclasses.replace(_in(record, identity), held=False)
    return record.with_entry(entry), entry


def _in(record: Record, identity: str) -> Entry:
    entry = record.entry(identity)
    if entry is None:
        raise NoRouteError("This save is no longer known.")
    return entry


def _gone(entry: Entry) -> str:
    if entry.state in UNDELIVERED:
        return "Its body is no longer on the disk."
    return f"Its body is gone: {entry.why or 'kept for saves.keep after it was ' + entry.state.value}."


# --- opened by a command ----------------------------------------------------------------------------------------------


def check_store(config: Config) -> tuple[Path, Path]:
    """Give the files of a configuration: the index, and the directory of bodies.

    Raises:
        ConfigurationError: it keeps saves in what this release doesn't have.
    """
    if not isinstance(config.saves.directory, Path) or not config.store.url.startswith("sqlite:"):
        raise ConfigurationError(
            "This release keeps saves in a directory and an SQLite file only.",
            remedy="Set saves.directory to a directory, and store.url to its default.",
        )
    return path_of(config.store.url), config.saves.directory


@contextlib.asynccontextmanager
async def opened(config: Config, *, clock: Callable[[], float] = time.time) -> AsyncIterator[Desk | None]:
    """Open the spool of a configuration as a guest, beside a bridge that runs on it or without one.

    Gives None where nothing has been saved yet; no file is made then.

    Raises:
        ConfigurationError: see :func:`check_store`.
        StorageError: it can't be opened.
    """
    path, directory = check_store(config)
    if not await asyncio.to_thread(_is_there, path, directory):
        yield None
        return
    index = await SqliteIndex.open(path, clock=clock, guest=True)
    bodies = Bodies(directory, worker="", max_size=config.saves.max_size, reserve=config.saves.reserve)
    try:
        yield Desk(index, bodies, clock, {site.name for site in config.sites})
    finally:
        await index.close()


def _is_there(path: Path, directory: Path) -> bool:
    try:
        there = path.exists()
        orphans = not there and directory.is_dir() and any(directory.glob("*.body"))
    except PermissionError as error:
        raise StorageError(f"The index of saves can't be read: {error.strerror}.", path=str(path)) from error
    if orphans:
        raise StorageError(
            f"Bodies lie in {directory}, and their index {path} is missing.",
            remedy="Start the bridge: it makes a new index from the labels beside them.",
        )
    return there
