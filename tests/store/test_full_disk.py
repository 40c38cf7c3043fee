"""A disk that is full: the index says so, and keeps what it had."""

from __future__ import annotations

from tests.store.conftest import OpenIndex, StartOther
from tests.store.entries import SITE


async def test_an_index_that_cannot_grow_says_so_and_loses_nothing(
    open_index: OpenIndex, start_other: StartOther
) -> None:
    other = await start_other()
    assert await other.says() == "open"
    number, held, message = await other.ask("fill", str(400_000))
    assert "index of saves fails" in message
    assert held == number > 10
    # As soon as there is room, it goes on.
    assert await other.ask("room") == held + 1
    await other.kill()
    entries = await (await open_index()).entries(key="k1", limit=100_000)
    assert {one.id for one in entries} == {*(str(n) for n in range(number)), "after"}
    assert {one.site for one in entries} == {SITE}
