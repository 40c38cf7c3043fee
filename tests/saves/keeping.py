"""A spool on a real disk that is opened, left and opened again, as processes do, and what tests put into it."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bridge.saves.bodies import Bodies
from bridge.saves.spool import Draft, Spool
from bridge.saves.steps import Step
from bridge.store.records import Entry, Record
from bridge.store.sqlite import SqliteIndex
from tests.store.conftest import Clock
from tests.store.entries import NOW, SITE, strip

ZIP = b"PK\x03\x04"
DOCX = ZIP + bytes(100)
OpenSpool = Callable[..., Awaitable[Spool]]


@dataclass
class Steps:
    """An observer that notes the steps of saves."""

    seen: list[Step]

    def __call__(self, step: Step, site: str, key: str) -> None:
        self.seen.append(step)


@pytest.fixture
def steps() -> Steps:
    return Steps([])


@pytest.fixture
async def open_spool(tmp_path: Path, clock: Clock, steps: Steps) -> AsyncIterator[OpenSpool]:
    """Open a spool as one process more does, settled; the options are those of Bodies."""
    async with AsyncExitStack() as stack:

        async def opened(*, keep_for: float = 86400.0, **options: Any) -> Spool:
            index = await SqliteIndex.open(tmp_path / "bridge.db", clock=clock)
            stack.push_async_callback(_left, index)
            bodies = Bodies(tmp_path / "saves", worker=index.worker, **{"max_size": 10_000, "reserve": 0, **options})
            bodies.open()
            spool = Spool(bodies, index, clock, steps, keep_for)
            await spool.settle()
            return spool

        yield opened


@pytest.fixture
async def spool(open_spool: OpenSpool) -> Spool:
    return await open_spool()


async def _left(index: SqliteIndex) -> None:
    with contextlib.suppress(RuntimeError):  # a test has closed it already
        await index.close()


async def chunks(*parts: bytes, then: Exception | None = None) -> AsyncIterator[bytes]:
    for part in parts:
        yield part
    if then is not None:
        raise then


def sha_of(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def draft(**changes: Any) -> Draft:
    usual: dict[str, Any] = {
        "site": SITE,
        "key": "k1",
        "status": 2,
        "source": "/cache/files/data/k1_1/output.docx/output.docx",
        "iat": NOW,
        "arrival": 1,
        "filetype": "docx",
        "fields": {"users": ["u1"]},
    }
    return Draft(**{**usual, **changes})


async def keep(spool: Spool, body: bytes = DOCX, **changes: Any) -> Entry:
    """Fetch and enter a body, as a callback does; each has a path of its own, unless that is given."""
    drafted = draft(**{"source": f"/cache/files/data/{sha_of(body)}/output.docx", **changes})
    fetched = await spool.fetch(chunks(body[:3], body[3:]), drafted, promised=len(body))
    return await spool.enter(fetched, drafted, ticket=None, due=NOW)


async def record_of(spool: Spool, key: str = "k1") -> Record:
    return await spool.index.read(SITE, key)


async def strip_row(spool: Spool, entry: Entry) -> None:
    """Leave a body as a process does that was killed before its row was written."""
    strip(spool.index, entry.id)


def lies(spool: Spool) -> dict[str, bytes]:
    """Give what lies in the save directory."""
    return {path.name: path.read_bytes() for path in sorted(spool.bodies.directory.iterdir())}


def names(spool: Spool) -> list[str]:
    return [Path(name).suffix for name in lies(spool)]


def label_of(spool: Spool, entry: Entry) -> Any:
    return json.loads(lies(spool)[f"{entry.id}.json"])
