"""The spool: bodies on disk and what the index knows about them, kept in step.

An entry is durable when both its body and its row are. What a killed process leaves of one without the other is settled
when the next one starts: a body without a row is entered from its label, a row without a body is said loudly.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import structlog

from bridge.protocol.errors import StorageError
from bridge.saves import rules
from bridge.saves.bodies import Bodies, Body
from bridge.saves.steps import Observer, Step
from bridge.store.index import Index
from bridge.store.records import Entry, Record, State

__all__ = ["Draft", "Spool", "tell_of_dead"]

log = structlog.get_logger(__name__)

# What the label says of an entry: all that doesn't change.
_LABEL: Final = (
    "id",
    "site",
    "key",
    "status",
    "source",
    "iat",
    "arrival",
    "size",
    "sha256",
    "kept",
    "filetype",
    "forgotten",
    "sound",
    "fields",
)
# How long it stays known that a file was delivered, after its body is deleted, in seconds: a forgotten file that turns
# up later is recognised by it.
_REMEMBERED: Final = 30 * 86400.0
_BATCH: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What is known about a save before its body is; the fields are those of :class:`Entry`."""

    site: str
    key: str
    status: int
    source: str
    iat: float
    arrival: int
    filetype: str | None
    fields: dict[str, Any]
    forgotten: bool = False


@dataclass(frozen=True, slots=True)
class Spool:
    """Keeps entries. ``keep_for`` is how long delivered and superseded bodies stay, in seconds."""

    bodies: Bodies
    index: Index
    clock: Callable[[], float]
    observe: Observer
    keep_for: float

    async def fetch(self, chunks: AsyncIterable[bytes], draft: Draft, *, promised: int | None) -> Body:
        """Write a body under its temporary name; raises as :meth:`Bodies.write` does."""
        return await self.bodies.write(
            chunks, filetype=draft.filetype, promised=promised, reached=self._reached(draft.site, draft.key)
        )

    async def enter(self, body: Body, draft: Draft, *, ticket: int | None, due: float, why: str = "") -> Entry:
        """Make a fetched body a durable entry, and give the entry that stands for it: this one, or the one it repeats.

        With a ``why``, or if it isn't what its type says, it is a dead letter from its beginning.

        Raises:
            StorageError: the disk or the index refused it; nothing of it is kept.
        """
        entry = Entry(
            **{field.name: getattr(draft, field.name) for field in dataclasses.fields(draft)},
            id=body.id,
            size=body.size,
            sha256=body.sha256,
            kept=self.clock(),
            sound=body.sound,
            due=due,
        )
        if why:
            entry = dataclasses.replace(entry, state=State.DEAD, why=why, ended=entry.kept)
        label = {name: getattr(entry, name) for name in _LABEL}
        reached = self._reached(draft.site, draft.key)
        await self.bodies.publish(body, label, reached)
        try:
            same = await self._enter(entry, ticket)
        except StorageError:
            await self.bodies.remove(body.id)
            raise
        reached(Step.ENTERED)
        if same.id == entry.id and same.state is State.DEAD:
            tell_of_dead(same)
        if same.id != entry.id:
            await self.bodies.remove(body.id)
        return same

    async def _enter(self, entry: Entry, ticket: int | None) -> Entry:
        rule = partial(rules.enter, entry=entry, ticket=ticket)
        return await self.index.change(entry.site, entry.key, rule, matching=(entry.sha256, entry.source))

    def _reached(self, site: str, key: str) -> Callable[[Step], None]:
        return lambda step: self.observe(step, site, key)

    # --- at the start -----------------------------------------------------------------------------------------------

    async def settle(self) -> None:
        """Bring bodies and index into step again, after whatever ended the process before."""
        remains = await asyncio.to_thread(self.bodies.remains, self.index.is_alive)
        known = await self.index.identities()
        for identity in remains.labels - remains.bodies.keys():
            await asyncio.to_thread(self.bodies.drop_label, identity)
        for identity in sorted(remains.bodies.keys() - known):
            await self._enter_again(identity, remains.bodies[identity])
        for identity in sorted(known - remains.bodies.keys()):
            await self._lost(identity)

    async def _enter_again(self, identity: str, size: int) -> None:
        label = await asyncio.to_thread(self.bodies.label, identity)
        try:
            entry = _from_label(label or {}, identity, ticket=await self.index.ticket())
        except (TypeError, ValueError, KeyError) as error:
            log.error(
                "a body that nothing is known about",
                entry=identity,
                why=repr(error),
                remedy=f"Look at {self.bodies.path(identity)}; move it away when you know whose it is.",
            )
            return
        if entry.size != size:
            entry = dataclasses.replace(
                entry, state=State.DEAD, sound=False, why="its body is not as long as it was", ended=self.clock()
            )
        same = await self._enter(entry, None)
        if same.id != identity:
            await self.bodies.remove(identity)
        log.warning("a body without a row is entered", site=entry.site, key=entry.key, entry=same.id)

    async def _lost(self, identity: str) -> None:
        entry = await self.index.find(identity)
        if entry is None or self.bodies.path(identity).exists():
            return
        if entry.state in (State.WAITING, State.DEAD):
            tell_of_dead(entry, why="its body is no longer on the disk")
        await self._note_gone(entry, now=self.clock())

    async def _note_gone(self, entry: Entry, *, now: float | None) -> None:
        # By its hash it is in the record, however many saves of its key came since.
        rule = partial(_without_body, identity=entry.id, now=now)
        await self.index.change(entry.site, entry.key, rule, matching=(entry.sha256,))

    # --- retention --------------------------------------------------------------------------------------------------

    async def expire(self) -> int:
        """Delete the bodies of entries that ended long enough ago; give their number."""
        number, before = 0, self.clock() - self.keep_for
        while batch := await self.index.expired(before=before, limit=_BATCH):
            for entry in batch:
                reached = self._reached(entry.site, entry.key)
                # The body first: one without a row would be taken for a save that has to be delivered.
                await self.bodies.remove(entry.id)
                reached(Step.UNLINKED)
                await self._note_gone(entry, now=None)
                reached(Step.EXPIRED)
            number += len(batch)
        await self.index.prune(before=self.clock() - max(_REMEMBERED, self.keep_for))
        return number

    async def check(self) -> str:
        """Say that bodies can be kept, for the readiness page.

        Raises:
            StorageError: they can't.
        """
        await asyncio.to_thread(self.bodies.open)
        free = await asyncio.to_thread(self.bodies.free)
        if free < 0:
            raise StorageError(
                "The free space is below saves.reserve: new saves are refused.",
                remedy=f"Make room where {self.bodies.directory} lies.",
            )
        totals = await self.index.totals()
        waiting = sum(total.number for total in totals if total.state is State.WAITING)
        dead = sum(total.number for total in totals if total.state is State.DEAD)
        size = sum(total.size for total in totals if total.state in (State.WAITING, State.DEAD))
        return f"{waiting} waiting, {dead} dead letters, {size} bytes"


