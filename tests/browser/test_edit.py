"""Create, edit together, close, see it in HumHub: what two people see in their browsers."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import Route, expect

from tests.browser.desk import Desk
from tests.chromium import needs_chromium

pytestmark = needs_chromium


async def test_two_people_edit_one_document_and_humhub_shows_it(desk: Desk) -> None:
    alice, admin = await desk.log_in("alice"), await desk.log_in("admin")
    await desk.picture(alice, "1-stream")
    await alice.menu()
    await desk.picture(alice, "1-menu")
    await alice.name_new("docx", "Minutes of today")
    await desk.picture(alice, "1-new")
    await alice.submit_new()
    await desk.picture(alice, "1-empty")
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
    await desk.picture(alice, "2-together-alice")
    await desk.picture(admin, "2-together-admin")
    await alice.settled()
    await alice.close_tab()
    await expect(admin.frame.locator("#people li")).to_have_count(1)
    await admin.type(" And the admin, alone.")
    await admin.settled()
    await admin.close_editor()
    await admin.preview(
        "Minutes of today.docx", "Alice begins. The admin goes on. So does Alice. And the admin, alone."
    )
    await desk.picture(admin, "3-stored")
    assert set(alice.transports + admin.transports) == {"websocket"}
    assert desk.complaints() == []
    assert desk.house.saves == []


@pytest.mark.parametrize(("kind", "name"), [("xlsx", "Budget of spring"), ("pptx", "Plan of spring")])
async def test_a_spreadsheet_and_a_presentation_are_made_and_edited(desk: Desk, kind: str, name: str) -> None:
    alice = await desk.log_in("alice")
    await alice.create(kind, name)
    await alice.type("written here")
    await alice.page.keyboard.press("Tab")
    await alice.settled()
    await desk.picture(alice, f"4-{kind}")
    await alice.post("Our plans")
    await alice.preview(f"{name}.{kind}", "written here")
    assert desk.complaints() == []


async def test_the_button_in_the_editor_saves_and_the_session_goes_on(desk: Desk) -> None:
    admin = await desk.log_in("admin")
    await admin.open("Team handbook.docx")
    await admin.type(" 2026", block=0)
    await admin.frame.locator("#save").click()
    await expect(admin.frame.locator("#notice")).to_have_text("Saved.")
    await desk.picture(admin, "4-saved-by-button")
    carol = await desk.log_in("carol")
    await carol.preview("Team handbook.docx", "Team handbook 2026")
    await admin.type(", second edition", block=0)
    await admin.settled()
    await admin.close_editor()
    await admin.preview("Team handbook.docx", "Team handbook 2026, second edition")
    assert [track.status for track in desk.house.humhub.tracks] == [1, 6, 2]
    assert desk.complaints() == []


async def test_a_shared_link_opens_for_whom_it_was_given(desk: Desk) -> None:
    admin = await desk.log_in("admin")
    await admin.open("Team handbook.docx")
    await admin.modal.get_by_text("Share", exact=True).click()
    await admin.page.locator(".viewLinkCheckbox").check()
    field = admin.page.locator(".viewLinkInput input")
    await expect(field).to_have_value(re.compile("share="))
    await desk.picture(admin, "4-share")
    guest = await desk.window(None)
    await guest.page.goto(await field.input_value())
    await guest.ready()
    await guest.shows("Team handbook")
    await expect(guest.frame.locator("[contenteditable]")).to_have_count(0)
    await desk.picture(guest, "4-shared")
    assert desk.complaints() == []


async def test_a_page_without_an_editor_asks_docs_for_nothing(desk: Desk) -> None:
    alice = await desk.log_in("alice")
    seen: list[str] = []

    async def look(route: Route) -> None:
        seen.append(route.request.url)
        await route.continue_()

    await alice.page.route("**/ds/**", look)
    await alice.page.reload()
    await expect(alice.page.locator("#post-form")).to_be_visible()
    assert seen == []
    assert desk.complaints() == []
