"""What the connector's tests share."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.connector.houses import House, house


@pytest.fixture
async def keyed(tmp_path: Path) -> AsyncIterator[House]:
    """Give a storage that has the key of HumHub's rest module."""
    async with house(tmp_path) as made:
        yield made


@pytest.fixture
async def keyless(tmp_path: Path) -> AsyncIterator[House]:
    """Give a storage that has none."""
    async with house(tmp_path, secret=None) as made:
        yield made
