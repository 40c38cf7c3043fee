"""The connector and a HumHub without the module: created, edited, saved as the user, and what goes wrong on the way."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bridge.demo.colleague import Colleague
from bridge.demo.humhub.samples import odt
from bridge.demo.person import PageError
from tests.flows.modless import FOLDER, KEY, Desk, desk


@pytest.fixture
def rest() -> str | None:
    return KEY


@pytest.fixture(name="desk")
async def fixture_desk(tmp_path: Path, rest: str | None) -> AsyncIterator[Desk]:
    async with desk(tmp_path, rest=rest) as made:
        yield made


async def test_a_document_of_a_folder_is_edited_by_two_and_keeps_its_guid(desk: Desk) -> None:
    alice, admin = await desk.colleague("alice"), await desk.colleague("admin")
    made = await alice.create("docx", "Plan", FOLDER)
    guid = made["file"]["guid"]
    assert desk.names() == ["Plan.docx"]
    page, one = await alice.edit(guid, FOLDER)
    other, two = await admin.edit(guid, FOLDER)
    assert other.key == page.key
    assert page.config["editorConfig"]["user"]["name"] == "Alice O'Brien & <Co>"
    await one.write("from Alice")
    await two.see("from Alice")
    await one.leave()
    await two.leave()
    assert (await desk.house.told(page.key)).acknowledged
    assert desk.names() == ["Plan.docx"]
    assert len(desk.house.humhub.files[guid].versions) == 2
    again, three = await alice.edit(guid, FOLDER)
    assert again.key != page.key
    await three.see("from Alice")


async def test_a_member_without_the_right_views(desk: Desk) -> None:
    alice, carol = await desk.colleague("alice"), await desk.colleague("carol")
    guid = (await alice.create("docx", "Plan", FOLDER))["file"]["guid"]
    page = await carol.open(guid, FOLDER)
    assert page.config["editorConfig"]["mode"] == "view"
    assert page.notice


async def test_who_is_no_member_opens_nothing(desk: Desk) -> None:
    alice, bobby = await desk.colleague("alice"), await desk.colleague("bobby")
    guid = (await alice.create("docx", "Plan", FOLDER))["file"]["guid"]
    with pytest.raises(PageError, match="403"):
        await bobby.open(guid, FOLDER)
    with pytest.raises(PageError, match="403"):
        await bobby.create("docx", "Mine", FOLDER)


async def test_a_guest_is_asked_to_sign_in(desk: Desk) -> None:
    alice = await desk.colleague("alice")
    guid = (await alice.create("docx", "Plan", FOLDER))["file"]["guid"]
    guest = Colleague(desk.house.browser_url)
    try:
        with pytest.raises(PageError, match="401"):
            await guest.open(guid, FOLDER)
    finally:
        await guest.close()


async def test_a_file_that_was_changed_meanwhile_is_not_overwritten(desk: Desk) -> None:
    work = await desk.edits("alice")
    humhub = desk.house.humhub
    theirs = humhub.store.receive_bytes(desk.text(work.guid) + b"\0theirs")
    humhub.store.replace(humhub.files[work.guid], theirs)
    said = await work.who.shut(work.page)
    assert desk.text(work.guid).endswith(b"theirs")
    assert said["saved"]
    assert said["file"]["guid"] != work.guid
    assert said["file"]["name"].startswith("Plan (Alice")
    assert len(desk.names()) == 2
    assert await work.who.notices()


async def test_a_save_is_delivered_after_the_user_has_logged_out(desk: Desk) -> None:
    work = await desk.edits("admin")
    desk.log_out("admin")
    await work.editor.leave()
    assert (await desk.house.told(work.page.key)).acknowledged
    assert len(desk.house.humhub.files[work.guid].versions) == 2
    assert desk.house.humhub.uploads[-1].how == "rest"


@pytest.mark.parametrize("rest", [None])
async def test_signing_out_ends_what_the_bridge_remembers(desk: Desk) -> None:
    work = await desk.edits("admin")
    # The cookie that would sign them in again is still good; only the session is over.
    humhub = desk.house.humhub
    for session in humhub.sessions.all():
        humhub.sessions.end(session)
    await work.editor.leave()
    assert not (await desk.house.told(work.page.key)).acknowledged
    assert len(humhub.files[work.guid].versions) == 1


@pytest.mark.parametrize("rest", [None])
async def test_a_session_goes_on_while_its_document_is_open(desk: Desk) -> None:
    work = await desk.edits("admin")
    humhub = desk.house.humhub
    for session in humhub.sessions.all():
        humhub.sessions.end(session)
    await desk.people["admin"].log_in()
    async with work.who.http.get(work.who.to("state", document=work.page.document)) as answer:
        assert (await answer.json())["notice"] is None
    await work.editor.leave()
    assert (await desk.house.told(work.page.key)).acknowledged
    assert len(humhub.files[work.guid].versions) == 2


@pytest.mark.parametrize("rest", [None])
async def test_without_a_key_it_waits_for_the_next_visit(desk: Desk) -> None:
    work = await desk.edits("admin")
    desk.log_out("admin")
    await work.editor.leave()
    assert not (await desk.house.told(work.page.key)).acknowledged
    assert len(desk.house.saves) == 1
    assert len(desk.house.humhub.files[work.guid].versions) == 1
    await desk.people["admin"].log_in()
    await work.who.notices()
    await desk.house.until(lambda: not desk.house.saves, within=20)
    assert len(desk.house.humhub.files[work.guid].versions) == 2


async def test_a_renamed_file_gets_its_save_under_its_new_name(desk: Desk) -> None:
    work = await desk.edits("alice")
    desk.house.humhub.files[work.guid].name = "Ziel.docx"
    said = await work.who.shut(work.page)
    assert said["file"]["guid"] == work.guid
    assert desk.names() == ["Ziel.docx"]
    assert len(desk.house.humhub.files[work.guid].versions) == 2


async def test_an_attachment_of_a_post_is_replaced(desk: Desk) -> None:
    alice = await desk.colleague("alice")
    humhub = desk.house.humhub
    made = await alice.create("docx", "Minutes", "")
    file = humhub.files[made["file"]["guid"]]
    post = humhub.add_post("alice", "Our minutes", [file])
    place = f"/s/team/post/post/edit?id={post.number}"
    page, editor = await alice.edit(file.guid, place)
    await editor.write("said")
    said = await alice.shut(page)
    assert said["before"] == file.guid
    assert said["file"]["guid"] != file.guid
    assert post.guids == [said["file"]["guid"]]
    assert file.guid not in humhub.files
    # The session goes on with the new one; who opens it joins.
    other, late = await (await desk.colleague("admin")).edit(said["file"]["guid"], place)
    assert other.key == page.key
    await late.see("said")


async def test_a_text_is_converted_into_the_folder(desk: Desk) -> None:
    alice = await desk.colleague("alice")
    guid = desk.house.humhub.add_cfile("Agenda.odt", odt("One point"), owner="alice").file.guid
    made = await alice.convert(guid, FOLDER, "docx")
    assert made["name"] == "Agenda.docx"
    assert desk.names() == ["Agenda.docx", "Agenda.odt"]
    made = await alice.convert(guid, FOLDER, "docx", instead=True)
    assert "Agenda.odt" not in desk.names()


async def test_pages_get_the_menus_script_once(desk: Desk) -> None:
    alice = await desk.colleague("alice")
    async with alice.http.get(f"{desk.house.browser_url}/dashboard") as answer:
        page = await answer.text()
    assert page.count('src="/onlyoffice-bridge/menu.js"') == 1
    async with alice.http.get(f"{desk.house.browser_url}/onlyoffice-bridge/menu.js") as answer:
        assert answer.status == 200
        assert answer.content_type == "text/javascript"


PLAIN = {"pretty_urls": False, "rest_secret": None}
BELOW = {"base_path": "/hub"}


@pytest.mark.parametrize("humhub", [PLAIN, BELOW, PLAIN | BELOW], ids=["plain", "below a path", "both"])
async def test_it_works_however_humhub_spells_its_addresses(tmp_path: Path, humhub: dict[str, Any]) -> None:
    async with desk(tmp_path, humhub=humhub) as made:
        alice, hub = await made.colleague("alice"), made.house.humhub
        base = hub.settings.base_path
        query = f"r=cfiles%2Fupload&cguid={hub.space.guid}&fid=1"
        folder = base + (FOLDER if hub.settings.pretty_urls else f"/index.php?{query}")
        guid = (await alice.create("docx", "Plan", folder))["file"]["guid"]
        page, editor = await alice.edit(guid, folder)
        assert page.config["editorConfig"]["mode"] == "edit"
        await editor.write("kept")
        said = await alice.shut(page)
        assert said["saved"]
        assert said["file"]["guid"] == guid
        assert len(hub.files[guid].versions) == 2


async def test_what_humhub_says_of_a_file_that_it_does_not_take_is_said(desk: Desk) -> None:
    alice = await desk.colleague("alice")
    desk.house.humhub.reconfigure(upload_limit=1000)
    with pytest.raises(PageError, match=r'413.*"message": "The file .*too big'):
        await alice.create("docx", "Plan", FOLDER)
    assert desk.names() == []