def tell_of_dead(entry: Entry, *, why: str | None = None) -> None:
    """Say loudly that a save is a dead letter, and what to do about it."""
    log.error(
        "a save is a dead letter",
        site=entry.site,
        key=entry.key,
        entry=entry.id,
        why=why or entry.why,
        remedy=f"It is not tried again. Look at it: humhub-bridge saves show {entry.id}",
    )


def _from_label(label: dict[str, Any], identity: str, *, ticket: int) -> Entry:
    """Read an entry from its label, which an earlier release wrote with less in it."""
    given: dict[str, Any] = {name: label[name] for name in _LABEL if name in label}
    given.setdefault("iat", float(label["kept"]))
    given.setdefault("arrival", ticket)
    given.setdefault("fields", {"users": label.get("users") or []})
    return Entry(**{**given, "id": identity})


def _without_body(record: Record, *, identity: str, now: float | None) -> tuple[Record, None]:
    """Note that a body is no longer there; one that was still needed is a dead letter, if there is a ``now``."""
    entry = record.entry(identity)
    if entry is None:
        return record, None
    changed = dataclasses.replace(entry, held=False)
    if now is not None and entry.state is State.WAITING:
        changed = dataclasses.replace(changed, state=State.DEAD, ended=now, why="its body is no longer on the disk")
    return record.with_entry(changed), None
