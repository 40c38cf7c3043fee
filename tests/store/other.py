"""A second worker, in a process of its own: does as it is told on its standard input, and is killed like any other.

Each line names what to do; what came of it is answered in a line, as JSON. Started as ``python -m tests.store.other DATABASE``.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
from pathlib import Path

from bridge.protocol.errors import StorageError
from bridge.saves import flights, rules
from bridge.saves.rules import Send
from bridge.store.records import Flight, Record
from bridge.store.sqlite import SqliteIndex
from tests.store.entries import NOW, SITE, entry, put

YEAR = 365 * 86400.0


def begin(record: Record, worker: str) -> tuple[Record, Flight | None]:
    """Begin an attempt where none is under way, as a delivery does."""
    match rules.for_courier(record):
        case Send() as send:
            return flights.begin(record, send, owner=worker, until=NOW + YEAR)
    return record, None


async def _obey(index: SqliteIndex, words: list[str]) -> object:
    said: object
    match words:
        case ["name"]:
            said = index.worker
        case ["arrive", key]:
            said = await index.arrive(SITE, key, target="/t", node="docs-1")
        case ["begin", *keys]:
            said = [await _begin(index, key) for key in keys]
        case ["alive", name]:
            said = index.is_alive(name)
        case ["fill", size]:
            # What a full disk is to a process: its files can't grow any more.
            resource.setrlimit(resource.RLIMIT_FSIZE, (int(size), resource.RLIM_INFINITY))
            said = await _until_full(index)
        case ["room"]:
            resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            await index.change(SITE, "k1", put(entry("after")))
            said = len(await index.entries(key="k1", limit=100_000))
        case _:
            raise ValueError(words)
    return said


async def _begin(index: SqliteIndex, key: str) -> int | None:
    flight = await index.change(SITE, key, lambda record: begin(record, index.worker))
    return None if flight is None else flight.number


async def _until_full(index: SqliteIndex) -> tuple[int, int, str]:
    for number in range(1000):
        try:
            await index.change(SITE, "k1", put(entry(f"{number}", fields={"long": "x" * 3000})))
        except StorageError as error:
            held = len(await index.entries(key="k1", limit=100_000))
            return number, held, error.message
    raise AssertionError("it is never full")


async def main(database: Path) -> None:
    index = await SqliteIndex.open(database, clock=lambda: NOW)
    print(json.dumps("open"), flush=True)  # noqa: T201 - it is read by whoever started this
    try:
        while line := await asyncio.to_thread(sys.stdin.readline):
            print(json.dumps(await _obey(index, line.split())), flush=True)  # noqa: T201
    finally:
        await index.close()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
