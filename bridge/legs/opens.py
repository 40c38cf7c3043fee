"""Whose turn it is to open a file: of people who open one file at once, all get one document key.

Theory of operation
-------------------
HumHub's module makes a document key at a file's first open. It reads the file, does all that a page takes, and writes
the key without looking again: of first opens that overlap, each page has a key of its own, and only the one written
last is ever found again; what is edited under any other can't be downloaded or saved. A key is cleared by each save
that ends a session, by a conversion, and when the file is replaced, so any open may be a first one, and nothing that
the bridge remembers says which. So no memory is kept; what counts is only who is at HumHub now:

- Who comes when nobody is there goes on at once, *alone*. Who comes meanwhile waits.
- Once HumHub has answered that one with a key, the key is in its database: all who wait, and all who come as long as
  anybody is there, go on together. Each is expected to get that very key.
- One who gets another has found the key cleared meanwhile, perhaps together with others. That page is thrown away;
  when all who are there have been answered, the first of them asks again, alone.
- A conversion makes a key too and shows none: it goes alone, and so does the next.

So nobody waits longer than for one other page, unless keys are cleared under their hands or HumHub refuses whoever
goes first. A turn lasts until HumHub has answered, even if its browser has left: HumHub goes on as well, and may be
about to write a key. Who leaves while waiting gives the place up. Nobody waits for ever: see ``patience``.

Not covered: what HumHub itself leaves unanswered for longer than ``first_byte`` and writes after all; opens that don't
pass this bridge.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Final, Self, TypeVar

from bridge.protocol.errors import UpstreamTimeoutError

__all__ = ["Opens", "Turn"]

_Result = TypeVar("_Result")
_File = tuple[str, str]

# How often one open asks HumHub, the last time alone: before each but the first, a key was cleared while it was there.
_ASKS: Final = 4
_SHARES: Final = 10_000


@dataclass(frozen=True, slots=True)
class Turn:
    """Leave to ask HumHub. ``expects`` is the key that will be shown, None for who is alone; ``waited`` is seconds."""

    expects: str | None
    waited: float = 0.0


@dataclass(slots=True)
class _Gate:
    """Who is at HumHub for one file, and who waits."""

    asking: int = 0
    key: str | None = None
    """What everybody who is let in now will be shown; None lets nobody in beside others."""
    waiting: deque[tuple[bool, asyncio.Future[Turn]]] = field(default_factory=deque)

    def admits(self, *, alone: bool) -> bool:
        return not self.asking or (self.key is not None and not alone)

    def enter(self, *, alone: bool) -> Turn:
        if alone:
            self.key = None
        self.asking += 1
        return Turn(self.key)

    def leave(self, turn: Turn, shown: str | None) -> None:
        self.asking -= 1
        if turn.expects is None:
            self.key = shown
        elif shown not in (None, turn.expects) and self.key == turn.expects:
            self.key = None
        self.let_in()

    def let_in(self) -> None:
        """Let in whoever may come now, in the order in which they came."""
        while self.waiting and self.admits(alone=self.waiting[0][0]):
            alone, place = self.waiting.popleft()
            if not place.done():
                place.set_result(self.enter(alone=alone))


class Opens:
    """The turns of all files; enter it before use, leave it to end what still asks for browsers that left."""

    def __init__(self) -> None:
        self._gates: dict[_File, _Gate] = {}
        self._asking: set[asyncio.Task[Any]] = set()
        self._shares: OrderedDict[_File, str] = OrderedDict()

    def __len__(self) -> int:
        """Count the files that are being opened."""
        return len(self._gates)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        for task in self._asking:
            task.cancel()
        await asyncio.gather(*self._asking, return_exceptions=True)

    async def ask(
        self,
        file: _File,
        ask: Callable[[Turn], Awaitable[tuple[_Result, str | None]]],
        *,
        patience: float,
        alone: bool = False,
    ) -> _Result:
        """Ask HumHub for a page of ``file``, a site and a guid, in turn, and again if the page's key won't last.

        ``ask`` gives what it got, and the document key that it shows; without one it isn't asked again. ``patience``
        is the longest wait, in seconds.

        Raises:
            UpstreamTimeoutError: those before were not answered in time.
        """
        for left in reversed(range(_ASKS)):
            turn = await self._turn(file, patience, alone=alone or not left)
            result, shown = await self._in_turn(file, turn, ask)
            if turn.expects is None or shown in (None, turn.expects):
                break
        return result

    async def _turn(self, file: _File, patience: float, *, alone: bool) -> Turn:
        gate = self._gates.setdefault(file, _Gate())
        if not gate.waiting and gate.admits(alone=alone):
            return gate.enter(alone=alone)
        loop = asyncio.get_running_loop()
        place: asyncio.Future[Turn] = loop.create_future()
        gate.waiting.append((alone, place))
        since = loop.time()
        try:
            async with asyncio.timeout(patience):
                turn = await asyncio.shield(place)
        except BaseException as error:
            if place.cancel():
                gate.waiting.remove((alone, place))
                gate.let_in()
            else:
                self._leave(file, place.result(), None)
            if not isinstance(error, TimeoutError):
                raise
            what = f"others who open this document were not answered within {patience:g} s"
            remedy = (
                "See HumHub's log: it hangs, or is overloaded. If it's only slow, raise this upstream's first_byte."
            )
            raise UpstreamTimeoutError("HumHub does not answer.", upstream=file[0], what=what, remedy=remedy) from error
        return Turn(turn.expects, loop.time() - since)

    async def _in_turn(
        self, file: _File, turn: Turn, ask: Callable[[Turn], Awaitable[tuple[_Result, str | None]]]
    ) -> tuple[_Result, str | None]:
        """Ask, to the end; a browser that leaves meanwhile isn't waited for."""

        async def asking() -> tuple[_Result, str | None]:
            shown = None
            try:
                result, shown = await ask(turn)
            finally:
                self._leave(file, turn, shown)
            return result, shown

        task = asyncio.create_task(asking())
        self._asking.add(task)
        task.add_done_callback(self._done)
        return await asyncio.shield(task)

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._asking.discard(task)
        with contextlib.suppress(asyncio.CancelledError):
            # Nobody else looks at the failure of what a browser that left had asked for.
            task.exception()

    def _leave(self, file: _File, turn: Turn, shown: str | None) -> None:
        gate = self._gates[file]
        gate.leave(turn, shown)
        if not gate.asking:
            del self._gates[file]

    # Which file a share link opens never changes: it is asked once.

    def file_of(self, site: str, share: str) -> str | None:
        """Give the guid of a share link's file, where it was learnt."""
        return self._shares.get((site, share))

    def learn(self, site: str, share: str, guid: str) -> None:
        """Remember the file of a share link, and forget the one that was learnt first."""
        self._shares[site, share] = guid
        if len(self._shares) > _SHARES:
            self._shares.popitem(last=False)
