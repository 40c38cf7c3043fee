"""A storage in front of the fake HumHub, and what tests do with it."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from yarl import URL

from bridge.connector.humhub.storage import HumHubStorage
from bridge.connector.storage import Upload, Visitor
from bridge.protocol.secret import Secret
from bridge.protocol.tokens import KeyRing
from bridge.sites import Site
from bridge.transport.upstream import Timeouts, Upstream
from tests.connector.fake_humhub import NUMBERS, SECRET, HumHub, guid_of, running

NOW = 1_800_000_000.0
QUICK = Timeouts(connect=0.5, first_byte=0.5, idle=0.5)


@dataclass
class House:
    """The storage, the HumHub behind it, and a directory for what is uploaded."""

    storage: HumHubStorage
    humhub: HumHub
    directory: Path
    now: float = NOW

    async def visitor(self, name: str, place: str = "") -> Visitor:
        return await self.storage.visitor({"Cookie": f"PHPSESSID={name}; _csrf=x"}, place)

    def upload(self, content: bytes, **options: Any) -> Upload:
        path = self.directory / f"{hashlib.sha1(content, usedforsecurity=False).hexdigest()}.body"
        path.write_bytes(content)
        return Upload(path, len(content), hashlib.sha256(content).hexdigest(), **options)

    async def content(self, visitor: Visitor, guid: str) -> bytes:
        async with self.storage.read(visitor, guid) as content:
            return b"".join([chunk async for chunk in content.chunks])

    def made(self, method: str, route: str) -> int:
        return self.humhub.calls.count(f"{method} {route}")


def gone(name: str) -> Visitor:
    """Give somebody whose session isn't known any more."""
    return Visitor(id=guid_of(name), name=name.title(), number=NUMBERS[name])


def site_of(url: str, upstream: Upstream, base_path: str = "") -> Site:
    return Site(
        name="social",
        hosts=("humhub.test",),
        host="humhub.test",
        inner=URL(url),
        base_path=base_path,
        ring=KeyRing("HumHub", "sites[0].jwt"),
        humhub=upstream,
        rest=Secret(SECRET),
    )


@asynccontextmanager
async def house(
    directory: Path, *, secret: str | None = SECRET, base: str = "", timeouts: Timeouts | None = None
) -> AsyncIterator[House]:
    async with running() as humhub, Upstream(humhub.url, name="social", timeouts=timeouts) as upstream:
        humhub.base = base
        site = site_of(humhub.url, upstream, base)
        limit = timeouts.first_byte if timeouts else 30.0
        key = Secret(secret) if secret else None
        made = House(HumHubStorage(site, lambda: made.now, key, limit=limit), humhub, directory)
        yield made
