"""What is offered for each format, what only opens for reading, and what becomes something else."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from tests.browser.desk import Desk
from tests.chromium import needs_chromium

pytestmark = needs_chromium

VIEW, EDIT, CONVERT, DOWNLOAD = "View document", "Edit document", "Convert document", "Download"
OFFERED = {
    "Team handbook.docx": [VIEW, DOWNLOAD, EDIT],
    "Budget.xlsx": [VIEW, DOWNLOAD, EDIT],
    "Year plan.pptx": [VIEW, DOWNLOAD, EDIT],
    "Minutes.odt": [VIEW, DOWNLOAD, CONVERT],
    "Notes.txt": [VIEW, DOWNLOAD],
    "Members.csv": [VIEW, DOWNLOAD],
    "Poster.pdf": [VIEW, DOWNLOAD],
}


async def test_entries_follow_the_format_and_the_right(desk: Desk) -> None:
    admin = await desk.log_in("admin")
    assert {name: await admin.offers(name) for name in OFFERED} == OFFERED
    carol = await desk.log_in("carol")
    assert {name: await carol.offers(name) for name in OFFERED} == {name: [VIEW, DOWNLOAD] for name in OFFERED}
    await desk.picture(carol, "5-who-may-only-read")


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Minutes.odt", "Present: everybody."),
        ("Notes.txt", "Order coffee."),
        ("Members.csv", "Grace,Arlington"),
        ("Poster.pdf", "Summer party, Friday at six"),
    ],
)
async def test_what_is_only_viewed_opens_without_edit_controls(desk: Desk, name: str, shown: str) -> None:
    alice = await desk.log_in("alice")
    await alice.open(name, VIEW)
    await expect(alice.frame.locator("main")).to_contain_text(shown)
    await expect(alice.frame.locator("body")).to_have_attribute("data-mode", "view")
    await expect(alice.frame.locator("#readonly")).to_be_visible()
    await expect(alice.frame.locator("#save")).to_be_hidden()
    await expect(alice.frame.locator("[contenteditable]")).to_have_count(0)
    await desk.picture(alice, f"5-view-{name.rpartition('.')[2]}")
    await alice.close_editor()
    assert desk.complaints() == []


async def test_who_only_reads_sees_others_type(desk: Desk) -> None:
    admin, carol = await desk.log_in("admin"), await desk.log_in("carol")
    await admin.open("Team handbook.docx")
    await carol.open("Team handbook.docx", VIEW)
    await expect(carol.frame.locator("[contenteditable]")).to_have_count(0)
    await admin.type(" Seen by Carol.", block=1)
    await carol.shows("Seen by Carol.", block=1)
    await desk.picture(carol, "5-reading-along")
    assert desk.complaints() == []


async def test_an_odt_becomes_a_docx_that_can_be_edited(desk: Desk) -> None:
    alice = await desk.log_in("alice")
    await alice.choose("Minutes.odt", CONVERT)
    await expect(alice.page.locator("#oConvertMessage")).to_contain_text("Done", timeout=15_000)
    await desk.picture(alice, "6-converted")
    await alice.page.locator("#globalModal").get_by_text("Close", exact=True).click()
    await expect(alice.file("Minutes.docx")).to_be_visible()
    await alice.page.wait_for_load_state()
    await alice.open("Minutes.docx")
    await alice.shows("Minutes of the meeting")
    await alice.type(" And the cat.", block=1)
    await alice.settled()
    await alice.close_editor()
    await alice.preview("Minutes.docx", "Present: everybody. And the cat.")
    assert desk.complaints() == []
