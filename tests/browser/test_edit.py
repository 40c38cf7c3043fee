"""Create, edit together, close, see it in HumHub: what two people see in their browsers."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest
from playwright.async_api import Route, expect

from tests.browser.conftest import Desk
from tests.chromium import needs_chromium
from tests.flows.words import words

# A network that lets no websocket through: each fails as it is opened.
NO_WEBSOCKET = """
window.WebSocket = class extends EventTarget {
  constructor() {
    super();
    this.readyState = 3;
    setTimeout(() => {
      for (const event of [new Event('error'), new CloseEvent('close', {code: 1006})]) {
        this['on' + event.type]?.(event);
        this.dispatchEvent(event);
      }
    });
  }
  send() {}
  close() {}
};
"""

pytestmark = [*needs_chromium, pytest.mark.xdist_group("chromium")]


async def test_two_people_edit_one_document_and_humhub_shows_it(desk: Desk) -> None:
    alice, admin = await desk.log_in("alice"), await desk.log_in("admin")
    await desk.picture(alice, "1-the-stream")
    await alice.create("docx", "Minutes of today")
    await alice.type("Alice begins. ")
    await alice.post("Our minutes")
    # Who opens it before the save has arrived gets a key that Docs has used up by then, and is told to reload.
    await alice.preview("Minutes of today.docx", "Alice begins.")
    await alice.open("Minutes of today.docx")
    await admin.page.reload()
    await admin.open("Minutes of today.docx")
    await admin.shows("Alice begins.")
    await admin.type("The admin goes on. ")
    await alice.shows("The admin goes on.")
    await alice.type("So does Alice.")
    await admin.shows("So does Alice.")
    await expect(alice.frame.locator("#people li")).to_have_count(2)
    await desk.picture(alice, "2-two-type-alice")
    await desk.picture(admin, "2-two-type-admin")
    await alice.settled()
    await admin.settled()
    await alice.close_tab()
    await admin.close_editor()
    await admin.preview("Minutes of today.docx", "Alice begins. The admin goes on. So does Alice.")
    await desk.picture(admin, "3-humhub-shows-it")
    assert desk.complaints() == []
    assert desk.house.saves == []


@pytest.mark.parametrize(("kind", "name"), [("xlsx", "Budget of spring"), ("pptx", "Plan of spring")])
async def test_a_spreadsheet_and_a_presentation(desk: Desk, kind: str, name: str) -> None:
    alice = await desk.log_in("alice")
    await alice.create(kind, name)
    await alice.type("written here")
    await alice.page.keyboard.press("Tab")
    await alice.settled()
    await desk.picture(alice, f"4-{kind}")
    await alice.post("Our plans")
    await alice.preview(f"{name}.{kind}", "written here")
    assert desk.complaints() == []


@pytest.mark.parametrize("name", ["Minutes.odt", "Notes.txt", "Poster.pdf", "Members.csv"])
async def test_view_only_formats_open_read_only(desk: Desk, name: str) -> None:
    alice = await desk.log_in("alice")
    item = alice.file(name)
    await expect(item.get_by_text("Edit document", exact=True)).to_have_count(0)
    await item.get_by_text("View document", exact=True).click()
    body = alice.frame.locator("body")
    await expect(body).to_have_attribute("data-mode", "view", timeout=15_000)
    await expect(alice.frame.locator("#save")).to_be_hidden()
    await expect(alice.frame.locator("[contenteditable='true'], [contenteditable='plaintext-only']")).to_have_count(0)
    await desk.picture(alice, f"5-view-{name.rpartition('.')[2]}")
    assert desk.complaints() == []


async def test_edit_is_offered_by_format_and_right(desk: Desk) -> None:
    carol = await desk.log_in("carol")
    await expect(carol.file("Team handbook.docx").get_by_text("View document", exact=True)).to_be_visible()
    await expect(carol.file("Team handbook.docx").get_by_text("Edit document", exact=True)).to_have_count(0)
    admin = await desk.log_in("admin")
    await expect(admin.file("Team handbook.docx").get_by_text("Edit document", exact=True)).to_be_visible()
    await expect(admin.file("Minutes.odt").get_by_text("Convert document", exact=True)).to_be_visible()
    await expect(admin.file("Team handbook.docx").get_by_text("Convert document", exact=True)).to_have_count(0)


async def test_an_odt_becomes_a_docx_that_can_be_edited(desk: Desk) -> None:
    alice = await desk.log_in("alice")
    await alice.file("Minutes.odt").get_by_text("Convert document", exact=True).click()
    await expect(alice.page.locator("#oConvertMessage")).to_contain_text("Done", timeout=15_000)
    await desk.picture(alice, "6-converted")
    await alice.page.locator("#globalModal").get_by_text("Close", exact=True).click()
    await expect(alice.file("Minutes.docx")).to_be_visible()
    await alice.page.wait_for_load_state()
    await alice.open("Minutes.docx")
    await alice.shows("Minutes of the meeting")
    assert desk.complaints() == []


async def test_without_websockets_it_works_by_polling(desk: Desk) -> None:
    alice, admin = await desk.log_in("alice"), await desk.log_in("admin")
    for window in (alice, admin):
        await window.context.add_init_script(NO_WEBSOCKET)
        await window.page.reload()
    await alice.create("docx", "Polled")
    await alice.type("by polling ")
    await alice.post("Polled")
    await alice.preview("Polled.docx", "by polling")
    await alice.open("Polled.docx")
    await admin.page.reload()
    await admin.open("Polled.docx")
    await admin.type("and back")
    await alice.shows("by polling and back")
    await alice.settled()
    await admin.settled()
    await desk.picture(alice, "7-polling")
    await alice.close_tab()
    await admin.close_editor()
    await admin.preview("Polled.docx", "by polling and back")


async def test_a_restart_of_the_bridge_loses_no_keystroke(desk: Desk) -> None:
    alice, admin = await desk.log_in("alice"), await desk.log_in("admin")
    await alice.create("docx", "Survivor")
    await alice.post("To survive")
    await alice.open("Survivor.docx")
    await admin.page.reload()
    await admin.open("Survivor.docx")
    await alice.type("before, ")
    await admin.shows("before,")
    await desk.house.stop_bridge()
    await alice.type("meanwhile, ")
    await admin.type("too, ")
    await desk.picture(alice, "8-while-the-bridge-is-away")
    await desk.house.start_bridge()
    await alice.type("after.")
    for window in (alice, admin):
        await window.ready()
        await window.settled()
    # Who types where at the same time is up to the editors; that each letter is there, once, is what counts.
    typed = _letters("before, meanwhile, too, after.")
    async with asyncio.timeout(15):
        while _letters(await alice.text()) != typed or await admin.text() != await alice.text():  # noqa: ASYNC110 - the pages tell
            await asyncio.sleep(0.1)
    shown = await alice.text()
    await desk.picture(alice, "8-both-are-back")
    await alice.close_tab()
    await admin.close_editor()
    await admin.preview("Survivor.docx", shown.strip())
    (stored,) = [file for file in desk.house.humhub.files.values() if file.name == "Survivor.docx"]
    assert _letters(words(stored.content())) == typed


def _letters(text: str) -> Counter[str]:
    return Counter(text.replace(" ", "").replace("\xa0", "").replace("\n", ""))


async def test_with_docs_down_the_modal_says_so(desk: Desk) -> None:
    alice = await desk.log_in("alice")
    await desk.house.stop_docs()
    await alice.file("Minutes.odt").get_by_text("View document", exact=True).click()
    await expect(alice.modal.locator(".onlyoffice-notice")).to_contain_text(
        "ONLYOFFICE cannot be reached", timeout=15_000
    )
    await desk.picture(alice, "9-docs-is-down")


async def test_with_humhub_down_the_browser_shows_a_readable_page(desk: Desk) -> None:
    alice = await desk.log_in("alice")
    await desk.house.stop_humhub()
    answer = await alice.page.reload()
    assert answer is not None
    assert answer.status == 502
    await expect(alice.page.locator("h1")).to_have_text("Not available right now")
    await desk.picture(alice, "10-humhub-is-down")


async def test_a_page_that_is_no_editors_is_never_touched(desk: Desk) -> None:
    alice = await desk.log_in("alice")
    seen: list[str] = []

    async def look(route: Route) -> None:
        seen.append(route.request.url)
        await route.continue_()

    await alice.page.route("**/ds/**", look)
    await alice.page.reload()
    assert seen == []
    assert desk.complaints() == []
