"""The whole story of a document, in every way to set the bridge up that isn't played in Chromium already."""

from __future__ import annotations

import pytest

from bridge.demo.story import play
from tests.deployments import Deployment, every, pairwise
from tests.houses import MakeHouse


@pytest.mark.parametrize("deployment", [one for one in every() if one not in pairwise()], ids=str)
async def test_the_whole_story_goes_well(make_house: MakeHouse, deployment: Deployment) -> None:
    house = await make_house(**deployment.options)
    for site in range(deployment.sites):
        steps = [step async for step in play(house, site)]
        assert [(step.step, step.detail) for step in steps if not step.ok] == []
        assert len(steps) == 9
    assert house.saves == []


def test_any_two_alternatives_meet_in_one_of_the_few() -> None:
    few = pairwise()
    assert len(few) <= 7
    for first in every():
        for name, other in (("door", "urls"), ("urls", "sites"), ("sites", "scheme"), ("door", "scheme")):
            assert any(
                getattr(one, name) == getattr(first, name) and getattr(one, other) == getattr(first, other)
                for one in few
            )
