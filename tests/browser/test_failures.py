"""What people see when HumHub, Docs or the bridge is away."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from tests.browser.desk import Desk
from tests.chromium import needs_chromium

pytestmark = needs_chromium

UNREACHABLE = "The server behind the bridge can't be reached."


async def test_with_docs_away_the_modal_says_so_and_works_again_later(desk: Desk) -> None:
    admin = await desk.log_in("admin")
    await desk.house.stop_docs()
    await admin.choose("Team handbook.docx", "Edit document")
    await expect(admin.modal.locator(".onlyoffice-notice")).to_contain_text("ONLYOFFICE cannot be reached")
    await desk.picture(admin, "9-docs-is-away")
    await admin.close_editor()
    await desk.house.start_docs()
    await admin.open("Team handbook.docx")
    await admin.shows("We meet on the first Monday", block=1)


async def test_docs_that_goes_away_is_told_in_the_editor(desk: Desk) -> None:
    admin = await desk.log_in("admin")
    await admin.open("Team handbook.docx")
    await desk.house.stop_docs()
    await admin.ready("connecting")
    await expect(admin.frame.locator("#state")).to_have_text("Reconnecting…")
    await desk.picture(admin, "9-docs-has-gone")


async def test_with_humhub_away_people_read_a_page_and_scripts_json(desk: Desk) -> None:
    alice = await desk.log_in("alice")
    await desk.house.stop_humhub()
    async with alice.page.expect_response("**/onlyoffice/open?**") as asked:
        await alice.choose("Minutes.odt", "View document")
    response = await asked.value
    body = await response.json()
    assert (response.status, body["error"], body["message"]) == (502, True, UNREACHABLE)
    assert body["request_id"] == await response.header_value("x-request-id")
    await expect(alice.modal.get_by_role("alert")).to_have_text(UNREACHABLE)
    await desk.picture(alice, "10-humhub-is-away-modal")

    answer = await alice.page.reload()
    assert answer is not None
    assert answer.status == 502
    await expect(alice.page.locator("h1")).to_have_text("Not available right now")
    await expect(alice.page.locator("body")).to_contain_text(await answer.header_value("x-request-id") or "none")
    await desk.picture(alice, "10-humhub-is-away")
    await alice.page.emulate_media(color_scheme="dark")
    await desk.picture(alice, "10-humhub-is-away-dark")
    await desk.house.start_humhub()
    await alice.page.reload()
    await expect(alice.page.locator("h1")).to_have_count(0)


async def test_humhub_that_goes_away_disturbs_nobody_who_edits(desk: Desk) -> None:
    admin, alice = await desk.log_in("admin"), await desk.log_in("alice")
    await admin.open("Team handbook.docx")
    await alice.open("Team handbook.docx", "View document")
    await desk.house.stop_humhub()
    await admin.type(" Still here.", block=1)
    await alice.shows("Still here.", block=1)
    await admin.settled()
    await desk.house.start_humhub()
    await admin.close_editor()
    await admin.preview("Team handbook.docx", "Still here.")


async def test_with_the_bridge_away_the_modal_says_so(desk: Desk) -> None:
    alice = await desk.log_in("alice")
    await desk.house.stop_bridge()
    await alice.choose("Minutes.odt", "View document")
    await expect(alice.modal.get_by_role("alert")).to_have_text(
        "The server cannot be reached. Please try again in a moment."
    )
    await alice.modal.get_by_text("Close", exact=True).click()
    await desk.house.start_bridge()
    await alice.open("Minutes.odt", "View document")


@pytest.mark.parametrize("path", ["/converter", "/coauthoring/CommandService.ashx", "/web-apps/../command"])
async def test_what_is_not_for_browsers_is_refused_readably(desk: Desk, path: str) -> None:
    window = await desk.window(None)
    answer = await window.page.goto(f"{desk.house.browser_url}/ds{path}")
    assert answer is not None
    assert answer.status in {403, 404}
    await expect(window.page.locator("body")).to_contain_text("tell your administrator the request below")
    await desk.picture(window, "11-refused")
