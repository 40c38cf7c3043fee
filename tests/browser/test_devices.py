"""What people see on a phone, and in an embedded viewer: the editor that HumHub chose, and a modal that closes."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.async_api import expect

from tests.browser.desk import Desk, Window
from tests.chromium import needs_chromium

pytestmark = needs_chromium

# As Chromium's own emulation of these devices.
PHONES: dict[str, dict[str, Any]] = {
    "pixel": {
        "user_agent": "Mozilla/5.0 (Linux; Android 14; Pixel 7) AppleWebKit/537.36 Chrome/120.0 Mobile Safari/537.36",
        "viewport": {"width": 412, "height": 839},
        "device_scale_factor": 2.625,
    },
    "iphone": {
        "user_agent": "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148 Safari",
        "viewport": {"width": 320, "height": 568},
        "device_scale_factor": 2,
    },
}


async def look(window: Window) -> tuple[str | None, str]:
    """Give which editor is open: as it takes itself, and the folder that its frame was loaded from."""
    body = await window.frame.locator("body").get_attribute("data-look")
    (frame,) = [frame for frame in window.page.frames if "/web-apps/apps/" in frame.url]
    return body, re.sub(r".*editor/(\w+)/index.html.*", r"\1", frame.url)


@pytest.mark.parametrize("phone", PHONES)
async def test_a_phone_gets_the_mobile_editor_and_edits_with_a_desk(desk: Desk, phone: str) -> None:
    admin = await desk.log_in("admin", **PHONES[phone], is_mobile=True, has_touch=True)
    await admin.menu()
    assert await admin.fits()
    await desk.picture(admin, f"9-{phone}-stream")
    await admin.menu()
    await admin.open("Team handbook.docx")
    assert await look(admin) == ("mobile", "mobile")
    alice = await desk.log_in("alice")
    await alice.open("Team handbook.docx", "View document")
    assert await look(alice) == ("desktop", "main")
    await admin.type(" from the train", block=0)
    await alice.shows("Team handbook from the train")
    assert await admin.fits()
    await desk.picture(admin, f"9-{phone}-editor")
    await alice.close_editor()
    await admin.settled()
    await admin.frame.locator("#close").tap()
    await expect(admin.page.locator("#onlyoffice-modal")).to_be_hidden()
    await admin.preview("Team handbook.docx", "Team handbook from the train")
    assert await admin.fits()
    assert desk.complaints() == []


async def test_an_embedded_viewer_shows_the_document_offers_its_links_and_closes(desk: Desk) -> None:
    desk.house.humhub.reconfigure(embeds_viewers=True)
    carol = await desk.log_in("carol")
    await carol.open("Team handbook.docx", "View document")
    assert await look(carol) == ("embedded", "embed")
    await carol.shows("Team handbook")
    await expect(carol.frame.locator("[contenteditable]")).to_have_count(0)
    share = carol.frame.locator("#embedded-share")
    await expect(share).to_have_attribute("href", re.compile(f"^{re.escape(desk.house.browser_url)}/onlyoffice/open"))
    await desk.picture(carol, "9-embedded")
    async with carol.page.expect_download() as saved:
        await carol.frame.locator("#embedded-save").click()
    content = (await (await saved.value).path()).read_bytes()
    handbook = next(file for file in desk.house.humhub.files.values() if file.name == "Team handbook.docx")
    assert content == handbook.content()
    asked: list[str] = []
    carol.page.on("request", lambda request: asked.append(request.url))
    await carol.close_editor()
    assert not [url for url in asked if "get-info" in url], "as in HumHub, only who edited asks for the file anew"
    await expect(carol.page.locator("#onlyoffice-modal")).to_be_hidden()
    assert desk.complaints() == []
