"""The two bridges between servers that fail on purpose, one pair a module."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.failures.playing import Scene, scene

__all__ = ["on_stage"]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def on_stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    async with scene(tmp_path_factory.mktemp("failures")) as running:
        yield running
