"""A person behind each front, in a real browser: HTTP/2 for the pages, a websocket for the editor."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from playwright.async_api import Browser, expect

from bridge.demo.house import house
from tests.browser.desk import Window
from tests.chromium import browser, needs_chromium
from tests.networks.fronts import front, needs, ports
from tests.networks.test_fronts import behind

__all__ = ["browser"]

pytestmark = needs_chromium

PROTOCOL = "() => performance.getEntriesByType('navigation')[0].nextHopProtocol"


@pytest.mark.parametrize("name", [needs("nginx"), needs("caddy"), needs("haproxy")])
async def test_a_person_edits_behind_a_front(name: str, tmp_path: Path, browser: Browser) -> None:
    plain, port = ports()
    async with AsyncExitStack() as stack:
        options = {"adjust": behind(port), "humhub": {"trusts_forwarded": True}}
        h = await stack.enter_async_context(house(tmp_path / "house", **options))
        found = await stack.enter_async_context(
            front(name, tmp_path / "front", h.addresses.browser.port, plain=plain, port=port)
        )
        context = await browser.new_context(ignore_https_errors=True)
        stack.push_async_callback(context.close)
        alice = Window(await context.new_page(), context, "alice")
        await alice.page.goto(f"{found.url}/")
        assert await alice.page.evaluate(PROTOCOL) == "h2"
        await alice.page.fill("#login_username", "alice")
        await alice.page.fill("#login_password", h.humhub.users["alice"].password)
        await alice.page.click("button:text('Sign in')")
        await expect(alice.page.locator("#post-form")).to_be_visible()
        await alice.create("docx", "Minutes")
        await alice.type("Typed behind a front.")
        await alice.settled()
        await alice.post("Our minutes")
        await alice.preview("Minutes.docx", "Typed behind a front.")
        assert set(alice.transports) == {"websocket"}
        assert alice.complaints == []
