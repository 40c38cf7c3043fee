"""Routes beside the socket: assets, files for editors, what browsers must not reach, faults, the network."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import aiohttp
import pytest
from aiohttp import ClientSession

from bridge.demo.docs import Fault, SmallDocs
from tests.demo.docs.rig import Enter, MakeDocs, Storage, signed
from tests.demo.docs.typist import Typist


@pytest.mark.parametrize("version", ["", "/9.0.0-abc123"])
@pytest.mark.parametrize(
    "path",
    [
        "/web-apps/apps/api/documents/api.js",
        "/web-apps/apps/documenteditor/main/index.html",
        "/web-apps/apps/spreadsheeteditor/embed/editor.js",
        "/web-apps/apps/presentationeditor/mobile/editor.css",
        "/sdkjs/common/AllFonts.js",
        "/document_editor_service_worker.js",
        "/plugins.json",
    ],
)
async def test_an_asset_is_there_with_and_without_version(
    version: str, path: str, http: ClientSession, docs: SmallDocs
) -> None:
    async with http.get(docs.url + version + path) as answer:
        assert answer.status == 200


async def test_a_folder_redirects_to_an_absolute_url(http: ClientSession, docs: SmallDocs) -> None:
    headers = {"X-Forwarded-Host": "office.example", "X-Forwarded-Proto": "https", "X-Forwarded-Prefix": "/ds"}
    async with http.get(f"{docs.url}/web-apps/apps", headers=headers, allow_redirects=False) as answer:
        assert answer.status == 301
        assert answer.headers["Location"] == "https://office.example/ds/web-apps/apps/"


@pytest.mark.parametrize(
    "path", ["/info/info.json", "/internal/cluster/inactive", "/example", "/welcome/", "/docbuilder"]
)
async def test_what_browsers_must_not_reach_answers(path: str, http: ClientSession, docs: SmallDocs) -> None:
    async with http.get(docs.url + path) as answer:
        assert answer.status == 200


@pytest.mark.parametrize(
    "path", ["/nothing", "/web-apps/../server.py", "/web-apps/apps/documenteditor/main/..%2fapi.js"]
)
async def test_other_paths_are_missing(path: str, http: ClientSession, docs: SmallDocs) -> None:
    async with http.get(docs.url + path) as answer:
        assert answer.status == 404


async def opened(enter: Enter) -> Typist:
    typist = enter()
    await typist.open()
    await typist.write("p0", "!")
    return typist


async def test_save_as_gives_what_is_open_now(enter: Enter, http: ClientSession, docs: SmallDocs) -> None:
    typist = await opened(enter)
    cmd = {"c": "save", "tokenSession": typist.session, "outputformat": "txt", "title": "My text.docx"}
    async with http.post(f"{docs.url}/downloadas/k1", params={"cmd": json.dumps(cmd)}) as answer:
        result = await answer.json(content_type=None)
    assert (result["status"], result["filetype"]) == ("ok", "txt")
    async with http.get(result["data"]) as answer:
        assert (await answer.text(encoding="utf-8-sig")).startswith("First line!")
        assert answer.headers["Content-Disposition"].endswith("My%20text.txt")


async def test_an_uploaded_image_and_a_saved_file_get_links(enter: Enter, http: ClientSession, docs: SmallDocs) -> None:
    typist = await opened(enter)
    headers = {"Authorization": f"Bearer {typist.session}", "Content-Type": "image/png"}
    async with http.post(f"{docs.url}/upload/k1", data=b"picture", headers=headers) as answer:
        link = (await answer.json(content_type=None))["media/image1.png"]
    async with http.get(link) as answer:
        assert await answer.read() == b"picture"
    cmd = json.dumps({"tokenSession": typist.session, "outputformat": "pdf"})
    async with http.post(f"{docs.url}/savefile/k1", params={"cmd": cmd}, data=b"%PDF") as answer:
        link = (await answer.json(content_type=None))["data"]
    async with http.get(link) as answer:
        assert await answer.read() == b"%PDF"


async def test_a_print_is_a_pdf(enter: Enter, http: ClientSession, docs: SmallDocs) -> None:
    typist = await opened(enter)
    async with http.get(f"{docs.url}/printfile/k1_7/print.pdf", params={"token": typist.session or ""}) as answer:
        assert (await answer.read()).startswith(b"%PDF")


@pytest.mark.parametrize("token", [None, "nonsense", signed({"document": {"key": "k1"}})])
async def test_editors_routes_want_a_session_token(
    token: str | None, enter: Enter, http: ClientSession, docs: SmallDocs
) -> None:
    await opened(enter)
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    for method, path in (
        ("POST", "/downloadas/k1"),
        ("POST", "/savefile/k1"),
        ("POST", "/upload/k1"),
        ("GET", "/printfile/k1_7/print.pdf"),
    ):
        async with http.request(method, docs.url + path, headers=headers) as answer:
            assert answer.status == 403


async def test_the_original_is_fetched_under_the_configurations_token(
    enter: Enter, http: ClientSession, docs: SmallDocs, storage: Storage
) -> None:
    headers = {"Authorization": f"Bearer {enter().config['token']}", "x-url": "elsewhere"}
    async with http.get(f"{docs.url}/downloadfile/k1", headers=headers) as answer:
        assert await answer.read() == storage.files["/file/base.docx"]
    async with http.get(f"{docs.url}/downloadfile/k1") as answer:
        assert answer.status == 403


async def saved_url(enter: Enter, storage: Storage) -> str:
    typist = await opened(enter)
    await typist.leave()
    calls = await storage.until(2)
    assert calls[1].body is not None
    return str(calls[1].body["url"])


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (Fault("status", 500), (500, b"")),
        (Fault("page"), (200, b"<!DOCTYPE")),
        (Fault("redirect"), (302, b"moved")),
        (Fault("empty"), (200, b"")),
        (Fault("trickle", seconds=0.05), (200, b"PK")),
    ],
)
async def test_a_file_misbehaves_once(
    fault: Fault, expected: tuple[int, bytes], enter: Enter, storage: Storage, docs: SmallDocs
) -> None:
    url = await saved_url(enter, storage)
    docs.faults.add("file", fault, times=1)
    async with ClientSession() as http:
        async with http.get(url, allow_redirects=False) as answer:
            assert answer.status == expected[0]
            assert (await answer.read()).startswith(expected[1])
        async with http.get(url) as answer:
            assert (await answer.read()).startswith(b"PK")


@pytest.mark.parametrize("fault", [Fault("cut"), Fault("lie")])
async def test_a_file_breaks_in_the_middle(
    fault: Fault, enter: Enter, storage: Storage, http: ClientSession, docs: SmallDocs
) -> None:
    url = await saved_url(enter, storage)
    docs.faults.add("file", fault)
    with pytest.raises(aiohttp.ClientPayloadError):
        async with http.get(url) as answer:
            await answer.read()


async def test_a_route_hangs(http: ClientSession, docs: SmallDocs) -> None:
    docs.faults.add("health", Fault("hang", seconds=30))
    with pytest.raises(asyncio.TimeoutError):
        async with asyncio.timeout(0.1), http.get(f"{docs.url}/healthcheck"):
            pass
    docs.faults.clear("health")
    async with http.get(f"{docs.url}/healthcheck") as answer:
        assert await answer.text() == "true"


@pytest.mark.parametrize(("route", "path"), [("convert", "/converter"), ("command", "/command")])
async def test_a_service_answers_with_a_page(route: str, path: str, http: ClientSession, docs: SmallDocs) -> None:
    docs.faults.add(route, Fault("page", 502))
    async with http.post(docs.url + path, json={}) as answer:
        assert (answer.status, answer.content_type) == (502, "text/html")


async def test_a_stranger_gets_not_a_byte(make_docs: MakeDocs) -> None:
    docs = await make_docs(clients="127.0.0.2/32")
    host, port = docs.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"GET /healthcheck HTTP/1.1\r\nHost: x\r\n\r\n")
    got = b""
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        got = await reader.readexactly(1)
    assert got == b""
    writer.close()
    reader, writer = await asyncio.open_connection(host, int(port), local_addr=("127.0.0.2", 0))
    writer.write(b"GET /healthcheck HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert (await reader.read()).endswith(b"true")
    writer.close()


async def test_outgoing_calls_come_from_the_source_address(
    make_docs: MakeDocs, enter: Enter, storage: Storage, http: ClientSession
) -> None:
    peers: list[Any] = []

    async def note(request: aiohttp.web.Request) -> aiohttp.web.StreamResponse:
        peers.append(request.remote)
        return aiohttp.web.Response(body=storage.files["/file/base.docx"])

    storage.downloads = note
    await enter(where=await make_docs(source_address="127.0.0.3")).open()
    assert peers == ["127.0.0.3"]


async def test_commands_reach_a_session(enter: Enter, http: ClientSession, docs: SmallDocs, storage: Storage) -> None:
    typist = await opened(enter)
    sent: tuple[tuple[dict[str, Any], dict[str, Any], int], ...] = (
        ({"c": "info", "key": "k1", "userdata": "d"}, {"key": "k1", "error": 0, "users": ["u1"]}, 2),
        ({"c": "forcesave", "key": "k1", "userdata": "d"}, {"key": "k1", "error": 0}, 3),
        ({"c": "drop", "key": "k1", "users": ["u1"]}, {"key": "k1", "error": 0}, 4),
    )
    for command, expected, callbacks in sent:
        async with http.post(f"{docs.url}/coauthoring/CommandService.ashx", json={"token": signed(command)}) as answer:
            assert await answer.json(content_type=None) == expected
        await storage.until(callbacks)
    assert storage.statuses == [1, 1, 6, 2]
    assert typist.rev == 1
