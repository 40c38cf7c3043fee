"""A desk with windows on a whole house; where a test fails, pictures of them."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Generator
from typing import Any

import pytest
from playwright.async_api import Browser

from tests.browser.desk import ARTIFACTS, Desk
from tests.chromium import browser
from tests.houses import MakeHouse, make_house

__all__ = ["browser", "desk", "make_house"]

_FAILED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Remember of a test whether it failed: its windows are still open then."""
    report = yield
    item.stash[_FAILED] = report.when == "call" and report.failed
    return report


@pytest.fixture
def layout() -> dict[str, Any]:
    """Say how the desk's house is laid out, in what `house` takes; tests that want another one override it."""
    return {}


@pytest.fixture
async def desk(
    make_house: MakeHouse, browser: Browser, layout: dict[str, Any], request: pytest.FixtureRequest
) -> AsyncIterator[Desk]:
    ARTIFACTS.mkdir(parents=True, exist_ok=True)
    running = await make_house(docs={"save_delay": 0.4, "rejoin": 30.0}, **layout)
    for humhub in running.humhubs:
        humhub.seed_samples()
    desk = Desk(running, browser)
    yield desk
    if request.node.stash.get(_FAILED, False):
        name = re.sub(r"\W+", "-", request.node.name)
        for number, window in enumerate(desk.windows):
            await desk.picture(window, f"failed-{name}-{number}-{window.username}")
    await desk.close()
