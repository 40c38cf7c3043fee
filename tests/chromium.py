"""The Chromium of this machine, for tests of what a person sees; without one they skip, loudly."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, async_playwright

__all__ = ["CHROMIUM", "browser", "needs_chromium"]

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

# Where a browser must be there, its absence fails the tests instead.
_REQUIRED = any(os.environ.get(name) for name in ("BRIDGE_REQUIRE_SOFTWARE", "BRIDGE_REQUIRE_BROWSER"))
needs_chromium = [
    pytest.mark.browser,
    pytest.mark.skipif(
        CHROMIUM is None and not _REQUIRED,
        reason="no Chromium here: install it (Debian: apt-get install chromium) to test what a person sees",
    ),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # of the driver's own pipes
]
_ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    """Run Chromium for one test."""
    assert CHROMIUM is not None, "BRIDGE_REQUIRE_SOFTWARE or BRIDGE_REQUIRE_BROWSER is set, and there is no Chromium"
    async with async_playwright() as driver:
        running = await driver.chromium.launch(executable_path=CHROMIUM, args=list(_ARGUMENTS))
        yield running
        await running.close()
