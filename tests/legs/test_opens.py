"""Turns at opening a file, against a HumHub that reads a file and writes its key later."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import AsyncIterator

import pytest

from bridge.legs.opens import Opens, Turn
from bridge.protocol.errors import CutError, UpstreamTimeoutError

FILE, OTHER = ("social", "a1"), ("social", "b2")


class HumHub:
    """One file of a HumHub with the module's race; a request lasts until ``answer``, or some steps of the loop."""

    def __init__(self, chance: random.Random | None = None) -> None:
        self.key: str | None = None
        self.asked = self.there = self.most = 0
        self.lost: set[str] = set()
        """Keys that were written over: nobody who has one can load or save."""
        self.prompt = False
        self._held: list[asyncio.Future[None]] = []
        self._keys = (f"k{number}" for number in itertools.count(1))
        self._chance = chance

    async def page(self, _turn: Turn) -> tuple[str, str]:
        """Open the file; give the page's key, as what is answered and as what is shown."""
        self.asked += 1
        self.there += 1
        self.most = max(self.most, self.there)
        try:
            key = self.key
            await self._works()
            if key is None:
                if self.key is not None:
                    self.lost.add(self.key)
                key = self.key = next(self._keys)
            if self._chance:
                await self._works()
        finally:
            self.there -= 1
        return key, key

    async def refused(self, _turn: Turn) -> tuple[str, None]:
        await self._works()
        return "403", None

    async def cut(self, _turn: Turn) -> tuple[str, None]:
        await self._works()
        raise CutError("The answer ended.")

    async def _works(self) -> None:
        if self._chance is None and not self.prompt:
            self._held.append(asyncio.get_running_loop().create_future())
            await self._held[-1]
        for _ in range(self._chance.randrange(12) if self._chance else 0):
            await asyncio.sleep(0)

    async def answer(self, *, prompt: bool = False) -> None:
        """Answer who is there, and let everybody take note; ``prompt`` answers whoever comes later at once."""
        self.prompt = prompt
        self.answer_now()
        await quiet()

    def answer_now(self) -> None:
        held, self._held = self._held, []
        for one in held:
            one.set_result(None)


@pytest.fixture
async def opens() -> AsyncIterator[Opens]:
    async with Opens() as made:
        yield made
        assert len(made) == 0, "what is over is forgotten"


@pytest.fixture
def humhub() -> HumHub:
    return HumHub()


async def quiet() -> None:
    """Let everybody go on until nobody can."""
    for _ in range(20):
        await asyncio.sleep(0)


def people(opens: Opens, humhub: HumHub, count: int = 24, patience: float = 5.0) -> list[asyncio.Task[str]]:
    return [asyncio.create_task(opens.ask(FILE, humhub.page, patience=patience)) for _ in range(count)]


async def test_two_dozen_first_openers_get_one_key(opens: Opens, humhub: HumHub) -> None:
    tasks = people(opens, humhub)
    await quiet()
    assert humhub.asked == 1, "one goes ahead"
    await humhub.answer(prompt=True)
    assert set(await asyncio.gather(*tasks)) == {"k1"}
    assert humhub.asked == 24


async def test_without_turns_all_but_one_would_lose(humhub: HumHub) -> None:
    tasks = [asyncio.create_task(humhub.page(Turn(None))) for _ in range(24)]
    await quiet()
    await humhub.answer(prompt=True)
    assert len({key for key, _ in await asyncio.gather(*tasks)}) == 24
    assert len(humhub.lost) == 23


async def test_who_waited_goes_on_together(opens: Opens, humhub: HumHub) -> None:
    tasks = people(opens, humhub)
    await quiet()
    await humhub.answer()
    assert humhub.there == 23
    late = people(opens, humhub, 1)
    await quiet()
    assert humhub.there == 24, "who comes now joins them"
    await humhub.answer(prompt=True)
    assert set(await asyncio.gather(*tasks, *late)) == {"k1"}


async def test_files_do_not_wait_for_each_other(opens: Opens, humhub: HumHub) -> None:
    held = people(opens, humhub, 2)
    await quiet()
    for file in (OTHER, ("other", "a1")):
        other = HumHub()
        other.prompt = True
        assert await opens.ask(file, other.page, patience=0) == "k1"
    await humhub.answer(prompt=True)
    await asyncio.gather(*held)


async def test_only_who_waited_is_said_to_have(opens: Opens, humhub: HumHub) -> None:
    waited = []

    async def page(turn: Turn) -> tuple[str, str]:
        waited.append(turn.waited)
        return await humhub.page(turn)

    tasks = [asyncio.create_task(opens.ask(FILE, page, patience=5)) for _ in range(2)]
    await quiet()
    await humhub.answer(prompt=True)
    await asyncio.gather(*tasks)
    assert [seconds > 0 for seconds in waited] == [False, True]


@pytest.mark.parametrize("how", ["refused", "cut"])
async def test_who_gets_no_page_lets_the_next_go_ahead(opens: Opens, humhub: HumHub, how: str) -> None:
    first = asyncio.create_task(opens.ask(FILE, getattr(humhub, how), patience=5))
    tasks = people(opens, humhub)
    await quiet()
    assert humhub.asked == 0
    await humhub.answer(prompt=True)
    assert set(await asyncio.gather(*tasks)) == {"k1"}
    if how == "refused":
        assert await first == "403"
    else:
        with pytest.raises(CutError):
            await first


