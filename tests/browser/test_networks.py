"""What people notice of poor networks: websockets that don't pass, a bridge that is restarted while they type."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.browser.desk import Desk, Window
from tests.browser.proxy import office_proxy
from tests.chromium import needs_chromium
from tests.flows.words import words

pytestmark = needs_chromium

# Each websocket fails as soon as it is opened.
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


@pytest.fixture
async def proxy() -> AsyncIterator[str]:
    async with office_proxy() as url:
        yield url


@pytest.mark.parametrize("blocked_by", ["browser", "proxy"])
async def test_without_websockets_people_edit_together_by_polling(desk: Desk, proxy: str, blocked_by: str) -> None:
    options: dict[str, Any] = {"proxy": {"server": proxy}} if blocked_by == "proxy" else {}
    alice, admin = [await desk.log_in(name, **options) for name in ("alice", "admin")]
    for window in (alice, admin):
        if blocked_by == "browser":
            await window.context.add_init_script(NO_WEBSOCKET)
            await window.page.reload()
    await alice.create("docx", "Polled")
    await alice.post("To be polled")
    await alice.open("Polled.docx")
    await admin.page.reload()
    await admin.open("Polled.docx")
    await alice.type("There ")
    await admin.shows("There")
    await admin.type("and back.")
    await alice.shows("There and back.")
    await desk.picture(alice, f"7-polling-{blocked_by}")
    for window in (alice, admin):
        assert {"GET", "POST"} <= set(window.transports)
    assert (await desk.house.traffic()).websockets == 0
    await admin.settled()
    await alice.close_tab()
    await admin.close_editor()
    await admin.preview("Polled.docx", "There and back.")


async def test_a_restart_of_the_bridge_loses_no_keystroke_of_two_who_type(desk: Desk) -> None:
    alice, admin = await _two_in_a_new_document(desk)
    await alice.type("Alice: ")
    await alice.page.keyboard.press("Enter")
    await admin.shows("", block=1)
    numbers = " ".join(str(number) for number in range(1, 31))

    async def restart() -> None:
        for pause in (0.5, 1.5):
            await asyncio.sleep(pause)
            await desk.house.restart_bridge()

    await asyncio.gather(alice.type(numbers, pause=40), admin.type(f"Admin: {numbers}", block=1, pause=40), restart())
    written = [f"Alice: {numbers}", f"Admin: {numbers}"]
    await _both_show(written, alice, admin)
    await desk.picture(alice, "8-after-two-restarts")
    await _leave(alice, admin)
    await admin.preview("Survivor.docx", "\n".join(written))
    assert _stored(desk) == "\n".join(written)
    assert desk.house.saves == []


async def test_what_is_typed_while_the_bridge_is_away_arrives_when_it_is_back(desk: Desk) -> None:
    alice, admin = await _two_in_a_new_document(desk)
    await alice.type("before, ")
    await admin.shows("before,")
    await desk.house.stop_bridge()
    await alice.type("meanwhile, ")
    await admin.type("too, ")
    await alice.ready("connecting")
    await desk.picture(alice, "8-while-the-bridge-is-away")
    await desk.house.start_bridge()
    await alice.type("after.")
    for window in (alice, admin):
        await window.ready()
        await window.settled()
    # Who types where at the same time is up to the editors; that each letter is there, once, is what counts.
    typed = _letters("before, meanwhile, too, after.")
    async with asyncio.timeout(15):
        while _letters("".join(await alice.text())) != typed or await admin.text() != await alice.text():  # noqa: ASYNC110 - the pages tell
            await asyncio.sleep(0.1)
    (shown,) = await alice.text()
    await desk.picture(alice, "8-both-are-back")
    await _leave(alice, admin)
    await admin.preview("Survivor.docx", shown.strip())
    assert _letters(_stored(desk)) == typed


async def _two_in_a_new_document(desk: Desk) -> tuple[Window, Window]:
    alice, admin = await desk.log_in("alice"), await desk.log_in("admin")
    await alice.create("docx", "Survivor")
    await alice.post("To survive")
    await alice.open("Survivor.docx")
    await admin.page.reload()
    await admin.open("Survivor.docx")
    return alice, admin


async def _both_show(blocks: list[str], *windows: Window) -> None:
    for window in windows:
        for number, text in enumerate(blocks):
            await window.shows(text, number)
        await window.ready()
        await window.settled()
        assert await window.text() == blocks


async def _leave(first: Window, last: Window) -> None:
    await first.close_tab()
    await last.close_editor()


def _stored(desk: Desk) -> str:
    (stored,) = [file for file in desk.house.humhub.files.values() if file.name == "Survivor.docx"]
    return words(stored.content())


def _letters(text: str) -> Counter[str]:
    return Counter(text.replace(" ", "").replace("\xa0", "").replace("\n", ""))
