"""Where the connector's documents lie: in a form that isn't posted yet, in a post, and never where a reader says."""

from __future__ import annotations

import io
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.flows.modless import FOLDER, KEY, Desk, desk


@pytest.fixture(name="desk")
async def fixture_desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with desk(tmp_path, rest=KEY) as made:
        yield made


def written(desk: Desk, guid: str) -> bytes:
    """Give what is written in a document."""
    return zipfile.ZipFile(io.BytesIO(desk.text(guid))).read("word/document.xml")


async def test_a_document_for_a_form_is_edited_before_it_is_posted(desk: Desk) -> None:
    alice = await desk.colleague("alice")
    guid = (await alice.create("docx", "Minutes", ""))["file"]["guid"]
    page, editor = await alice.edit(guid, "")
    assert page.config["editorConfig"]["mode"] == "edit"
    await editor.write("first")
    said = await alice.shut(page)
    assert said["saved"]
    assert said["before"] == guid
    assert said["file"]["guid"] != guid
    # The form takes up the new one, and is posted.
    humhub = desk.house.humhub
    post = humhub.add_post("alice", "Our minutes", [humhub.files[said["file"]["guid"]]])
    place = f"/s/team/post/post/edit?id={post.number}"
    await editor.leave()
    await desk.house.told(page.key)
    again, second = await alice.edit(said["file"]["guid"], place)
    await second.see("first")
    await second.write("second")
    later = await alice.shut(again)
    assert post.guids == [later["file"]["guid"]]
    assert b"second" in written(desk, post.guids[0])


async def test_what_was_made_for_a_form_is_edited_again_after_its_session_has_ended(desk: Desk) -> None:
    alice = await desk.colleague("alice")
    guid = (await alice.create("docx", "Minutes", ""))["file"]["guid"]
    for text in ("first", "second"):
        page, editor = await alice.edit(guid, "")
        assert page.config["editorConfig"]["mode"] == "edit"
        await editor.write(text)
        await alice.shut(page)
        await editor.leave()
        assert (await desk.house.told(page.key)).acknowledged
        # The form is told of the file that the end of the session has made.
        guid = (await alice.shut(page))["file"]["guid"]
        assert text.encode() in written(desk, guid)


async def test_a_file_that_was_moved_gets_the_edit_beside_where_it_was(desk: Desk) -> None:
    admin = await desk.colleague("admin")
    guid = (await admin.create("docx", "Plan", FOLDER))["file"]["guid"]
    page, editor = await admin.edit(guid, FOLDER)
    await editor.write("mine")
    humhub = desk.house.humhub
    entry = next(entry for entry in humhub.cfiles.entries.values() if entry.file.guid == guid)
    entry.folder = humhub.cfiles.add_folder("Archive", "admin").number
    said = await admin.shut(page)
    assert said["saved"]
    assert said["file"]["guid"] != guid
    assert b"mine" in written(desk, said["file"]["guid"])
    assert len(humhub.files[guid].versions) == 1
    assert await admin.notices()


@pytest.mark.parametrize("where", ["form", "post", "folder"])
async def test_what_was_saved_at_closing_is_not_saved_again_at_the_end(desk: Desk, where: str) -> None:
    alice, humhub = await desk.colleague("alice"), desk.house.humhub
    place = {"form": "", "folder": FOLDER}.get(where) or ""
    if where == "post":
        place = f"/s/team/post/post/edit?id={humhub.add_post('alice', 'Our minutes', []).number}"
    guid = (await alice.create("docx", "Minutes", place))["file"]["guid"]
    for text in ("first", "second"):
        page, editor = await alice.edit(guid, place)
        assert page.config["editorConfig"]["mode"] == "edit"
        await editor.write(text)
        guid = (await alice.shut(page))["file"]["guid"]
        uploads = len(humhub.uploads)
        await editor.leave()
        assert (await desk.house.told(page.key)).acknowledged
        assert len(humhub.uploads) == uploads
        assert text.encode() in written(desk, guid)
    assert desk.house.saves == []


async def test_nobody_else_edits_what_is_not_posted_yet(desk: Desk) -> None:
    alice, carol = await desk.colleague("alice"), await desk.colleague("carol")
    guid = (await alice.create("docx", "Minutes", ""))["file"]["guid"]
    humhub = desk.house.humhub
    humhub.add_post("alice", "Our minutes", [humhub.files[guid]])
    page = await carol.open(guid, "")
    assert page.config["editorConfig"]["mode"] == "view"


async def test_a_reader_s_word_for_a_place_moves_no_document(desk: Desk) -> None:
    alice, carol = await desk.colleague("alice"), await desk.colleague("carol")
    humhub = desk.house.humhub
    file = humhub.files[(await alice.create("docx", "Minutes", ""))["file"]["guid"]]
    post = humhub.add_post("alice", "Our minutes", [file])
    page, editor = await alice.edit(file.guid, f"/s/team/post/post/edit?id={post.number}")
    for place in ("", FOLDER, "/s/team/post/post/edit?id=99"):
        assert (await carol.open(file.guid, place)).key == page.key
    await editor.write("mine")
    said = await alice.shut(page)
    assert said["saved"]
    assert post.guids == [said["file"]["guid"]]
    assert b"mine" in written(desk, post.guids[0])
