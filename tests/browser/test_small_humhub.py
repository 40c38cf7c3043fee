"""The small HumHub's own pages in Chromium, without module and bridge: what a script from elsewhere has to live with."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from playwright.async_api import Browser, Page, expect

from bridge.demo.humhub import HumHubSettings, SmallHumHub
from tests.chromium import needs_chromium

pytestmark = needs_chromium

# A script that counts the pages it was loaded in, and every file's link that it sees come.
WATCHER = """
window.loads = (window.loads || 0) + 1;
window.seen = [];
const look = () => document.querySelectorAll('a[data-file-download]').forEach((link) => {
  if (!window.seen.includes(link.dataset.fileName)) window.seen.push(link.dataset.fileName);
});
new MutationObserver(look).observe(document.documentElement, {childList: true, subtree: true});
look();
"""


@pytest.fixture
async def watcher() -> AsyncIterator[str]:
    """Serve the script at an address of its own."""
    app = web.Application()

    async def script(_: web.Request) -> web.Response:
        return web.Response(text=WATCHER, content_type="text/javascript")

    app.router.add_get("/watch.js", script)
    server = TestServer(app)
    await server.start_server()
    yield str(server.make_url("/watch.js"))
    await server.close()


@pytest.fixture
async def hub(tmp_path: Path, watcher: str) -> AsyncIterator[SmallHumHub]:
    small = SmallHumHub(HumHubSettings("", "", "", "", onlyoffice=False), tmp_path)
    small.reconfigure(tracking_code=f'<script src="{watcher}"></script>')
    small.add_post("admin", "look at this", [small.add_file("posted.docx", b"x")])
    small.add_cfile("plan.docx", b"x", owner="alice")
    await small.start()
    yield small
    await small.stop()


@pytest.fixture
async def page(hub: SmallHumHub, browser: Browser) -> AsyncIterator[Page]:
    """Log alice in."""
    context = await browser.new_context(locale="en-US")
    page = await context.new_page()
    await page.goto(f"{hub.url}/")
    await page.fill("#login_username", "alice")
    await page.fill("#login_password", hub.users["alice"].password)
    await page.click("button:text('Sign in')")
    await expect(page.locator("#stream li.file-preview-item")).to_be_visible()
    yield page
    await context.close()


async def seen(page: Page) -> list[str]:
    return list(await page.evaluate("() => window.seen"))


async def loads(page: Page) -> Any:
    return await page.evaluate("() => window.loads")


async def test_a_page_change_replaces_the_content_and_keeps_scripts(page: Page) -> None:
    assert (await loads(page), await seen(page)) == (1, ["posted.docx"])
    await page.get_by_text("Files", exact=True).click()
    await expect(page.locator("tr[data-cfiles-item='file_1']")).to_be_visible()
    assert page.url.endswith("/s/team/cfiles/browse")
    assert (await loads(page), await seen(page)) == (1, ["posted.docx", "plan.docx"])
    await page.go_back()
    await expect(page.locator("#stream li.file-preview-item")).to_be_visible()
    assert await loads(page) == 1
    await page.reload()
    await expect(page.locator("#stream li.file-preview-item")).to_be_visible()
    assert await loads(page) == 1


async def test_an_inline_script_without_nonce_is_refused_and_the_page_loaded_anew(page: Page) -> None:
    async with page.expect_navigation():
        await page.evaluate(
            "() => { const s = document.createElement('script'); s.textContent = 'window.ran = 1';"
            " document.body.append(s); }"
        )
    assert await page.evaluate("() => window.ran") is None


async def test_the_tracking_code_gets_the_nonce(hub: SmallHumHub, page: Page) -> None:
    hub.reconfigure(tracking_code="<script nonce={{ nonce }}>window.tracked = 1</script>")
    await page.reload()
    await expect(page.locator("#stream li.file-preview-item")).to_be_visible()
    assert await page.evaluate("() => window.tracked") == 1


CREATED = """async (where) => {
  const {client, csrf, event, require} = window.humhub;
  const body = new FormData();
  body.append('files[]', new File(['made'], 'made.docx'));
  const answer = await client.ajax('/file/file/upload', {method: 'POST', body});
  const [file] = (await answer.json()).files;
  if (where === 'cfiles') event.trigger('humhub:file:created.cfiles', [file]);
  else require('ui.widget').Widget.instance(where).handleFileResponse(file);
}"""


async def test_a_post_takes_up_a_file_that_a_script_made(hub: SmallHumHub, page: Page) -> None:
    await page.evaluate(CREATED, "#contentFormFiles")
    await expect(page.locator("#contentFormFiles_preview li")).to_contain_text("made.docx")
    await page.fill("#contentForm_message_input", "with it")
    await page.click("#post_submit_button")
    await expect(page.locator("#stream li.file-preview-item", has_text="made.docx")).to_be_visible()
    (file,) = [file for file in hub.files.values() if file.name == "made.docx"]
    assert (file.owner, file.attached) == ("alice", True)


async def test_a_folder_takes_up_a_file_that_a_script_made(hub: SmallHumHub, page: Page) -> None:
    await page.goto(f"{hub.url}/s/team/cfiles/browse")
    await page.evaluate(CREATED, "cfiles")
    await expect(page.locator("tr[data-cfiles-item='file_2']")).to_contain_text("made.docx")


async def test_a_file_is_uploaded_renamed_and_deleted_in_its_folder(hub: SmallHumHub, page: Page) -> None:
    await page.goto(f"{hub.url}/s/team/cfiles/browse")
    sent = {"name": "notes.docx", "mimeType": "application/msword", "buffer": b"notes"}
    await page.set_input_files("#cfilesUploadFiles", sent)  # type: ignore[arg-type]
    row = page.locator("tr[data-cfiles-item='file_2']")
    await expect(row).to_contain_text("notes.docx")
    await row.locator(".context-icon").click()
    await row.locator("[data-action='edit-file']").click()
    await page.fill("#file-file_name", "renamed.docx")
    async with page.expect_navigation():
        await page.locator("[data-action-click='ui.modal.submit']").click()
    await expect(row).to_contain_text("renamed.docx")
    await row.locator(".context-icon").click()
    await row.locator("[data-action='delete']").click()
    await expect(row).to_have_count(0)
    assert [entry.file.name for entry in hub.cfiles.entries.values()] == ["plan.docx"]


async def test_a_post_and_a_comment_are_written_and_changed(hub: SmallHumHub, page: Page) -> None:
    await page.fill("#contentForm_message_input", "first words")
    await page.click("#post_submit_button")
    entry = page.locator(".wall-entry", has_text="first words")
    await entry.locator(".preferences .dropdown-toggle").click()
    await entry.locator(".stream-entry-edit-link").click()
    await page.locator("[name='Post[message]']").nth(1).fill("other words")
    await page.locator("[data-action-click='editSubmit']").click()
    entry = page.locator(".wall-entry", has_text="other words")
    await entry.locator("[name='Comment[message]']").first.fill("well said")
    await entry.locator(".btn-comment-submit").first.click()
    await expect(entry.locator(".single-comment")).to_contain_text("well said")
    assert [one.text for one in hub.posts.newest_first()] == ["other words", "look at this"]


async def test_pages_are_in_their_readers_language(hub: SmallHumHub, page: Page) -> None:
    hub.users["alice"].language = "de"
    await page.goto(f"{hub.url}/s/team/cfiles/browse")
    assert await page.locator("html").get_attribute("lang") == "de"
    await expect(page.locator("#topbar")).to_contain_text("Dateien")
    await expect(page.locator(".files-action-menu")).to_contain_text("Datei(en) hinzufügen")
    assert await page.evaluate("() => window.humhub.config.get('user', 'locale')") == "de"
