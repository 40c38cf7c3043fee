"""The fixture that starts a bridge between two fakes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp
import pytest

from bridge.app import running
from bridge.config import Config
from tests.legs.doors import dial, start_leg
from tests.legs.fakes import NOW, Bridge, Start, configuration, serving

__all__ = ["dial", "start_leg"]


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Start]:
    """Start a bridge; ``adjust`` changes its configuration first."""
    async with AsyncExitStack() as stack:

        async def started(adjust: Callable[[Config], Config] = lambda config: config) -> Bridge:
            humhub, docs = [await stack.enter_async_context(serving()) for _ in range(2)]
            config = adjust(configuration(tmp_path, humhub.url, docs.url))
            await stack.enter_async_context(running(config, clock=lambda: NOW))
            http = await stack.enter_async_context(aiohttp.ClientSession(auto_decompress=False))
            return Bridge(config, humhub, docs, http)

        yield started


@pytest.fixture
async def bridge(start: Start) -> Bridge:
    return await start()
