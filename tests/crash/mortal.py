"""The bridge as its killer sees it: processes one after the other, each with a birth, steps and a violent end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pickle
import signal
import sys
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

from bridge.saves.steps import Step
from tests.crash import zygote

__all__ = ["Life", "Mortal"]

_ROOT = Path(__file__).parents[2]


@dataclass(slots=True)
class Life:
    """One process; `ends_at` is the step at which it killed itself, `failure` what it says where it wasn't killed."""

    pid: int
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    over: asyncio.Event = field(default_factory=asyncio.Event)
    began: float = field(default_factory=time.monotonic)
    last: Step | None = None
    ends_at: Step | None = None
    failure: str | None = None
    killed: bool = False

    def kill(self) -> bool:
        """Kill it now; False where it is dead already."""
        if self.over.is_set() or self.ends_at is not None:
            return False
        try:
            os.kill(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            return False  # what it said of its end is still on its way
        self.killed = True
        return True


class Mortal:
    """Lets bridges live, one at a time; `told` hears each of their lines."""

    def __init__(self, process: asyncio.subprocess.Process, told: Callable[[Life, str, str], None]) -> None:
        self._process = process
        self._told = told
        self._lives: dict[int, Life] = {}
        self._awaited: deque[asyncio.Future[Life]] = deque()
        self._listener = asyncio.create_task(self._listen())

    @classmethod
    @contextlib.asynccontextmanager
    async def beside(cls, told: Callable[[Life, str, str], None]) -> AsyncIterator[Mortal]:
        """Have a zygote until the block is left."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            # By its name, so that what is pickled here is found there.
            f"from {zygote.__name__} import main; main()",
            cwd=_ROOT,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        mortal = cls(process, told)
        try:
            yield mortal
        finally:
            await mortal._end()

    async def begin(self, order: zygote.Order) -> Life:
        """Start a bridge; it need not be ready when this returns."""
        assert self._process.stdin is not None
        born: asyncio.Future[Life] = asyncio.get_running_loop().create_future()
        self._awaited.append(born)
        self._process.stdin.write(pickle.dumps(order))
        await self._process.stdin.drain()
        return await born

    async def _listen(self) -> None:
        assert self._process.stdout is not None
        while line := (await self._process.stdout.readline()).decode().rstrip("\n"):
            pid, what, more = f"{line}  ".split(" ", 2)
            if what == "born":
                # A child may have said something, and even have died, before its parent came to tell of it.
                self._awaited.popleft().set_result(self._life(int(pid)))
            self._hear(self._life(int(pid)), what, more.strip())

    def _life(self, pid: int) -> Life:
        return self._lives.setdefault(pid, Life(pid))

    def _hear(self, life: Life, what: str, more: str) -> None:
        match what:
            case "ready":
                life.ready.set()
            case "step":
                life.last = Step(more.split(" ", maxsplit=1)[0])
            case "kills":
                life.last = life.ends_at = Step(more.split(" ", maxsplit=1)[0])
            case "fails":
                life.failure = more
            case "died":
                if more != str(-signal.SIGKILL) and life.failure is None:
                    life.failure = f"exit status {more}"
                life.over.set()
                self._lives.pop(life.pid)
        self._told(life, what, more)

    async def _end(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        await self._process.wait()
        await self._listener
