"""The module in the small HumHub: what it offers for which file, new documents, conversion, settings, the editor."""

from __future__ import annotations

import asyncio
import io
import json
import re
import time
from collections.abc import Callable
from html import unescape
from typing import Any

import aiohttp
import jwt
import pytest
from docx import Document
from openpyxl import load_workbook
from pptx import Presentation

from bridge.demo.humhub import HumHubFile, SmallHumHub
from tests.demo.humhub.rig import Browser, Reply, Upstream

Browsers = Callable[[str | None], Browser]


def posted(hub: SmallHumHub, name: str, content: bytes = b"x", owner: str = "admin") -> HumHubFile:
    file = hub.add_file(name, content, owner=owner)
    hub.add_post(owner, "a post", [file])
    return file


ENTRIES = {
    "docx xlsx pptx docxf oform": ["View", "Edit"],
    "odt ods odp doc xls ppt": ["View", "Convert"],
    "txt csv pdf": ["View"],
    "zip": [],
}


@pytest.mark.parametrize(
    ("extension", "entries"), [(one, entries) for group, entries in ENTRIES.items() for one in group.split()]
)
async def test_entries_depend_on_the_extension(
    extension: str, entries: list[str], hub: SmallHumHub, browser: Browsers
) -> None:
    file = posted(hub, f"file.{extension}")
    reply = await browser("admin").get(f"/file/view?guid={file.guid}")
    assert re.findall(r">(\w+) document<", reply.text) == entries


async def test_who_may_not_write_is_offered_to_view(hub: SmallHumHub, browser: Browsers) -> None:
    file = posted(hub, "file.docx")
    reply = await browser("carol").get(f"/file/view?guid={file.guid}")
    assert re.findall(r">(\w+) document<", reply.text) == ["View"]


@pytest.mark.parametrize("extension", ["docx", "xlsx", "pptx", "pdf"])
async def test_a_new_document_is_a_real_one(extension: str, hub: SmallHumHub, browser: Browsers) -> None:
    form = {"CreateDocument[fileName]": "fresh", "CreateDocument[openFlag]": "1"}
    reply = await browser("alice").post(f"/onlyoffice/create/document?extension={extension}", data=form)
    answer = json.loads(reply.body)
    file = hub.files[answer["file"]["guid"]]
    readers: dict[str, Callable[[Any], Any]] = {"docx": Document, "xlsx": load_workbook, "pptx": Presentation}
    if extension in readers:
        readers[extension](io.BytesIO(file.content()))
    else:
        assert file.content().startswith(b"%PDF-1.7")
    assert (file.name, file.owner, file.post) == (f"fresh.{extension}", "alice", None)
    assert answer["openUrl"].endswith(f"guid={file.guid}&mode=edit")


async def test_a_post_takes_its_authors_files(hub: SmallHumHub, browser: Browsers) -> None:
    mine, other = hub.add_file("mine.docx", b"x", owner="alice"), hub.add_file("other.docx", b"x", owner="carol")
    form = [("Post[message]", "look"), ("fileList[]", mine.guid), ("fileList[]", other.guid)]
    answer = json.loads((await browser("alice").post("/s/team/post/post/post", data=form)).body)
    assert (mine.post, other.post) == (answer["id"], None)
    assert mine.guid in answer["output"]


async def test_a_plain_open_leads_to_the_post_which_opens_the_editor_once(hub: SmallHumHub, browser: Browsers) -> None:
    file, client = posted(hub, "file.docx"), browser("admin")
    path = f"/onlyoffice/open?guid={file.guid}&mode=edit"
    reply = await client.get(path, ajax=False)
    assert (reply.status, reply.headers["Location"]) == (302, f"{hub.url}/s/team/post/post/view?id={file.post}")
    pages = [(await client.get(f"/s/team/post/post/view?id={file.post}", ajax=False)).text for _ in range(2)]
    assert [f'.load("{path}")' in page for page in pages] == [True, False]


async def test_inline_scripts_carry_the_nonce_of_the_policy(hub: SmallHumHub, browser: Browsers) -> None:
    posted(hub, "file.docx")
    reply = await browser("admin").get("/dashboard", ajax=False)
    nonce = re.search(r"'nonce-([^']+)'", reply.headers["Content-Security-Policy"])
    assert nonce
    assert set(re.findall(r"<script[^>]*>", reply.text)) == {
        f'<script nonce="{nonce[1]}">',
        f'<script src="/static/humhub.js" nonce="{nonce[1]}">',
        f'<script src="/static/humhub.files.js" nonce="{nonce[1]}">',
    }


