"""A running house, for whole stories over real listeners; and the stage on which recorded exchanges are played."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from bridge.demo.house import House
from tests.flows.expected import Ledger
from tests.flows.recorded import FOUND
from tests.flows.stage import SIDES, Stage, on_stage
from tests.houses import MakeHouse, make_house

__all__ = ["h", "make_house"]


@pytest.fixture
async def h(make_house: MakeHouse) -> House:
    return await make_house()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def _stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    async with on_stage(tmp_path_factory.mktemp("stage"), SIDES["as-recorded"]) as stage:
        yield stage


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def apart(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    """Give a stage on which Docs has another secret and header than in the recordings."""
    async with on_stage(tmp_path_factory.mktemp("apart"), SIDES["docs-apart"]) as stage:
        yield stage


@pytest.fixture
def stage(_stage: Stage) -> Stage:
    """Give a module's stage, as if nothing had been played on it."""
    return _stage.cleared()


@pytest.fixture(scope="session")
def ledgers(request: pytest.FixtureRequest) -> Iterator[dict[str, Ledger]]:
    writing: bool = request.config.getoption("--write-expectations")
    if writing and hasattr(request.config, "workerinput"):
        raise pytest.UsageError("--write-expectations works in one process: leave -n out")
    found = {kind: Ledger(kind, names, writing) for kind, names in FOUND.items()}
    yield found
    for ledger in found.values():
        if writing and ledger.found:
            ledger.write()
