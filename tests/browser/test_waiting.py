"""What people see while HumHub can't store what they wrote."""

from __future__ import annotations

import pytest
from playwright.async_api import Browser

from bridge.protocol.notice import element, waiting_notice
from tests.browser.desk import ARTIFACTS
from tests.chromium import needs_chromium

pytestmark = [*needs_chromium, pytest.mark.xdist_group("chromium")]

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