async def test_the_token_is_signed_over_the_whole_configuration(
    hub: SmallHumHub, browser: Browsers, editor_config: Callable[[Reply], dict[str, Any]]
) -> None:
    file = posted(hub, 'it\'s <b> & "q" \\.docx', owner="alice")
    reply = await browser("alice").get(f"/onlyoffice/open?guid={file.guid}&mode=edit")
    config = editor_config(reply)
    claims = jwt.decode(config.pop("token"), hub.settings.secret, algorithms=["HS256"])
    assert claims.pop("exp") - time.time() == pytest.approx(300, abs=5)
    assert claims == config
    assert unescape(config["document"]["title"]) == file.name
    doc = config["document"]["url"].partition("doc=")[2]
    assert jwt.decode(doc, hub.internal_secret, algorithms=["HS256"]) == {
        "key": file.key,
        "userGuid": hub.users["alice"].guid,
    }


@pytest.mark.parametrize(
    ("agent", "look"),
    [
        ("Mozilla/5.0 (Linux; Android 14; Pixel 7) AppleWebKit/537.36 Chrome/120.0 Mobile Safari/537.36", "mobile"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148", "mobile"),
        ("Mozilla/5.0 (iPad; CPU OS 12_2 like Mac OS X) AppleWebKit/605.1.15", "mobile"),
        ("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/120.0 Safari/537.36", "desktop"),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 Safari/605.1.15", "desktop"),
        ("", "desktop"),
    ],
)
async def test_a_phone_is_known_by_its_user_agent_and_gets_the_mobile_editor(
    agent: str, look: str, hub: SmallHumHub, browser: Browsers, editor_config: Callable[[Reply], dict[str, Any]]
) -> None:
    """Source: the module's EditorWidget."""
    file = posted(hub, "file.docx")
    reply = await browser("admin").get(f"/onlyoffice/open?guid={file.guid}&mode=edit", headers={"User-Agent": agent})
    assert editor_config(reply)["type"] == look


async def test_overlapping_first_opens_get_different_keys_and_the_last_one_counts(
    hub: SmallHumHub, browser: Browsers, editor_config: Callable[[Reply], dict[str, Any]]
) -> None:
    file, client = posted(hub, "file.docx"), browser("admin")
    path = f"/onlyoffice/open?guid={file.guid}&mode=edit"
    keys = [
        editor_config(page)["document"]["key"] for page in await asyncio.gather(*(client.get(path) for _ in range(4)))
    ]
    assert len(set(keys)) > 1
    assert file.key in keys
    assert editor_config(await client.get(path))["document"]["key"] == file.key


async def test_a_conversion_replaces_the_file_and_its_name(
    hub: SmallHumHub, browser: Browsers, upstream: Upstream
) -> None:
    file, client = posted(hub, "old.odt"), browser("admin")
    modal = (await client.get(f"/onlyoffice/convert?guid={file.guid}")).text
    step = re.search(r'data-convert-post="([^"]+)"', modal)
    assert step
    upstream.converter = {"endConvert": False, "percent": 40}
    assert json.loads((await client.post(unescape(step[1]))).body) == {"endConvert": False, "percent": 40}
    upstream.converter = {"endConvert": True, "percent": 100, "fileUrl": f"{upstream.url}/file/new.docx"}
    await client.post(unescape(step[1]))
    sent = [json.loads(body) for method, _, _, body in upstream.calls if method == "POST"]
    assert sent[0]["async"] is True
    assert sent[0]["key"] == sent[1]["key"]
    assert sent[0]["url"].startswith("http://storage.test/onlyoffice/backend/download?doc=")
    assert (file.name, file.key, file.content() == b"x") == ("old.docx", None, False)


@pytest.mark.parametrize(
    ("error", "text"), [(-4, "Error while downloading the document file to be converted."), (0, "")]
)
async def test_a_conversions_error_is_told_in_words(
    error: int, text: str, hub: SmallHumHub, browser: Browsers, upstream: Upstream
) -> None:
    file = posted(hub, "old.odt")
    upstream.converter = {"error": error}
    reply = await browser("admin").post(f"/onlyoffice/convert/convert?guid={file.guid}&ts=1&newName=old.docx")
    assert json.loads(reply.body) == {"error": text}
    assert (file.name, file.content()) == ("old.odt", b"x")


async def test_saving_the_settings_tries_the_connection(
    hub: SmallHumHub, browser: Browsers, upstream: Upstream
) -> None:
    client = browser("admin")
    upstream.converter = {"endConvert": True, "percent": 100, "fileUrl": f"{upstream.url}/file/converted.bin"}
    await client.post("/onlyoffice/admin/save", data={"ConfigureForm[storageUrl]": "http://leg.test/"})
    assert [path.partition("?")[0] for _, path, _, _ in upstream.calls] == [
        "/coauthoring/CommandService.ashx",
        "/healthcheck",
        "/converter",
        "/file/converted.bin",
    ]
    conversion = json.loads(upstream.calls[2][3])
    assert (conversion["async"], conversion["filetype"], conversion["outputtype"]) == (False, "docx", "docx")
    assert conversion["url"].startswith("http://leg.test/onlyoffice/backend/empty-file?doc=")
    page = await client.get("/onlyoffice/admin", ajax=False)
    assert "Successfully connected! - Installed version: 9.0.0" in page.text


async def test_a_secret_that_is_too_short_signs_nothing(
    hub: SmallHumHub, browser: Browsers, upstream: Upstream
) -> None:
    client = browser("admin")
    await client.post("/onlyoffice/admin/save", data={"ConfigureForm[jwtSecret]": "x" * 31})
    assert "Provided key is too short" in (await client.get("/onlyoffice/admin", ajax=False)).text
    assert upstream.calls == []


async def test_a_failed_connection_is_shown(hub: SmallHumHub, browser: Browsers, upstream: Upstream) -> None:
    client = browser("admin")
    upstream.command = {"error": 6}
    await client.post("/onlyoffice/admin/save", data={"ConfigureForm[jwtSecret]": hub.settings.secret})
    assert "Invalid token." in (await client.get("/onlyoffice/admin", ajax=False)).text


async def test_the_preview_shows_the_stored_text(hub: SmallHumHub, browser: Browsers) -> None:
    hub.seed_samples()
    client = browser("alice")
    texts = {}
    for file in hub.files.values():
        reply = await client.get(f"/demo/preview?guid={file.guid}")
        texts[file.name] = json.loads(reply.body)["text"]
    assert "first Monday" in texts["Team handbook.docx"]
    assert "Coffee\t45" in texts["Budget.xlsx"]
    assert "Next steps" in texts["Year plan.pptx"]
    assert "Minutes of the meeting" in texts["Minutes.odt"]
    assert "Order coffee." in texts["Notes.txt"]


async def test_the_preview_of_an_error_page_says_that_it_is_none(hub: SmallHumHub, browser: Browsers) -> None:
    file = posted(hub, "file.docx", b"<html>502</html>")
    reply = await browser("admin").get(f"/demo/preview?guid={file.guid}")
    assert json.loads(reply.body)["text"] == "not a docx document: <html>502</html>"


async def test_an_upload_goes_to_disk_as_it_comes(hub: SmallHumHub, browser: Browsers) -> None:
    def body() -> aiohttp.MultipartWriter:
        writer = aiohttp.MultipartWriter("form-data")
        for name in ("big.docx", "small.txt"):
            part = writer.append(io.BytesIO(bytes(3 * 1024 * 1024 if "big" in name else 5)))
            part.set_content_disposition("form-data", name="files[]", filename=name)
        return writer

    reply = await browser("alice").post("/file/file/upload", data=body())
    infos = json.loads(reply.body)["files"]
    assert [(info["name"], info["size"]) for info in infos] == [("big.docx", 3 * 1024 * 1024), ("small.txt", 5)]
    assert [hub.files[info["guid"]].path.stat().st_size for info in infos] == [3 * 1024 * 1024, 5]


async def test_save_as_fetches_at_the_internal_address(hub: SmallHumHub, browser: Browsers, upstream: Upstream) -> None:
    form = {"url": "http://docs.test/ds/file/x.docx?md5=%2B", "name": "copy.docx"}
    reply = await browser("alice").post("/onlyoffice/api/saveas", data=form)
    assert upstream.calls[0][1] == "/file/x.docx?md5=%2B"
    assert json.loads(reply.body)["file"]["name"] == "copy.docx"


@pytest.mark.parametrize(("pretty", "base"), [(True, ""), (True, "/hub"), (False, ""), (False, "/hub")])
async def test_every_page_works_in_each_kind_of_address(
    hub: SmallHumHub, browser: Browsers, *, pretty: bool, base: str
) -> None:
    hub.reconfigure(pretty_urls=pretty, base_path=base)
    file, client = posted(hub, "file.docx"), browser("admin")
    links = hub.links()
    for path in (
        links.to("dashboard/dashboard"),
        links.in_space(""),
        links.in_space("post/post/view", id=file.post or 0),
        links.to("onlyoffice/open", guid=file.guid, mode="edit"),
        links.to("file/file/download", guid=file.guid),
        links.asset("humhub.js"),
        links.module_asset("humhub.onlyoffice.js"),
    ):
        assert (await client.get(path)).status == 200, path
