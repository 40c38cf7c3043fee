"""Every recorded command goes through the humhub leg as is expected of it."""

from __future__ import annotations

import pytest

from tests.flows.calling import call
from tests.flows.expected import Ledger
from tests.flows.recorded import FOUND, NOT_SERVED
from tests.flows.stage import Stage

# One bridge for all of them: what one leaves behind must not change another.
pytestmark = pytest.mark.asyncio(loop_scope="module")

COMMANDS = FOUND["commands"]


@pytest.mark.parametrize("name", COMMANDS)
async def test_a_recorded_command(stage: Stage, name: str, ledgers: dict[str, Ledger]) -> None:
    happened = await call(stage, name, COMMANDS[name])
    if name in NOT_SERVED:
        assert not happened["to docs"], "what is not served is dialled"
    ledgers["commands"].check(name, happened)


async def test_every_command_ends_the_same_when_docs_has_a_secret_and_header_of_its_own(
    apart: Stage, ledgers: dict[str, Ledger]
) -> None:
    for name, exchange in COMMANDS.items():
        ledgers["commands"].check(name, await call(apart, name, exchange))
