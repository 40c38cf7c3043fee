"""Sixty kills with fixed seeds; `make crash` has a thousand, with new ones."""

from __future__ import annotations

import asyncio

import pytest

from tests.crash.story import tell

SEEDS, KILLS = (1, 2, 3), 20


@pytest.mark.timeout(240)
async def test_sixty_kills_lose_no_edit_and_put_no_older_one_over_a_newer() -> None:
    outcomes = await asyncio.gather(*(tell(seed, KILLS, named=0.85) for seed in SEEDS))
    for outcome in outcomes:
        assert not outcome.faults, "\n".join([*outcome.story[-400:], *outcome.faults])
        assert outcome.kills.total() == KILLS
        assert outcome.counts["unique bodies"]
    assert len(set().union(*(outcome.kills for outcome in outcomes))) > 12
