"""Documents that mean the same are one object: what only has an order is counted anew from 1.

Ids, places, tickets, attempts and paths matter to the rules by their order and equality alone, and why, tries and dates
not at all. So the search meets the same state again however it came there, and comparing two is cheap.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from bridge.store.records import Entry, Flight, OpenCallback, Record
from tests.model.world import NOW, Callback, Document

__all__ = ["document", "revised"]

_documents: dict[tuple[Any, ...], Document] = {}


def document(key: str) -> Document:
    """Give a key that was just handed out."""
    return revised(Document(Record(site="hub", key=key, target="/track", node="docs")))


def revised(old: Document, **parts: Any) -> Document:
    """Give a document with other parts, its numbers counted anew."""
    raw = replace(old, **parts) if parts else old
    known = _documents.get(_parts_of(raw))
    if known is None:
        new = _recounted(raw)
        known = _documents.setdefault(_parts_of(new), new)
        _documents[_parts_of(raw)] = known
    return known


def _parts_of(whole: Document) -> tuple[Any, ...]:
    return (
        whole.record,
        whole.callbacks,
        whole.posts,
        whole.session,
        whole.saving,
        whole.forgotten,
        whole.forgotten_at,
        whole.cached,
        whole.acknowledged,
        whole.find,
    )


def _recounted(old: Document) -> Document:
    """Count from 1 whatever only has an order, and drop what no rule asks for."""
    record, find = old.record, old.find
    callbacks = tuple(sorted(old.callbacks, key=lambda callback: callback.ticket))
    ids = {entry.id: str(place) for place, entry in enumerate(record.entries, 1)}
    iats = _times(old)
    tickets = [*(entry.arrival for entry in record.entries), *(callback.ticket for callback in callbacks)]
    # Who came last is asked for by a sweep that is under way, and by who opens while a callback is open.
    arrived = record.arrived if find or callbacks else 0
    arrivals = {0: 0, **_ranks([*tickets, *([find.ticket] if find else []), *([arrived] if arrived else [])])}
    opened = max(
        (arrivals[callback.ticket] + 1 for callback in callbacks if callback.ticket < record.opened), default=0
    )
    sources = _named([int(entry.source) for entry in record.entries], old, callbacks)
    flight = record.flight
    numbers = _ranks([*(post.number for post in old.posts), *([flight.number] if flight else [])])
    entries = tuple(
        _entry_again(entry, str(place), str(sources[int(entry.source)]), iats[entry.iat], arrivals[entry.arrival])
        for place, entry in enumerate(record.entries, 1)
    )
    return replace(
        old,
        record=replace(
            record,
            arrived=arrivals[arrived],
            opened=opened,
            number=max(numbers.values(), default=0),
            flight=_renumbered(flight, numbers, ids),
            alive=record.alive and flight is not None,
            entries=entries,
            callbacks=tuple(
                OpenCallback(ticket=arrivals[known.ticket], owner="", entry=ids.get(known.entry or ""))
                for known in sorted(record.callbacks, key=lambda known: known.ticket)
            ),
        ),
        callbacks=tuple(
            callback._replace(source=sources[callback.source], iat=iats[callback.iat], ticket=arrivals[callback.ticket])
            for callback in callbacks
        ),
        posts=tuple(
            post._replace(number=numbers[post.number], ticket=arrivals.get(post.ticket or 0))
            for post in sorted(old.posts, key=lambda post: post.number)
        ),
        saving=old.saving and old.saving._replace(source=sources[old.saving.source]),
        find=find and find._replace(ticket=arrivals[find.ticket], modified=iats[find.modified]),
        forgotten_at=iats[old.forgotten_at] if old.forgotten is not None else 0.0,
    )


def _entry_again(entry: Entry, identity: str, source: str, iat: float, arrival: int) -> Entry:
    """Give an entry with its numbers, without what no rule asks for."""
    if (entry.id, entry.source, entry.iat, entry.arrival, entry.tries, entry.why, entry.ended) == (
        identity,
        source,
        iat,
        arrival,
        0,
        "",
        None,
    ):
        return entry
    return replace(
        entry, id=identity, source=source, iat=iat, arrival=arrival, why="", tries=0, due=0.0, kept=NOW, ended=None
    )


def _renumbered(flight: Flight | None, numbers: dict[int, int], ids: dict[str, str]) -> Flight | None:
    if flight is None:
        return None
    return replace(flight, number=numbers[flight.number], entry=ids[flight.entry], owner="", until=0.0)


def _times(old: Document) -> dict[float, float]:
    """Count the times of Docs' clock anew; 0 stays: it is none."""
    times = {*(entry.iat for entry in old.record.entries), *(callback.iat for callback in old.callbacks)}
    if old.forgotten is not None:
        times.add(old.forgotten_at)
    if old.find is not None:
        times.add(old.find.modified)
    return {0.0: 0.0, **{time: float(place) for place, time in enumerate(sorted(times - {0.0}), 1)}}


def _ranks(values: Iterable[float]) -> dict[Any, int]:
    return {value: place for place, value in enumerate(sorted(set(values)), 1)}


def _named(sources: list[int], old: Document, callbacks: tuple[Callback, ...]) -> dict[int, int]:
    """Name saves in the order of their entries; those without one by their callbacks."""
    everything = [*sources, *(callback.source for callback in callbacks), *([old.saving.source] if old.saving else [])]
    return {source: place for place, source in enumerate(dict.fromkeys(everything), 1)}


# --- all of it ------------------------------------------------------------------------------------------------------
