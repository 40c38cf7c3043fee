"""People at the connector, each with a browser of their own: what they click, see and are told there."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from playwright.async_api import Browser, BrowserContext, FrameLocator, Locator, Page, expect

from bridge.connector.words import Words, words
from bridge.demo.house import House
from tests.browser.desk import ARTIFACTS

__all__ = ["KINDS", "Room", "Tab"]

PATIENCE = 15_000
KINDS = {"docx": "Document", "xlsx": "Spreadsheet", "pptx": "Presentation", "pdf": "PDF form"}


@dataclass
class Tab:
    """One person's window on HumHub, or on the list of a directory."""

    page: Page
    context: BrowserContext
    name: str
    say: Words
    complaints: list[str] = field(default_factory=list)
    """Errors and warnings of its console, of its policies too, and uncaught exceptions."""

    def __post_init__(self) -> None:
        self.page.on(
            "console",
            lambda line: (
                self._complain(f"{line.text} {line.location['url']}") if line.type in ("error", "warning") else None
            ),
        )
        self.page.on("pageerror", lambda error: self._complain(str(error)))

    def _complain(self, text: str) -> None:
        self.complaints.append(f"{self.name}: {text}")

    # The page's entries

    def file(self, name: str) -> Locator:
        """Give the place that a file has in the page: a row of a list, or an item of a post or a form."""
        return self.page.locator("tr, li.file-preview-item").filter(has_text=name).first

    def entries(self, name: str) -> Locator:
        """Give all entries of a file, wherever the page shows them."""
        return self.page.locator("[data-onlyoffice-bridge]").and_(self.page.locator(f'[aria-label$=": {name}"]'))

    async def offers(self, name: str) -> list[str]:
        """Give the entries beside a file's name."""
        await expect(self.file(name).locator("span.onlyoffice-bridge a").first).to_be_visible()
        return await self.file(name).locator("span.onlyoffice-bridge a").all_inner_texts()

    async def choose(self, name: str, entry: str) -> None:
        """Click one of a file's entries, however it is shown."""
        wanted = self.entries(name).filter(has_text=self.say(entry))
        await expect(wanted.first).to_be_attached()
        if not await wanted.locator("visible=true").count():
            await self.file(name).locator("[data-contextmenu-toggler]").click()
        await wanted.locator("visible=true").first.click()

    async def kinds(self, within: str = "main, #cfiles-folderView, #layout-content") -> Locator:
        """Open the menu of what can be created, and give its entries."""
        place = self.page.locator(within).first
        own = place.locator("details.onlyoffice-bridge summary")
        entries = place.locator("[data-onlyoffice-bridge*='\"create\"']")
        await expect(entries.first).to_be_attached()
        if await own.count():
            await own.click()
        else:
            await place.locator(".btn-group:not(.d-none):has(.onlyoffice-bridge) .dropdown-toggle").first.click()
        return entries

    async def name_new(
        self, kind: str, name: str, within: str = "main, #cfiles-folderView, #layout-content"
    ) -> Locator:
        """Choose a kind, and write the new document's name; give the dialog."""
        await (await self.kinds(within)).get_by_text(self.say(KINDS[kind]), exact=True).click()
        asking = self.page.get_by_role("dialog", name=f"{self.say('Create document')}: {self.say(KINDS[kind])}")
        await expect(asking.get_by_label(self.say("Name"))).to_be_focused()
        await asking.get_by_label(self.say("Name")).fill(name)
        return asking

    async def create(self, kind: str, name: str, **where: str) -> None:
        """Create a document, and wait until its editor is there."""
        await self.name_new(kind, name, **where)
        await self.page.keyboard.press("Enter")
        await self.ready()

    async def open(self, name: str, entry: str = "Edit document") -> None:
        await self.choose(name, entry)
        await self.ready()

    # The editor

    @property
    def window(self) -> Locator:
        return self.page.locator("dialog.onlyoffice-bridge-editor")

    @property
    def around(self) -> FrameLocator:
        """Give the editor's page inside the window."""
        return self.page.frame_locator("dialog.onlyoffice-bridge-editor > iframe")

    @property
    def editor(self) -> FrameLocator:
        return self.around.frame_locator("#stage iframe")

    async def ready(self) -> None:
        await expect(self.editor.locator("#state")).to_have_attribute("data-state", "online", timeout=PATIENCE)

    async def type(self, text: str, block: int = 0) -> None:
        await self.editor.locator(".block").nth(block).click()
        await self.page.keyboard.press("End")
        await self.page.keyboard.type(text)

    async def shows(self, text: str, block: int = 0) -> None:
        await expect(self.editor.locator(".block").nth(block)).to_contain_text(text, timeout=PATIENCE)

    async def settled(self) -> None:
        """Wait until Docs has acknowledged everything that was typed."""
        (frame,) = [frame for frame in self.page.frames if "/web-apps/apps/" in frame.url]
        await frame.wait_for_function("() => window.smallDocs.settled()", timeout=PATIENCE)

    async def reads(self, text: str) -> None:
        """Wait until a text is there to be read only."""
        await expect(self.editor.locator("#readonly")).to_be_visible(timeout=PATIENCE)
        await expect(self.editor.locator("#area")).to_contain_text(text, timeout=PATIENCE)
        await expect(self.editor.locator("[contenteditable='true']")).to_have_count(0)

    async def close(self) -> None:
        """Close the editor by its own button, and wait until what was typed is stored."""
        await self.editor.locator("#close").click()
        await expect(self.window).to_have_count(0, timeout=PATIENCE)

    @property
    def told(self) -> Locator:
        """Give what the page tells its user."""
        return self.page.locator(".onlyoffice-bridge-notices .alert")

    async def picture(self, name: str) -> None:
        if not self.page.is_closed():
            ARTIFACTS.mkdir(parents=True, exist_ok=True)
            await self.page.screenshot(path=ARTIFACTS / f"{name}.png")


