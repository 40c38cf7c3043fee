"""What people see while HumHub can't store what they wrote."""

from __future__ import annotations

import pytest
from playwright.async_api import Browser, expect

from bridge.demo.humhub import Fault
from bridge.protocol.notice import element, waiting_notice
from tests.browser.desk import ARTIFACTS, Desk, Window
from tests.chromium import needs_chromium

pytestmark = needs_chromium

NAME = "Minutes of today.docx"
LINE = waiting_notice("en-US")


async def written_together(desk: Desk) -> tuple[Window, Window]:
    """Let two people write in one document, and close it, while HumHub stores nothing."""
    alice, admin = await desk.log_in("alice"), await desk.log_in("admin")
    await alice.create("docx", NAME.removesuffix(".docx"))
    await alice.type("Stored. ")
    await alice.post("Our minutes")
    await alice.preview(NAME, "Stored.")
    await admin.page.reload()
    desk.house.humhub.faults.add("track", Fault(status=500), times=None)
    await alice.open(NAME)
    await expect(alice.line).to_have_count(0)
    await admin.open(NAME)
    await alice.type("Alice adds. ")
    await admin.shows("Alice adds.")
    await admin.type("The admin too. ")
    await alice.shows("The admin too.")
    await closed_by_both(desk, alice, admin, saves=1)
    return alice, admin


async def closed_by_both(desk: Desk, alice: Window, admin: Window, *, saves: int) -> None:
    """Close both editors, and wait until Docs has heard that this save, the so-many-eth of the key, isn't stored."""
    for window in (alice, admin):
        await window.settled()
        await window.close_editor()
    assert (await desk.house.told(key_of(desk), number=saves)).acknowledged is False


def key_of(desk: Desk) -> str:
    """Give the key under which the document is open."""
    key = next(file.key for file in desk.house.humhub.files.values() if file.name == NAME)
    assert key is not None
    return key


async def test_what_humhub_could_not_store_is_seen_again_edited_again_and_stored_in_the_end(desk: Desk) -> None:
    alice, admin = await written_together(desk)
    await alice.preview(NAME, "Stored.")
    await alice.open(NAME)
    await expect(alice.line).to_have_text(LINE)
    await expect(alice.line).to_be_in_viewport(ratio=1)
    await alice.shows("Stored. Alice adds. The admin too.")
    await desk.picture(alice, "12-waits-alice")
    await admin.open(NAME)
    await expect(admin.line).to_have_text(LINE)
    await admin.shows("Stored. Alice adds. The admin too.")
    carol = await desk.log_in("carol")
    await carol.open(NAME, "View document")
    await expect(carol.line).to_have_text(LINE)
    await carol.shows("Stored. Alice adds. The admin too.")
    await desk.picture(carol, "12-waits-carol")
    await carol.close_editor()
    await alice.type("Alice once more. ")
    await admin.shows("Alice once more.")
    await admin.type("And the admin.")
    await alice.shows("And the admin.")
    await closed_by_both(desk, alice, admin, saves=2)
    assert len(desk.house.saves) == 1

    desk.house.humhub.faults.clear()
    newest = "Stored. Alice adds. The admin too. Alice once more. And the admin."
    await admin.preview(NAME, newest)
    await desk.picture(admin, "12-stored")
    assert desk.house.saves == []
    await alice.open(NAME)
    await expect(alice.line).to_have_count(0)
    await alice.shows(newest)
    await desk.picture(alice, "12-no-longer-waits")
    await alice.close_editor()
    assert (await desk.house.told(key_of(desk), number=3)).acknowledged is True
    await alice.preview(NAME, newest)
    assert desk.house.saves == []
    assert desk.complaints() == []


async def test_a_humhub_that_comes_back_while_someone_edits_gets_what_waits_and_then_the_rest(desk: Desk) -> None:
    alice, admin = await written_together(desk)
    await alice.open(NAME)
    await expect(alice.line).to_have_text(LINE)
    desk.house.humhub.faults.clear()
    await admin.preview(NAME, "Stored. Alice adds. The admin too.")
    await admin.open(NAME)
    await expect(admin.line).to_have_count(0)
    await alice.type("Alice once more.")
    await admin.shows("Alice once more.")
    for window in (alice, admin):
        await window.settled()
        await window.close_editor()
    await admin.preview(NAME, "Stored. Alice adds. The admin too. Alice once more.")
    assert desk.house.saves == []
    assert desk.complaints() == []


# The real module's page by its recorded sizes, with the few rules of Bootstrap that place its parts; in place of the
# editor's frame stands an image, as wide and high.
MODULE_PAGE = """<!DOCTYPE html><meta name="viewport" content="width=device-width">
<style>
* {{ box-sizing: border-box; }}
body {{ margin: 0; font: 14px/1.5 "DejaVu Sans", sans-serif; }}
.modal {{ position: fixed; inset: 0; overflow: hidden auto; background: #888; }}
.modal-dialog {{ max-width: 98%; margin: 28px auto; }}
.modal-content {{ display: flex; flex-direction: column; height: calc(100vh - 90px); padding: 13px; }}
.modal-body {{ flex: 1 1 auto; padding: 16px; }}
.float-end {{ float: right; }}
.btn {{ display: inline-block; padding: 6px 12px; border: 1px solid; background: #fff; }}
.alert {{ position: relative; padding: 16px; margin-bottom: 16px; border: 1px solid #ffe69c; }}
.alert-warning {{ background: #fff3cd; color: #664d03; }}
@media (min-width: 768px) {{ .float-md-start {{ float: left; }} }}
</style>
<div class="modal"><div class="modal-dialog"><div class="modal-content"><div class="modal-body">
<div style="height:100%;background:#f4f4f4">{line}<div style="height:50px;background:#5a7dc9;padding-top:7px;
padding-right:7px"><div class="float-end"><a class="btn">Teilen</a> <a class="btn">Schließen</a></div></div>
<img id="editor" width="100%" height="100%" align="top"></div></div></div></div></div>"""


@pytest.mark.parametrize("lang", ["en", "de"])
@pytest.mark.parametrize(
    ("width", "high", "lower"), [(1920, 1080, 0), (1280, 900, 0), (768, 1024, 0), (390, 800, 120)], ids=str
)
async def test_in_the_modules_own_page_the_line_hides_nothing(
    browser: Browser, width: int, high: int, lower: int, lang: str
) -> None:
    page = await browser.new_page(viewport={"width": width, "height": high})
    await page.set_content(MODULE_PAGE.format(line=""))
    before = await page.locator("#editor").bounding_box()
    await page.set_content(MODULE_PAGE.format(line=element(waiting_notice(lang))))
    line, editor = page.get_by_role("status"), page.locator("#editor")
    assert await line.inner_text() == waiting_notice(lang)
    await page.screenshot(path=ARTIFACTS / f"12-module-{lang}-{width}.png")
    shown, now = await line.bounding_box(), await editor.bounding_box()
    assert before is not None
    assert shown is not None
    assert now is not None
    assert shown["y"] + shown["height"] <= now["y"]
    assert (now["x"], now["width"], now["height"]) == (before["x"], before["width"], before["height"])
    assert now["y"] - before["y"] <= lower
    for button in await page.locator(".btn").all():
        there = await button.bounding_box()
        assert there is not None
        beside, below = shown["x"] + shown["width"] <= there["x"], shown["y"] + shown["height"] <= there["y"]
        assert beside or below
        assert there["y"] + there["height"] <= now["y"]
    assert await page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
    await page.close()
