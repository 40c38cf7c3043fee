"""The web editor in Chromium: two windows, a front with a prefix, broken networks."""

from __future__ import annotations

import io
import json
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import docx as python_docx
import pytest
from aiohttp import ClientSession
from playwright.async_api import Browser, FrameLocator, Page, expect

from bridge.demo.docs import SmallDocs, pdf
from bridge.demo.docs.changes import Splice, rebase
from tests.chromium import needs_chromium
from tests.demo.docs.fronting import Front
from tests.demo.docs.rig import MakeDocs, Storage, signed
from tests.demo.docs.storing import sample_files

pytestmark = needs_chromium

PAGE = """<!doctype html><body style="margin:0;height:100vh"><div id="editor"></div>
<script src="/ds/web-apps/apps/api/documents/api.js?shardKey={key}"></script>
<script>
  window.seen = [];
  const config = {config};
  config.events = {{}};
  for (const name of ['onDocumentReady', 'onError', 'onDocumentStateChange', 'onRequestClose', 'onOutdatedVersion',
    'onWarning', 'onRequestSaveAs']) config.events[name] = (event) => window.seen.push([name, event.data]);
  window.editor = new DocsAPI.DocEditor('editor', config);
</script>"""


@dataclass
class Window:
    """A browser window with an editor."""

    page: Page
    frame: FrameLocator

    async def ready(self) -> Window:
        await expect(self.frame.locator("#state")).to_have_attribute("data-state", "online", timeout=8000)
        return self

    async def type(self, block: int, text: str, key: str = "End") -> None:
        await self.frame.locator(".block").nth(block).click()
        await self.page.keyboard.press(key)
        await self.page.keyboard.type(text)

    async def shows(self, block: int, text: str) -> None:
        await expect(self.frame.locator(".block").nth(block)).to_have_text(text, timeout=8000)

    async def leave(self) -> None:
        """Go elsewhere, as who closes the editor does."""
        await self.page.goto("about:blank")
        await self.page.close()

    async def seen(self) -> list[list[Any]]:
        found: list[list[Any]] = await self.page.evaluate("window.seen")
        return found


@dataclass
class Desk:
    """Opens windows of documents behind a front."""

    browser: Browser
    front: Front
    storage: Storage

    async def open(self, file: str = "base.docx", user: str = "Anna Adams", mode: str = "edit", **more: Any) -> Window:
        key = file.replace(".", "-")
        config: dict[str, Any] = {
            "document": {
                "key": key,
                "fileType": file.rsplit(".", 1)[1],
                "title": file,
                "url": f"{self.storage.url}/file/{file}",
                "permissions": {"edit": mode == "edit"},
            },
            "editorConfig": {
                "mode": mode,
                "callbackUrl": f"{self.storage.url}/cb?t=b",
                "user": {"id": user, "name": user},
            },
            **more,
        }
        config["token"] = signed(config)
        page = PAGE.format(key=key, config=json.dumps(config)).encode()
        window = await self.browser.new_page()

        async def serve(route: Any) -> None:
            await route.fulfill(body=page, content_type="text/html")

        await window.route("**/page", serve)
        await window.goto(f"{self.front.url}/page")
        return Window(window, window.frame_locator("iframe"))


@pytest.fixture
async def docs(make_docs: MakeDocs) -> SmallDocs:
    return await make_docs(rejoin=20.0, save_delay=0.3)


@pytest.fixture
async def desk(docs: SmallDocs, storage: Storage, browser: Browser) -> AsyncIterator[Desk]:
    storage.files.update(sample_files())
    front = Front(docs.url, storage.url)
    await front.start()
    yield Desk(browser, front, storage)
    await front.stop()


async def test_two_windows_see_each_other_type_and_it_is_saved(desk: Desk, storage: Storage) -> None:
    one = await (await desk.open()).ready()
    two = await (await desk.open(user="Ben Brown")).ready()
    await expect(one.frame.locator("#people li")).to_have_count(2)
    await one.type(0, " 😀 from Anna")
    await two.type(0, "From Ben: ", "Home")
    for window in (one, two):
        await window.shows(0, "From Ben: First line 😀 from Anna")
    await one.page.keyboard.press("Enter")
    await one.page.keyboard.type("A new one")
    await two.shows(1, "A new one")
    await one.frame.locator("#save").click()
    await storage.until(3)
    await one.leave()
    await two.leave()
    calls = await storage.until(5)
    assert storage.statuses == [1, 1, 6, 1, 2]
    assert calls[-1].body is not None
    assert calls[-1].body["url"].startswith(f"{desk.front.url}/ds/cache/files/")
    async with ClientSession() as http, http.get(calls[-1].body["url"]) as answer:
        made = python_docx.Document(io.BytesIO(await answer.read()))
    texts = [paragraph.text for paragraph in made.paragraphs]
    assert texts == ["From Ben: First line 😀 from Anna", "A new one", "Second line"]


