"""Browsers reach HumHub itself, and only the module's three settings lead to the bridge: stories of the editor's own
connection, over real listeners."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import Any

import aiohttp
import jwt
import pytest

from bridge.demo.editor import POLLING, WEBSOCKET, Editor, RefusedError
from bridge.demo.house import House
from bridge.demo.humhub import Fault
from bridge.demo.person import EditorPage, Person
from tests.flows.words import words
from tests.houses import MakeHouse

SAME = "one-secret-for-both-0123456789abcdef"


@pytest.fixture
async def h(make_house: MakeHouse) -> House:
    return await make_house(direct=True)


def resigned(page: EditorPage, secret: str, **claims: Any) -> EditorPage:
    """Give a page whose token says something else."""
    said = jwt.decode(page.config["token"], options={"verify_signature": False})
    page.config["token"] = jwt.encode({**said, **claims}, secret)
    return page


async def opened(person: Person, page: EditorPage, **options: Any) -> Editor:
    editor = person.editor(page, **options)
    await editor.open()
    return editor


async def test_the_editor_has_humhubs_own_configuration_and_docs_gets_another(h: House) -> None:
    alice = await h.log_in("alice")
    page = await alice.open(await alice.create("Minutes"))
    assert str(page.script).startswith(f"http://{h.addresses.browser}/ds/web-apps/")
    jwt.decode(page.config["token"], h.humhub.settings.secret, algorithms=["HS256"])
    editor = await opened(alice, page)
    (download,) = h.docs.downloads
    assert download.url.startswith(f"http://{h.addresses.docs_leg}/s/demo/onlyoffice/backend/download?doc=")
    await editor.leave()


@pytest.mark.parametrize("transports", [WEBSOCKET, POLLING], ids=str)
async def test_an_editor_comes_back_by_its_session_long_after_its_token_expired(
    h: House, transports: Sequence[str]
) -> None:
    alice = await h.log_in("alice")
    guid = await alice.create("Minutes")
    page = resigned(await alice.open(guid), h.humhub.settings.secret, exp=int(time.time()) - 58)
    editor = await opened(alice, page, transports=transports)
    resigned(page, h.humhub.settings.secret, exp=int(time.time()) - 10_000)
    await editor.write("before, ")
    await h.restart_bridge()
    await editor.be_back(2)
    await editor.write("after.")
    await editor.leave()
    assert (await h.told(editor.key)).acknowledged
    assert words(h.humhub.files[guid].content()) == "before, after."


async def test_docs_itself_refuses_a_token_that_expired_or_that_nobody_signed(h: House) -> None:
    alice = await h.log_in("alice")
    guid = await alice.create("Minutes")
    for secret, exp, code in ((h.humhub.settings.secret, -100, 4005), ("nobody's secret 0123456789abcdef", 300, 4006)):
        page = resigned(await alice.open(guid), secret, exp=int(time.time()) + exp)
        with pytest.raises(RefusedError) as caught:
            await opened(alice, page)
        assert caught.value.code == code
    assert h.docs.downloads == []


async def test_a_site_opens_no_document_of_another_site_with_its_own_secret(make_house: MakeHouse) -> None:
    h = await make_house(direct=True, sites=2)
    alice = await h.log_in("alice", 1)
    page = await alice.open(await alice.create("Minutes"))
    with pytest.raises(RefusedError) as caught:
        await opened(alice, resigned(page, h.humhubs[0].settings.secret))
    assert caught.value.code == 4006


@pytest.mark.parametrize(
    ("humhub", "docs"),
    [(SAME, SAME), ("", ""), (None, "")],
    ids=["one secret for both", "no secrets", "Docs without a secret"],
)
async def test_other_secrets_carry_an_edit_too(make_house: MakeHouse, humhub: str | None, docs: str) -> None:
    own = {} if humhub is None else {"secret": humhub}
    h = await make_house(direct=True, humhub=own, docs={"secret": docs})
    alice, admin = await h.log_in("alice"), await h.log_in("admin")
    guid = await alice.create("Minutes")
    first, second = await alice.edit(guid), await admin.edit(guid, transports=POLLING)
    await first.write("Written ")
    await second.see("Written")
    await second.write("by two.")
    await h.restart_bridge()
    await first.be_back(2)
    await first.leave()
    await second.leave()
    assert (await h.told(first.key)).acknowledged
    assert words(h.humhub.files[guid].content()) == "Written by two."


@pytest.mark.parametrize("docs", [{}, {"secret": ""}], ids=["signed", "Docs without a secret"])
async def test_a_pdf_is_fetched_with_the_configurations_token(make_house: MakeHouse, docs: dict[str, Any]) -> None:
    h = await make_house(direct=True, docs=docs)
    alice = await h.log_in("alice")
    guid = await alice.upload("Paper.pdf", b"%PDF-1.7\n" + b"x" * 1000)
    page = await alice.open(guid, "view")
    url = f"{page.script.origin()}/ds/downloadfile/{page.key}"
    headers = {"Authorization": f"Bearer {page.config['token']}", "x-url": page.config["document"]["url"]}
    async with alice.http.get(url, headers=headers) as answer:
        assert (answer.status, (await answer.read())[:8]) == (200, b"%PDF-1.7")


async def test_a_save_that_humhub_refuses_is_opened_and_delivered_later(h: House) -> None:
    alice = await h.log_in("alice")
    guid = await alice.create("Minutes")
    editor = await alice.edit(guid)
    await editor.write("Not lost.")
    h.humhub.faults.add("track", Fault(status=500), times=20)
    await editor.leave()
    assert not (await h.told(editor.key)).acknowledged
    again = await alice.edit(guid)
    assert again.text == "Not lost."
    h.humhub.faults.clear()
    await again.leave()
    await h.until(lambda: not h.saves, 20)
    assert words(h.humhub.files[guid].content()) == "Not lost."


async def test_what_is_saved_as_another_file_is_fetched_through_the_bridge(h: House) -> None:
    alice = await h.log_in("alice")
    guid = await alice.create("Minutes")
    editor = await alice.edit(guid)
    await editor.write("To be copied.")
    page = await alice.open(guid)
    base = f"{page.script.origin()}/ds"
    command = {"id": editor.key, "outputformat": "docx", "title": "Copy.docx", "tokenSession": editor.session}
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(local_addr=(alice.address, 0))) as http:
        query = {"cmd": json.dumps(command)}
        async with http.post(f"{base}/downloadas/{editor.key}", params=query) as answer:
            link = (await answer.json(content_type=None))["data"]
    assert link.startswith(f"{base}/cache/files/")
    saved = await alice.send(alice.to("onlyoffice/api/saveas"), {"guid": guid, "name": "Copy.docx", "url": link})
    assert words(h.humhub.files[saved["file"]["guid"]].content()) == "To be copied."
    await editor.leave()
