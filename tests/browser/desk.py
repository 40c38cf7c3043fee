"""People with windows on a whole house: what they do there, what they see, what their browsers complain of."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, BrowserContext, FrameLocator, Locator, Page, expect

from bridge.demo.house import House

ARTIFACTS = Path(__file__).parents[2] / "artifacts/browser"
_PATIENCE = 15_000


@dataclass
class Window:
    """One user's window on HumHub, perhaps with an editor in it."""

    page: Page
    context: BrowserContext
    username: str
    complaints: list[str] = field(default_factory=list)
    """Errors and warnings of its console, and uncaught exceptions."""
    transports: list[str] = field(default_factory=list)
    """How its editors called Docs: `websocket` at each opening of one, `GET` or `POST` at each poll."""

    def __post_init__(self) -> None:
        self.page.on("console", lambda line: self._complain(line.text) if line.type in ("error", "warning") else None)
        self.page.on("pageerror", lambda error: self._complain(str(error)))
        self.page.on("websocket", lambda _: self.transports.append("websocket"))
        self.page.on("request", lambda it: self.transports.append(it.method) if "transport=polling" in it.url else None)

    def _complain(self, text: str) -> None:
        self.complaints.append(f"{self.username}: {text}")

    @property
    def modal(self) -> Locator:
        return self.page.locator("#onlyoffice-modal")

    @property
    def frame(self) -> FrameLocator:
        return self.page.frame_locator("#onlyoffice-modal iframe")

    @property
    def line(self) -> Locator:
        """Give the line above the editor that tells of a save that waits."""
        return self.modal.locator(".alert[role='status']")

    # HumHub's page

    def file(self, name: str) -> Locator:
        """Give a file's item in the stream."""
        return self.page.locator("#stream li.file-preview-item", has_text=name).first

    async def offers(self, name: str) -> list[str]:
        """Give the entries that a file has."""
        await expect(self.file(name)).to_be_visible()
        return await self.file(name).locator(".file-actions a").all_inner_texts()

    async def preview(self, name: str, text: str) -> None:
        """Wait until HumHub's page shows ``text`` as the file's stored content."""
        await expect(self.file(name).locator(".file-text")).to_contain_text(text, timeout=_PATIENCE)

    async def fits(self) -> bool:
        """Say whether page and editor are as wide as the window, so that nothing lies beyond its edge."""
        wide = "() => document.documentElement.scrollWidth <= document.documentElement.clientWidth"
        whole = await self.page.evaluate("() => innerWidth <= screen.width")
        return whole and all([await frame.evaluate(wide) for frame in self.page.frames])

    async def menu(self) -> None:
        await self.page.get_by_role("button", name="Create document").click()

    async def name_new(self, kind: str, name: str) -> None:
        """Choose a kind in the menu that is open, and write the new document's name."""
        await self.page.locator(f"a.create-{kind}").click()
        await self.page.fill("#createdocument-filename", name)

    async def create(self, kind: str, name: str) -> None:
        """Create a document from the menu, and wait until its editor is there."""
        await self.menu()
        await self.name_new(kind, name)
        await self.submit_new()

    async def submit_new(self) -> None:
        await self.page.locator("[data-action-click='onlyoffice.createSubmit']").click()
        await self.ready()

    async def post(self, text: str) -> None:
        """Close the editor, and post what was created."""
        await self.close_editor()
        await self.page.locator("#contentForm_message_input").fill(text)
        await self.page.locator("#post_submit_button").click()
        await expect(self.page.locator(".wall-entry-content", has_text=text).first).to_be_visible()

    # The editor

    async def choose(self, name: str, entry: str) -> None:
        """Click one of a file's entries."""
        await self.file(name).get_by_text(entry, exact=True).click()

    async def open(self, name: str, entry: str = "Edit document") -> None:
        """Open a file by one of its entries, and wait until its editor is there."""
        await self.choose(name, entry)
        await self.ready()

    async def ready(self, state: str = "online") -> None:
        await expect(self.frame.locator("#state")).to_have_attribute("data-state", state, timeout=_PATIENCE)

    async def type(self, text: str, block: int = 0, key: str = "End", pause: float = 0) -> None:
        """Type at one end of a block, with ``pause`` milliseconds between the keys."""
        await self.frame.locator(".block").nth(block).click()
        await self.page.keyboard.press(key)
        await self.page.keyboard.type(text, delay=pause)

    async def shows(self, text: str, block: int = 0) -> None:
        await expect(self.frame.locator(".block").nth(block)).to_contain_text(text, timeout=_PATIENCE)

    async def text(self) -> list[str]:
        """Give what stands in the editor, block by block."""
        return [text.replace("\xa0", " ") for text in await self.frame.locator(".block").all_text_contents()]

    async def settled(self) -> None:
        """Wait until Docs has acknowledged everything that was typed."""
        (frame,) = [frame for frame in self.page.frames if "/web-apps/apps/" in frame.url]
        await frame.wait_for_function("() => window.smallDocs.settled()", timeout=_PATIENCE)

    async def close_editor(self) -> None:
        await self.modal.get_by_text("Close", exact=True).click()
        await expect(self.page.locator("#onlyoffice-modal iframe")).to_have_count(0, timeout=_PATIENCE)

    async def close_tab(self) -> None:
        """Close the tab, without a word to the modal or the editor in it."""
        async with self.page.expect_event("close"):
            await self.page.close(run_before_unload=True)


@dataclass
class Desk:
    """Opens windows on one house, and keeps pictures of what they show."""

    house: House
    browser: Browser
    windows: list[Window] = field(default_factory=list)

    async def window(self, username: str | None, site: int = 0, **context: Any) -> Window:
        """Give someone a browser of their own, on a site; ``context`` are Playwright's options of it."""
        # The house's own certificate is no authority's that Chromium knows.
        ours = {"viewport": {"width": 1280, "height": 900}, "ignore_https_errors": True}
        own = await self.browser.new_context(**{**ours, **context})
        self.windows.append(Window(await own.new_page(), own, username or "guest"))
        await self.windows[-1].page.goto(self.house.front(site) + self.house.humhubs[site].settings.base_path + "/")
        return self.windows[-1]

    async def log_in(self, username: str, site: int = 0, **context: Any) -> Window:
        """Give a user a browser of their own and log in."""
        window = await self.window(username, site, **context)
        await window.page.fill("#login_username", username)
        await window.page.fill("#login_password", self.house.humhubs[site].users[username].password)
        await window.page.click("button:text('Sign in')")
        await expect(window.page.locator("#post-form")).to_be_visible()
        return window

    async def picture(self, window: Window, name: str) -> None:
        """Keep what a window shows."""
        if not window.page.is_closed():
            await window.page.screenshot(path=ARTIFACTS / f"{name}.png")

    def complaints(self) -> list[str]:
        """Give what all windows complained of."""
        return [text for window in self.windows for text in window.complaints]

    async def close(self) -> None:
        for window in self.windows:
            await window.context.close()
