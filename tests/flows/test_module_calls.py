"""What HumHub's module does beside opening and saving, each call through the whole house."""

from __future__ import annotations

from typing import Any

import pytest
from yarl import URL

from bridge.demo.docs import Fault as DocsFault
from bridge.demo.editor import RefusedError
from bridge.demo.house import House
from bridge.demo.humhub import SmallHumHub
from bridge.demo.person import PageError, Person
from tests.flows import modal
from tests.flows.words import words
from tests.houses import MakeHouse

STYLES: dict[str, dict[str, Any]] = {
    "pretty": {},
    "plain": {"pretty_urls": False},
    "sub-directory": {"base_path": "/hub"},
    "plain in a sub-directory": {"pretty_urls": False, "base_path": "/hub"},
}
ELSEWHERE = {"server_url": "http://docs.public.test:8701/office"}
ACTION = {"action": {"type": "bookmark", "data": "here & there"}}

styles = pytest.mark.parametrize("style", STYLES)


def guest(h: House) -> Person:
    settings = h.humhub.settings
    return Person("", "", h.browser_url + settings.base_path, pretty_urls=settings.pretty_urls)


# Save as


@styles
@pytest.mark.parametrize("server", [{}, ELSEWHERE], ids=["set up as asked", "set up with another address"])
async def test_what_is_open_is_saved_as_a_new_file(make_house: MakeHouse, style: str, server: dict[str, str]) -> None:
    h = await make_house(humhub={**STYLES[style], **server})
    alice = await h.log_in("alice")
    page = await alice.open(await alice.create("Minutes"))
    editor = alice.editor(page)
    await editor.open()
    await editor.write("Not saved yet.")
    told = await modal.save_as(alice, page, editor, "Cöpy of it, 100% & more")
    copy = h.humhub.files[told["guid"]]
    assert (copy.name, copy.owner) == ("Cöpy of it, 100% & more.docx", "alice")
    assert words(copy.content()) == "Not saved yet."
    text = h.humhub.files[(await modal.save_as(alice, page, editor, "Text", "txt"))["guid"]]
    assert text.content().decode("utf-8-sig").strip() == "Not saved yet."


async def test_an_editor_that_was_open_over_a_restart_saves_as(make_house: MakeHouse) -> None:
    h = await make_house(humhub=ELSEWHERE)
    alice = await h.log_in("alice")
    page = await alice.open(await alice.create("Minutes"))
    editor = alice.editor(page)
    await editor.open()
    await h.restart_bridge()
    await editor.be_back(2)
    await editor.write("After the restart.")
    told = await modal.save_as(alice, page, editor, "Copy")
    assert words(h.humhub.files[told["guid"]].content()) == "After the restart."


async def test_no_save_as_leads_humhub_anywhere_else(h: House) -> None:
    alice = await h.log_in("alice")
    page = await alice.open(await alice.create("Minutes"))
    before = set(h.humhub.files)
    form = {"name": "x.docx", "url": f"{h.browser_url}/ds/coauthoring/CommandService.ashx"}
    for url in (form["url"], f"http://{h.addresses.docs}/healthcheck", "http://169.254.169.254/"):
        with pytest.raises(PageError, match=r"got 403.*none of ONLYOFFICE"):
            await alice.send(URL(page.api["saveasUrl"]), {**form, "url": url})
    assert set(h.humhub.files) == before


# Renaming


@styles
async def test_a_renamed_document_has_its_new_name_in_every_editor(make_house: MakeHouse, style: str) -> None:
    h = await make_house(humhub=STYLES[style])
    alice, admin = await h.log_in("alice"), await h.log_in("admin")
    guid = await alice.create("Minutes")
    page = await alice.open(guid)
    editor = await admin.edit(guid)
    assert (await modal.rename(alice, page, "Protokoll ä"))["name"] == "Protokoll ä.docx"
    assert h.humhub.files[guid].name == "Protokoll ä.docx"
    await editor.hear_of("Protokoll ä.docx")


async def test_a_name_that_docs_does_not_hear_of_is_humhubs_error(h: House) -> None:
    alice = await h.log_in("alice")
    page = await alice.open(await alice.create("Minutes"))
    h.docs.faults.add("command", DocsFault("page"))
    with pytest.raises(PageError, match=r'got 500.*"error":true'):
        await modal.rename(alice, page, "Other")


# Links that are shared


