"""The space's files without the module: who sees and does what, what an upload replaces, and what a test can know of it."""

from __future__ import annotations

import asyncio
import io
import json
import re
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest

from bridge.demo.humhub import Fault, SmallHumHub
from tests.demo.humhub.rig import Browser, Reply

Browsers = Callable[[str | None], Browser]


@pytest.fixture
def hub(hub: SmallHumHub) -> SmallHumHub:
    hub.reconfigure(onlyoffice=False)
    return hub


def multipart(name: str, content: bytes, **fields: str) -> aiohttp.MultipartWriter:
    writer = aiohttp.MultipartWriter("form-data")
    for key, value in fields.items():
        writer.append(value).set_content_disposition("form-data", name=key)
    part = writer.append(io.BytesIO(content), {"Content-Type": "application/octet-stream"})
    part.set_content_disposition("form-data", name="files[]", filename=name)
    return writer


async def upload(client: Browser, name: str, content: bytes = b"new", path: str = "cfiles/upload?fid=1") -> Reply:
    return await client.post(path if path.startswith("/") else f"/s/team/{path}", data=multipart(name, content))


def answer(reply: Reply) -> dict[str, Any]:
    assert reply.status == 200, reply.text
    return dict(json.loads(reply.body))


MAY = {
    # user: browse, upload, edit another's, versions of another's
    "admin": (200, 200, 200, 200),
    "alice": (200, 200, 200, 200),
    "carol": (200, 200, 403, 403),
    "bobby": (200, 403, 404, 404),
    None: (302, 302, 302, 302),
}


@pytest.mark.parametrize("name", MAY)
async def test_who_may_do_what_with_alices_file(name: str | None, hub: SmallHumHub, browser: Browsers) -> None:
    entry, client = hub.add_cfile("plan.docx", b"x", owner="alice"), browser(name)
    seen = (
        (await client.get("/s/team/cfiles/browse")).status,
        (await upload(client, "plan.docx")).status,
        (await client.get(f"/s/team/cfiles/edit/file?id={entry.item}")).status,
        (await client.get(f"/s/team/cfiles/version?id={entry.number}")).status,
    )
    assert seen == MAY[name]


async def test_an_upload_of_the_same_name_is_a_new_version(hub: SmallHumHub, browser: Browsers) -> None:
    entry = hub.add_cfile("Plän.docx", b"old", owner="alice")
    before = (entry.file.guid, entry.file.number, entry.number)
    found = answer(await upload(browser("carol"), "PLAN.docx"))["files"][0]
    assert (found["guid"], entry.file.number, entry.number) == before
    assert [version.content() for version in entry.file.versions] == [b"old", b"new"]
    assert (entry.file.name, entry.owner, entry.file.author) == ("PLAN.docx", "alice", "carol")
    (note,) = hub.uploads
    assert (note.route, note.who, note.how, note.guid, note.replaced) == (
        "cfiles upload",
        "carol",
        "cookie",
        found["guid"],
        True,
    )
    assert note.stored_at


async def test_the_mark_and_the_old_versions_of_a_file_can_be_read(hub: SmallHumHub, browser: Browsers) -> None:
    entry, client = hub.add_cfile("plan.docx", b"old"), browser("admin")
    url = f"/file/file/download?guid={entry.file.guid}"
    marks = [(await client.send("HEAD", url)).headers["Etag"]]
    await upload(client, "plan.docx")
    marks.append((await client.send("HEAD", url)).headers["Etag"])
    await upload(client, "plan.docx", b"old")
    marks.append((await client.send("HEAD", url)).headers["Etag"])
    assert marks[0] == marks[2] != marks[1]
    page = (await client.get(f"/s/team/cfiles/version?id={entry.number}")).text
    variants = re.findall(r"variant=(old-\d+)", page)
    assert [(await client.get(f"{url}&variant={one}")).body for one in variants] == [b"new", b"old"]
    assert (await client.get(f"{url}&variant=old-99")).status == 404


@pytest.mark.parametrize(
    ("name", "asked", "shown"),
    [("a.pdf", "", "inline"), ("a.pdf", "&download=1", "attachment"), ("a.docx", "", "attachment")],
)
async def test_a_browser_shows_what_it_can(
    name: str, asked: str, shown: str, hub: SmallHumHub, browser: Browsers
) -> None:
    guid = hub.add_cfile(name, b"x").file.guid
    reply = await browser("carol").get(f"/file/file/download?guid={guid}{asked}")
    assert reply.headers["Content-Disposition"] == f'{shown}; filename="{name}"'


@pytest.mark.parametrize(
    ("stored", "sent", "replaced"),
    [
        ("plan.docx", "plan.docx", True),
        ("Café.docx", "cafe.DOCX", True),
        ("plan.docx", "plan2.docx", False),
        # Compared before HumHub cleans the name: what was stored as a_b_.docx isn't found as a{b}.docx.
        ("a_b_.docx", "a{b}.docx", False),
        ("a_b_.docx", "a_b_.docx", True),
    ],
)
async def test_what_an_upload_replaces(
    stored: str, sent: str, replaced: bool, hub: SmallHumHub, browser: Browsers
) -> None:
    entry = hub.add_cfile(stored, b"old")
    found = answer(await upload(browser("admin"), sent))["files"][0]
    assert (found["guid"] == entry.file.guid) is replaced
    assert (entry.file.content() == b"new") is replaced
    assert len(hub.cfiles.entries) == (1 if replaced else 2)


