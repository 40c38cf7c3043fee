"""Turns: what must not happen to one key at the same time doesn't, and nothing of it is left behind."""

from __future__ import annotations

import asyncio

import pytest

from bridge.saves.turns import Turns


async def test_one_key_is_one_at_a_time_and_two_keys_are_side_by_side() -> None:
    turns, running, most = Turns(), {"a": 0, "b": 0}, {"a": 0, "b": 0, "both": 0}

    async def work(key: str) -> None:
        async with turns.of(key):
            running[key] += 1
            most[key] = max(most[key], running[key])
            most["both"] = max(most["both"], sum(running.values()))
            await asyncio.sleep(0.005)
            running[key] -= 1

    await asyncio.gather(*(work(key) for key in "ab" * 5))
    assert most == {"a": 1, "b": 1, "both": 2}
    assert turns._locks == {}


async def test_turns_are_taken_in_the_order_of_asking() -> None:
    turns, took = Turns(), []

    async def work(number: int) -> None:
        async with turns.of("k"):
            took.append(number)
            await asyncio.sleep(0)

    await asyncio.gather(*map(work, range(6)))
    assert took == list(range(6))


async def test_who_gives_up_leaves_the_turn_to_the_others() -> None:
    turns = Turns()
    async with turns.of("k"):
        waiting = asyncio.create_task(turns.of("k").__aenter__())
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
    assert turns._locks == {}
    async with asyncio.timeout(1), turns.of("k"):
        pass


async def test_an_error_gives_the_turn_back() -> None:
    turns = Turns()
    with pytest.raises(ValueError, match="x"):
        async with turns.of("k"):
            raise ValueError("x")
    async with asyncio.timeout(1), turns.of("k"):
        pass
    assert turns._locks == {}


async def test_after_a_refusal_docs_is_given_time_to_make_of_it_what_it_makes() -> None:
    turns = Turns()
    turns.refused("k")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await turns.heard("k")
    async with asyncio.timeout(0.2):
        await turns.heard("other")
