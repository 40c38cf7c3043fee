"""HumHub in maintenance mode: everybody but administrators is led to the login page, and so is Docs on their behalf."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bridge.config import Config
from bridge.demo.editor import RefusedError
from bridge.demo.house import House
from tests.flows.test_by_hand import call
from tests.flows.words import words
from tests.houses import MakeHouse


def impatient(config: Config) -> Config:
    return replace(config, saves=replace(config.saves, deadline=0.2, attempt=1.5))


async def waiting(h: House) -> list[str]:
    """Give the ids of the saves that wait; each says why."""
    saves = (await call(h, "GET", "?state=waiting"))["saves"]
    assert all("maintenance mode" in entry["why"] for entry in saves)
    return [entry["id"] for entry in saves]


async def test_an_open_editors_save_waits_for_the_end_of_maintenance(make_house: MakeHouse) -> None:
    h = await make_house(adjust=impatient)
    alice = await h.log_in("alice")
    guid = await alice.create("Minutes")
    editor = await alice.edit(guid)
    await editor.write("Typed before, ")
    h.humhub.reconfigure(maintenance=True)
    await editor.write("and during it.")
    assert not await editor.force_save(), "HumHub has not stored it"
    await editor.leave()
    assert not (await h.told(editor.key)).acknowledged
    assert words(h.humhub.files[guid].content()) == ""
    assert len(await waiting(h)) == 1, "the newest is what waits"
    assert list(h.docs.forgotten) == [editor.key]

    h.humhub.reconfigure(maintenance=False)
    (entry,) = await waiting(h)
    await call(h, "POST", f"/{entry}/deliver")
    await h.until(lambda: words(h.humhub.files[guid].content()) == "Typed before, and during it.")
    assert await waiting(h) == []


async def test_a_bridge_that_restarts_during_maintenance_still_has_the_save(make_house: MakeHouse) -> None:
    h = await make_house(adjust=impatient)
    alice = await h.log_in("alice")
    guid = await alice.create("Minutes")
    editor = await alice.edit(guid)
    await editor.write("Not lost.")
    h.humhub.reconfigure(maintenance=True)
    await editor.leave()
    await h.told(editor.key)
    await h.restart_bridge()
    assert words(h.humhub.files[guid].content()) == ""
    h.humhub.reconfigure(maintenance=False)
    for entry in await waiting(h):
        await call(h, "POST", f"/{entry}/deliver")
    await h.until(lambda: words(h.humhub.files[guid].content()) == "Not lost.")


async def test_people_are_led_to_the_login_as_humhub_does_it(make_house: MakeHouse) -> None:
    h = await make_house(adjust=impatient)
    alice = await h.log_in("alice")
    guid = await alice.create("Minutes")
    h.humhub.reconfigure(maintenance=True)
    login = f"{h.browser_url}/user/auth/login"
    ajax = {"X-Requested-With": "XMLHttpRequest"}
    url = alice.to("onlyoffice/open", guid=guid, mode="edit")
    async with alice.http.get(url, headers=ajax, allow_redirects=False) as answer:
        assert (answer.status, answer.headers["X-Redirect"]) == (302, login)
    async with alice.http.get(alice.to("dashboard/dashboard"), allow_redirects=False) as answer:
        assert (answer.status, answer.headers["Location"]) == (302, login)
    async with alice.http.get(login) as answer:
        assert answer.status == 200


async def test_who_opened_before_gets_no_document_and_no_page_as_one(make_house: MakeHouse) -> None:
    """HumHub's redirect to its login page is no document, though Docs would follow it."""
    h = await make_house(adjust=impatient)
    alice = await h.log_in("alice")
    page = await alice.open(await alice.create("Minutes"))
    h.humhub.reconfigure(maintenance=True)
    with pytest.raises(RefusedError):
        await alice.editor(page).open()
    assert all(isinstance(download.outcome, str) for download in h.docs.downloads), "something came"


async def test_administrators_go_on_opening_and_saving(make_house: MakeHouse) -> None:
    h = await make_house(adjust=impatient)
    admin = await h.log_in("admin")
    guid = await admin.create("Minutes")
    h.humhub.reconfigure(maintenance=True)
    editor = await admin.edit(guid)
    await editor.write("By an administrator.")
    await editor.leave()
    assert (await h.told(editor.key)).acknowledged
    assert words(h.humhub.files[guid].content()) == "By an administrator."
