"""The docs leg: what Docs may fetch and report, and what it hears when that fails."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from pathlib import Path
from typing import Any

import jwt
import pytest
from aiohttp import web
from structlog.testing import capture_logs

from bridge.config import Config, DocsJwt, KeyRingConfig
from tests.legs.fakes import DOCS_SECRET, HUMHUB_SECRET, NOW, Bridge, Start, claims_of, doc, with_site

DOCX = b"PK\x03\x04" + bytes(range(256)) * 40
DOWNLOAD = f"/onlyoffice/backend/download?doc={doc()}"
TRACK = f"/s/social/onlyoffice/backend/track?doc={doc()}"
OCTETS = {"Content-Type": "application/octet-stream", "Content-Disposition": 'attachment; filename="report.docx"'}
SAVE: dict[str, Any] = {
    "key": "k1",
    "status": 2,
    "url": "http://browser.bridge.test:8000/ds/cache/files/data/k1_1/output.docx/output.docx?md5=a&expires=9&shardkey=k1",
    "changesurl": "http://browser.bridge.test:8000/ds/cache/files/data/k1_1/changes.zip/changes.zip?md5=b",
    "users": ["u1"],
    "filetype": "docx",
    "history": {"serverVersion": "9", "changes": []},
    "unheard": [1, {"of": None}],
}


def file(**headers: str) -> web.Response:
    return web.Response(body=DOCX, headers={**OCTETS, "Set-Cookie": "PHPSESSID=x", **headers})


def saved(error: object = 0) -> web.Response:
    return web.json_response({"error": error})


# --- download ---


@pytest.mark.parametrize("prefix", ["", "/s/social"])
async def test_a_document_is_signed_for_humhub_and_streamed(bridge: Bridge, prefix: str) -> None:
    bridge.humhub.answers(file())
    status, body, headers = await bridge.ask(
        "docs", prefix + DOWNLOAD, headers=bridge.download_token(prefix + DOWNLOAD)
    )
    assert (status, body) == (200, DOCX)
    assert headers["Content-Length"] == str(len(DOCX))
    assert headers["Content-Disposition"] == OCTETS["Content-Disposition"]
    assert "Set-Cookie" not in headers
    (seen,) = bridge.humhub.seen
    assert (seen.method, seen.target, seen.headers["Host"]) == ("GET", DOWNLOAD, "social.test")
    claims = claims_of(seen.headers["Authorization"], HUMHUB_SECRET)
    assert claims["exp"] == NOW + 300
    assert "iat" not in claims
    assert "X-Docs-Jwt" not in seen.headers


async def test_a_part_is_answered_with_the_whole_document(bridge: Bridge) -> None:
    """Docs would give the part to its editor with a 200, as if it were the whole."""
    bridge.humhub.answers(file())
    asked = {**bridge.download_token(DOWNLOAD), "Range": "bytes=1-3"}
    status, body, _ = await bridge.ask("docs", DOWNLOAD, headers=asked)
    assert (status, body) == (200, DOCX)
    assert "Range" not in bridge.humhub.seen[0].headers


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (web.Response(text="<html>log in</html>", content_type="text/html"), 502),
        (web.Response(text="{}", content_type="application/json"), 502),
        (web.Response(status=302, headers={"Location": "http://social.test/user/auth/login"}), 502),
        (web.Response(status=206, body=DOCX, headers=OCTETS), 502),
        (web.Response(status=204), 502),
        (web.Response(status=403, text="no", headers=OCTETS), 502),
        (web.Response(status=404), 502),
        (web.Response(status=500, text="oh", headers=OCTETS), 502),
        (web.Response(body=b"", headers=OCTETS), 502),
    ],
    ids=["html", "json", "redirect", "partial", "nothing", "forbidden", "gone", "failing", "empty"],
)
async def test_what_is_not_the_document_is_never_passed_on(bridge: Bridge, answer: web.Response, says: int) -> None:
    bridge.humhub.answers(answer)
    status, body, headers = await bridge.ask("docs", DOWNLOAD, headers=bridge.download_token(DOWNLOAD))
    assert (status, body) == (says, b"")
    assert "Location" not in headers


async def test_an_empty_text_is_a_document(bridge: Bridge) -> None:
    headers = {**OCTETS, "Content-Disposition": 'attachment; filename="notes.txt"'}
    bridge.humhub.answers(web.Response(body=b"", headers=headers))
    status, body, _ = await bridge.ask("docs", DOWNLOAD, headers=bridge.download_token(DOWNLOAD))
    assert (status, body) == (200, b"")


async def cut_off(request: web.BaseRequest) -> web.StreamResponse:
    response = web.StreamResponse(headers={**OCTETS, "Content-Length": str(len(DOCX))})
    await response.prepare(request)
    await response.write(DOCX[:5000])
    assert request.transport is not None
    request.transport.close()
    return response


async def test_a_document_that_is_cut_is_cut_at_docs_too(bridge: Bridge) -> None:
    bridge.humhub.answers(cut_off)
    with pytest.raises(Exception, match=r"(?i)payload|reset|disconnected"):
        await bridge.ask("docs", DOWNLOAD, headers=bridge.download_token(DOWNLOAD))


async def silent(_request: web.BaseRequest) -> web.StreamResponse:
    await asyncio.sleep(30)
    return web.Response()


async def test_a_silent_humhub_is_answered_in_bounded_time(start: Start) -> None:
    limits = lambda config: dataclasses.replace(config, limits=dataclasses.replace(config.limits, download=0.2))  # noqa: E731
    bridge = await start(limits)
    bridge.humhub.answers(silent)
    status, body, _ = await bridge.ask("docs", DOWNLOAD, headers=bridge.download_token(DOWNLOAD))
    assert (status, body) == (504, b"")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {
            "Authorization": "Bearer "
            + jwt.encode({"payload": {"url": f"http://docs.bridge.test:8000{DOWNLOAD}"}}, DOCS_SECRET)
        },
    ],
    ids=["none", "another header"],
)
async def test_without_its_token_nothing_is_fetched(bridge: Bridge, headers: dict[str, str]) -> None:
    status, body, _ = await bridge.ask("docs", DOWNLOAD, headers=headers)
    assert (status, body) == (403, b"")
    assert bridge.humhub.seen == []


@pytest.mark.parametrize(
    "claims",
    [
        {"payload": {"url": "http://docs.bridge.test:8000/onlyoffice/backend/download?doc=other"}},
        {"payload": {"url": f"http://elsewhere.test{DOWNLOAD}"}},
        {"payload": {"url": None}},
        {"payload": {"url": f"http://docs.bridge.test:8000{DOWNLOAD}"}, "exp": int(NOW) - 61},
    ],
    ids=["another document", "another host", "none", "expired"],
)
async def test_the_token_is_for_this_very_request(bridge: Bridge, claims: dict[str, Any]) -> None:
    status, _, _ = await bridge.ask("docs", DOWNLOAD, headers=bridge.docs_header(claims))
    assert status == 403
    assert bridge.humhub.seen == []


async def test_the_other_sides_secret_does_not_open(bridge: Bridge) -> None:
    claims = {"payload": {"url": f"http://docs.bridge.test:8000{DOWNLOAD}"}}
    status, _, _ = await bridge.ask("docs", DOWNLOAD, headers=bridge.docs_header(claims, HUMHUB_SECRET))
    assert status == 403


@pytest.mark.parametrize(
    ("route", "claims", "status"),
    [
        ("download", {"isEmpty": True, "userGuid": "x"}, 403),
        ("empty-file", {"key": "k1"}, 403),
        ("empty-file", {"isEmpty": True, "userGuid": "x"}, 200),
    ],
)
async def test_the_empty_hash_is_for_the_empty_file_alone(bridge: Bridge, route: str, claims: Any, status: int) -> None:
    bridge.humhub.answers(file())
    path = f"/onlyoffice/backend/{route}?doc={doc(**claims)}"
    found, _, _ = await bridge.ask("docs", path, headers=bridge.download_token(path))
    assert found == status
    assert len(bridge.humhub.seen) == (status == 200)


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/dashboard",
        "/onlyoffice/open?guid=x",
        "/file/file/download?guid=x",
        f"/s/other{DOWNLOAD}",
        DOWNLOAD.replace("/onlyoffice", "//onlyoffice"),
        DOWNLOAD.replace("/onlyoffice", "/x/%2e%2e/onlyoffice"),
        DOWNLOAD.replace("download", "Download"),
        f"/hub{DOWNLOAD}",
        "/cache/files/",
        "/cache/files/data/",
        "/cache/files/data/k1_1/../x",
        "/cache/files/data/a%2fb_1/x",
        "/s/other/cache/files/data/k1_1/x",
        TRACK,
    ],
)
async def test_nothing_else_is_served(bridge: Bridge, path: str) -> None:
    status, _, _ = await bridge.ask("docs", path, headers=bridge.download_token(path))
    assert status in (400, 403, 404)
    assert bridge.humhub.seen == bridge.docs.seen == []


@pytest.mark.parametrize("bucket", ["cache", "storage-cache"])
@pytest.mark.parametrize("prefix", ["", "/s/social"])
async def test_what_docs_made_is_given_back_to_docs_for_the_next_conversion(
    bridge: Bridge, prefix: str, bucket: str
) -> None:
    bridge.docs.answers(web.Response(body=DOCX, headers={"Set-Cookie": "x=y"}))
    path = f"{prefix}/{bucket}/files/data/conv_k1_65/output.docx/a%20b.docx?md5=a&expires=9&shardkey=other&filename=x"
    status, body, headers = await bridge.ask("docs", path, headers=bridge.download_token(path))
    assert (status, body) == (200, DOCX)
    assert "Set-Cookie" not in headers
    (seen,) = bridge.docs.seen
    assert seen.target == path.removeprefix(prefix).replace("=other", "=k1")
    assert "X-Docs-Jwt" not in seen.headers, "a token that came for the bridge went on"


@pytest.mark.parametrize("claimed", [None, "/cache/files/data/conv_k1_65/other.docx?md5=a", DOWNLOAD])
async def test_nobody_but_docs_gets_what_docs_made(bridge: Bridge, claimed: str | None) -> None:
    headers = bridge.download_token(claimed) if claimed else {}
    status, body, _ = await bridge.ask("docs", "/cache/files/data/conv_k1_65/output.docx?md5=a", headers=headers)
    assert (status, body) == (403, b"")
    assert bridge.docs.seen == []


@pytest.mark.parametrize("status", [403, 404, 410, 500])
async def test_what_docs_no_longer_has_is_no_document(bridge: Bridge, status: int) -> None:
    bridge.docs.answers(web.Response(status=status, text="<html>gone</html>", content_type="text/html"))
    path = "/cache/files/data/conv_k1_65/output.docx/x.docx?md5=a"
    found, body, _ = await bridge.ask("docs", path, headers=bridge.download_token(path))
    assert (found, body) == (502, b"")


@pytest.mark.parametrize(
    ("base_path", "path"),
    [
        ("/hub", f"/hub/onlyoffice/backend/download?doc={doc()}"),
        ("", f"/index.php?r=onlyoffice%2Fbackend%2Fdownload&doc={doc()}"),
        ("/hub", f"/hub/index.php?r=onlyoffice%2Fbackend%2Fdownload&doc={doc()}"),
    ],
)
async def test_routes_of_every_form(start: Start, base_path: str, path: str) -> None:
    bridge = await start(with_site(base_path=base_path))
    bridge.humhub.answers(file())
    status, body, _ = await bridge.ask("docs", path, headers=bridge.download_token(path))
    assert (status, body) == (200, DOCX)
    assert bridge.humhub.seen[0].target == path


async def test_a_docs_without_secrets_and_a_humhub_without(start: Start) -> None:
    def unsigned(config: Config) -> Config:
        ring = KeyRingConfig()
        config = with_site(jwt=ring)(config)
        rings = DocsJwt(browser=ring, inbox=ring, outbox=ring)
        return dataclasses.replace(config, docs=dataclasses.replace(config.docs, jwt=rings))

    bridge = await start(unsigned)
    bridge.humhub.answers(file(), saved())
    status, body, _ = await bridge.ask("docs", DOWNLOAD)
    assert (status, body) == (200, DOCX)
    assert "Authorization" not in bridge.humhub.seen[0].headers
    status, raw, _ = await bridge.ask("docs", TRACK, "POST", json={"key": "k1", "status": 1, "users": ["u"]})
    assert json.loads(raw) == {"error": 0}
    assert bridge.humhub.seen[1].json() == {"key": "k1", "status": 1, "users": ["u"]}


# --- callback ---


async def pulling(bridge: Bridge, then: web.Response) -> list[tuple[int, bytes, Any]]:
    """Let HumHub pull the body as it stands in the message, and answer ``then``."""
    pulled: list[tuple[int, bytes, Any]] = []

    async def track(request: web.BaseRequest) -> web.StreamResponse:
        message = bridge.humhub.seen[-1].json()
        path = message["url"].removeprefix("http://humhub.bridge.test:8000")
        pulled.append(await bridge.ask("humhub", path))
        pulled.append(await bridge.ask("humhub", path, "HEAD"))
        pulled.append(await bridge.ask("humhub", path, headers={"Range": "bytes=4-7"}))
        return then

    bridge.humhub.answers(track)
    bridge.docs.answers(web.Response(body=DOCX, content_type="application/octet-stream"))
    return pulled


async def test_a_save_reaches_humhub_whole_and_docs_hears_zero(bridge: Bridge) -> None:
    pulled = await pulling(bridge, saved())
    assert await bridge.call_back(TRACK, SAVE) == (200, {"error": 0})
    assert bridge.docs.seen[0].target == "/cache/files/data/k1_1/output.docx/output.docx?md5=a&expires=9&shardkey=k1"
    (seen,) = bridge.humhub.seen
    assert (seen.method, seen.target) == ("POST", TRACK.removeprefix("/s/social"))
    assert seen.headers["Host"] == "social.test"
    message = seen.json()
    token = claims_of(message.pop("token"), HUMHUB_SECRET)
    assert token.pop("exp") == NOW + 300
    assert token == message
    url = message.pop("url")
    assert url.startswith("http://humhub.bridge.test:8000/s/social/file/")
    assert message == {
        **{name: value for name, value in SAVE.items() if name != "url"},
        "changesurl": "http://humhub.bridge.test:8000/s/social/cache/files/data/k1_1/changes.zip/changes.zip?md5=b",
    }
    whole, head, part = pulled
    assert (whole[0], whole[1]) == (200, DOCX)
    assert (head[0], head[1], head[2]["Content-Length"]) == (200, b"", str(len(DOCX)))
    assert (part[0], part[1]) == (206, DOCX[4:8])
    assert bridge.saved == []


async def test_the_capability_dies_with_its_attempt(bridge: Bridge) -> None:
    await pulling(bridge, saved())
    await bridge.call_back(TRACK, SAVE)
    path = bridge.humhub.seen[0].json()["url"].removeprefix("http://humhub.bridge.test:8000")
    assert (await bridge.ask("humhub", path))[:2] == (403, b"")
    assert (await bridge.ask("humhub", path[:-3]))[:2] == (403, b"")
    assert (await bridge.ask("humhub", path.replace("social", "other")))[:2] == (404, b"")


async def redirecting(_request: web.BaseRequest) -> web.StreamResponse:
    return web.Response(status=302, headers={"Location": "/"})


async def cutting(request: web.BaseRequest) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.close()
    return web.Response()


@pytest.mark.parametrize("status", [2, 3, 6])
@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (saved(), 0),
        (saved(1), 1),
        (saved("0"), 1),
        (saved(False), 1),
        (web.Response(status=404, text="<html>"), 1),
        (web.Response(status=403, text='{"message":"Invalid JWT signature"}'), 1),
        (web.Response(status=500, text='{"error":1,"message":"no"}'), 1),
        (web.Response(text="<html>maintenance</html>", content_type="text/html"), 1),
        (web.Response(text=""), 1),
        (web.Response(status=201, text='{"error":0}'), 1),
        (redirecting, 1),
        (cutting, 1),
    ],
    ids=["0", "1", "text 0", "false", "404", "403", "500", "html", "empty", "201", "redirect", "cut"],
)
async def test_docs_hears_zero_only_when_humhub_has_confirmed(
    bridge: Bridge, status: int, answer: Any, error: int
) -> None:
    bridge.docs.answers(web.Response(body=DOCX))
    bridge.humhub.answers(answer)
    assert await bridge.call_back(TRACK, {**SAVE, "status": status}) == (200, {"error": error})
    if error == 0:
        assert bridge.saved == []
        return
    (kept,) = bridge.saved
    assert kept.body.read_bytes() == DOCX
    assert (kept.site, kept.key, kept.status, kept.size) == ("social", "k1", status, len(DOCX))
    assert kept.why


@pytest.mark.parametrize("status", [1, 4])
@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (saved(), 0),
        (web.Response(status=404, text="<html>"), 1),
        (web.Response(status=403, text="{}"), 1),
        (web.Response(status=500, text="{}"), 0),
        (web.Response(text="<html>"), 0),
        (redirecting, 0),
        (cutting, 0),
    ],
    ids=["0", "404", "403", "500", "html", "redirect", "cut"],
)
async def test_news_warns_the_user_early_of_what_is_final(bridge: Bridge, status: int, answer: Any, error: int) -> None:
    bridge.humhub.answers(answer)
    fields = {"key": "k1", "status": status, "users": ["u1"], "actions": [{"type": 1, "userid": "u1"}]}
    assert await bridge.call_back(TRACK, fields) == (200, {"error": error})
    message = bridge.humhub.seen[0].json()
    message.pop("token")
    assert message == fields


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"status": 0}, 0),
        ({"status": 5}, 0),
        ({"status": 7}, 0),
        ({"status": 3}, 1),
        ({"status": 2}, 1),
        ({"status": 6}, 1),
    ],
)
async def test_without_a_file_there_is_nothing_to_save(bridge: Bridge, fields: dict[str, Any], error: int) -> None:
    assert await bridge.call_back(TRACK, {"key": "k1", **fields}) == (200, {"error": error})
    assert bridge.humhub.seen == []
    assert bridge.saved == []


async def lying(request: web.BaseRequest) -> web.StreamResponse:
    return await cut_off(request)


@pytest.mark.parametrize(
    "answer",
    [
        web.Response(status=404, body=DOCX),
        web.Response(status=500, body=DOCX),
        web.Response(status=302, headers={"Location": "/x"}),
        web.Response(text="<html>error</html>", content_type="text/html"),
        web.Response(text="{}", content_type="application/json"),
        web.Response(body=b"not a zip"),
        web.Response(body=b""),
        lying,
        cutting,
    ],
    ids=["404", "500", "redirect", "html", "json", "wrong bytes", "empty", "cut", "closed"],
)
async def test_humhub_never_hears_of_a_file_that_is_none(bridge: Bridge, answer: Any) -> None:
    bridge.docs.answers(answer)
    assert await bridge.call_back(TRACK, SAVE) == (200, {"error": 1})
    assert bridge.humhub.seen == []
    assert bridge.saved == []


@pytest.mark.parametrize(
    "url",
    [
        "http://evil.test/x",
        "http://browser.bridge.test:8000/ds/internal/x",
        "http://169.254.169.254/latest",
        "ftp://a/b",
    ],
)
async def test_a_file_elsewhere_is_refused_undialled(bridge: Bridge, url: str) -> None:
    assert await bridge.call_back(TRACK, {**SAVE, "url": url}) == (200, {"error": 1})
    assert bridge.docs.seen == []
    assert bridge.humhub.seen == []


async def test_the_hosts_in_a_callbacks_urls_do_not_count(bridge: Bridge) -> None:
    await pulling(bridge, saved())
    url = SAVE["url"].replace("http://browser.bridge.test:8000/ds", "https://evil.test/anything")
    assert await bridge.call_back(TRACK, {**SAVE, "url": url}) == (200, {"error": 0})
    assert bridge.docs.seen[0].target.startswith("/cache/files/data/k1_1/")


@pytest.mark.parametrize("key", ["k2", "K1", ""])
async def test_a_callback_for_another_document_than_its_link_is_refused(bridge: Bridge, key: str) -> None:
    status, answer = await bridge.call_back(TRACK, {**SAVE, "key": key})
    assert status in (400, 403)
    assert answer["error"] == 1
    assert bridge.docs.seen == bridge.humhub.seen == []


async def test_the_empty_hash_overwrites_nothing(bridge: Bridge) -> None:
    path = f"/onlyoffice/backend/track?doc={doc(isEmpty=True, userGuid='x')}"
    status, _ = await bridge.call_back(path, SAVE)
    assert status == 403
    assert bridge.humhub.seen == []


async def test_a_wrong_secret_is_answered_in_docs_own_shape(bridge: Bridge) -> None:
    status, answer = await bridge.call_back(TRACK, SAVE, "wrong-secret-0123456789abcdef0123456789")
    assert status == 403
    assert answer["error"] == 1
    assert "does not hold (signature)" in answer["message"]


async def test_the_body_token_is_read_where_the_header_was_cut(bridge: Bridge) -> None:
    await pulling(bridge, saved())
    history = {"serverVersion": "9", "changes": [{"user": {"id": f"u{number}"}} for number in range(5000)]}
    fields = {**SAVE, "history": history}
    short = {name: value for name, value in fields.items() if name not in ("history", "changesurl")}
    times = {"iat": int(NOW), "exp": int(NOW) + 300}
    body = {**short, "token": jwt.encode({**fields, **times}, DOCS_SECRET)}
    header = bridge.docs_header({"payload": {**short, "padding": "x" * 9000}, **times})
    assert len(header["X-Docs-Jwt"]) > 8192
    status, raw, _ = await bridge.ask("docs", TRACK, "POST", json=body, headers=header)
    assert (status, json.loads(raw)) == (200, {"error": 0})
    assert bridge.humhub.seen[0].json()["history"] == history


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff"])
async def test_what_is_no_message_is_refused(bridge: Bridge, body: bytes) -> None:
    status, raw, _ = await bridge.ask("docs", TRACK, "POST", data=body)
    assert status == 400
    assert json.loads(raw)["error"] == 1


async def test_a_body_over_its_limit_is_refused(start: Start) -> None:
    bridge = await start(
        lambda config: dataclasses.replace(config, limits=dataclasses.replace(config.limits, body=100))
    )
    status, _, _ = await bridge.ask("docs", TRACK, "POST", data=b"x" * 101)
    assert status == 413


async def test_saves_of_one_document_go_one_after_the_other(bridge: Bridge) -> None:
    running = most = 0

    async def track(_request: web.BaseRequest) -> web.StreamResponse:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.05)
        running -= 1
        return saved()

    bridge.docs.answers(web.Response(body=DOCX))
    bridge.humhub.answers(track)
    answers = await asyncio.gather(*(bridge.call_back(TRACK, SAVE) for _ in range(4)))
    assert answers == [(200, {"error": 0})] * 4
    assert most == 1


async def test_a_save_goes_on_when_docs_hangs_up(bridge: Bridge) -> None:
    done = asyncio.Event()

    async def track(_request: web.BaseRequest) -> web.StreamResponse:
        await asyncio.sleep(0.2)
        done.set()
        return saved()

    bridge.docs.answers(web.Response(body=DOCX))
    bridge.humhub.answers(track)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(bridge.call_back(TRACK, SAVE), 0.1)
    await asyncio.wait_for(done.wait(), 5)
    async with asyncio.timeout(5):
        while bridge.saved:  # noqa: ASYNC110 - the index tells, not an event
            await asyncio.sleep(0.01)


async def test_a_fault_of_our_own_is_no_5xx_to_a_callback(bridge: Bridge) -> None:
    """Whatever fails, Docs must not repeat the save for seconds with the key held; it keeps its own copy."""
    directory = bridge.config.saves.directory
    assert isinstance(directory, Path)
    directory.rmdir()
    directory.write_text("a file where the directory was")
    bridge.docs.answers(web.Response(body=DOCX))
    assert await bridge.call_back(TRACK, SAVE) == (200, {"error": 1})
    assert bridge.humhub.seen == []


async def test_an_attempt_has_its_own_limit_and_not_a_pages(start: Start) -> None:
    """HumHub is silent while it pulls and stores, longer than any page may take."""

    def impatient(config: Config) -> Config:
        upstream = dataclasses.replace(config.sites[0].upstream, first_byte=0.1, connect=0.1)
        return with_site(upstream=upstream)(config)

    async def slow(_request: web.BaseRequest) -> web.StreamResponse:
        await asyncio.sleep(0.6)
        return saved()

    bridge = await start(impatient)
    bridge.docs.answers(web.Response(body=DOCX))
    bridge.humhub.answers(slow)
    assert await bridge.call_back(TRACK, SAVE) == (200, {"error": 0})


async def test_the_log_says_what_was_pulled_and_what_failed(bridge: Bridge) -> None:
    await pulling(bridge, web.Response(status=500))
    with capture_logs() as lines:
        await bridge.call_back(TRACK, SAVE)
    pulled = [line["bytes_out"] for line in lines if "/file/" in line.get("path", "")]
    assert pulled == [len(DOCX), 0, 4]
    assert (lines[-1]["log_level"], lines[-1]["outcome"], lines[-1]["answered"]) == ("warning", "failed", 1)
    assert "failed" not in lines[-1]


async def test_an_edit_is_kept_where_another_link_of_its_message_is_foreign(bridge: Bridge) -> None:
    bridge.docs.answers(web.Response(body=DOCX))
    assert await bridge.call_back(TRACK, {**SAVE, "changesurl": "http://evil.test/x"}) == (200, {"error": 1})
    assert bridge.humhub.seen == []
    assert [kept.state for kept in bridge.saved] == ["waiting"]
