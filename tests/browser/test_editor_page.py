"""The editor's own page in Chromium, with the small Docs on the page's own host, as the browser leg has it."""

from __future__ import annotations

import io
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import docx
import jwt
import pytest
from aiohttp import web
from playwright.async_api import Browser, FrameLocator, Page, expect

import bridge.connector
from bridge.connector.blanks import blank
from bridge.connector.configuration import Device, Mode, Opened, configuration
from bridge.connector.page import EditorPage, Message, editor_page, headers_for_page, message_page
from bridge.connector.storage import Visitor
from bridge.connector.words import words
from bridge.demo.docs import DocsSettings, SmallDocs, pdf
from bridge.protocol.formats import by_name
from tests.browser.desk import ARTIFACTS
from tests.chromium import browser, needs_chromium

__all__ = ["browser"]
pytestmark = needs_chromium

STATIC = Path(bridge.connector.__file__).parent / "static"
SECRET = "the secret of the small Docs, long enough"
BASE = "/onlyoffice-bridge"


@dataclass
class World:
    """What the page's host answers, and what it was asked."""

    kind: str = "docx"
    changes: dict[str, Any] = field(default_factory=dict)
    """Of the document as it is opened."""
    page: dict[str, Any] = field(default_factory=dict)
    """Of its page."""
    news: tuple[int, dict[str, Any]] = (200, {"notice": None})
    closing: tuple[int, dict[str, Any]] = (200, {"saved": True, "notice": None})
    asked: list[str] = field(default_factory=list)
    closed: list[Any] = field(default_factory=list)
    keys: Callable[[], str] = lambda: "key1"
    language: str = "en"
    framed: bool = False


class Host(SmallDocs):
    """The small Docs, and on the same host the pages of a connector."""

    def __init__(self, directory: Path) -> None:
        super().__init__(DocsSettings(secret=SECRET, save_delay=0.1), directory)
        self.world = World()

    def _routes(self) -> list[web.RouteDef]:
        own = [
            web.get(f"{BASE}/open", self._open),
            web.get(f"{BASE}/{{name:(?:editor\\.(?:js|css)|icon\\.svg)}}", self._static),
            web.get(f"{BASE}/state", self._state),
            web.post(f"{BASE}/close", self._close),
            web.get(f"{BASE}/refused", self._refused),
            web.get("/file", self._file),
            web.post("/callback", self._callback),
            web.get("/folder", self._folder),
            web.get("/favicon.ico", self._nothing),
            web.get("/around", self._around),
            web.get("/gone/{tail:.*}", self._gone),
        ]
        return [*own, *super()._routes()]

    async def _open(self, request: web.Request) -> web.Response:
        world, format_ = self.world, by_name(self.world.kind)
        assert format_ is not None
        opened = Opened(
            key=world.keys(),
            url=f"{self.url}/file",
            callback_url=f"{self.url}/callback",
            title=f"Plan.{world.kind}",
            format=format_,
            visitor=Visitor(id="u1", name="Ada", language=world.language),
            mode=Mode(request.query.get("mode", "edit")),
            framed=world.framed,
            back=f"{self.url}/folder",
        )
        say = words(world.language)
        config = configuration(replace(opened, **world.changes), say)
        config["token"] = jwt.encode(config, SECRET)
        page = EditorPage(
            config=config,
            document="cap&1",
            base=BASE,
            docs="",
            language=world.language,
            back="/folder",
            framed=world.framed,
            every=0.2,
        )
        return self._html(editor_page(replace(page, **world.page), say))

    async def _refused(self, _request: web.Request) -> web.Response:
        message = Message("You may not open this file", "Ask.", "/folder", "Go back")
        return self._html(message_page(message, base=BASE, language="en", framed=True, close="Close"))

    @staticmethod
    def _html(text: str) -> web.Response:
        return web.Response(text=text, content_type="text/html", headers=headers_for_page())

    async def _static(self, request: web.Request) -> web.FileResponse:
        return web.FileResponse(STATIC / request.match_info["name"])

    async def _state(self, request: web.Request) -> web.Response:
        self.world.asked.append(request.query["document"])
        status, news = self.world.news
        return web.json_response(news, status=status)

    async def _close(self, request: web.Request) -> web.Response:
        self.world.closed.append(await request.json())
        status, said = self.world.closing
        return web.json_response(said, status=status)

    async def _file(self, _request: web.Request) -> web.Response:
        return web.Response(body=blank(self.world.kind, self.world.language), content_type="application/octet-stream")

    async def _callback(self, _request: web.Request) -> web.Response:
        return web.json_response({"error": 0})

    async def _folder(self, _request: web.Request) -> web.Response:
        return web.Response(text="<h1>The folder</h1>", content_type="text/html")

    async def _around(self, request: web.Request) -> web.Response:
        script = "window.heard=[];addEventListener('message',e=>{if(e.origin===location.origin)heard.push(e.data)})"
        frame = f'<iframe src="{BASE}/{request.query["page"]}" width="900" height="600"></iframe>'
        return web.Response(text=f"<script>{script}</script>{frame}", content_type="text/html")

    async def _nothing(self, _request: web.Request) -> web.Response:
        return web.Response(status=204)

    async def _gone(self, _request: web.Request) -> web.Response:
        return web.Response(text="<h1>Bad gateway</h1>", status=502, content_type="text/html")


