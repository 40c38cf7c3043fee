"""A running house, for whole stories over real listeners."""

from __future__ import annotations

import pytest

from bridge.demo.house import House
from tests.houses import MakeHouse, make_house

__all__ = ["h", "make_house"]


@pytest.fixture
async def h(make_house: MakeHouse) -> House:
    return await make_house()
