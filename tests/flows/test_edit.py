"""One document's whole way over real listeners: page, websocket, download, callback, stored file."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence

import jwt
import pytest
from yarl import URL

from bridge.demo.editor import POLLING, UPGRADE, WEBSOCKET, RefusedError
from bridge.demo.house import House
from tests.flows.words import words
from tests.houses import MakeHouse


async def test_a_document_goes_from_the_page_to_the_stored_file(h: House) -> None:
    alice = await h.log_in("alice")
    guid = await alice.create("Minutes")
    page = await alice.open(guid)
    editor = alice.editor(page)
    await editor.open()
    await editor.write("Typed through three networks.")
    await editor.leave()
    callback = await h.told(editor.key)

    assert [(attempt.answer, attempt.body) for attempt in callback.attempts] == [(200, '{"error": 0}')]
    track = h.humhub.tracks[-1]
    assert (track.status, track.answered, track.key) == (2, 200, editor.key)
    assert URL(track.url or "").authority == str(h.addresses.humhub_leg)
    file = h.humhub.files[guid]
    assert words(file.content()) == "Typed through three networks."
    assert file.sha1 == track.stored == hashlib.sha1(await alice.read(guid)).hexdigest()
    assert (file.key, file.author) == (None, "alice")
    assert h.saves == []
    assert h.docs.forgotten == {}


async def test_the_page_leads_everything_through_the_bridge(h: House) -> None:
    alice = await h.log_in("alice")
    page = await alice.open(await alice.create("Minutes"))
    document, editor = page.config["document"], page.config["editorConfig"]
    assert str(page.script).startswith(f"{h.browser_url}/ds/web-apps/apps/api/documents/api.js?")
    assert URL(document["url"]).authority == URL(editor["callbackUrl"]).authority == str(h.addresses.docs_leg)
    claims = jwt.decode(page.config["token"], h.docs.settings.secret, algorithms=["HS256"])
    assert claims["document"] == document
    assert claims["editorConfig"] == editor
    with pytest.raises(jwt.InvalidSignatureError):
        jwt.decode(page.config["token"], h.humhub.settings.secret, algorithms=["HS256"])


@pytest.mark.parametrize(
    ("transports", "used"), [(WEBSOCKET, "websocket"), (POLLING, "polling"), (UPGRADE, "websocket")], ids=str
)
@pytest.mark.parametrize("direct", [False, True], ids=["front door", "three settings"])
async def test_every_transport_carries_an_edit(
    make_house: MakeHouse, transports: Sequence[str], used: str, *, direct: bool
) -> None:
    h = await make_house(direct=direct)
    alice, admin = await h.log_in("alice"), await h.log_in("admin")
    guid = await alice.create("Minutes")
    first = await alice.edit(guid, transports=transports)
    second = await admin.edit(guid)
    assert first.transport == used
    await first.write("One way, ")
    await second.write("and back.")
    await first.see("One way, and back.")
    await first.leave()
    await second.leave()
    assert (await h.told(first.key)).acknowledged
    assert words(h.humhub.files[guid].content()) == "One way, and back."


@pytest.mark.parametrize(("kind", "block"), [("docx", None), ("xlsx", "0!B2"), ("pptx", None)])
async def test_every_kind_of_document_is_edited(h: House, kind: str, block: str | None) -> None:
    alice = await h.log_in("alice")
    guid = await alice.create("New", kind)
    editor = await alice.edit(guid)
    await editor.write("four words in it", block)
    await editor.leave()
    assert (await h.told(editor.key)).acknowledged
    assert "four words in it" in words(h.humhub.files[guid].content(), kind)


async def test_three_users_are_in_one_document_and_the_reader_only_reads(h: House) -> None:
    h.humhub.seed_samples()
    guid = next(guid for guid, file in h.humhub.files.items() if file.name == "Team handbook.docx")
    h.humhub.files[guid].owner = "alice"
    alice, admin, carol = [await h.log_in(name) for name in ("alice", "admin", "carol")]
    writers = [await alice.edit(guid), await admin.edit(guid)]
    reader = await carol.edit(guid, "view")
    await writers[0].meet(3)
    await asyncio.gather(*(writer.write(f" {number}") for number in range(5) for writer in writers))
    for editor in (*writers, reader):
        await editor.see(" 4")
    await asyncio.gather(*(editor.settled() for editor in writers))
    reader.type("not me")
    with pytest.raises(RefusedError, match="changeRefused"):
        await reader.settled()
    for editor in (*writers, reader):
        await editor.leave()
    callback = await h.told(writers[0].key)
    assert callback.acknowledged
    stored = words(h.humhub.files[guid].content())
    assert all(stored.count(f" {number}") == 2 for number in range(5))
    assert "not me" not in stored


@pytest.mark.parametrize("name", ["Minutes.odt", "Notes.txt", "Poster.pdf"])
async def test_what_is_only_viewed_opens_and_calls_nobody_back(h: House, name: str) -> None:
    h.humhub.seed_samples()
    guid = next(guid for guid, file in h.humhub.files.items() if file.name == name)
    carol = await h.log_in("carol")
    viewer = await carol.edit(guid, "view")
    await viewer.leave()
    assert [download.outcome for download in h.docs.downloads] == [len(h.humhub.files[guid].content())]
    assert h.docs.callbacks == []


async def test_a_bridge_that_restarts_while_two_type_loses_no_keystroke(h: House) -> None:
    alice, admin = await h.log_in("alice"), await h.log_in("admin")
    guid = await alice.create("Minutes")
    editors = [await alice.edit(guid), await admin.edit(guid)]
    marks = ("a", "b")

    async def keep_typing(number: int) -> None:
        for count in range(40):
            editors[number].type(f"{marks[number]}{count};")
            await asyncio.sleep(0.02)

    typing = [asyncio.create_task(keep_typing(number)) for number in (0, 1)]
    await asyncio.sleep(0.2)
    await h.stop_bridge()
    await asyncio.sleep(0.2)
    await h.start_bridge()
    await asyncio.gather(*typing)
    for editor in editors:
        await editor.settled()
        assert editor.connections == 2
    for editor in editors:
        await editor.see("a39;")
        await editor.see("b39;")
        await editor.leave()
    assert (await h.told(editors[0].key)).acknowledged
    stored = words(h.humhub.files[guid].content())
    typed = [piece for piece in stored.split(";") if piece]
    for mark in marks:
        assert [piece for piece in typed if piece.startswith(mark)] == [f"{mark}{count}" for count in range(40)]
    statuses = [callback.status for callback in h.docs.callbacks]
    assert statuses == [1, 1, 1, 2], "nobody left because of the restart"


async def test_a_killed_browser_counts_as_left_after_a_while(make_house: MakeHouse) -> None:
    h = await make_house(docs={"rejoin": 0.2})
    alice = await h.log_in("alice")
    guid = await alice.create("Minutes")
    editor = await alice.edit(guid)
    await editor.write("The last words.")
    await editor.drop()
    assert (await h.told(editor.key)).acknowledged
    assert words(h.humhub.files[guid].content()) == "The last words."


@pytest.mark.parametrize("late", ["humhub", "docs"])
async def test_an_upstream_that_comes_later_is_served(make_house: MakeHouse, late: str) -> None:
    h = await make_house(without=(late,))
    start = h.start_humhub if late == "humhub" else h.start_docs
    if late == "docs":
        alice = await h.log_in("alice")
        with pytest.raises(RefusedError, match="no editor's script"):
            await alice.edit(await alice.create("Too early"))
    await start()
    alice = await h.log_in("alice")
    editor = await alice.edit(await alice.create("Minutes"))
    await editor.write("In time.")
    await editor.leave()
    assert (await h.told(editor.key)).acknowledged