async def test_a_file_that_was_renamed_is_not_replaced(hub: SmallHumHub, browser: Browsers) -> None:
    entry, client = hub.add_cfile("plan.docx", b"old", owner="alice"), browser("alice")
    path = f"/s/team/cfiles/edit/file?id={entry.item}"
    form = {"File[file_name]": "other.docx", "File[description]": ""}
    assert "/s/team/cfiles/browse/index?fid=1" in (await client.post(path, data=form)).text
    await upload(client, "plan.docx")
    assert (entry.file.name, entry.file.content()) == ("other.docx", b"old")
    taken = await client.post(path, data={"File[file_name]": "PLAN.docx"})
    assert "A file with that name already exists in this folder." in taken.text
    assert entry.file.name == "other.docx"


async def test_the_same_name_in_another_folder_is_another_file(hub: SmallHumHub, browser: Browsers) -> None:
    folder = hub.cfiles.add_folder("Deep", "alice")
    entry = hub.add_cfile("plan.docx", b"old")
    found = answer(await upload(browser("admin"), "plan.docx", path=f"cfiles/upload?fid={folder.number}"))
    assert found["files"][0]["guid"] != entry.file.guid
    assert 'data-cfiles-item="file_2"' in found["fileList"]
    assert (await upload(browser("admin"), "plan.docx", path="cfiles/upload?fid=99")).status == 500


async def test_a_member_makes_a_folder(hub: SmallHumHub, browser: Browsers) -> None:
    path, client = "/s/team/cfiles/edit/folder?fid=1", browser("carol")
    assert "cfiles/browse/index?fid=3" in (await client.post(path, data={"Folder[title]": "Deep"})).text
    assert "A folder with this name already exists." in (await client.post(path, data={"Folder[title]": "DEEP"})).text
    assert (await browser("bobby").post(path, data={"Folder[title]": "Other"})).status == 403
    page = (await client.get("/s/team/cfiles/browse?fid=3")).text
    assert 'data-fid="3" data-upload-url="/s/team/cfiles/upload?fid=3"' in page
    assert [folder.title for folder in hub.cfiles.folders_within(1)] == ["Files from the stream", "Deep"]


async def test_a_row_says_what_its_reader_may_do(hub: SmallHumHub, browser: Browsers) -> None:
    entry = hub.add_cfile("plan.docx", b"x", owner="alice")
    rows = {name: (await browser(name).get("/s/team/cfiles/browse", ajax=False)).text for name in ("alice", "carol")}
    edit = f'data-cfiles-edit-url="/s/team/cfiles/edit/file?id={entry.item}"'
    assert [" data-cfiles-editable " in rows[name] for name in rows] == [True, False]
    assert [edit in rows[name] for name in rows] == [True, False]
    assert entry.file.guid not in (await browser("bobby").get("/s/team/cfiles/browse", ajax=False)).text
    loaded = answer(await browser("carol").get(f"/s/team/cfiles/browse/load-entry?id={entry.item}"))
    assert entry.file.guid in loaded["output"]


async def test_a_fresh_upload_is_taken_over_into_a_folder(hub: SmallHumHub, browser: Browsers) -> None:
    client = browser("alice")
    hub.add_cfile("plan.docx", b"old")
    guid = answer(await upload(client, "plan.docx", path="/file/file/upload"))["files"][0]["guid"]
    told = answer(await client.post("/s/team/cfiles/upload/import?fid=1", data={"guids[]": guid}))
    assert told == {"success": True, "errors": []}
    assert (hub.files[guid].name, hub.files[guid].cfile) == ("plan(1).docx", 2)
    assert guid in answer(await client.get("/s/team/cfiles/browse/file-list?fid=1"))["output"]


async def test_entries_are_deleted_by_who_may_edit_them(hub: SmallHumHub, browser: Browsers) -> None:
    entry = hub.add_cfile("plan.docx", b"x", owner="alice")
    form = {"selection[]": entry.item}
    assert (await browser("carol").post("/s/team/cfiles/delete?fid=1", data=form)).status == 403
    assert (await browser("alice").post("/s/team/cfiles/delete?fid=1", data=form)).status == 200
    assert (hub.cfiles.entries, hub.files) == ({}, {})


async def test_what_is_too_big_is_refused_in_the_answer(hub: SmallHumHub, browser: Browsers) -> None:
    hub.reconfigure(upload_limit=2_097_152, post_limit=4_000_000)
    entry = hub.add_cfile("plan.docx", b"old")
    big = answer(await upload(browser("admin"), "plan.docx", bytes(2_097_153)))
    assert big["files"] == [
        {
            "error": True,
            "errors": ['The file "plan.docx" is too big. Its size cannot exceed 2.097 MB.'],
            "name": "plan.docx",
            "size": "2097153",
        }
    ]
    assert answer(await upload(browser("admin"), "plan.docx", bytes(4_000_000)))["files"] == []
    assert entry.file.content() == b"old"
    assert [note.refused is not None for note in hub.uploads] == [True]