async def test_no_keystroke_is_lost_while_the_front_restarts(desk: Desk, docs: SmallDocs, storage: Storage) -> None:
    one = await (await desk.open()).ready()
    two = await (await desk.open(user="Ben Brown")).ready()
    await one.type(0, " before")
    desk.front.down = True
    await desk.front.cut()
    await expect(one.frame.locator("#state")).to_have_text("Reconnecting…")
    await one.type(0, " during")
    await two.type(0, "Ben, ", "Home")
    await one.page.keyboard.press("Enter")
    await one.page.keyboard.type("more")
    desk.front.down = False
    for window in (one, two):
        await window.shows(0, "Ben, First line before during")
        await window.shows(1, "more")
        await window.ready()
    assert storage.statuses == [1, 1]
    assert docs.sessions["base-docx"].users == ["Anna Adams", "Ben Brown"]


async def test_the_editor_polls_where_websockets_do_not_pass(desk: Desk) -> None:
    desk.front.websockets = "refuse"
    one = await (await desk.open()).ready()
    two = await (await desk.open(user="Ben Brown")).ready()
    await one.type(0, " polled")
    await two.shows(0, "First line polled")
    assert "POST /ds/doc/base-docx/c/" in desk.front.seen


async def test_the_editor_goes_over_to_a_websocket_when_one_passes(desk: Desk) -> None:
    desk.front.websockets = "refuse first"
    one = await (await desk.open()).ready()
    await one.type(0, " upgraded")
    await expect(one.frame.locator("#state")).to_have_text("All changes saved")
    before = len(desk.front.seen)
    await one.type(0, ".")
    await expect(one.frame.locator("#state")).to_have_text("All changes saved")
    assert desk.front.seen[before:] == []
    assert desk.front.seen.count("websocket") == 2


@pytest.mark.parametrize("file", ["base.xlsx", "base.pptx"])
async def test_cells_and_slides_are_edited(file: str, desk: Desk, storage: Storage) -> None:
    one = await (await desk.open(file)).ready()
    await one.type(0, "!")
    await one.shows(0, "a!" if file == "base.xlsx" else "Title!")
    await expect(one.frame.locator("#state")).to_have_text("All changes saved")
    await one.leave()
    await storage.until(2)
    assert storage.statuses == [1, 2]


@pytest.mark.parametrize(
    ("file", "mode", "more"),
    [
        ("base.docx", "view", {"type": "embedded"}),
        ("base.txt", "edit", {}),
        ("base.odt", "edit", {"type": "mobile"}),
        ("base.pdf", "view", {}),
    ],
)
async def test_what_is_only_viewed_has_no_controls(
    file: str, mode: str, more: dict[str, Any], desk: Desk, storage: Storage
) -> None:
    storage.files["/file/base.pdf"] = pdf.make("Hello PDF")
    one = await (await desk.open(file, mode=mode, **more)).ready()
    await expect(one.frame.locator("body")).to_have_attribute("data-mode", "view")
    await expect(one.frame.locator("#save")).to_be_hidden()
    await expect(one.frame.locator("[contenteditable]")).to_have_count(0)
    await expect(one.frame.locator("main")).to_contain_text(
        {"base.txt": "plain", "base.pdf": "bytes"}.get(file, "line")
    )


async def test_the_page_hears_what_happens(desk: Desk, docs: SmallDocs) -> None:
    one = await (await desk.open()).ready()
    await one.type(0, "x")
    await expect(one.frame.locator("#state")).to_have_text("All changes saved")
    await one.frame.locator("#download").click()
    await one.page.wait_for_function("window.seen.some(([name]) => name === 'onRequestSaveAs')")
    await one.frame.locator("#close").click()
    await one.page.wait_for_function("window.seen.some(([name]) => name === 'onRequestClose')")
    seen = await one.seen()
    names = [name for name, _ in seen]
    assert names[0] == "onDocumentReady"
    assert [data for name, data in seen if name == "onDocumentStateChange"] == [True, False]
    link = next(data for name, data in seen if name == "onRequestSaveAs")
    assert link["url"].startswith(f"{desk.front.url}/ds/cache/files/")
    await one.page.evaluate("window.editor.destroyEditor()")
    await expect(one.page.locator("iframe")).to_have_count(0)
    assert "base-docx" in docs.sessions


async def test_an_error_is_shown_and_told(desk: Desk) -> None:
    one = await desk.open("missing.docx")
    await expect(one.frame.locator("#notice")).to_contain_text("could not be downloaded", timeout=8000)
    assert [name for name, _ in await one.seen()] == ["onError"]


async def test_both_sides_rebase_alike(desk: Desk) -> None:
    page = await desk.browser.new_page()
    await page.goto(f"{desk.front.url}/ds/web-apps/apps/documenteditor/main/index.html")
    dice = random.Random(7)

    def roll() -> Splice:
        return Splice("b", dice.randrange(5), dice.randrange(4), "xy"[: dice.randrange(3)])

    cases = [(roll(), roll(), dice.random() < 0.5) for _ in range(500)]
    script = """async (cases) => {
      const { rebase } = await import('./changes.js');
      return cases.map(([op, over, earlier]) => rebase(op, over, earlier));
    }"""
    raw = [[_plain(op), _plain(over), earlier] for op, over, earlier in cases]
    expected = [_plain(rebase(op, over, over_is_earlier=earlier)) for op, over, earlier in cases]
    assert await page.evaluate(script, raw) == expected


def _plain(op: Splice) -> dict[str, Any]:
    return {"at": op.at, "length": op.length, "text": op.text}
