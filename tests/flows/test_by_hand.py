"""What an administrator does about dead letters, and what HumHub and Docs have then."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import aiohttp

from bridge.config import Config
from bridge.demo.house import House
from bridge.demo.humhub import Fault
from tests.flows.test_failures import NEW, OLD, open_with_old_text
from tests.flows.words import words
from tests.houses import MakeHouse


def sweeping(config: Config) -> Config:
    return replace(config, saves=replace(config.saves, deadline=0.3, attempt=1.5, sweep=0.2))


async def with_dead_letter(make_house: MakeHouse) -> tuple[House, str, str, dict[str, Any]]:
    """Give a document whose last save HumHub answered with 404, and that dead letter."""
    h = await make_house(adjust=sweeping)
    _, guid, editor = await open_with_old_text(h)
    h.humhub.faults.add("track", Fault(status=404), times=None)
    await editor.leave()
    await h.told(editor.key)
    h.humhub.faults.clear()
    (entry,) = (await call(h, "GET", "?state=dead"))["saves"]
    assert entry["key"] == editor.key
    return h, guid, editor.key, entry


async def call(h: House, method: str, path: str) -> Any:
    async with aiohttp.ClientSession() as http, http.request(method, f"{h.admin_url}/api/saves{path}") as answer:
        assert answer.ok, await answer.text()
        return await answer.json()


async def test_a_dead_letter_that_is_delivered_reaches_humhub_and_leaves_docs(make_house: MakeHouse) -> None:
    h, guid, key, entry = await with_dead_letter(make_house)
    assert words(h.humhub.files[guid].content()) == OLD
    assert list(h.docs.forgotten) == [key]
    await call(h, "POST", f"/{entry['id']}/deliver")
    await h.until(lambda: words(h.humhub.files[guid].content()) == OLD + NEW)
    await h.until(lambda: not h.docs.forgotten)
    assert (await call(h, "GET", f"/{entry['id']}"))["state"] == "delivered"


async def test_what_was_discarded_is_deleted_at_docs_too_and_does_not_come_back(make_house: MakeHouse) -> None:
    h, guid, key, entry = await with_dead_letter(make_house)
    await call(h, "DELETE", f"/{entry['id']}?yes=true")
    assert list(h.docs.forgotten) == [key]
    await h.until(lambda: not h.docs.forgotten)
    assert (await call(h, "GET", ""))["saves"] == []
    assert words(h.humhub.files[guid].content()) == OLD
