"""An index of its own for each test."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from bridge.store.sqlite import SqliteIndex
from tests.store.entries import NOW

OpenIndex = Callable[..., Awaitable[SqliteIndex]]


class Clock:
    """A clock that stands where it is put."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "bridge.db"


@pytest.fixture
async def open_index(database: Path, clock: Clock) -> AsyncIterator[OpenIndex]:
    """Open an index, as one worker more does; all are closed at the test's end."""
    async with AsyncExitStack() as stack:

        async def opened() -> SqliteIndex:
            index = await SqliteIndex.open(database, clock=clock)
            stack.push_async_callback(index.close)
            return index

        yield opened


@pytest.fixture
async def index(open_index: OpenIndex) -> SqliteIndex:
    return await open_index()


class OtherWorker:
    """A worker in a process of its own; see ``other.py``."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def says(self) -> Any:
        assert self.process.stdout is not None
        return json.loads(await self.process.stdout.readline())

    def send(self, *words: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(" ".join(words).encode() + b"\n")

    async def ask(self, *words: str) -> Any:
        self.send(*words)
        return await self.says()

    async def kill(self) -> None:
        self.process.kill()
        await self.process.wait()

    async def end(self) -> None:
        """Let it end by itself; what was killed has ended."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        await self.process.wait()


StartOther = Callable[[], Awaitable[OtherWorker]]


@pytest.fixture
async def start_other(database: Path) -> AsyncIterator[StartOther]:
    """Start a worker in another process; it ends at the test's end."""
    async with AsyncExitStack() as stack:

        async def started() -> OtherWorker:
            command = (sys.executable, "-m", "tests.store.other", str(database))
            root = Path(__file__).parents[2]
            pipe = asyncio.subprocess.PIPE
            other = OtherWorker(await asyncio.create_subprocess_exec(*command, cwd=root, stdin=pipe, stdout=pipe))
            stack.push_async_callback(other.end)
            return other

        yield started