@styles
async def test_a_guest_edits_by_a_shared_link_until_it_is_taken_back(make_house: MakeHouse, style: str) -> None:
    h = await make_house(humhub=STYLES[style])
    alice = await h.log_in("alice")
    guid = await alice.create("Minutes")
    link = await modal.share(alice, guid, "edit")
    assert link.origin() == URL(h.browser_url)
    async with guest(h) as stranger:
        page = await stranger.open_at(link)
        assert page.config["editorConfig"]["mode"] == "edit"
        editor = stranger.editor(page)
        await editor.open()
        await editor.write("By a guest.")
        await editor.leave()
        assert (await h.told(editor.key)).acknowledged
        assert words(h.humhub.files[guid].content()) == "By a guest."
        await modal.unshare(alice, guid, "edit")
        with pytest.raises(PageError, match="got 404"):
            await stranger.open_at(link)


async def test_a_guest_views_by_a_shared_link_and_changes_nothing(h: House) -> None:
    alice = await h.log_in("alice")
    guid = await alice.create("Minutes")
    writer = await alice.edit(guid)
    await writer.write("To be seen.")
    async with guest(h) as stranger:
        page = await stranger.open_at(await modal.share(alice, guid, "view"))
        assert page.config["editorConfig"]["mode"] == "view"
        viewer = stranger.editor(page)
        await viewer.open()
        await viewer.see("To be seen.")
        await viewer.leave()
    await writer.leave()
    assert (await h.told(writer.key)).acknowledged
    assert words(h.humhub.files[guid].content()) == "To be seen."


async def test_a_shared_link_without_a_script_leads_to_the_login_as_humhub_does(h: House) -> None:
    alice = await h.log_in("alice")
    link = await modal.share(alice, await alice.create("Minutes"), "view")
    async with guest(h) as stranger, stranger.http.get(link, allow_redirects=False) as answer:
        assert answer.status == 302
        assert answer.headers["Location"] == f"{h.browser_url}/user/auth/login"


# Mentions, anchors, information


@styles
async def test_people_are_mentioned_and_led_to_the_place(make_house: MakeHouse, style: str) -> None:
    h = await make_house(humhub=STYLES[style])
    alice, admin = await h.log_in("alice"), await h.log_in("admin")
    guid = await alice.create("Minutes")
    await alice.post("Look", guid)
    page = await alice.open(guid)
    found = {one["name"]: one["email"] for one in await modal.people(alice, page)}
    assert found.keys() == {"Sys Admin", "Carol Member"}
    assert [one["name"] for one in await modal.people(alice, page, "carol")] == ["Carol Member"]
    assert await modal.notify(alice, page, found["Sys Admin"], ACTION) == (200, [])
    link = await modal.anchor(alice, page, ACTION)
    led = await admin.open_at(link)
    assert led.config["editorConfig"]["actionLink"] == ACTION
    editor = admin.editor(led)
    await editor.open()
    await editor.leave()


async def test_the_modals_information_about_a_file_passes(h: House) -> None:
    alice = await h.log_in("alice")
    guid = await alice.create("Minutes")
    told = (await alice.send(alice.to("onlyoffice/open/get-info", guid=guid), {}))["file"]
    assert (told["guid"], told["name"]) == (guid, "Minutes.docx")
    assert told["url"].startswith(f"{h.browser_url}/file/file/download?")


@styles
async def test_the_dialogs_of_the_module_pass_as_they_are(make_house: MakeHouse, style: str) -> None:
    h = await make_house(humhub=STYLES[style])
    h.humhub.seed_samples()
    admin = await h.log_in("admin")
    odt = modal.named(h.humhub.files, "Minutes.odt").guid
    for route, params, holds in (
        ("onlyoffice/create", {}, "onlyoffice"),
        ("onlyoffice/create/document", {"extension": "xlsx"}, "CreateDocument[fileName]"),
        ("onlyoffice/convert", {"guid": odt}, "data-convert-post"),
        ("onlyoffice/share", {"guid": odt, "mode": "edit"}, "data-share-get-link"),
    ):
        headers = {"X-Requested-With": "XMLHttpRequest"}
        async with admin.http.get(admin.to(route, **params), headers=headers) as answer:
            assert (answer.status, holds in await answer.text()) == (200, True), route


# The settings


