"""Conversions through the whole house: the module's own, and every form that the conversion service takes."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode
from xml.etree import ElementTree as ET

import aiohttp
import jwt
import pytest
from yarl import URL

from bridge.config import Config
from bridge.demo.docs import Fault as DocsFault
from bridge.demo.house import House
from bridge.demo.humhub import Fault, HumHubFile
from bridge.demo.networks import HUMHUB
from bridge.demo.person import PageError
from tests.flows import modal
from tests.flows.test_module_calls import STYLES, styles
from tests.flows.words import words
from tests.houses import MakeHouse

FORMS = ("POST /converter", "POST /ConvertService.ashx", "GET /ConvertService.ashx")
forms = pytest.mark.parametrize("form", FORMS)
shapes = pytest.mark.parametrize("accept", ["application/json", "application/xml"])


def sample(h: House) -> HumHubFile:
    h.humhub.seed_samples()
    return modal.named(h.humhub.files, "Minutes.odt")


def wish(h: House, file: HumHubFile, **changes: Any) -> dict[str, Any]:
    """Give the fields of a conversion of a file of HumHub's."""
    doc = h.humhub.document_hash(file.key or file.new_key(), h.humhub.users["admin"].guid)
    url = h.humhub.settings.storage_url + h.humhub.links().to("onlyoffice/backend/download", doc=doc)
    fields = {"async": False, "filetype": file.extension, "outputtype": "docx", "key": "k1", "url": url}
    return {**fields, "title": "Any thing.odt", **changes}


def signed(h: House, fields: dict[str, Any]) -> dict[str, Any]:
    return {**fields, "token": jwt.encode({**fields, "exp": int(time.time()) + 300}, h.humhub.settings.secret)}


async def ask(h: House, form: str, accept: str, fields: dict[str, Any]) -> dict[str, Any]:
    """Ask from HumHub's network; return the answer's fields, whatever shape it has to have."""
    method, path = form.split()
    url = h.humhub.settings.internal_url + path
    options: dict[str, Any] = {"json": fields}
    if method == "GET":
        plain = {name: value if isinstance(value, str) else json.dumps(value) for name, value in fields.items()}
        url, options = f"{url}?{urlencode(plain)}", {}
    connector = aiohttp.TCPConnector(local_addr=(HUMHUB.resident, 0))
    headers = {"Accept": accept}
    async with (
        aiohttp.ClientSession(connector=connector) as http,
        http.request(method, url, headers=headers, **options) as answer,
    ):
        assert answer.status == 200, await answer.text()
        assert answer.content_type == accept.replace("application/xml", "text/xml")
        if accept == "application/json":
            return dict(await answer.json())
        return told_in_xml(await answer.text())


def told_in_xml(text: str) -> dict[str, Any]:
    found = {element.tag: element.text for element in ET.fromstring(text)}
    if "Error" in found:
        return {"error": int(found["Error"] or 0)}
    assert list(found) == ["FileUrl", "FileType", "Percent", "EndConvert"]
    said = {"percent": int(found["Percent"] or 0), "endConvert": found["EndConvert"] == "True"}
    return {"fileUrl": found["FileUrl"], "fileType": found["FileType"], **said} if found["FileUrl"] else said


# The module's own


@styles
async def test_the_module_converts_a_file_and_stores_the_result(make_house: MakeHouse, style: str) -> None:
    h = await make_house(humhub=STYLES[style])
    file = sample(h)
    # It takes a while: HumHub asks more than once.
    h.humhub.faults.add("download", Fault(late=0.1))
    admin = await h.log_in("admin")
    await admin.convert(file.guid, "Minutes.docx")
    assert (file.name, file.key) == ("Minutes.docx", None)
    assert words(file.content())
    assert [isinstance(download.outcome, int) for download in h.docs.downloads] == [True]


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        (DocsFault("page"), "Unknown error"),
        (DocsFault("cut"), "Unknown error"),
        (DocsFault("empty"), "Unknown error"),
        (DocsFault("status", status=504), "Timeout conversion error"),
        (DocsFault("hang", seconds=30), "Timeout conversion error"),
    ],
    ids=["a page", "a cut", "nothing", "a proxy's 504", "silence"],
)
async def test_the_module_tells_people_what_went_wrong_and_keeps_the_file(
    make_house: MakeHouse, fault: DocsFault, says: str
) -> None:
    def impatient(config: Config) -> Config:
        (node,) = config.docs.nodes
        hasty = replace(node, upstream=replace(node.upstream, connect=0.1))
        limits = replace(config.limits, conversion=0.2)
        return replace(config, docs=replace(config.docs, nodes=(hasty,)), limits=limits)

    h = await make_house(adjust=impatient)
    file = sample(h)
    before = file.content()
    h.docs.faults.add("convert", fault)
    admin = await h.log_in("admin")
    with pytest.raises(PageError, match=says):
        await admin.convert(file.guid, "Minutes.docx")
    assert (file.name, file.content()) == ("Minutes.odt", before)


@pytest.mark.parametrize(
    "fault",
    [DocsFault("page"), DocsFault("status", status=404), DocsFault("redirect"), DocsFault("empty"), DocsFault("cut")],
    ids=["a page", "404", "a redirect", "nothing", "a cut"],
)
async def test_a_result_that_docs_does_not_give_leaves_the_file_as_it_was(h: House, fault: DocsFault) -> None:
    """The module puts whatever it gets in the file's place, nothing too: only a broken connection is an error to it."""
    file = sample(h)
    before = file.content()
    h.docs.faults.add("file", fault, times=1)
    admin = await h.log_in("admin")
    with pytest.raises(PageError, match="got 500"):
        await admin.convert(file.guid, "Minutes.docx")
    assert (file.name, file.content()) == ("Minutes.odt", before)
    await admin.convert(file.guid, "Minutes.docx")
    assert words(file.content())


