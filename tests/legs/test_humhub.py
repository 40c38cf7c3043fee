"""The humhub leg: conversions, commands and files, mapped both ways."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from typing import Any
from urllib.parse import urlencode

import aiohttp
import jwt
import pytest
from aiohttp import web

from bridge.config import Config, KeyRingConfig, LimitsConfig
from tests.legs.fakes import DOCS_SECRET, HUMHUB_SECRET, NOW, Bridge, Start, claims_of, doc, with_site

DOCX = b"PK\x03\x04" + bytes(1000)
RESULT = "/cache/files/data/conv_k1_9/output.docx/a%20b.docx?md5=a&expires=9&shardkey=k1&filename=a%20b.docx"
CONVERSION: dict[str, Any] = {
    "async": False,
    "filetype": "odt",
    "outputtype": "docx",
    "key": "k1",
    "title": "a b.odt",
    "url": f"http://storage.test/onlyoffice/backend/download?doc={doc()}",
    "unheard": {"of": 1},
}


def said(**fields: Any) -> web.Response:
    return web.json_response(fields)


@pytest.mark.parametrize("prefix", ["", "/s/social"])
async def test_a_conversion_is_mapped_outward_and_its_result_inward(bridge: Bridge, prefix: str) -> None:
    url = f"http://browser.bridge.test:8000/ds{RESULT}"
    bridge.docs.answers(said(fileUrl=url, fileType="docx", percent=100, endConvert=True, unheard=[1]))
    answer = await bridge.call(f"{prefix}/converter?shardKey=k1", CONVERSION)
    mapped = f"http://humhub.bridge.test:8000/s/social{RESULT}"
    assert answer == (200, {"fileUrl": mapped, "fileType": "docx", "percent": 100, "endConvert": True, "unheard": [1]})
    (seen,) = bridge.docs.seen
    assert (seen.method, seen.target) == ("POST", "/converter?shardkey=k1")
    assert seen.headers["Content-Type"] == seen.headers["Accept"] == "application/json"
    message = seen.json()
    token = claims_of(message.pop("token"), DOCS_SECRET)
    url = f"http://docs.bridge.test:8000/s/social/onlyoffice/backend/download?doc={doc()}"
    assert message == {**CONVERSION, "url": url}
    assert token == {**message, "iat": NOW, "exp": NOW + 300}
    assert claims_of(seen.headers["X-Docs-Jwt"], DOCS_SECRET)["payload"] == message
    assert "Authorization" not in seen.headers


@pytest.mark.parametrize("fields", [{"percent": 37, "endConvert": False}, {"error": -4}, {"error": -8, "x": 1}])
async def test_progress_and_docs_own_errors_pass(bridge: Bridge, fields: dict[str, Any]) -> None:
    bridge.docs.answers(said(**fields))
    assert await bridge.call("/converter", {**CONVERSION, "async": True}) == (200, fields)


@pytest.mark.parametrize(
    "url",
    [
        "http://evil.test/file.odt",
        "http://storage.test/onlyoffice/backend/track?doc=x",
        f"http://storage.test/onlyoffice/backend/download?doc={doc(isEmpty=True)}",
        "http://storage.test/onlyoffice/backend/download",
        "http://humhub.bridge.test:8000/s/other/cache/files/data/k_1/x",
        "http://humhub.bridge.test:8000/s/social/cache/files/data/../x",
        "http://humhub.bridge.test:8000/s/social/cache/files/../../internal/x",
        "http://humhub.bridge.test:8000/s/social/cache/files/%2e%2e/x",
        "http://humhub.bridge.test:8000/s/social/healthcheck",
        "http://humhub.bridge.test:8000/s/social/file/ab.cd?x=y",
        "https://humhub.bridge.test:8000/s/social/cache/files/data/k_1/x",
        "http://humhub.bridge.test:8001/s/social/cache/files/data/k_1/x",
        "http://docs.bridge.test:8000/s/social/cache/files/data/k_1/x",
        "http://browser.bridge.test:8000/ds/cache/files/data/k_1/x",
        "/cache/files/data/k_1/x",
        "file:///etc/passwd",
        "http://169.254.169.254/",
    ],
)
async def test_only_a_sites_files_are_converted(bridge: Bridge, url: str) -> None:
    assert await bridge.call("/converter", {**CONVERSION, "url": url}) == (200, {"error": -7})
    assert bridge.docs.seen == []


async def test_results_in_an_object_store_are_results(bridge: Bridge) -> None:
    stored = RESULT.replace("/cache/", "/storage-cache/")
    bridge.docs.answers(said(fileUrl=f"http://x/ds{stored}", percent=100, endConvert=True))
    _, answer = await bridge.call("/converter", CONVERSION)
    assert answer["fileUrl"] == f"http://humhub.bridge.test:8000/s/social{stored}"
    await bridge.call("/converter", {**CONVERSION, "key": "k2", "url": answer["fileUrl"]})
    assert bridge.docs.seen[1].json()["url"] == f"http://docs.bridge.test:8000/s/social{stored}"
    bridge.docs.answers(web.Response(body=DOCX))
    assert (await bridge.ask("humhub", f"/s/social{stored}"))[:2] == (200, DOCX)
    assert (await bridge.ask("browser", f"/ds{stored}"))[:2] == (200, DOCX)
    assert [seen.target for seen in bridge.docs.seen[2:]] == [stored, stored]


@pytest.mark.parametrize("site", ["", "/s/social"])
async def test_the_result_of_a_conversion_can_be_converted_once_more(bridge: Bridge, site: str) -> None:
    bridge.docs.answers(said(percent=0, endConvert=False))
    url = f"http://humhub.bridge.test:8000{site}{RESULT}"
    assert (await bridge.call("/converter", {**CONVERSION, "key": "k2", "url": url}))[1]["percent"] == 0
    assert bridge.docs.seen[0].json()["url"] == f"http://docs.bridge.test:8000/s/social{RESULT}"


async def test_the_modules_empty_file_is_converted_for_its_settings(bridge: Bridge) -> None:
    bridge.docs.answers(said(percent=100, endConvert=True))
    url = f"http://storage.test/onlyoffice/backend/empty-file?doc={doc(isEmpty=True, userGuid='x')}"
    assert (await bridge.call("/converter", {**CONVERSION, "url": url}))[1]["endConvert"]


@pytest.mark.parametrize("fields", [{"key": None}, {"key": ""}, {"url": None}])
async def test_a_missing_key_is_refused_since_docs_would_share_one(bridge: Bridge, fields: dict[str, Any]) -> None:
    assert await bridge.call("/converter", {**CONVERSION, **fields}) == (200, {"error": -7})
    assert bridge.docs.seen == []


DONE = {"fileUrl": f"http://x{RESULT}", "fileType": "docx", "percent": 100, "endConvert": True}
XML_DONE = (
    '<?xml version="1.0" encoding="utf-8"?><FileResult>'
    f"<FileUrl>http://humhub.bridge.test:8000/s/social{RESULT.replace('&', '&amp;')}</FileUrl>"
    "<FileType>docx</FileType><Percent>100</Percent><EndConvert>True</EndConvert></FileResult>"
)
XML_ERROR = '<?xml version="1.0" encoding="utf-8"?><FileResult><Error>{}</Error></FileResult>'
ASHX = "/s/social/ConvertService.ashx"


def in_query(fields: dict[str, Any]) -> str:
    return urlencode({name: value if isinstance(value, str) else json.dumps(value) for name, value in fields.items()})


async def say(bridge: Bridge, path: str, method: str = "POST", **options: Any) -> tuple[int, str, str]:
    status, raw, headers = await bridge.ask("humhub", path, method, skip_auto_headers=["Accept"], **options)
    return status, headers["Content-Type"], raw.decode()


@pytest.mark.parametrize(
    ("path", "accept", "xml"),
    [
        (ASHX, None, True),
        (ASHX, "application/xml", True),
        (ASHX, "text/xml", True),
        (ASHX, "application/json", False),
        ("/converter", None, False),
        ("/converter", "application/xml", True),
    ],
)
async def test_every_answer_comes_in_the_shape_that_was_asked_for(
    bridge: Bridge, path: str, accept: str | None, xml: bool
) -> None:
    headers = {"Accept": accept} if accept else {}
    label = "text/xml; charset=UTF-8" if xml else "application/json; charset=UTF-8"
    body = {**CONVERSION, "token": jwt.encode(CONVERSION, HUMHUB_SECRET)}

    async def answer(body: Any) -> str:
        status, given, text = await say(bridge, path, json=body, headers=headers)
        assert (status, given) == (200, label)
        return text

    bridge.docs.answers(said(**DONE))
    text = await answer(body)
    assert text == XML_DONE if xml else json.loads(text)["fileUrl"].endswith(RESULT)
    assert bridge.docs.seen[0].target == "/converter?shardkey=k1"
    for code in range(-10, 0):
        bridge.docs.answers(said(error=code))
        assert await answer(body) == (XML_ERROR.format(code) if xml else f'{{"error":{code}}}')
    # The bridge's own errors: no token, no key, no answer, a foreign file.
    keyless = {name: value for name, value in CONVERSION.items() if name != "key"}
    foreign = {**CONVERSION, "url": "http://evil.test/"}
    bridge.docs.answers(web.Response(status=500))
    for wrong, code in ((CONVERSION, -8), (keyless, -7), (foreign, -7), (CONVERSION, -1)):
        sent = wrong if code == -8 else {**wrong, "token": jwt.encode(wrong, HUMHUB_SECRET)}
        assert await answer(sent) == (XML_ERROR.format(code) if xml else f'{{"error":{code}}}')


@pytest.mark.parametrize(
    ("method", "query", "headers"),
    [
        ("GET", {"token": jwt.encode(CONVERSION, HUMHUB_SECRET)}, {}),
        ("GET", {"token": jwt.encode({"payload": CONVERSION}, HUMHUB_SECRET)}, {}),
        ("GET", {"token": jwt.encode({"query": CONVERSION}, HUMHUB_SECRET), "key": "another", "url": "http://x"}, {}),
        ("GET", CONVERSION, {"Authorization": f"Bearer {jwt.encode({'payload': CONVERSION}, HUMHUB_SECRET)}"}),
        ("GET", {}, {"Authorization": f"Bearer {jwt.encode({'query': CONVERSION}, HUMHUB_SECRET)}"}),
        ("GET", {}, {"Authorization": f"Bearer {jwt.encode(CONVERSION, HUMHUB_SECRET)}"}),
        ("POST", {"token": jwt.encode(CONVERSION, HUMHUB_SECRET)}, {}),
    ],
    ids=["flat", "wrapped", "a wrapped query", "header", "header with a query", "flat header", "POST without a body"],
)
async def test_a_conversion_may_stand_in_the_query(
    bridge: Bridge, method: str, query: dict[str, Any], headers: dict[str, str]
) -> None:
    bridge.docs.answers(said(**DONE))
    answer = await say(bridge, f"{ASHX}?{in_query(query)}", method, headers=headers)
    assert answer == (200, "text/xml; charset=UTF-8", XML_DONE)
    message = bridge.docs.seen[0].json()
    message.pop("token")
    url = f"http://docs.bridge.test:8000/s/social/onlyoffice/backend/download?doc={doc()}"
    assert message == {**CONVERSION, "url": url}


async def test_a_site_without_a_secret_converts_by_plain_query(start: Start) -> None:
    bridge = await start(with_site(jwt=KeyRingConfig()))
    bridge.docs.answers(said(**DONE))
    fields = {**CONVERSION, "thumbnail": {"first": True}, "watermark": {"text": "Draft"}}
    assert (await say(bridge, f"{ASHX}?{in_query(fields)}", "GET"))[2] == XML_DONE
    message = bridge.docs.seen[0].json()
    # As text: Docs itself takes a query's fields so.
    assert (message["async"], message["thumbnail"]) == ("false", '{"first": true}')


@pytest.mark.parametrize(
    ("said_by_docs", "heard"),
    [
        ({"error": 0}, {"error": -10}),
        ({"error": 0, "percent": 0, "endConvert": False}, {"error": -10}),
        ({**DONE, "error": 0}, {**DONE, "fileUrl": f"http://humhub.bridge.test:8000/s/social{RESULT}"}),
    ],
)
async def test_docs_error_zero_never_reaches_humhub(
    bridge: Bridge, said_by_docs: dict[str, Any], heard: dict[str, Any]
) -> None:
    """A table over the limits of its format: the module takes 0 for an error without words, and asks for ever."""
    bridge.docs.answers(said(**said_by_docs))
    assert await bridge.call("/converter", CONVERSION) == (200, heard)


async def test_a_body_that_is_too_large_is_answered_in_the_shape_asked_for(start: Start) -> None:
    bridge = await start(lambda config: dataclasses.replace(config, limits=LimitsConfig(body=1000)))
    found = await say(bridge, ASHX, data=b"{" + bytes(2000))
    assert found == (200, "text/xml; charset=UTF-8", XML_ERROR.format(-7))


async def test_an_unknown_site_is_answered_in_the_shape_asked_for(bridge: Bridge) -> None:
    found = await say(bridge, "/s/nobody/ConvertService.ashx", json=CONVERSION)
    assert found == (200, "text/xml; charset=UTF-8", XML_ERROR.format(-7))


WISHES: dict[str, Any] = {
    "codePage": 65001,
    "delimiter": 2,
    "delimiterChar": ";",
    "documentLayout": {"drawPlaceHolders": True},
    "password": "pässword",
    "pdf": {"form": True, "pdfa": False},
    "region": "de-DE",
    "spreadsheetLayout": {"fitToHeight": 0, "margins": {"left": "17.8mm"}},
    "thumbnail": {"aspect": 2, "first": False, "height": 100, "width": 100},
    "watermark": {"transparent": 0.3, "paragraphs": [{"runs": [{"text": "Draft <&>"}]}]},
    "embeddedfonts": True,
}


@pytest.mark.parametrize("name", WISHES)
async def test_every_wish_of_a_conversion_reaches_docs_as_it_is(bridge: Bridge, name: str) -> None:
    bridge.docs.answers(said(percent=0, endConvert=False))
    await bridge.call("/converter", {**CONVERSION, name: WISHES[name]})
    message = bridge.docs.seen[0].json()
    assert message[name] == WISHES[name]
    assert claims_of(message["token"], DOCS_SECRET)[name] == WISHES[name]


async def cutting(request: web.BaseRequest) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.close()
    return web.Response()


async def test_wrong_tokens_are_answered_in_docs_own_codes(bridge: Bridge) -> None:
    assert await bridge.call("/converter", CONVERSION, DOCS_SECRET) == (200, {"error": -8})
    assert await bridge.call("/command", {"c": "version"}, DOCS_SECRET) == (200, {"error": 6})
    status, raw, _ = await bridge.ask("humhub", "/converter", "POST", json=CONVERSION)
    assert (status, raw) == (200, b'{"error":-8}')
    assert bridge.docs.seen == []


@pytest.mark.parametrize(
    "answer",
    [
        web.Response(status=504, text="<html>Gateway Time-out</html>", content_type="text/html"),
        web.Response(text="<html>", content_type="text/html"),
        web.Response(text="[]"),
        web.Response(text=""),
        cutting,
        web.json_response({"fileUrl": "http://evil.test/x", "endConvert": True}),
    ],
    ids=["504", "html", "list", "empty", "cut", "foreign file"],
)
async def test_what_is_no_answer_is_an_error_and_never_zero(bridge: Bridge, answer: Any) -> None:
    bridge.docs.answers(answer)
    status, found = await bridge.call("/converter", CONVERSION)
    assert status == 200
    assert set(found) == {"error"}
    assert found["error"] < 0


@pytest.mark.parametrize("path", ["/command", "/coauthoring/CommandService.ashx", "/s/social/command"])
async def test_a_command_reaches_the_node_of_its_document(bridge: Bridge, path: str) -> None:
    bridge.docs.answers(said(error=0, key="k1", users=["u1"]))
    fields = {"c": "info", "key": "k1", "userdata": "x"}
    assert await bridge.call(path, fields) == (200, {"error": 0, "key": "k1", "users": ["u1"]})
    (seen,) = bridge.docs.seen
    assert seen.target == "/coauthoring/CommandService.ashx?shardkey=k1"
    message = seen.json()
    message.pop("token")
    assert message == fields


async def test_a_command_without_a_document(bridge: Bridge) -> None:
    bridge.docs.answers(said(error=0, version="9.0.0"))
    assert await bridge.call("/command", {"c": "version"}) == (200, {"error": 0, "version": "9.0.0"})
    assert bridge.docs.seen[0].target == "/coauthoring/CommandService.ashx"


async def test_a_forgotten_files_address_is_mapped(bridge: Bridge) -> None:
    path = "/cache/files/forgotten/k1/output.docx/output.docx?md5=a"
    bridge.docs.answers(said(error=0, key="k1", url=f"http://127.0.0.1:8088{path}"))
    _, answer = await bridge.call("/command", {"c": "getForgotten", "key": "k1"})
    assert answer["url"] == f"http://humhub.bridge.test:8000/s/social{path}"


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (web.Response(text="true"), "true"),
        (web.Response(text="false"), "false"),
        (web.Response(text="<html>"), "false"),
        (web.Response(status=500, text="true"), "false"),
    ],
)
async def test_healthy_is_the_literal_true(bridge: Bridge, answer: web.Response, says: str) -> None:
    bridge.docs.answers(answer)
    status, raw, _ = await bridge.ask("humhub", "/healthcheck")
    assert (status, raw.decode()) == (200, says)


async def test_a_result_is_relayed_with_its_own_shard_key(bridge: Bridge) -> None:
    bridge.docs.answers(web.Response(body=DOCX, headers={"ETag": '"a"', "Set-Cookie": "x=y"}))
    path = RESULT.replace("shardkey=k1", "shardkey=other")
    headers = {"Cookie": "PHPSESSID=x", "Authorization": "Bearer x"}
    status, body, given = await bridge.ask("humhub", f"/s/social{path}", headers=headers)
    assert (status, body) == (200, DOCX)
    assert given["ETag"] == '"a"'
    assert "Set-Cookie" not in given
    (seen,) = bridge.docs.seen
    assert seen.target == RESULT
    assert not {"Cookie", "Authorization"} & set(seen.headers)


@pytest.mark.parametrize(
    "answer",
    [
        web.Response(status=403, text="<html>Forbidden</html>"),
        web.Response(status=404, text="no"),
        web.Response(status=410, text="gone"),
        web.Response(status=500, text="oh"),
        web.Response(status=302, headers={"Location": "/x"}, text="moved"),
        web.Response(text=""),
        web.Response(text="<html>log in</html>", content_type="text/html"),
        web.Response(text="{}", content_type="application/json"),
    ],
    ids=["403", "404", "410", "500", "302", "empty", "a page", "json"],
)
async def test_an_error_on_a_file_route_has_no_body_and_breaks_off(bridge: Bridge, answer: web.Response) -> None:
    bridge.docs.answers(answer)
    async with bridge.http.get(bridge.leg("humhub", RESULT)) as found:
        assert (found.status, found.headers["Content-Length"]) == (502, "1")
        with pytest.raises(aiohttp.ClientPayloadError):
            await found.read()


@pytest.mark.parametrize(
    "path",
    [
        "/cache/files/../../internal",
        "/cache/files/%2e%2e/x",
        "/cache/files//x",
        "/internal/x",
        "/info/info.json",
        "/example",
        "/web-apps/apps/api/documents/api.js",
        "/docbuilder",
        "/converter",
        "/command",
        "/coauthoring/CommandService.ashx",
        "/file/abc",
        "/s/other/healthcheck",
        "/onlyoffice/backend/download",
    ],
)
async def test_nothing_else_is_served(bridge: Bridge, path: str) -> None:
    status, _, _ = await bridge.ask("humhub", path)
    assert status in (400, 403, 404, 405)
    assert bridge.docs.seen == []


async def test_a_save_of_another_type_is_converted_while_it_is_delivered(bridge: Bridge) -> None:
    """HumHub's module asks for a conversion of the callback's own URL when the file types differ."""
    track = f"/s/social/onlyoffice/backend/track?doc={doc()}"
    fetched: list[tuple[int, bytes]] = []

    async def humhub(_request: web.BaseRequest) -> web.StreamResponse:
        url = bridge.humhub.seen[-1].json()["url"]
        fetched.append(await bridge.call("/s/social/converter", {**CONVERSION, "url": url}))
        return web.json_response({"error": 0})

    async def docs(_request: web.BaseRequest) -> web.StreamResponse:
        seen = bridge.docs.seen[-1]
        if seen.method == "GET":
            return web.Response(body=DOCX)
        path = seen.json()["url"].removeprefix("http://docs.bridge.test:8000")
        status, body, _ = await bridge.ask("docs", path, headers=bridge.download_token(path))
        without, _, _ = await bridge.ask("docs", path)
        fetched.append((status, body))
        fetched.append((without, b""))
        return said(fileUrl=f"http://x{RESULT}", endConvert=True, percent=100)

    bridge.humhub.answers(humhub)
    bridge.docs.answers(docs)
    url = "http://x/ds/cache/files/data/k1_1/output.docx/output.docx?md5=a"
    save = {"key": "k1", "status": 2, "url": url, "filetype": "docx"}
    assert await asyncio.wait_for(bridge.call_back(track, save), 10) == (200, {"error": 0})
    assert fetched[0] == (200, DOCX)
    assert fetched[1] == (403, b"")
    assert fetched[2][1]["fileUrl"] == f"http://humhub.bridge.test:8000/s/social{RESULT}"  # type: ignore[call-overload]


async def test_of_several_sites_each_has_its_own_secret(start: Start) -> None:
    bridge = await start(with_site(base_path="/hub"))
    bridge.docs.answers(said(percent=1, endConvert=False))
    url = f"http://storage.test/hub/onlyoffice/backend/download?doc={doc()}"
    assert (await bridge.call("/s/social/converter", {**CONVERSION, "url": url}))[1] == {
        "percent": 1,
        "endConvert": False,
    }
    assert (await bridge.call("/s/social/converter", CONVERSION))[1] == {"error": -7}


@pytest.mark.parametrize("name", ["getForgottenList", "getForgotten", "deleteForgotten"])
async def test_one_of_several_sites_gets_at_nobody_elses_forgotten_edits(start: Start, name: str) -> None:
    def two(config: Config) -> Config:
        other = dataclasses.replace(config.sites[0], name="other", hosts=("other.test",))
        return dataclasses.replace(config, sites=(config.sites[0], other))

    bridge = await start(two)
    assert await bridge.call("/s/social/command", {"c": name, "key": "k1"}) == (200, {"error": 3})
    assert bridge.docs.seen == []
    bridge.docs.answers(said(error=0, version="9"))
    assert (await bridge.call("/s/other/command", {"c": "version"}))[1]["error"] == 0


async def test_a_conversion_that_a_proxy_cuts_is_a_time_out(bridge: Bridge) -> None:
    bridge.docs.answers(web.Response(status=504, text="<html>Gateway Time-out</html>", content_type="text/html"))
    assert await bridge.call("/converter", CONVERSION) == (200, {"error": -2})
