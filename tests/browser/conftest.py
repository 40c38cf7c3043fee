"""People with windows, in a whole house."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, BrowserContext, FrameLocator, Locator, Page, expect

from bridge.demo.house import House
from tests.chromium import browser
from tests.houses import MakeHouse, make_house

__all__ = ["Desk", "Window", "browser", "desk", "make_house"]

# What Chromium itself says of an answer that is an error; which answers may be errors, the tests say.
_FAILED_LOAD = re.compile(r"Failed to load resource: the server responded with a status of \d+")
_PATIENCE = 15_000
ARTIFACTS = Path(__file__).parents[2] / "artifacts/browser"


@dataclass
class Window:
    """One user's window on HumHub, perhaps with an editor in it."""

    page: Page
    context: BrowserContext
    username: str
    complaints: list[str]

    @property
    def modal(self) -> Locator:
        return self.page.locator("#onlyoffice-modal")

    @property
    def frame(self) -> FrameLocator:
        return self.page.frame_locator("#onlyoffice-modal iframe")

    def file(self, name: str) -> Locator:
        """Give a file's item in the stream."""
        return self.page.locator("li.file-preview-item", has_text=name).first

    async def create(self, kind: str, name: str) -> None:
        """Create a document from the menu, and wait until its editor is there."""
        await self.page.get_by_role("button", name="Create document").click()
        await self.page.locator(f"a.create-{kind}").click()
        await self.page.fill("#createdocument-filename", name)
        await self.page.locator("[data-action-click='onlyoffice.createSubmit']").click()
        await self.ready()

    async def post(self, text: str) -> None:
        """Close the editor, and post what was created."""
        await self.close_editor()
        await self.page.locator("#post-form textarea").fill(text)
        await self.page.get_by_role("button", name="Post", exact=True).click()
        await expect(self.page.locator(".wall-entry-content", has_text=text).first).to_be_visible()

    async def open(self, name: str, entry: str = "Edit document") -> None:
        """Open a file by one of its entries."""
        await self.file(name).get_by_text(entry, exact=True).click()
        await self.ready()

    async def ready(self, state: str = "online") -> None:
        await expect(self.frame.locator("#state")).to_have_attribute("data-state", state, timeout=_PATIENCE)

    async def type(self, text: str, block: int = 0, key: str = "End") -> None:
        await self.frame.locator(".block").nth(block).click()
        await self.page.keyboard.press(key)
        await self.page.keyboard.type(text)

    async def shows(self, text: str, block: int = 0) -> None:
        await expect(self.frame.locator(".block").nth(block)).to_contain_text(text, timeout=_PATIENCE)

    async def text(self, block: int = 0) -> str:
        return await self.frame.locator(".block").nth(block).text_content() or ""

    async def settled(self) -> None:
        """Wait until Docs has acknowledged everything that was typed."""
        (frame,) = [frame for frame in self.page.frames if "/web-apps/apps/" in frame.url]
        await frame.wait_for_function("() => window.smallDocs.settled()", timeout=_PATIENCE)

    async def close_editor(self) -> None:
        await self.modal.get_by_text("Close", exact=True).click()
        await expect(self.page.locator("#onlyoffice-modal iframe")).to_have_count(0, timeout=_PATIENCE)

    async def preview(self, name: str, text: str) -> None:
        """Wait until HumHub's page shows ``text`` as the file's stored content."""
        await expect(self.file(name).locator(".file-text")).to_contain_text(text, timeout=_PATIENCE)

    async def close_tab(self) -> None:
        """Leave without closing the modal, as who closes a tab does."""
        await self.page.goto("about:blank")
        await self.page.close()


@dataclass
class Desk:
    """Opens windows on one house, and keeps what they show."""

    house: House
    browser: Browser
    directory: Path
    windows: list[Window] = field(default_factory=list)

    async def window(self, username: str, **context: Any) -> Window:
        """Give a user a browser of their own, logged in."""
        own = await self.browser.new_context(viewport={"width": 1280, "height": 900}, **context)
        complaints: list[str] = []
        page = await own.new_page()
        page.on("console", lambda line: complaints.append(line.text) if line.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        self.windows.append(Window(page, own, username, complaints))
        return self.windows[-1]

    async def log_in(self, username: str, **context: Any) -> Window:
        window = await self.window(username, **context)
        await window.page.goto(self.house.browser_url)
        await window.page.fill("#login_username", username)
        await window.page.fill("#login_password", self.house.humhub.users[username].password)
        await window.page.click("button:text('Sign in')")
        await expect(window.page.locator("#post-form")).to_be_visible()
        return window

    async def picture(self, window: Window, name: str) -> None:
        """Keep what a window shows."""
        await window.page.screenshot(path=self.directory / f"{name}.png")

    def complaints(self) -> list[str]:
        """Give what the windows' consoles complained of, but for answers that are errors."""
        return [text for window in self.windows for text in window.complaints if not _FAILED_LOAD.match(text)]


@pytest.fixture
async def desk(make_house: MakeHouse, browser: Browser) -> AsyncIterator[Desk]:
    ARTIFACTS.mkdir(parents=True, exist_ok=True)
    running = await make_house(docs={"save_delay": 0.4, "rejoin": 6.0})
    running.humhub.seed_samples()
    desk = Desk(running, browser, ARTIFACTS)
    yield desk
    for window in desk.windows:
        await window.context.close()