async def test_a_file_that_docs_no_longer_has_is_saved_as_nothing_and_people_are_told(h: House) -> None:
    alice = await h.log_in("alice")
    page = await alice.open(await alice.create("Minutes"))
    before = set(h.humhub.files)
    gone = f"{h.browser_url}/ds/cache/files/data/{page.key}_1/output.docx/x.docx?md5=a&expires=9"
    with pytest.raises(PageError, match="got 500"):
        await alice.send(URL(page.api["saveasUrl"]), {"name": "x.docx", "url": gone})
    assert set(h.humhub.files) == before


# Every form


@forms
@shapes
async def test_a_conversion_ends_with_a_file_that_humhub_can_fetch(h: House, form: str, accept: str) -> None:
    said = await ask(h, form, accept, signed(h, wish(h, sample(h))))
    assert (said["fileType"], said["percent"], said["endConvert"]) == ("docx", 100, True)
    assert said["fileUrl"].startswith(f"{h.humhub.settings.internal_url}/s/demo/cache/files/data/conv_k1_")
    assert "/Any%20thing.docx?" in said["fileUrl"]
    body = await h.humhub.outgoing.fetch(said["fileUrl"])
    assert words(body.path.read_bytes())


@forms
@shapes
async def test_an_asynchronous_conversion_is_asked_for_until_it_is_done(h: House, form: str, accept: str) -> None:
    h.humhub.faults.add("download", Fault(late=0.2))
    fields = signed(h, wish(h, sample(h), **{"async": True}))
    assert await ask(h, form, accept, fields) == {"percent": 0, "endConvert": False}
    async with asyncio.timeout(5):
        while not (said := await ask(h, form, accept, fields))["endConvert"]:
            assert said == {"percent": 0, "endConvert": False}
    assert said["percent"] == 100
    assert len(h.docs.downloads) == 1


@forms
@shapes
async def test_every_error_comes_in_the_shape_that_was_asked_for(make_house: MakeHouse, form: str, accept: str) -> None:
    h = await make_house(docs={"download_limit": 50_000, "download_attempts": 1})
    file = sample(h)
    broken = h.humhub.add_file("broken.docx", b"PK\x03\x04 no archive")
    large = h.humhub.add_file("large.docx", bytes(60_000))
    gone = wish(h, file, key="k4", url=wish(h, file)["url"].replace("doc=ey", "doc=eyx"))
    keyless = {name: value for name, value in wish(h, file).items() if name != "key"}
    for fields, code in (
        (signed(h, wish(h, broken, outputtype="pdf", key="k3")), -3),
        (signed(h, wish(h, large, outputtype="pdf", key="k10")), -10),
        (signed(h, wish(h, file, outputtype="xlsx", key="k9")), -9),
        (signed(h, wish(h, file, outputtype="nosuch")), -7),
        (signed(h, gone), -4),
        # The bridge's own words.
        (signed(h, keyless), -7),
        (signed(h, wish(h, file, url=f"http://{h.addresses.humhub}/file/file/download?guid={file.guid}")), -7),
        (wish(h, file), -8),
        ({**signed(h, wish(h, file)), "token": "a.b.c"}, -8),
    ):
        assert await ask(h, form, accept, fields) == {"error": code}, fields
    await h.stop_docs()
    assert await ask(h, form, accept, signed(h, wish(h, file))) == {"error": -1}


async def test_a_conversion_goes_on_when_humhub_leaves(h: House) -> None:
    """PHP gives up before Docs does: whoever asks again gets what was made meanwhile."""
    h.humhub.faults.add("download", Fault(late=0.3))
    fields = signed(h, wish(h, sample(h)))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await ask(h, FORMS[0], "application/json", fields)
    said = await ask(h, FORMS[0], "application/json", fields)
    assert said["endConvert"]
    assert len(h.docs.downloads) == 1, "it was begun anew"


async def test_what_was_converted_is_converted_further(h: House) -> None:
    first = await ask(h, FORMS[0], "application/json", signed(h, wish(h, sample(h))))
    again = wish(h, modal.named(h.humhub.files, "Minutes.odt"), key="k2")
    again |= {"url": first["fileUrl"], "filetype": "docx", "outputtype": "txt"}
    second = await ask(h, FORMS[1], "application/xml", signed(h, again))
    text = (await h.humhub.outgoing.text(second["fileUrl"])).removeprefix("\ufeff")
    made = await h.humhub.outgoing.fetch(first["fileUrl"])
    assert text.splitlines() == words(made.path.read_bytes()).splitlines()


async def test_a_save_of_another_type_is_converted_on_its_way_into_humhub(h: House) -> None:
    """Somebody renamed the file meanwhile: the module converts the save into what its name says."""
    alice = await h.log_in("alice")
    guid = await alice.create("Minutes")
    editor = await alice.edit(guid)
    await editor.write("Converted on the way.")
    h.humhub.files[guid].name = "Minutes.txt"
    await editor.leave()
    assert (await h.told(editor.key)).acknowledged
    assert h.humhub.files[guid].content().decode("utf-8-sig").strip() == "Converted on the way."