@dataclass
class Room:
    """A house whose site is a connector's, and its people's browsers."""

    house: House
    browser: Browser
    tabs: list[Tab] = field(default_factory=list)

    async def tab(self, name: str, language: str = "en", **context: Any) -> Tab:
        """Give somebody a browser; nothing is open in it yet."""
        own = await self.browser.new_context(
            **{"viewport": {"width": 1280, "height": 900}, "locale": language, **context}
        )
        self.tabs.append(Tab(await own.new_page(), own, name, words(language)))
        return self.tabs[-1]

    async def introduced(self, name: str, language: str = "en", **context: Any) -> Tab:
        """Give somebody a browser with the list of a directory in it."""
        tab = await self.tab(name, language, **context)
        await tab.page.goto(self.house.browser_url)
        await tab.page.get_by_label(tab.say("Your name")).fill(name)
        await tab.page.keyboard.press("Enter")
        await expect(tab.page.locator("table")).to_be_visible()
        return tab

    async def logged_in(self, name: str, language: str = "en", **context: Any) -> Tab:
        """Give a user a browser with HumHub in it."""
        humhub = self.house.humhub
        humhub.users[name].language = language
        tab = await self.tab(name, language, **context)
        await tab.page.goto(f"{self.house.browser_url}{humhub.settings.base_path}/")
        await tab.page.fill("#login_username", name)
        await tab.page.fill("#login_password", humhub.users[name].password)
        await tab.page.click("#login_password ~ button, button[type=submit]")
        await expect(tab.page.locator("#topbar .name")).to_be_attached()
        return tab

    def address(self, route: str, **query: Any) -> str:
        """Give a page of HumHub's space."""
        return self.house.browser_url + self.house.humhub.links().in_space(route, **query)

    def complaints(self) -> list[str]:
        """Give what all browsers complained of, but for the small HumHub's own looks at files that are replaced."""
        return [text for tab in self.tabs for text in tab.complaints if not re.search(r"demo(/|%2F)preview", text)]

    async def until(self, condition: Callable[[], bool]) -> None:
        await self.house.until(condition)

    async def close(self) -> None:
        for tab in self.tabs:
            await tab.context.close()
