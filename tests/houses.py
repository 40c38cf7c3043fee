"""Whole houses as a fixture: small HumHub, small Docs and bridge, on real listeners in three networks."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from bridge.demo.house import House, house

MakeHouse = Callable[..., Awaitable[House]]


@pytest.fixture
async def make_house(tmp_path: Path) -> AsyncIterator[MakeHouse]:
    """Run houses until the test's end; the arguments are those of `house`."""
    async with AsyncExitStack() as stack:
        count = 0

        async def make(**options: Any) -> House:
            nonlocal count
            count += 1
            return await stack.enter_async_context(house(tmp_path / f"house{count}", **options))

        yield make