async def test_a_key_that_is_cleared_meanwhile_is_asked_for_again(opens: Opens, humhub: HumHub) -> None:
    tasks = people(opens, humhub)
    await quiet()
    await humhub.answer()
    assert humhub.there == 23, "they have read the key, and are told of it"
    late = people(opens, humhub, 23)
    humhub.key = None
    await quiet()
    assert humhub.there == 46, "half of them have read that there is none"
    await humhub.answer(prompt=True)
    assert set(await asyncio.gather(*tasks)) == {"k1"}
    keys = set(await asyncio.gather(*late))
    assert keys == {humhub.key}
    assert not keys & humhub.lost
    assert humhub.asked == 24 + 23 + 23, "each of those once more"


async def test_who_leaves_while_waiting_gives_the_place_up(opens: Opens, humhub: HumHub) -> None:
    tasks = people(opens, humhub, 4)
    await quiet()
    for task in tasks[1:3]:
        task.cancel()
    await quiet()
    await humhub.answer(prompt=True)
    assert set(await asyncio.gather(tasks[0], tasks[3])) == {"k1"}
    assert humhub.asked == 2


async def test_who_is_let_in_and_leaves_at_once_holds_nobody_up(opens: Opens, humhub: HumHub) -> None:
    held = asyncio.create_task(opens.ask(FILE, humhub.refused, patience=5))
    tasks = people(opens, humhub, 2)
    await quiet()
    humhub.prompt = True
    humhub.answer_now()
    await asyncio.wait([held])
    # Its place has been given to the second, who has not been told yet.
    tasks[0].cancel()
    assert await tasks[1] == "k1"


async def test_humhub_is_awaited_for_a_browser_that_left(opens: Opens, humhub: HumHub) -> None:
    """It goes on, and is about to write a key: who came next would lose theirs."""
    tasks = people(opens, humhub, 3)
    await quiet()
    tasks[0].cancel()
    await quiet()
    assert (tasks[0].cancelled(), humhub.asked) == (True, 1)
    await humhub.answer(prompt=True)
    assert await asyncio.gather(*tasks[1:]) == ["k1", "k1"]
    assert humhub.lost == set()


async def test_nobody_waits_for_ever(opens: Opens, humhub: HumHub) -> None:
    first = people(opens, humhub, 1)
    await quiet()
    others = people(opens, humhub, 3, patience=0.02)
    found = await asyncio.gather(*others, return_exceptions=True)
    assert [type(one) for one in found] == [UpstreamTimeoutError] * 3
    assert humhub.asked == 1
    await humhub.answer(prompt=True)
    assert await asyncio.gather(*first) == ["k1"]


async def test_a_conversion_has_the_file_for_itself(opens: Opens, humhub: HumHub) -> None:
    async def convert(turn: Turn) -> tuple[str, None]:
        return (await humhub.page(turn))[0], None

    before = people(opens, humhub, 2)
    await quiet()
    converted = asyncio.create_task(opens.ask(FILE, convert, patience=5, alone=True))
    await quiet()
    after = people(opens, humhub, 2)
    await quiet()
    assert humhub.asked == 1
    await humhub.answer(prompt=True)
    assert set(await asyncio.gather(*before, converted, *after)) == {"k1"}
    assert (humhub.most, humhub.lost) == (1, set())


async def test_a_conversion_that_is_given_up_lets_the_next_join(opens: Opens, humhub: HumHub) -> None:
    humhub.key = "k0"
    first = people(opens, humhub, 2)
    await quiet()
    await humhub.answer()
    conversion = asyncio.create_task(opens.ask(FILE, humhub.page, patience=5, alone=True))
    await quiet()
    late = people(opens, humhub, 1)
    await quiet()
    assert humhub.there == 1
    conversion.cancel()
    await quiet()
    assert humhub.there == 2
    await humhub.answer(prompt=True)
    assert set(await asyncio.gather(*first, *late)) == {"k0"}


async def test_the_end_ends_what_browsers_left_behind(humhub: HumHub) -> None:
    async with Opens() as opens:
        (task,) = people(opens, humhub, 1)
        await quiet()
        task.cancel()
        await quiet()
        assert humhub.there == 1
    assert humhub.there == 0


@pytest.mark.parametrize("seed", range(100))
async def test_whatever_happens_nobody_holds_a_key_that_another_wrote_over(opens: Opens, seed: int) -> None:
    chance = random.Random(seed)
    humhub = HumHub(chance)

    async def person() -> str:
        for _ in range(chance.randrange(30)):
            await asyncio.sleep(0)
        how = chance.choice([humhub.page] * 6 + [humhub.refused])
        return await opens.ask(FILE, how, patience=5, alone=chance.random() < 0.1)

    async def trouble(tasks: list[asyncio.Task[str]]) -> None:
        """Clear the key, as a save does, and let people leave."""
        for _ in range(chance.randrange(6)):
            for _ in range(chance.randrange(12)):
                await asyncio.sleep(0)
            if chance.random() < 0.5:
                humhub.key = None
            else:
                chance.choice(tasks).cancel()

    tasks = [asyncio.create_task(person()) for _ in range(chance.randrange(2, 12))]
    await trouble(tasks)
    found = await asyncio.gather(*tasks, return_exceptions=True)
    while len(opens):  # noqa: ASYNC110 - what those asked for who left
        await asyncio.sleep(0)
    assert not {str(one) for one in found} & humhub.lost