@pytest.fixture
async def host(tmp_path: Path) -> AsyncIterator[Host]:
    running = Host(tmp_path)
    await running.start()
    yield running
    await running.stop()


@pytest.fixture
async def tab(browser: Browser) -> AsyncIterator[Page]:
    context = await browser.new_context(viewport={"width": 1000, "height": 700})
    page = await context.new_page()
    complaints: list[str] = []
    page.on("console", lambda line: complaints.append(line.text) if line.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.complaints = complaints  # type: ignore[attr-defined]
    yield page
    await context.close()


def complaints(tab: Page) -> list[str]:
    found: list[str] = tab.complaints  # type: ignore[attr-defined]
    return found


async def opened(host: Host, tab: Page, query: str = "") -> FrameLocator:
    await tab.goto(f"{host.url}{BASE}/open{query}")
    frame = tab.frame_locator("iframe")
    await expect(frame.locator("#state")).to_have_attribute("data-state", "online")
    return frame


async def picture(tab: Page, name: str) -> None:
    ARTIFACTS.mkdir(parents=True, exist_ok=True)
    await tab.screenshot(path=ARTIFACTS / f"page-{name}.png")


async def test_an_empty_document_of_each_kind_opens_and_fills_the_window(host: Host, tab: Page) -> None:
    for kind in ("docx", "xlsx", "pptx"):
        await opens_empty(host, tab, kind)
    assert host.world.asked[0] == "cap&1"
    assert complaints(tab) == []


async def opens_empty(host: Host, tab: Page, kind: str) -> None:
    host.world.kind, host.world.keys = kind, lambda: f"key-{kind}"
    frame = await opened(host, tab)
    await expect(frame.locator("#title")).to_have_text(f"Plan.{kind}")
    await expect(tab.locator("#cover")).to_be_hidden()
    await expect(tab.locator("#bar")).to_be_hidden()
    await expect(tab.locator("#notice")).to_be_hidden()
    box = await tab.locator("iframe").bounding_box()
    assert box == {"x": 0, "y": 0, "width": 1000, "height": 700}
    block = frame.locator(".block").first
    await block.click()
    await tab.keyboard.type("Hello")
    await expect(block).to_have_text("Hello")
    await picture(tab, kind)


async def test_a_form_is_made_by_some_and_filled_in_by_others(host: Host, tab: Page, browser: Browser) -> None:
    host.world.kind = "pdf"
    frame = await opened(host, tab)
    await frame.locator(".block").first.click()
    await tab.keyboard.type("Name:")
    other = await browser.new_page()
    filled = await opened(host, other, "?mode=fill")
    await expect(filled.locator(".block").first).to_have_text("Name:")
    await filled.locator(".block").first.click()
    await other.keyboard.press("End")
    await other.keyboard.type(" Ada")
    await expect(frame.locator(".block").first).to_have_text("Name: Ada")
    await picture(other, "form")
    for window in (other, tab):
        await window.frame_locator("iframe").locator("#close").click()
        await expect(window.locator("h1")).to_have_text("The folder")
    while not host.versions:
        await tab.wait_for_timeout(50)
    saved = host.versions[-1].data
    inside = pdf.form(saved)
    assert inside is not None
    assert [one.text for one in docx.Document(io.BytesIO(inside)).paragraphs] == ["Name: Ada"]
    await other.close()


async def test_what_was_changed_is_saved_before_the_page_goes_back(host: Host, tab: Page) -> None:
    frame = await opened(host, tab)
    await frame.locator(".block").first.click()
    await tab.keyboard.type("Hello")
    await expect(tab).to_have_title("Plan.docx")
    await frame.locator("#close").click()
    await expect(tab.locator("h1")).to_have_text("The folder")
    assert host.world.closed == [{"document": "cap&1"}]
    assert complaints(tab) == []


async def test_a_page_in_which_nothing_was_changed_goes_back_at_once(host: Host, tab: Page) -> None:
    frame = await opened(host, tab)
    await frame.locator("#close").click()
    await expect(tab.locator("h1")).to_have_text("The folder")
    assert host.world.closed == []


async def test_what_the_save_has_to_say_is_read_before_the_page_goes_back(host: Host, tab: Page) -> None:
    host.world.closing = (200, {"saved": True, "notice": "It went to Plan (2).docx."})
    frame = await opened(host, tab)
    await frame.locator(".block").first.click()
    await tab.keyboard.type("Hello")
    await expect(frame.locator(".block").first).to_have_text("Hello")
    await frame.locator("#close").click()
    await expect(tab.locator("#message")).to_have_text("It went to Plan (2).docx.")
    await picture(tab, "closing-notice")
    await tab.get_by_role("button", name="Close").click()
    await expect(tab.locator("h1")).to_have_text("The folder")
    assert len(host.world.closed) == 1


async def test_inside_another_page_closing_is_that_pages_to_do(host: Host, tab: Page) -> None:
    host.world.framed = True
    await tab.goto(f"{host.url}/around?page=open")
    inner = tab.frame_locator("iframe").frame_locator("iframe")
    await expect(inner.locator("#state")).to_have_attribute("data-state", "online")
    await inner.locator("#close").click()
    await tab.wait_for_function("() => heard.length === 1")
    assert await tab.evaluate("heard") == [{"onlyofficeBridge": "close"}]
    assert host.world.closed == []
    # That page's own button asks the editor first.
    await tab.evaluate(
        "document.querySelector('iframe').contentWindow.postMessage({onlyofficeBridge: 'requestClose'}, '*')"
    )
    await tab.wait_for_function("() => heard.length === 2")
    assert complaints(tab) == []


async def test_a_message_inside_another_page_can_be_closed_too(host: Host, tab: Page) -> None:
    await tab.goto(f"{host.url}/around?page=refused")
    await tab.frame_locator("iframe").get_by_role("button", name="Close").click()
    await tab.wait_for_function("() => heard.length === 1")
    await picture(tab, "refused")
    await tab.frame_locator("iframe").get_by_role("link", name="Go back").click()
    await expect(tab.locator("h1")).to_have_text("The folder")


# Each look, and the folder of its editor. Source: the web-apps' folders.
LOOKS = {Device.DESKTOP: "main", Device.MOBILE: "mobile", Device.EMBEDDED: "embed"}
FITS = (
    "() => document.documentElement.scrollWidth <= innerWidth && document.documentElement.scrollHeight <= innerHeight"
)


async def test_the_page_lets_in_the_empty_handler_of_the_real_api_and_no_other(host: Host, tab: Page) -> None:
    """Source: api.js of ONLYOFFICE Docs sets an empty `onmousewheel` on its frame, and a fixed position on phones."""
    await opened(host, tab)
    await tab.evaluate("document.querySelector('iframe').setAttribute('onmousewheel', '')")
    assert complaints(tab) == []
    await tab.evaluate("document.querySelector('iframe').setAttribute('onmousewheel', 'window.got = 1')")
    await tab.evaluate(
        "document.body.append(Object.assign(document.createElement('script'), {text: 'window.got = 1'}))"
    )
    assert await tab.evaluate("window.got") is None
    assert len(complaints(tab)) == 2
    await tab.evaluate("document.querySelector('iframe').style.position = 'fixed'")
    host.world.news = (200, {"notice": "News"})
    await expect(tab.locator("#notice")).to_be_visible()
    notice, frame = [await tab.locator(one).bounding_box() for one in ("#notice", "iframe")]
    assert notice is not None
    assert frame == {"x": 0, "y": notice["height"], "width": 1000, "height": 700 - notice["height"]}


# An api.js that does nothing, and lets a test do what an editor would.
STUB = """DocsAPI = {DocEditor: class {
  constructor(id, config) {
    Object.assign(window, {config, events: config.events});
    document.getElementById(id).replaceWith(document.createElement('iframe'));
  }
}}"""


async def test_what_an_editor_says_is_heard(host: Host, tab: Page) -> None:
    host.world.page = {"edit": f"{BASE}/open?mode=edit", "every": 60}
    host.world.changes = {"mode": Mode.VIEW, "may_edit": True}
    await tab.route(re.compile("api\\.js"), lambda it: it.fulfill(body=STUB))
    await tab.goto(f"{host.url}{BASE}/open?mode=view")
    await expect(tab.locator("body")).to_have_attribute("data-state", "loading")
    assert await tab.evaluate("config.editorConfig.mode") == "view"
    await tab.evaluate("events.onError({data: {errorCode: -4}})")
    await expect(tab.locator("#notice")).to_contain_text("The document could not be opened.")
    # An editor without requestClose has no button to close it either.
    await tab.evaluate("events.onAppReady({})")
    await expect(tab.locator("#cover")).to_be_hidden()
    await expect(tab.locator("#bar")).to_be_visible()
    await tab.evaluate("events.onDocumentReady({})")
    await tab.evaluate("events.onDocumentStateChange({data: true})")
    await expect(tab).to_have_title("* Plan.docx")
    await tab.evaluate("events.onMetaChange({data: {title: '$& Plan B.docx'}})")
    await expect(tab).to_have_title("* $& Plan B.docx")
    await tab.evaluate("events.onDocumentStateChange({data: false})")
    await expect(tab).to_have_title("$& Plan B.docx")
    asked = len(host.world.asked)
    await tab.evaluate("events.onWarning({data: {warningCode: -201}})")
    while len(host.world.asked) == asked:
        await tab.wait_for_timeout(20)
    await tab.evaluate("window.kept = 1; dispatchEvent(new PageTransitionEvent('pageshow', {persisted: true}))")
    await tab.wait_for_function("window.events && !window.kept")
    await tab.evaluate("events.onRequestEditRights({})")
    await tab.wait_for_url("**/open?mode=edit")
    await expect(tab.locator("body")).to_have_attribute("data-state", "loading")
    # A click on Close saves first, for there is no editor to ask; the answer may take its time, and fail.
    await tab.evaluate("events.onAppReady({}); events.onDocumentStateChange({data: true})")
    host.world.closing = (502, {"error": True, "message": "HumHub is away; the edit is kept."})
    await tab.get_by_role("button", name="Close").click()
    await expect(tab.locator("#message")).to_have_text("HumHub is away; the edit is kept.")
    await tab.get_by_role("button", name="Close").click()
    await expect(tab.locator("h1")).to_have_text("The folder")


async def test_who_may_not_edit_is_offered_no_way_to_it(host: Host, tab: Page) -> None:
    await tab.route(re.compile("api\\.js"), lambda it: it.fulfill(body=STUB))
    await tab.goto(f"{host.url}{BASE}/open?mode=view")
    assert "onRequestEditRights" not in await tab.evaluate("Object.keys(events)")


async def test_a_format_that_docs_does_not_know_is_said(host: Host, tab: Page) -> None:
    await tab.route(re.compile("api\\.js"), lambda it: it.fulfill(body="DocsAPI = {DocEditor: class {}}"))
    await tab.goto(f"{host.url}{BASE}/open")
    await expect(tab.locator("#message")).to_have_text("The document could not be opened.")
    await expect(tab.locator("body")).to_have_attribute("data-state", "failed")


async def test_each_device_gets_its_editor(host: Host, tab: Page) -> None:
    for device, folder in LOOKS.items():
        host.world.changes = {"device": device, "mode": Mode.VIEW if device is Device.EMBEDDED else Mode.EDIT}
        if device is Device.MOBILE:
            await tab.set_viewport_size({"width": 360, "height": 640})
        frame = await opened(host, tab)
        assert await frame.locator("body").get_attribute("data-look") == device
        assert f"/{folder}/index.html" in (await tab.locator("iframe").get_attribute("src") or "")
        # An embedded viewer has no button of its own to close it.
        await expect(tab.locator("#bar")).to_be_visible(visible=device is Device.EMBEDDED)
        assert await tab.evaluate(FITS)
        await picture(tab, device)
    await tab.get_by_role("button", name="Close").click()
    await expect(tab.locator("h1")).to_have_text("The folder")
    assert complaints(tab) == []


async def test_without_docs_the_page_says_so_and_tries_again_when_asked(host: Host, tab: Page) -> None:
    host.world.page = {"docs": "/gone"}
    await tab.goto(f"{host.url}{BASE}/open")
    await expect(tab.locator("#message")).to_contain_text("The editor can't be reached at the moment.")
    await expect(tab.get_by_role("button", name="Close")).to_be_visible()
    await picture(tab, "docs-down")
    await tab.get_by_role("button", name="Try again").click()
    await expect(tab.locator("body")).to_have_attribute("data-state", "unreachable")
    host.world.page = {}
    await tab.get_by_role("button", name="Try again").click()
    await expect(tab.frame_locator("iframe").locator("#state")).to_have_attribute("data-state", "online")
    await expect(tab.locator("#cover")).to_be_hidden()

    host.world.language, host.world.page = "de", {"docs": "/gone"}
    await tab.goto(f"{host.url}{BASE}/open")
    await expect(tab.locator("#message")).to_contain_text("Der Editor ist gerade nicht erreichbar.")
    await expect(tab.locator("html")).to_have_attribute("lang", "de-DE")
    await picture(tab, "docs-down-german")
    await tab.get_by_role("button", name="Schließen").click()
    await expect(tab.locator("h1")).to_have_text("The folder")


async def test_a_script_that_never_comes_is_not_waited_for_for_ever(host: Host, tab: Page) -> None:
    host.world.page = {"patience": 0.3}
    await tab.route(re.compile("api\\.js"), lambda _: None)
    await tab.goto(f"{host.url}{BASE}/open", wait_until="commit")
    await expect(tab.locator("body")).to_have_attribute("data-state", "unreachable")


async def test_an_editor_that_never_comes_is_said_and_can_be_tried_again(host: Host, tab: Page) -> None:
    host.world.page = {"patience": 0.3}
    await tab.route(re.compile("/main/index\\.html"), lambda route: route.fulfill(body="<h1>Bad gateway</h1>"))
    await tab.goto(f"{host.url}{BASE}/open")
    await expect(tab.locator("#notice")).to_contain_text("The editor takes longer than usual.")
    await tab.unroute_all()
    await tab.get_by_role("button", name="Try again").click()
    await expect(tab.frame_locator("iframe").locator("#state")).to_have_attribute("data-state", "online")
    await expect(tab.locator("#notice")).to_be_hidden()


async def test_news_of_the_document_is_shown_and_goes_again(host: Host, tab: Page) -> None:
    await opened(host, tab)
    host.world.news = (200, {"notice": "Somebody replaced the file: your edit is kept beside it."})
    await expect(tab.get_by_role("status").first).to_contain_text("Somebody replaced the file")
    await picture(tab, "news")
    await tab.get_by_role("button", name="Dismiss").click()
    await expect(tab.locator("#notice")).to_be_hidden()
    asked = len(host.world.asked)
    while len(host.world.asked) < asked + 3:
        await tab.wait_for_timeout(50)
    await expect(tab.locator("#notice")).to_be_hidden()
    host.world.news = (403, {"error": True, "message": "You may not change this document any more."})
    await expect(tab.locator("#notice")).to_contain_text("any more")
    host.world.news = (502, {"error": True, "message": "HumHub is away."})
    asked = len(host.world.asked)
    while len(host.world.asked) < asked + 3:
        await tab.wait_for_timeout(50)
    await expect(tab.locator("#notice")).to_contain_text("any more")


async def test_what_the_page_has_to_say_at_once_stays(host: Host, tab: Page) -> None:
    host.world.page = {"notice": "You may view this document, but not change it."}
    host.world.changes = {"mode": Mode.VIEW}
    await opened(host, tab)
    while len(host.world.asked) < 3:
        await tab.wait_for_timeout(50)
    await expect(tab.locator("#notice")).to_contain_text("You may view this document")


async def test_a_saved_version_is_left_for_the_newest(host: Host, tab: Page, browser: Browser) -> None:
    frame = await opened(host, tab)
    await frame.locator(".block").first.click()
    await tab.keyboard.type("Hello")
    await tab.wait_for_timeout(300)
    await frame.locator("#close").click()
    await expect(tab.locator("h1")).to_have_text("The folder")
    while not [one for one in host.callbacks if one.status == 2 and one.acknowledged]:
        await tab.wait_for_timeout(50)
    keys = iter(("key1", "key2"))
    host.world.keys = lambda: next(keys)
    frame = await opened(host, tab)
    await expect(tab.locator("body")).to_have_attribute("data-open", "1")
    assert list(keys) == []
    # Where the newest has that key again, it stops instead of loading for ever.
    host.world.keys = lambda: "key1"
    await tab.goto(f"{host.url}{BASE}/open")
    await expect(tab.locator("#message")).to_contain_text("Somebody has just saved this document.")
    await picture(tab, "outdated")


async def test_what_cannot_be_opened_is_said_with_a_way_to_try_again(host: Host, tab: Page) -> None:
    host.world.page = {"patience": 0.5}
    host.world.changes = {"url": f"{host.url}/gone/file"}
    await tab.goto(f"{host.url}{BASE}/open")
    await expect(tab.locator("#notice")).to_be_visible()
    await expect(tab.get_by_role("button", name="Try again")).to_be_visible()
    await expect(tab.get_by_role("button", name="Close", exact=True)).to_be_visible()
