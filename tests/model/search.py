"""The search: every state that the moves reach, breadth first, until a property breaks; then the shortest story of it."""

from __future__ import annotations

import gc
from array import array
from collections.abc import Callable
from dataclasses import dataclass

from bridge.saves.rules import Forgotten
from bridge.store.records import State
from tests.model.moves import Moves, start
from tests.model.rulebook import Rules
from tests.model.setting import Setting
from tests.model.world import Document, Where, World, content_of, show

__all__ = ["Found", "explore"]


@dataclass(frozen=True, slots=True)
class Found:
    """What a search found: that all ``states`` hold, or what ``broken`` first, by the shortest ``story``."""

    states: int
    broken: str = ""
    story: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Tell it in lines."""
        if not self.broken:
            return f"holds in all {self.states} states"
        return "\n  ".join([f"BROKEN after {self.states} states: {self.broken}", *self.story])


def explore(
    rules: Rules, setting: Setting, *, at_most: int = 100_000_000, tick: Callable[[int], None] | None = None
) -> Found:
    """Search all states within the bounds of ``setting``.

    A state breaks if something older overwrites or is shown, if everybody and everything may rest there but an edit
    isn't where it should be, or if no rest can be reached from it.

    Raises:
        OverflowError: there are more than ``at_most`` states.
    """
    # All that is made here is kept, and nothing of it is a cycle: looking for garbage took half the time.
    gc.disable()
    try:
        return _explore(rules, setting, at_most, tick)
    finally:
        gc.enable()


def _explore(rules: Rules, setting: Setting, at_most: int, tick: Callable[[int], None] | None) -> Found:
    moves, first = Moves(rules, setting), start(setting)
    numbers: dict[World, int] = {first: 0}
    worlds, origins, sources, targets, rests = [first], array("q", [-1]), array("q"), array("q"), array("q")
    place = 0
    while place < len(worlds):
        world = worlds[place]
        resting = _rests(rules, world)
        broken = world.broken or (_missing(world) if resting else "")
        if broken:
            return Found(len(worlds), broken, _story(moves, worlds, origins, place))
        if resting:
            rests.append(place)
        for _, after in moves.of(world):
            number = numbers.setdefault(after, len(worlds))
            if number == len(worlds):
                worlds.append(after)
                origins.append(place)
            sources.append(place)
            targets.append(number)
        if len(worlds) > at_most:
            raise OverflowError(f"more than {at_most} states")
        if tick is not None and place % 100_000 == 0:
            tick(place)
        place += 1
    stuck = _first_stuck(len(worlds), sources, targets, rests)
    if stuck is not None:
        return Found(len(worlds), "from here nothing ever comes to rest", _story(moves, worlds, origins, stuck))
    return Found(len(worlds))


def _story(moves: Moves, worlds: list[World], origins: array[int], place: int) -> tuple[str, ...]:
    """Tell how a state came about."""
    labels = []
    while origins[place] >= 0:
        before = origins[place]
        labels.append(next(label for label, after in moves.of(worlds[before]) if after == worlds[place]))
        place = before
    return tuple(reversed(labels))


def _first_stuck(count: int, sources: array[int], targets: array[int], rests: array[int]) -> int | None:
    """Give the first state from which no resting one can be reached."""
    begins = array("q", bytes(8 * (count + 1)))
    for target in targets:
        begins[target + 1] += 1
    for place in range(count):
        begins[place + 1] += begins[place]
    before, filled = array("q", bytes(8 * len(sources))), array("q", begins)
    for source, target in zip(sources, targets, strict=True):
        before[filled[target]] = source
        filled[target] += 1
    reached, todo = bytearray(count), list(rests)
    for place in todo:
        reached[place] = 1
    while todo:
        place = todo.pop()
        for index in range(begins[place], begins[place + 1]):
            if not reached[source := before[index]]:
                reached[source] = 1
                todo.append(source)
    stuck = reached.find(0)
    return stuck if stuck >= 0 else None


# --- the end --------------------------------------------------------------------------------------------------------


def _rests(rules: Rules, world: World) -> bool:
    """Say whether everybody is gone, and nothing is left that anybody would do by themselves."""
    if any(person.where is not Where.AWAY for person in world.people):
        return False
    return all(_is_quiet(rules, document) for document in world.documents)


def _is_quiet(rules: Rules, document: Document) -> bool:
    busy = document.session or document.saving or document.callbacks or document.posts or document.find
    if busy or document.record.flight is not None or rules.for_courier(document.record) is not None:
        return False
    if document.forgotten is None:
        return True
    record, copy = document.record, show(document.forgotten)
    what = rules.for_forgotten(record, copy, ticket=document.next_ticket, open_session=False, modified=None)
    return bool(what is Forgotten.LEAVE)


def _missing(world: World) -> str:
    """Say what is not as it should be in a world at rest."""
    entries = [entry for document in world.documents for entry in document.record.entries]
    if any(entry.state is State.WAITING for entry in entries):
        return "a save waits for ever"
    kept = world.file.content
    if world.replaced is not None:
        # Whoever replaced the file took what was in it away; what came later for its old key is kept as a dead letter,
        # or as a save that is taken for stored, which is kept as one.
        kept = kept.union(
            world.replaced, *(content_of(e.sha256) for e in entries if e.state is State.DEAD or e.inferred)
        )
    if not world.saved <= kept:
        return f"{show(world.saved - kept)} is missing at the end"
    if any(entry.state is State.DEAD for entry in entries) and world.replaced is None:
        return "a dead letter without a cause"
    if any(document.forgotten is not None and not _is_dead(document) for document in world.documents):
        return "a forgotten copy is left at the end"
    return ""


def _is_dead(document: Document) -> bool:
    return any(entry.state is State.DEAD for entry in document.record.entries)