async def test_an_upload_can_be_stored_and_answered_with_an_error(hub: SmallHumHub, browser: Browsers) -> None:
    entry = hub.add_cfile("plan.docx", b"old")
    hub.faults.add("cfiles upload", Fault(after_store="500"))
    assert (await upload(browser("admin"), "plan.docx")).status == 500
    assert entry.file.content() == b"new"
    hub.faults.add("cfiles upload", Fault(after_store="cut"))
    with pytest.raises(aiohttp.ClientError):
        await upload(browser("admin"), "plan.docx", b"newer")
    assert entry.file.content() == b"newer"


async def test_an_upload_can_be_stored_after_its_sender_left(hub: SmallHumHub, browser: Browsers) -> None:
    entry = hub.add_cfile("plan.docx", b"old")
    hub.faults.add("cfiles upload", Fault(slow=0.1))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await upload(browser("admin"), "plan.docx")
    assert entry.file.content() == b"old"
    async with asyncio.timeout(5):
        while entry.file.content() == b"old":  # noqa: ASYNC110 - the stand-in tells nobody
            await asyncio.sleep(0.01)
    assert hub.uploads[0].stored_at


@pytest.mark.parametrize("fault", [Fault(status=503), Fault(page=True), Fault(redirect="/user/auth/login")])
async def test_an_upload_can_fail_before_anything_is_stored(fault: Fault, hub: SmallHumHub, browser: Browsers) -> None:
    hub.faults.add("cfiles upload", fault)
    reply = await upload(browser("admin"), "plan.docx")
    assert reply.status in (503, 200, 302)
    assert (hub.cfiles.entries, hub.uploads) == ({}, [])


ATTACHED = {"alice": True, "admin": True, "carol": False, "bobby": False}


@pytest.mark.parametrize("name", ATTACHED)
async def test_only_who_may_edit_a_post_attaches_to_it(name: str, hub: SmallHumHub, browser: Browsers) -> None:
    post = hub.add_post("alice", "look")
    path = f"/file/file/upload?objectModel=humhub%5Cmodules%5Cpost%5Cmodels%5CPost&objectId={post.number}"
    guid = answer(await upload(browser(name), "new.docx", path=path))["files"][0]["guid"]
    assert (guid in post.guids) is ATTACHED[name]
    reads = (await browser("carol").send("HEAD", f"/file/file/download?guid={guid}")).status == 200
    assert reads is (ATTACHED[name] or name == "carol")
    may = (await browser("alice").post("/file/file/delete", data={"guid": guid})).status == 200
    assert may is ATTACHED[name]


async def test_a_comment_brings_its_files(hub: SmallHumHub, browser: Browsers) -> None:
    post, client = hub.add_post("alice", "look"), browser("carol")
    guid = answer(await upload(client, "new.docx", path="/file/file/upload"))["files"][0]["guid"]
    form = {
        "objectModel": "humhub\\modules\\post\\models\\Post",
        "objectId": str(post.number),
        "Comment[message]": "and this",
        "fileList[]": guid,
    }
    assert guid in (await client.post("/comment/comment/post", data=form)).text
    assert (await browser("alice").get(f"/file/file/download?guid={guid}")).body == b"new"
    assert (await browser("alice").post("/file/file/delete", data={"guid": guid})).status == 401


PAGES = ("/dashboard", "/s/team/", "/s/team/cfiles/browse", "/s/team/post/post/view?id=1")


@pytest.mark.parametrize("page", PAGES)
async def test_a_page_without_the_module_does_not_know_it(page: str, hub: SmallHumHub, browser: Browsers) -> None:
    file = hub.add_file("plan.docx", b"x")
    hub.add_post("admin", "look", [file])
    hub.add_cfile("other.docx", b"x")
    client = browser("admin")
    assert "onlyoffice" not in (await client.get(page, ajax=False)).text.lower()
    assert "onlyoffice" not in (await client.get(f"/file/view?guid={file.guid}")).text.lower()
    for gone in (f"/onlyoffice/open?guid={file.guid}", "/onlyoffice/create", "/assets/onlyoffice/humhub.onlyoffice.js"):
        assert (await client.get(gone)).status == 404


async def test_a_stream_holds_its_posts_files_as_data(hub: SmallHumHub, browser: Browsers) -> None:
    hub.add_post("admin", "look", [hub.add_file("plan.docx", b"x")])
    found = answer(await browser("carol").get("/s/team/space/space/stream?StreamQuery%5Blimit%5D=4"))
    (entry,) = [found["content"][str(number)] for number in found["contentOrder"]]
    rows = re.search(r"data-ui-init='(\[\{[^']+\])'", entry["output"])
    assert rows
    assert [file["name"] for file in json.loads(rows[1])] == ["plan.docx"]