async def save_settings(humhub: SmallHumHub, admin: Person, **changes: str) -> tuple[str, str]:
    """Save the module's settings, and say what HumHub found when it tried the connection."""
    settings = humhub.settings
    form = {
        "ConfigureForm[serverUrl]": settings.server_url,
        "ConfigureForm[internalServerUrl]": settings.internal_server_url,
        "ConfigureForm[storageUrl]": settings.storage_url,
        "ConfigureForm[jwtSecret]": settings.secret,
        "ConfigureForm[jwtHeader]": settings.header,
        **{f"ConfigureForm[{name}]": value for name, value in changes.items()},
    }
    headers = {"X-Requested-With": "XMLHttpRequest", "X-CSRF-Token": admin.csrf}
    url = admin.to("onlyoffice/admin/save")
    async with admin.http.post(url, data=form, headers=headers, allow_redirects=False) as answer:
        assert answer.status == 302
        assert answer.headers["X-Redirect"] == str(admin.to("onlyoffice/admin"))
    assert humhub.connection_note is not None
    return humhub.connection_note


@styles
async def test_saving_the_settings_finds_a_connection_that_works(make_house: MakeHouse, style: str) -> None:
    h = await make_house(humhub=STYLES[style])
    kind, text = await save_settings(h.humhub, await h.log_in("admin"))
    assert (kind, "Installed version: 4.1.2" in text) == ("success", True), text
    assert [download.outcome for download in h.docs.downloads if isinstance(download.outcome, int)]


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ({"health": DocsFault("page")}, "Bad healthcheck status"),
        ({"health": DocsFault("status", status=500)}, "Bad healthcheck status"),
        ({"command": DocsFault("page")}, "Internal server error"),
        ({"convert": DocsFault("page")}, "Unknown error"),
        ({"convert": DocsFault("status", status=504)}, "Timeout conversion error"),
        ({"file": DocsFault("page")}, "Curl error: #18"),
    ],
)
async def test_saving_the_settings_finds_what_does_not_work(h: House, fault: dict[str, DocsFault], says: str) -> None:
    for route, one in fault.items():
        h.docs.faults.add(route, one)
    kind, text = await save_settings(h.humhub, await h.log_in("admin"))
    assert (kind, says in text) == ("danger", True), text


async def test_saving_the_settings_finds_another_secret(h: House) -> None:
    kind, text = await save_settings(
        h.humhub, await h.log_in("admin"), jwtSecret="another-secret-0123456789abcdef0123456"
    )
    assert (kind, "Invalid token" in text) == ("danger", True), text


async def test_saving_the_settings_finds_a_docs_that_is_down(h: House) -> None:
    await h.stop_docs()
    kind, _ = await save_settings(h.humhub, await h.log_in("admin"))
    assert kind == "danger"


# Forced saves by command


async def test_a_forced_save_by_command_is_stored_with_its_userdata(h: House) -> None:
    alice = await h.log_in("alice")
    guid = await alice.create("Minutes")
    editor = await alice.edit(guid)
    await editor.write("Forced.")
    command = {"c": "forcesave", "key": editor.key, "userdata": "for the record"}
    assert await h.humhub.outgoing.command(command) == {"error": 0, "key": editor.key}
    assert (await h.told(editor.key, 6)).acknowledged
    track = h.humhub.tracks[-1]
    assert (track.status, track.userdata, track.answered) == (6, "for the record", 200)
    file = h.humhub.files[guid]
    assert (words(file.content()), file.key) == ("Forced.", editor.key)
    nothing_new = await h.humhub.outgoing.command(command)
    assert "No changes" in nothing_new["error"]
    await editor.leave()


async def test_the_commands_of_a_document_reach_its_session(h: House) -> None:
    alice = await h.log_in("alice")
    editor = await alice.edit(await alice.create("Minutes"))
    out = h.humhub.outgoing
    assert (await out.command({"c": "info", "key": editor.key}))["users"] == [h.humhub.users["alice"].guid]
    assert (await out.command({"c": "version"}))["version"]
    assert (await out.command({"c": "license"}))["license"]["connections"] == 20
    assert "no document" in (await out.command({"c": "info", "key": "nobody"}))["error"]
    assert "Command not correct" in (await out.command({"c": "unheard", "key": editor.key}))["error"]
    assert (await out.command({"c": "drop", "key": editor.key}))["error"] == 0
    with pytest.raises(RefusedError, match="dropped"):
        await editor.meet(0)
